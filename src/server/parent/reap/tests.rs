use core::sync::atomic::Ordering;

use super::super::pause::Blocked;
use super::super::successor::Successor;
use super::super::tests::{DeadGroup, MOMENT, client, dead, is_dead, nobody, with, with_log};
use super::super::timers::Timer;
use super::*;
use crate::ffi::sys::syscall::SYS_openat;
use crate::server::limits::{CRASH_PAUSE, MAX_CHILDREN_DEFAULT};
use crate::server::settings::{PoolSize, Settings};
use crate::sys::fd::{STDERR, write_all};
use crate::sys::process::{_exit, Fork, fork_unchecked};

const SECOND: Duration = Duration::from_secs(1);

fn exit(status: i32) -> ChildEnd {
    ChildEnd::Status(WaitStatus::from_raw(status << 8))
}

fn killed() -> ChildEnd {
    ChildEnd::Status(WaitStatus::from_raw(Signal::KILL.raw()))
}

#[test]
#[cfg_attr(miri, ignore = "it has no memfd_create")]
fn after_a_shortage_the_end_of_a_child_is_the_time_of_the_next_try() {
    with(&Settings::new(), |parent, now| {
        parent.add(0, client(1, 1), State::Serving);
        parent.shortage("fork", Errno::AGAIN, None);
        assert_eq!(parent.blocked(), Some(Blocked::Shortage));
        assert_eq!(parent.state.shortage.as_ref().unwrap().retry_at, Some(now + RETRY_EVERY));
        parent.on_end(nobody(0), exit(0));
        assert_eq!(parent.state.shortage.as_ref().unwrap().retry_at, Some(now));
    });
}

/// Checks which ends give the client's share of the rate back: only the end of a child that has refused its client, or
/// that was ended before it had one. A program may end with the same status.
#[test]
#[cfg_attr(miri, ignore = "it has no memfd_create")]
fn only_a_client_that_was_refused_gives_its_share_of_the_rate_back() {
    for (stage, state, peer, is_given_back) in [
        (Stage::Terminating, State::Header, client(1, 1), true),
        (Stage::Terminating, State::Free, Peer::Unknown, true),
        (Stage::Killed, State::Header, client(1, 1), true),
        (Stage::Terminating, State::Serving, client(1, 1), false),
        (Stage::Running, State::Header, client(1, 1), false),
    ] {
        let settings = Settings { proxy_protocol: true, max_rate: Some((1, SECOND)), ..Settings::new() };
        with(&settings, |parent, now| {
            parent.add(0, peer, state);
            parent.rate.as_mut().unwrap().count(now);
            parent.state.set_stage(nobody(0), stage);
            parent.on_end(nobody(0), killed());
            assert_eq!(parent.rate.as_ref().unwrap().opens_at().is_none(), is_given_back, "{stage:?} {state:?}");
        });
    }
    for (proxy_protocol, state, peer, end, is_given_back) in [
        (true, State::Header, client(1, 1), exit(EXIT_REFUSED), true),
        (true, State::Serving, Peer::Unknown, exit(EXIT_REFUSED), true),
        (true, State::Serving, client(1, 1), exit(EXIT_REFUSED), false),
        (true, State::Header, client(1, 1), exit(EXIT_DONE), false),
        (true, State::Header, client(1, 1), exit(EXIT_FAILED), false),
        (true, State::Header, client(1, 1), killed(), false),
        (true, State::Header, client(1, 1), ChildEnd::Unknown, false),
        (false, State::Header, client(1, 1), exit(EXIT_REFUSED), false),
    ] {
        let settings = Settings { proxy_protocol, max_rate: Some((1, SECOND)), ..Settings::new() };
        with(&settings, |parent, now| {
            parent.add(0, peer, state);
            parent.rate.as_mut().unwrap().count(now);
            parent.on_end(nobody(0), end);
            let opens_at = parent.rate.as_ref().unwrap().opens_at();
            let expected = if is_given_back { None } else { Some(now + SECOND) };
            assert_eq!(opens_at, expected, "{proxy_protocol} {state:?} {peer} {:?}", end.status());
        });
    }
}

/// Checks the line of each end of a preforked child, and the pause before the next child: a child that has had no
/// client and was not told to end was of no use.
#[test]
#[cfg_attr(miri, ignore = "it has no memfd_create")]
fn a_preforked_child_that_was_of_no_use_is_replaced_later() {
    let settings = Settings { pool: Some(PoolSize { min: 1, max: 1 }), ..Settings::new() };
    for (stage, state, served, end, text, pause) in [
        (Stage::Running, State::Idle, 0, exit(0), "<28>leave pid=PID status=\"exit 0\"", 1),
        (Stage::Running, State::Idle, 0, killed(), "<28>leave pid=PID status=SIGKILL", 1),
        (Stage::Running, State::Free, 0, exit(4), "<28>leave pid=PID status=\"exit 4\" meaning=unfit", 1),
        (Stage::Running, State::Idle, 1, exit(0), "<31>leave pid=PID status=\"exit 0\"", 0),
        (Stage::Running, State::Idle, 1, killed(), "<28>leave pid=PID status=SIGKILL", 0),
        (Stage::Retiring, State::Idle, 0, exit(0), "<31>leave pid=PID status=\"exit 0\"", 0),
        (Stage::Retiring, State::Idle, 0, killed(), "<28>leave pid=PID status=SIGKILL", 0),
        (Stage::Terminating, State::Idle, 0, killed(), "<28>leave pid=PID status=SIGKILL", 0),
        (Stage::Running, State::Serving, 0, killed(), "<30>end pid=PID from=192.0.2.1:1 signal=SIGKILL", 0),
        (Stage::Terminating, State::Serving, 0, killed(), "<30>end pid=PID from=192.0.2.1:1 signal=SIGKILL", 0),
        (Stage::Running, State::Header, 0, exit(1), "<30>end pid=PID from=192.0.2.1:1 exit=1 meaning=failed", 0),
    ] {
        with_log(&settings, |parent, reader, now| {
            // The child is a second older than its state.
            parent.add(0, client(1, 1), State::Free);
            parent.state.now += SECOND;
            let slot = parent.scoreboard.slot(0);
            if state != State::Free {
                slot.set(nobody(0), state, parent.state.now);
            }
            (0..served).for_each(|_| slot.end_client());
            if stage != Stage::Running {
                parent.state.set_stage(nobody(0), stage);
            }
            parent.state.now += SECOND;
            parent.on_end(nobody(0), end);
            let text = text.replace("PID", &std::format!("{}", nobody(0)));
            let rest = match text.contains("leave") {
                true => std::format!("seconds=2.000 pause={}", if pause == 1 { "0.100" } else { "0.000" }),
                false => std::string::String::from("seconds=1.000 children=0"),
            };
            assert_eq!(reader.lines(), [std::format!("{text} {rest}")], "{stage:?} {state:?} {served}");
            let opens_at = parent.pool.as_ref().unwrap().opens_at();
            let expected = if pause == 1 { now + SECOND * 2 + CRASH_PAUSE } else { Duration::ZERO };
            assert_eq!(opens_at, expected, "{stage:?} {state:?} {served}");
        });
    }
}

#[test]
#[cfg_attr(miri, ignore = "it has no memfd_create")]
fn a_child_that_has_gone_without_a_status_is_forgotten() {
    with_log(&Settings::new(), |parent, reader, now| {
        parent.add(0, client(1, 1), State::Serving);
        parent.state.add_child(Pid::from_raw(1).unwrap(), Peer::Unknown, None);
        parent.state.now = now + SECOND;
        parent.waitpid_failed(Errno::CHILD);
        assert_eq!(parent.state.children.len(), 1, "one still exists");
        let slot = parent.scoreboard.slot(0);
        assert_eq!((slot.state(), slot.pid()), (State::Free, None), "--status shows no child that has ended");
        assert_eq!((parent.state.ended, parent.state.sources.count(&client(1, 1))), (1, 0));
        assert_eq!(parent.state.reap_at, Some(now + SECOND + RETRY_EVERY));
        assert_eq!(
            reader.lines(),
            [
                "<28>fail call=waitpid error=\"No child processes\" count=1".into(),
                std::format!("<30>end pid={} from=192.0.2.1:1 exit=unknown seconds=1.000 children=1", nobody(0)),
            ]
        );
        // The end of a process that the server does not know is a detail.
        parent.on_end(nobody(1), exit(0));
        assert_eq!(reader.lines(), [std::format!("<31>orphan pid={}", nobody(1))]);
        assert_eq!((parent.state.ended, parent.settings.max_children), (1, MAX_CHILDREN_DEFAULT));
    });
}

/// Checks the line about a successor that has taken over and then ends. One that ends in order has no line of its own.
#[test]
#[cfg_attr(miri, ignore = "it has no memfd_create")]
fn the_failure_of_a_successor_after_the_handover_is_told() {
    let hint = "if no later server listens, start the server again";
    let fail = |error| {
        let (call, pid) = ("serve as the successor", nobody(1));
        std::format!("<28>fail call=\"{call}\" error={error} hint=\"{hint}\" pid={pid}")
    };
    let orphan = std::format!("<31>orphan pid={}", nobody(1));
    let killed = ChildEnd::Status(WaitStatus::from_raw(Signal::KILL.raw()));
    for (end, lines) in [(exit(0), &[][..]), (exit(111), &[fail("\"exit 111\"")]), (killed, &[fail("SIGKILL")])] {
        with_log(&Settings::new(), |parent, reader, _| {
            parent.state.succeeded_by = Some(nobody(1));
            // The end of another process does not matter.
            parent.on_end(nobody(2), ChildEnd::Status(WaitStatus::from_raw(Signal::KILL.raw())));
            assert_eq!(reader.lines(), [std::format!("<31>orphan pid={}", nobody(2))]);
            parent.on_end(nobody(1), end);
            assert_eq!(reader.lines(), lines);
            // Another process may get the same id.
            parent.on_end(nobody(1), end);
            assert_eq!(reader.lines(), [orphan.as_str()]);
        });
    }
}

#[test]
#[cfg_attr(miri, ignore = "it has no memfd_create")]
fn a_child_that_is_traced_is_killed_and_counts_until_it_has_ended() {
    with_log(&Settings::new(), |parent, reader, now| {
        parent.begin_stopping(Signal::TERM, now);
        parent.add(0, client(1, 1), State::Serving);
        parent.end_traced(nobody(0));
        assert_eq!(parent.stages(), [Some(Stage::Killed)]);
        assert_eq!(reader.lines(), [std::format!("<28>traced pid={}", nobody(0))]);
        parent.on_end(nobody(0), killed());
        assert_eq!(parent.stopped().map(|stopped| (stopped.terminated, stopped.killed)), Some((0, 1)));
    });
}

/// Checks the age of a group that outlives its child. A preforked child may be older than the connection of which it has
/// left a process.
#[test]
#[cfg_attr(miri, ignore = "it has no memfd_create")]
fn a_group_is_as_old_as_its_child_or_begins_at_the_end_of_a_preforked_one() {
    for (leaves_processes, pool, age) in [
        (true, None, Some(SECOND)),
        (true, Some(PoolSize { min: 1, max: 1 }), Some(Duration::ZERO)),
        (false, None, None),
    ] {
        let dead = DeadGroup::new();
        with(&Settings { pool, ..Settings::new() }, |parent, now| {
            parent.worker.leaves_processes = leaves_processes;
            parent.state.add_serving_child(dead.id, client(1, 1), None);
            parent.state.now = now + SECOND;
            parent.on_end(dead.id, exit(0));
            let groups = &parent.state.groups;
            let kept = groups.groups.first().map(|group| (group.id, group.peer, parent.state.now - group.started));
            assert_eq!(kept, age.map(|age| (dead.id, client(1, 1), age)), "{leaves_processes} {pool:?}");
            assert_eq!(groups.look_at(), age.map(|_| parent.state.now), "it is looked at immediately");
        });
    }
}

/// Checks which servers reap each child at once: those with few children, and those to which each end matters.
#[test]
#[cfg_attr(miri, ignore = "it has no memfd_create")]
fn among_many_children_only_the_likely_ones_are_reaped_at_once() {
    let pool = Some(PoolSize { min: 1, max: MANY_CHILDREN });
    for (children, pool, proxy_protocol, has_shortage, must_reap) in [
        (MANY_CHILDREN - 1, None, false, false, true),
        (MANY_CHILDREN, None, false, false, false),
        (MANY_CHILDREN, pool, false, false, true),
        (MANY_CHILDREN, None, true, false, true),
        (MANY_CHILDREN, None, false, true, true),
    ] {
        let settings = Settings { pool, proxy_protocol, max_children: MANY_CHILDREN, ..Settings::new() };
        with(&settings, |parent, _| {
            (0..children).for_each(|number| parent.state.add_child(nobody(number as i32), Peer::Unknown, None));
            if has_shortage {
                parent.shortage("fork", Errno::AGAIN, None);
            }
            assert_eq!(parent.must_reap_now(), must_reap, "{children} {pool:?} {proxy_protocol} {has_shortage}");
        });
    }
}

/// Checks that a child that has noted a call, and has ended in another way than by the sandbox, has no line about it.
#[test]
#[cfg_attr(miri, ignore = "it has no memfd_create")]
fn only_the_sandbox_makes_a_call_a_violation() {
    for (raw, is_violation) in [(Signal::SYS.raw(), true), (Signal::KILL.raw(), false), (0, false)] {
        with_log(&Settings { proxy_protocol: true, ..Settings::new() }, |parent, reader, _| {
            parent.add(0, client(1, 1), State::Serving);
            parent.scoreboard.slot(0).note().last().unwrap().store(SYS_openat as u64 + 1, Ordering::Relaxed);
            parent.on_end(nobody(0), ChildEnd::Status(WaitStatus::from_raw(raw)));
            let line = std::format!("<28>violation pid={} from=192.0.2.1:1 call=openat", nobody(0));
            assert_eq!(reader.lines().contains(&line), is_violation, "{raw}");
        });
    }
}

/// Checks that a successor that still exists is waited for, when children are lost.
#[test]
#[cfg_attr(miri, ignore = "it has no memfd_create")]
fn a_successor_that_exists_is_kept() {
    with_log(&Settings::new(), |parent, reader, now| {
        let pid = parent.pid;
        parent.state.successor = Some(Successor { pid, deadline: None, failure: None, must_reload: false });
        parent.waitpid_failed(Errno::CHILD);
        assert!(parent.state.successor.is_some());
        assert_eq!(parent.state.reap_at, Some(now + RETRY_EVERY));
        assert_eq!(reader.lines(), ["<28>fail call=waitpid error=\"No child processes\" count=1"]);
    });
}

/// Checks which of many children are reaped at once: the sender of SIGCHLD, and the youngest. All others are reaped a
/// little later, at a time that no further signal puts off.
#[test]
#[cfg_attr(miri, ignore = "it starts processes")]
fn of_many_children_the_sender_and_the_youngest_are_reaped_at_once() {
    let settings = Settings { max_children: MANY_CHILDREN * 2, ..Settings::new() };
    with_log(&settings, |parent, reader, now| {
        for pid in (0..MANY_CHILDREN as i32).map(nobody) {
            parent.state.add_child(pid, Peer::Unknown, None);
            // A child that was told to end is not among the youngest.
            parent.state.set_stage(pid, Stage::Retiring);
        }
        let [sender, oldest, foreign] = [0; 3].map(dead);
        let youngest = (0..YOUNGEST).map(|_| dead(0));
        for pid in [sender, oldest].into_iter().chain(youngest) {
            parent.state.add_child(pid, Peer::Unknown, None);
        }
        parent.on_child(Some(sender));
        assert!(parent.state.children.at(Stage::Running).map(|child| child.pid).eq([oldest]));
        assert_eq!(parent.deadline(Timer::Reap), Some(now + REAP_WITHIN));
        parent.state.now = now + MOMENT;
        reader.lines();
        parent.on_child(Some(foreign));
        assert_eq!(parent.state.children.len_at(Stage::Running), 0);
        assert_eq!(parent.deadline(Timer::Reap), Some(now + REAP_WITHIN));
        assert!(is_dead(foreign), "a process that is no child of the server is not reaped");
        assert!(!reader.lines().iter().any(|line| line.contains("orphan")));
        waitpid(WaitFor::Child(foreign), None, WaitOptions::NONE).unwrap();
    });
}

/// Runs a test in a process that has no children: here, a look at any child could reap those of other tests.
fn without_children(test: impl FnOnce()) {
    // SAFETY: glibc lets the child of a process with threads use the heap, and the child ends by `_exit()`.
    match unsafe { fork_unchecked() }.unwrap() {
        Fork::Parent(mut child) => assert_eq!(child.wait().unwrap().exit_status(), Some(0), "see the text above"),
        Fork::Child => {
            let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(test));
            if let Err(why) = &result {
                let why = why.downcast_ref::<std::string::String>();
                let _ = write_all(STDERR, why.map_or("a test has failed", |why| why).as_bytes());
            }
            _exit(i32::from(result.is_err()));
        }
    }
}

/// Checks that a look at all children, for whatever reason, begins the period in which none is needed for a refused client.
#[test]
#[cfg_attr(miri, ignore = "it has no fork()")]
fn a_look_at_all_children_is_noted() {
    without_children(|| {
        with(&Settings::new(), |parent, now| {
            parent.state.reap_at = Some(now);
            parent.state.now = now + SECOND;
            parent.reap_for_refused();
            assert_eq!((parent.state.reap_at, parent.state.reaped_at), (None, now + SECOND));
        });
    });
}

/// Checks that a server that is full looks at all children before it lets a client wait.
#[test]
#[cfg_attr(miri, ignore = "it has no fork()")]
fn a_full_server_reaps_before_it_lets_a_client_wait() {
    without_children(|| {
        with(&Settings { max_children: 1, ..Settings::new() }, |parent, now| {
            parent.add(0, client(1, 1), State::Serving);
            parent.accept_burst();
            assert!(parent.is_full(), "no child has ended");
            parent.state.reap_at = Some(now + REAP_WITHIN);
            parent.accept_burst();
            assert_eq!((parent.is_full(), parent.state.limit_reached.is_some()), (false, false));
        });
    });
}

/// Checks when all children are looked at before a client is refused: among many children, once in a period.
#[test]
#[cfg_attr(miri, ignore = "it has no memfd_create")]
fn among_many_children_all_are_looked_at_for_a_refused_client_once_in_a_period() {
    for (children, age, may_reap) in [
        (MANY_CHILDREN - 1, Duration::ZERO, true),
        (MANY_CHILDREN, REAP_WITHIN - MOMENT, false),
        (MANY_CHILDREN, REAP_WITHIN, true),
    ] {
        with(&Settings { max_children: MANY_CHILDREN, ..Settings::new() }, |parent, now| {
            (0..children).for_each(|number| parent.state.add_child(nobody(number as i32), Peer::Unknown, None));
            parent.state.reaped_at = now;
            parent.state.now = now + age;
            assert_eq!(parent.may_reap_for_refused(), may_reap, "{children} {age:?}");
        });
    }
}
