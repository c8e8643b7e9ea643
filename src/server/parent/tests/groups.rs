//! Tests the processes that children leave, and children that do not end.

use std::os::unix::process::ExitStatusExt;
use std::string::String;

use super::*;
use crate::server::limits::{GROUPS_LOOK, GROUPS_LOOK_AT_STOP, KILL_AFTER, KILL_AGAIN_EVERY};
use crate::server::parent::group_table::{End, Group};
use crate::sys::signal::kill;

/// Checks the signals to a group, at the boundary of each time: at the end of its lifetime, and when the server stops.
#[test]
#[cfg_attr(miri, ignore = "it has no memfd_create")]
fn a_group_gets_term_then_kill_and_is_then_forgotten() {
    const LIFETIME: Duration = Duration::from_secs(10);
    for is_stopped in [false, true] {
        let dead = DeadGroup::new();
        let lifetime = if is_stopped { None } else { Some(LIFETIME) };
        with_log(&Settings { max_lifetime: lifetime, ..Settings::new() }, |parent, reader, now| {
            let group = Group { id: dead.id, peer: client(1, 1), started: now, end: End::NotTold };
            parent.state.groups.groups.push(group).unwrap();
            if is_stopped {
                parent.begin_stopping(Signal::TERM, now + LIFETIME);
            }
            let (told, killed) = (now + LIFETIME, now + LIFETIME + KILL_AFTER);
            let period = if is_stopped { GROUPS_LOOK_AT_STOP } else { GROUPS_LOOK };
            for (time, signal) in [
                (told - MOMENT, None),
                (told, Some("SIGTERM")),
                (killed - MOMENT, None),
                (killed, Some("SIGKILL")),
                (killed + KILL_AFTER - MOMENT, None),
            ] {
                parent.state.now = time;
                parent.look_at_groups();
                let line = |signal| std::format!("<28>group group={} from=192.0.2.1:1 signal={signal}", dead.id);
                let expected: Vec<String> = signal.into_iter().map(line).collect();
                assert_eq!(reader.lines(), expected, "{is_stopped}: {:?} after its start", time - now);
                assert_eq!(parent.state.groups.look_at(), Some(time + period));
                assert!(parent.stopped().is_none(), "the server waits for the group");
            }
            parent.state.now = killed + KILL_AFTER;
            parent.look_at_groups();
            assert_eq!(parent.state.groups.look_at(), None, "nobody reaps its processes");
        });
    }
}

#[test]
#[cfg_attr(miri, ignore = "it has no memfd_create")]
fn a_group_that_has_gone_is_forgotten_without_a_signal() {
    let dead = DeadGroup::new();
    with_log(&Settings::new(), |parent, reader, now| {
        let group = |id| Group { id, peer: client(1, 1), started: now, end: End::NotTold };
        // The second takes the place of the first.
        parent.state.groups.groups.push(group(nobody(1))).unwrap();
        parent.state.groups.groups.push(group(dead.id)).unwrap();
        parent.begin_stopping(Signal::TERM, now);
        parent.look_at_groups();
        assert_eq!(reader.lines(), [std::format!("<28>group group={} from=192.0.2.1:1 signal=SIGTERM", dead.id)]);
        assert_eq!(parent.state.groups.groups.len(), 1);
    });
}

/// Checks that a stopped process acts on SIGTERM, as the only one left of its group and as a child.
#[test]
#[cfg_attr(miri, ignore = "it has no memfd_create")]
fn a_process_that_is_stopped_is_made_to_go_on_when_it_is_told_to_end() {
    for is_child in [false, true] {
        let mut leader = Command::new("true").process_group(0).spawn().unwrap();
        let group = if is_child { 0 } else { leader.id() as i32 };
        let mut stopped = Command::new("sleep").arg("20").process_group(group).spawn().unwrap();
        leader.wait().unwrap();
        let pid = Pid::from_raw(stopped.id() as i32).unwrap();
        kill(pid, Signal::STOP).unwrap();
        with(&Settings::new(), |parent, now| {
            if is_child {
                parent.state.add_child(pid, Peer::Unknown, None);
                return parent.terminate(pid);
            }
            let id = Pid::from_raw(group).unwrap();
            let group = Group { id, peer: client(1, 1), started: now, end: End::NotTold };
            parent.state.groups.groups.push(group).unwrap();
            parent.begin_stopping(Signal::TERM, now);
            parent.look_at_groups();
        });
        // A process that stays stopped is ended in the end.
        let ended = (0..500).find_map(|_| {
            std::thread::sleep(MOMENT * 10);
            stopped.try_wait().unwrap()
        });
        stopped.kill().unwrap();
        stopped.wait().unwrap();
        assert_eq!(ended.and_then(|status| status.signal()), Some(Signal::TERM.raw()), "{is_child}");
    }
}

/// Checks that each of the signals after the first SIGKILL reaches a new process of the group.
#[test]
#[cfg_attr(miri, ignore = "it has no memfd_create")]
fn a_child_that_is_still_there_is_killed_again() {
    // Without the signal, the process would end by itself.
    let mut child = Command::new("sleep").arg("3").process_group(0).spawn().unwrap();
    with(&Settings::new(), |parent, now| {
        let pid = Pid::from_raw(child.id() as i32).unwrap();
        parent.state.add_child(pid, Peer::Unknown, None);
        parent.state.set_stage(pid, Stage::Killed);
        parent.state.now = now + KILL_AGAIN_EVERY;
        parent.kill_again();
        assert_eq!(child.wait().unwrap().signal(), Some(Signal::KILL.raw()));
    });
}

/// Checks that a group whose number a new process has is not taken for that of a child: the new process leads a group of
/// its own.
#[test]
#[cfg_attr(miri, ignore = "it has no memfd_create")]
fn a_group_whose_number_is_that_of_a_process_is_not_signalled() {
    let mut leader = Sleep(Command::new("sleep").arg("10").process_group(0).spawn().unwrap());
    with_log(&Settings::new(), |parent, reader, now| {
        let group = Group { id: leader.pid(), peer: client(1, 1), started: now, end: End::NotTold };
        parent.state.groups.groups.push(group).unwrap();
        parent.begin_stopping(Signal::TERM, now);
        parent.look_at_groups();
        assert_eq!((reader.lines(), parent.state.groups.is_empty()), (Vec::new(), true));
    });
    leader.0.kill().unwrap();
    assert_eq!(leader.ended_by(), Some(Signal::KILL.raw()), "it has got no signal of the server");
}

/// Checks a list of groups that is full: a group that has gone makes room, and otherwise the next group ends at once.
#[test]
#[cfg_attr(miri, ignore = "it has no memfd_create")]
fn a_group_for_which_there_is_no_room_is_killed() {
    let dead = [DeadGroup::new(), DeadGroup::new()];
    with_log(&Settings { max_children: 1, ..Settings::new() }, |parent, reader, now| {
        parent.worker.leaves_processes = true;
        let gone = Group { id: nobody(1), peer: client(1, 1), started: now, end: End::NotTold };
        parent.state.groups.groups.push(gone).unwrap();
        assert!(parent.state.groups.groups.push(gone).is_err(), "the list is full");
        parent.state.groups.look_at = now + GROUPS_LOOK;
        let killed = std::format!("<28>group group={} from=192.0.2.1:1 signal=SIGKILL", dead[1].id);
        for (dead, lines) in dead.iter().zip([&[][..], &[killed]]) {
            parent.state.add_child(dead.id, client(1, 1), None);
            let child = parent.state.children.remove(dead.id).unwrap();
            parent.keep_group(&child, &client(1, 1), now);
            assert_eq!(reader.lines(), lines);
        }
        assert_eq!(parent.state.groups.groups.first().map(|group| group.id), Some(dead[0].id));
    });
}
