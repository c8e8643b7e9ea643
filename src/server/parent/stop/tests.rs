use super::super::accept::tests::connection;
use super::super::group_table::{End, Group};
use super::super::tests::{DeadGroup, client, nobody, starts, with, with_log};
use super::super::timers::Timer;
use super::*;
use crate::server::limits::GROUPS_LOOK;
use crate::server::orders::EarlierServer;
use crate::server::settings::Settings;
use crate::sys::errno::Errno;
use crate::sys::fd::{PipeFlags, pipe2, read};

const fn told(signal: Signal) -> SignalInfo {
    SignalInfo { signal, sender: None, uid: 0 }
}

/// Checks that the predecessor, which takes two letters for another answer, is told once.
#[test]
#[cfg_attr(miri, ignore = "it has no memfd_create")]
fn a_predecessor_that_has_not_let_go_is_told_once_of_the_stop() {
    with(&Settings::new(), |parent, _| {
        let (answers, ready) = pipe2(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK).unwrap();
        parent.descriptors.letting_go = Some(ready);
        parent.stop(&told(Signal::TERM));
        parent.stop(&told(Signal::TERM));
        let mut text = [0; 8];
        assert_eq!(read(&answers, &mut text), Ok(1));
        assert_eq!(text[0], b'S');
    });
}

/// Checks that a server that stops at once does not wait for its next look at the groups.
#[test]
#[cfg_attr(miri, ignore = "it has no memfd_create")]
fn at_a_stop_groups_are_looked_at_immediately() {
    let dead = DeadGroup::new();
    with_log(&Settings::new(), |parent, reader, now| {
        let group = Group { id: dead.id, peer: client(1, 1), started: now, end: End::NotTold };
        parent.state.groups.groups.push(group).unwrap();
        parent.state.groups.look_at = now + GROUPS_LOOK;
        parent.stop(&told(Signal::QUIT));
        let line = std::format!("<28>group group={} from=192.0.2.1:1 signal=SIGTERM", dead.id);
        assert_eq!(reader.lines(), [std::string::String::from("<29>stop signal=SIGQUIT children=0 grace=0.000"), line]);
    });
}

/// Checks the orders to earlier servers: each signal, and whether their children must end at once.
#[test]
#[cfg_attr(miri, ignore = "it has no memfd_create")]
fn the_earlier_servers_are_told_of_each_signal() {
    with(&Settings::new(), |parent, _| {
        let (orders, pipe) = pipe2(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK).unwrap();
        parent.descriptors.earlier.add(EarlierServer { pid: nobody(0), pipe });
        for (signal, at_once) in [(Signal::INT, false), (Signal::TERM, true), (Signal::QUIT, true)] {
            parent.stop(&told(signal));
            assert_eq!(Order::read(&orders), Ok(Some(Order { signal, at_once })));
        }
        assert_eq!(Order::read(&orders), Err(Errno::AGAIN));
    });
}

/// Checks a client for which there is no process when the server is told to stop.
#[test]
#[cfg_attr(miri, ignore = "it has no memfd_create")]
fn a_client_that_waits_for_a_process_is_told_of_the_stop() {
    with_log(&Settings::new(), |parent, reader, _| {
        let (mut ours, theirs) = connection();
        ours.set_from_source(7);
        parent.shortage("fork", Errno::AGAIN, Some(ours));
        reader.lines();
        parent.stop(&told(Signal::TERM));
        let refused = "<28>refuse from=192.0.2.1:1 why=\"the server stops\" from_source=7 count=1";
        assert_eq!(reader.lines(), ["<29>stop signal=SIGTERM children=0 grace=30.000", refused]);
        assert_eq!(std::io::read_to_string(&theirs).unwrap(), BUSY_MESSAGE);
        assert!(parent.stopped().is_some());
    });
}

/// Checks that a preforked child that has retired with its client has no more time than the others.
#[test]
#[cfg_attr(miri, ignore = "it has no memfd_create")]
fn retired_children_are_ended_after_the_grace_as_well() {
    for stage in [Stage::Running, Stage::Retiring] {
        with(&Settings::new(), |parent, now| {
            parent.state.add_child(nobody(0), client(1, 1), None);
            parent.state.set_stage(nobody(0), stage);
            parent.begin_stopping(Signal::TERM, now);
            assert_eq!(parent.deadline(Timer::Grace), Some(now), "{stage:?}");
            parent.fire(Timer::Grace);
            assert_eq!(parent.stages(), [Some(Stage::Terminating)], "{stage:?}");
            assert_eq!(parent.deadline(Timer::Grace), None, "{stage:?}");
        });
    }
}

#[test]
#[cfg_attr(miri, ignore = "it has no memfd_create")]
fn a_server_does_not_end_before_its_successor_that_was_killed() {
    with(&Settings::new(), |parent, now| {
        let _ready = starts(parent, nobody(0), b"");
        parent.begin_stopping(Signal::TERM, now);
        assert_eq!(parent.stopped(), None);
        parent.state.successor = None;
        assert!(parent.stopped().is_some());
    });
}
