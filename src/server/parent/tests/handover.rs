//! Tests what happens between the start of a successor and its answer.

use std::ffi::CString;

use super::super::accept::tests::connection;
use super::*;
use crate::server::inherited::READY;
use crate::server::log::ChildEnd;
use crate::sys::process::WaitStatus;

/// Writes a file of rules, which is removed with the test, and passes its path.
fn with_rules(name: &str, text: &str, test: impl FnOnce(&'static core::ffi::CStr)) {
    let path = std::env::temp_dir().join(std::format!("mpserv-{name}-{}", std::process::id()));
    std::fs::write(&path, text).unwrap();
    let path_c = CString::new(path.to_str().unwrap()).unwrap();
    test(Box::leak(path_c.into_boxed_c_str()));
    std::fs::remove_file(path).unwrap();
}

/// Checks a server that reads its rules again while its successor starts: the clients that are here count by the new
/// rules, and the successor is to read them as well.
#[test]
#[cfg_attr(miri, ignore = "it has no memfd_create")]
fn rules_that_are_read_again_count_for_preforked_children_and_the_successor() {
    with_rules("again", "allow 192.0.2.9\nallow all max-children=5\n", |path| {
        let pool = Some(PoolSize { min: 2, max: 2 });
        with_log(&Settings { rules: Some(path), pool, ..Settings::new() }, |parent, reader, _| {
            parent.add(0, client(1, 1), State::Serving);
            parent.scoreboard.slot(0).publish_rule(Some(7), 0);
            let _ready = starts(parent, nobody(1), b"");
            parent.reload();
            assert_eq!(reader.lines(), ["<29>rules rules=2"]);
            assert_eq!(parent.state.generation, 1);
            assert_eq!(parent.scoreboard.slot(0).rule(1), Some(Some(1)));
            assert!(parent.state.successor.as_ref().unwrap().must_reload);
            assert_eq!(parent.stages(), [Some(Stage::Retiring)], "the next children have the new rules");
        });
    });
}

/// Checks which successor gets SIGHUP: one that lives, if the rules were read again since its start.
#[test]
#[cfg_attr(miri, ignore = "it has no memfd_create")]
fn a_successor_that_takes_over_reads_the_rules_that_were_changed_meanwhile() {
    for (must_reload, has_ended, is_told) in [(true, false, true), (false, false, false), (true, true, false)] {
        let mut sleep = Sleep::new();
        with(&Settings::new(), |parent, _| {
            let _ready = starts(parent, sleep.pid(), READY);
            parent.state.successor.as_mut().unwrap().must_reload = must_reload;
            if has_ended {
                parent.successor_ended(ChildEnd::Status(WaitStatus::from_raw(0)));
            } else {
                parent.on_pipe();
            }
            assert!(parent.state.has_handed_over);
        });
        if !is_told {
            sleep.0.kill().unwrap();
        }
        let signal = if is_told { Signal::HUP } else { Signal::KILL };
        assert_eq!(sleep.ended_by(), Some(signal.raw()), "{must_reload} {has_ended}");
    }
}

/// Checks that a successor which has said that it is ready, and then failed, does not end the service.
#[test]
#[cfg_attr(miri, ignore = "it has no memfd_create")]
fn a_successor_that_fails_after_it_was_ready_does_not_take_over() {
    for (status, text) in [(Signal::KILL.raw(), "SIGKILL"), (1 << 8, "exit 1")] {
        with_log(&Settings::new(), |parent, reader, _| {
            drop(starts(parent, nobody(0), READY));
            parent.successor_ended(ChildEnd::Status(WaitStatus::from_raw(status)));
            let why = std::format!("it ended as soon as it was ready ({text})");
            let line = std::format!("<28>restart error=\"{why}\" hint=\"the server goes on as it is\"");
            assert_eq!(reader.lines(), [line]);
            assert!(parent.state.stopping.is_none() && parent.state.successor.is_none());
        });
    }
}

/// Checks a successor that was ready, and has failed before the server looks: at its answer, or after a signal to stop.
#[test]
#[cfg_attr(miri, ignore = "it starts processes")]
fn a_successor_that_is_dead_does_not_take_over() {
    for must_stop in [false, true] {
        let pid = dead(1);
        with_log(&Settings::new(), |parent, reader, _| {
            let _ready = starts(parent, pid, READY);
            let (orders, _pipe) = pipe2(PipeFlags::CLOEXEC).unwrap();
            parent.descriptors.orders = Some(orders);
            if must_stop {
                parent.stop_successor(Signal::TERM);
            } else {
                parent.on_pipe();
            }
            let why = "it ended as soon as it was ready (exit 1)";
            assert_eq!(
                reader.lines(),
                [std::format!("<28>restart error=\"{why}\" hint=\"the server goes on as it is\"")]
            );
            let Descriptors { successor, orders, .. } = &parent.descriptors;
            assert!(!parent.state.has_handed_over && successor.is_none() && orders.is_none());
        });
    }
}

/// Checks that the signal to stop goes to a successor that is ready, and that one which was killed gets no further one.
#[test]
#[cfg_attr(miri, ignore = "it has no memfd_create")]
fn a_successor_gets_the_signal_that_the_server_got() {
    for (signal, is_killed) in [(Signal::INT, false), (Signal::QUIT, false), (Signal::INT, true)] {
        let mut sleep = Sleep::new();
        with(&Settings::new(), |parent, _| {
            let _ready = starts(parent, sleep.pid(), READY);
            if is_killed {
                parent.state.successor.as_mut().unwrap().deadline = None;
            }
            parent.stop_successor(signal);
            assert_eq!(parent.state.has_handed_over, !is_killed, "{signal}");
            assert_eq!(parent.state.succeeded_by, Some(sleep.pid()).filter(|_| !is_killed), "{signal}");
        });
        if is_killed {
            sleep.0.kill().unwrap();
        }
        let expected = if is_killed { Signal::KILL } else { signal };
        assert_eq!(sleep.ended_by(), Some(expected.raw()), "{is_killed}");
    }
}

/// Checks that a message to a slow service manager, while a successor starts, does not close the pipe to the successor.
#[test]
#[cfg_attr(miri, ignore = "it has no memfd_create")]
fn a_successor_that_starts_is_not_let_go() {
    with(&Settings::new(), |parent, _| {
        let _ready = starts(parent, nobody(0), b"");
        parent.ready_again();
        assert!(parent.descriptors.successor.is_some());
    });
}

/// Checks that only a shortage with a client outlasts a handover: this server accepts no further client.
#[test]
#[cfg_attr(miri, ignore = "it has no memfd_create")]
fn after_a_handover_nothing_is_tried_again_without_a_client() {
    for has_client in [false, true] {
        let sleep = Sleep::new();
        with(&Settings::new(), |parent, _| {
            let client = has_client.then(|| connection().0);
            parent.shortage("accept4", Errno::MFILE, client);
            let _ready = starts(parent, sleep.pid(), READY);
            parent.on_pipe();
            assert_eq!(parent.state.shortage.is_some(), has_client);
        });
    }
}
