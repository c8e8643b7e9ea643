use std::boxed::Box;
use std::os::fd::IntoRawFd;
use std::os::unix::net::UnixDatagram;
use std::string::String;
use std::vec::Vec;

use super::super::children::Stage;
use super::super::rule_counts::RuleCounts;
use super::super::tests::{Sleep, Stub, client, nobody, parent, starts, with, with_log};
use super::*;
use crate::program::text::Text;
use crate::program::{Args, Argument};
use crate::server::connection::Peer;
use crate::server::inherited::{READY, READY_AND_STOPPING};
use crate::server::limits::{ENDS_WITHIN, KILL_AFTER, READY_WITHIN};
use crate::server::log::reader::LogReader;
use crate::server::orders::tests::comes;
use crate::server::orders::{EarlierServer, EarlierServers, Order};
use crate::server::privileges::Privileges;
use crate::server::scoreboard::State;
use crate::server::settings::Settings;
use crate::server::systemd::Manager;
use crate::sys::errno::Errno;
use crate::sys::fd::{OwnedFd, PipeFlags, pipe2};
use crate::sys::process::{Pid, WaitStatus};
use crate::sys::signal::SignalInfo;

const TERM: SignalInfo = SignalInfo { signal: Signal::TERM, sender: None, uid: 0 };

/// Checks each answer that a successor can have given when the server is told to stop: whether the successor takes over,
/// and the signal that it gets.
#[test]
#[cfg_attr(miri, ignore = "it has no memfd_create")]
fn a_stop_goes_to_a_successor_that_is_ready_and_ends_any_other() {
    for (answer, takes_over, signal) in [
        (READY, true, Some(Signal::TERM)),
        (READY_AND_STOPPING, true, None),
        (b"", false, Some(Signal::KILL)),
        (b"why", false, Some(Signal::KILL)),
    ] {
        let mut sleep = Sleep::new();
        with_log(&Settings::new(), |parent, reader, _| {
            let _ready = starts(parent, sleep.pid(), answer);
            parent.stop_successor(Signal::TERM);
            let handover = std::format!("<29>handover by={} children=0", sleep.pid());
            let expected = if takes_over { Vec::from([handover]) } else { Vec::new() };
            assert_eq!(reader.lines(), expected, "{}", answer.escape_ascii());
            assert_eq!(parent.state.successor.is_none(), takes_over, "{}", answer.escape_ascii());
            assert_eq!(parent.state.has_handed_over, takes_over, "{}", answer.escape_ascii());
        });
        if let Some(signal) = signal {
            assert_eq!(sleep.ended_by(), Some(signal.raw()), "{}", answer.escape_ascii());
        }
    }
}

/// Checks the report of a server that has handed over. The signal is that of the restart, also if another signal comes
/// later.
#[test]
#[cfg_attr(miri, ignore = "it has no memfd_create")]
fn the_report_of_a_server_that_has_handed_over_names_the_signal_of_the_restart() {
    for is_told in [false, true] {
        let sleep = Sleep::new();
        with_log(&Settings::new(), |parent, reader, _| {
            let _ready = starts(parent, sleep.pid(), READY);
            parent.on_pipe();
            assert_eq!(reader.lines(), [std::format!("<29>handover by={} children=0", sleep.pid())]);
            if is_told {
                parent.stop(&TERM);
            }
            assert_eq!(parent.stopped().map(|stopped| stopped.signal), Some(Signal::USR2), "{is_told}");
        });
    }
}

/// Checks the orders to a server that has handed over: the first, and one to hurry, are obeyed as a signal would be. After
/// a signal to the server itself, an order does not shorten the time that its children have.
#[test]
#[cfg_attr(miri, ignore = "it has no memfd_create")]
fn an_order_is_obeyed_once_and_is_no_second_signal() {
    let [stop, hurry] = [false, true].map(|at_once| Order { signal: Signal::TERM, at_once });
    let (told, graceful, hurried) = (Some(&TERM), "grace=30.000", "grace=0.000");
    for (signal, order, after, graces) in [
        (None, stop, None, &[graceful][..]),
        (None, stop, told, &[graceful, graceful]),
        (told, stop, None, &[graceful]),
        (told, hurry, None, &[graceful, hurried]),
        (told, stop, told, &[graceful, hurried]),
    ] {
        let sleep = Sleep::new();
        with_log(&Settings::new(), |parent, reader, _| {
            let _ready = starts(parent, sleep.pid(), READY);
            let (orders, pipe) = pipe2(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK).unwrap();
            parent.descriptors.orders = Some(orders);
            let mut later = EarlierServers::default();
            later.add(EarlierServer { pid: nobody(1), pipe });
            parent.on_pipe();
            assert!(parent.state.has_handed_over);
            signal.into_iter().for_each(|info| parent.stop(info));
            later.tell(order);
            parent.on_pipe();
            after.into_iter().for_each(|info| parent.stop(info));
            let lines = reader.lines();
            let stops: Vec<&str> = lines
                .iter()
                .filter(|line| line.contains("stop signal=SIGTERM"))
                .filter_map(|line| line.rsplit(' ').next())
                .collect();
            assert_eq!(stops, graces, "{lines:?}");
            drop(later);
            // Another test may be starting a process, which has a copy of the pipe for a moment.
            let hears_of_the_end = || {
                parent.on_pipe();
                parent.descriptors.orders.is_none()
            };
            assert!(comes(hears_of_the_end), "no later server is left");
        });
    }
}

/// Checks a successor that other code of the process has reaped, with and without a child of the server.
#[test]
#[cfg_attr(miri, ignore = "it has no memfd_create")]
fn a_successor_that_is_lost_is_forgotten() {
    let failed = "<28>restart error=\"it ended before it was ready\" hint=\"the server goes on as it is\"";
    for has_child in [false, true] {
        with_log(&Settings::new(), |parent, reader, _| {
            if has_child {
                parent.state.add_child(Pid::from_raw(1).unwrap(), Peer::Unknown, None);
            }
            let _ready = starts(parent, nobody(0), b"");
            parent.reap_successor();
            let lines: Vec<String> = reader.lines();
            assert_eq!(lines.last().map(String::as_str), Some(failed), "{has_child}: {lines:?}");
            assert!(parent.state.successor.is_none() && parent.descriptors.successor.is_none(), "{has_child}");
            assert_eq!(parent.state.reap_at.is_some(), has_child, "a child that exists is waited for");
        });
    }
}

/// Checks that of several reasons for the failure of a successor the first is logged, and that its time only gets
/// shorter.
#[test]
#[cfg_attr(miri, ignore = "it has no memfd_create")]
fn the_first_reason_of_a_successor_that_fails_counts() {
    let text = |text: &str| Text::of(format_args!("{text}"));
    let now = Duration::from_secs(100);
    let successor =
        || Successor { pid: nobody(0), deadline: Some(now + READY_WITHIN), failure: None, must_reload: false };
    let killed = || Some(WaitStatus::from_raw(Signal::KILL.raw()));
    let mut one = successor();
    one.await_end(Some(text("first")), now);
    assert_eq!(one.deadline, Some(now + ENDS_WITHIN));
    one.await_end(Some(text("second")), now + ENDS_WITHIN);
    assert_eq!(one.deadline, Some(now + ENDS_WITHIN));
    one.kill(Some(text("third")));
    assert!(one.is_killed());
    one.await_end(Some(text("fourth")), now);
    assert!(one.is_killed());
    assert_eq!(one.why_ended(Answer::Failed(text("last")), killed()).as_str(), "first");
    let mut other = successor();
    other.await_end(None, now);
    other.kill(Some(text("late")));
    other.kill(Some(text("later")));
    assert_eq!(other.why_ended(Answer::None, killed()).as_str(), "late");
    for (answer, status, why) in [
        (Answer::Failed(text("said")), killed(), "said"),
        (Answer::Ready, killed(), "it ended as soon as it was ready (SIGKILL)"),
        (Answer::None, None, "it ended before it was ready"),
    ] {
        assert_eq!(successor().why_ended(answer, status).as_str(), why);
    }
}

/// Checks that the server has its clients, its pidfile and its ears as before, whatever the reason of the failure.
#[test]
#[cfg_attr(miri, ignore = "it has no memfd_create")]
fn a_restart_that_fails_changes_nothing() {
    with_log(&Settings::new(), |parent, reader, _| {
        parent.add(1, client(1, 1), State::Serving);
        parent.go_on_without_successor(Errno::NOMEM);
        let line = "<28>restart error=\"Cannot allocate memory\" hint=\"the server goes on as it is\"";
        assert_eq!(reader.lines(), [line]);
        assert!(parent.state.stopping.is_none() && !parent.state.has_handed_over);
        assert_eq!(parent.state.children.len(), 1);
    });
}

/// Checks a successor whose time is up: it takes over if it has answered meanwhile, and is killed for the right reason
/// otherwise.
#[test]
#[cfg_attr(miri, ignore = "it has no memfd_create")]
fn a_successor_that_is_late_is_heard_once_more() {
    let not_ready = "it was not ready within 30 seconds";
    for (answer, is_closed, why) in [
        (&b"R"[..], false, None),
        (b"", false, Some(not_ready)),
        (b"why", false, Some("it ended before it was ready: why")),
        (b"", true, Some("it has closed its descriptors without an answer: is the file mpserv?")),
    ] {
        let mut sleep = Sleep::new();
        with(&Settings::new(), |parent, _| {
            let ready = Some(starts(parent, sleep.pid(), answer)).filter(|_| !is_closed);
            parent.successor_late();
            let successor = parent.state.successor.as_ref();
            assert_eq!(parent.state.has_handed_over, why.is_none(), "{}", answer.escape_ascii());
            let failure = successor.map(|successor| successor.failure.unwrap());
            assert_eq!(failure.as_ref().map(Text::as_str), why, "{}", answer.escape_ascii());
            if why.is_some() {
                assert_eq!(sleep.ended_by(), Some(Signal::KILL.raw()));
                assert_eq!(parent.pipe().raw(), BorrowedFd::NONE.raw(), "one that is killed is not heard any more");
            }
            drop(ready);
        });
    }
}

/// Checks the messages to the service manager about a successor that takes over, and about one that has ended already.
#[test]
#[cfg_attr(miri, ignore = "it has no memfd_create")]
fn the_manager_hears_of_a_successor_that_lives_and_of_the_stop_of_one_that_has_ended() {
    for (answer, status, has_ended) in
        [(READY, None, false), (READY_AND_STOPPING, Some(Signal::KILL.raw()), true), (READY, Some(0), true)]
    {
        let sleep = Sleep::new();
        let (ours, theirs) = UnixDatagram::pair().unwrap();
        theirs.set_nonblocking(true).unwrap();
        // SAFETY: the descriptor is open, and nothing else owns it.
        let manager = Manager::connected(unsafe { OwnedFd::from_raw(ours.into_raw_fd()) }, None);
        let (settings, (log, _reader), mut worker) = (Settings::new(), LogReader::new(), Stub::default());
        let mut parent = parent(&settings, &log, manager, &mut worker);
        let _ready = starts(&mut parent, sleep.pid(), answer);
        match status {
            None => parent.on_pipe(),
            Some(status) => parent.successor_ended(ChildEnd::Status(WaitStatus::from_raw(status))),
        }
        assert!(parent.state.has_handed_over && parent.descriptors.successor.is_none(), "{status:?}");
        let mut buffer = [0; 512];
        let next =
            || theirs.recv(&mut buffer).ok().map(|length| String::from_utf8_lossy(&buffer[..length]).into_owned());
        let expected =
            if has_ended { String::from("STOPPING=1") } else { std::format!("READY=1\nMAINPID={}", sleep.pid()) };
        assert_eq!(core::iter::from_fn(next).collect::<Vec<_>>(), [expected], "{status:?}");
    }
}

/// Checks that the pipe to a successor is open until the service manager knows the successor, and no longer. Checks the
/// same for a server that is told to stop meanwhile, by a signal or by an order.
#[test]
#[cfg_attr(miri, ignore = "it has no memfd_create")]
fn a_successor_is_let_go_once_the_manager_knows_it() {
    for (by_signal, by_order) in [(false, false), (true, false), (false, true), (true, true)] {
        let sleep = Sleep::new();
        let (ours, theirs) = UnixDatagram::pair().unwrap();
        ours.set_nonblocking(true).unwrap();
        while ours.send(b"WATCHDOG=1").is_ok() {}
        // SAFETY: the descriptor is open, and nothing else owns it.
        let manager = Manager::connected(unsafe { OwnedFd::from_raw(ours.into_raw_fd()) }, None);
        let (settings, (log, _reader), mut worker) = (Settings::new(), LogReader::new(), Stub::default());
        let mut parent = parent(&settings, &log, manager, &mut worker);
        let _ready = starts(&mut parent, sleep.pid(), READY);
        let (orders, pipe) = pipe2(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK).unwrap();
        parent.descriptors.orders = Some(orders);
        let mut later = EarlierServers::default();
        later.add(EarlierServer { pid: nobody(1), pipe });
        parent.on_pipe();
        assert!(parent.state.has_handed_over && parent.descriptors.successor.is_some(), "the manager does not read");
        if by_signal {
            parent.stop(&TERM);
        }
        if by_order {
            later.tell(Order { signal: Signal::TERM, at_once: true });
            parent.on_pipe();
        }
        parent.ready_again();
        assert!(parent.descriptors.successor.is_some(), "the manager still does not read");
        assert_eq!(parent.stopped(), None, "the manager must hear of the successor first");
        if by_signal || by_order {
            // The manager has the time that children have until SIGKILL.
            let grace = if by_order { Duration::ZERO } else { settings.grace };
            let now = parent.state.now;
            parent.state.now = now + grace + KILL_AFTER - Duration::from_nanos(1);
            assert_eq!(parent.stopped(), None, "{by_signal} {by_order}");
            parent.state.now = now + grace + KILL_AFTER;
            assert!(parent.stopped().is_some(), "{by_signal} {by_order}");
            parent.state.now = now;
        }
        theirs.set_nonblocking(true).unwrap();
        while theirs.recv(&mut [0; 64]).is_ok() {}
        parent.ready_again();
        assert!(parent.descriptors.successor.is_none(), "the manager was told");
        let (mut buffer, told) = ([0; 64], std::format!("READY=1\nMAINPID={}", sleep.pid()));
        assert_eq!(theirs.recv(&mut buffer).map(|length| &buffer[..length]).unwrap(), told.as_bytes());
        assert!(theirs.recv(&mut [0; 64]).is_err(), "the manager is told nothing else");
        assert!(parent.stopped().is_some());
    }
}

/// Checks that the pipe of a successor that ends before it is let go does not wake the server up for ever.
#[test]
#[cfg_attr(miri, ignore = "it has no memfd_create")]
fn the_pipe_of_a_successor_that_has_taken_over_and_ended_is_closed() {
    with(&Settings::new(), |parent, _| {
        drop(starts(parent, nobody(0), READY));
        parent.state.successor = None;
        parent.on_pipe();
        assert!(parent.descriptors.successor.is_none());
    });
}

/// Checks the counts by rule after the rules were read again: each child counts once, at any stage, by its new rule.
#[test]
#[cfg_attr(miri, ignore = "it has no memfd_create")]
fn rules_that_are_read_again_count_each_child_once() {
    with(&Settings::new(), |parent, _| {
        let before = Rules::parse(b"allow 192.0.2.1 max-children=9\nallow all max-children=9\n").unwrap();
        parent.state.of_rules = RuleCounts::new(Some(&before)).unwrap();
        for (number, (host, stage)) in
            [(1, Stage::Running), (1, Stage::Retiring), (2, Stage::Terminating), (3, Stage::Killed)]
                .into_iter()
                .enumerate()
        {
            let (peer, rule) = (client(host, 1), Some(u32::from(host != 1)));
            parent.state.add_serving_child(nobody(number as i32), peer, rule);
            parent.state.set_stage(nobody(number as i32), stage);
        }
        let counts = |parent: &Parent<'_, '_, Stub>| [0, 1, 2].map(|rule| parent.state.of_rules.get(Some(rule)));
        assert_eq!(counts(parent), [2, 2, 0]);
        parent.rules =
            Some(Rules::parse(b"allow 192.0.2.3\nallow 192.0.2.1 max-children=9\nallow all max-children=9\n").unwrap());
        parent.recount_rules();
        assert_eq!(counts(parent), [1, 2, 1]);
        for number in 0..4 {
            let child = parent.state.children.remove(nobody(number)).unwrap();
            parent.state.forget_client(&child);
        }
        assert_eq!(counts(parent), [0, 0, 0]);
    });
}

/// Checks each reason for which a restart is refused, and that none starts a process.
#[test]
#[cfg_attr(miri, ignore = "it has no memfd_create")]
fn each_restart_that_is_refused_is_told_with_its_reason() {
    let arguments: &'static [Argument] = Box::leak(Box::new([c"mpserv".into(), Argument::END]));
    let on = || Settings { restart: Args::of(arguments), ..Settings::new() };
    let in_jail = Privileges { identity: None, chroot: Some(c"/srv") };
    let check = |settings: &Settings<'static>, prepare: &dyn Fn(&mut Parent<'_, 'static, Stub>), told: Option<&str>| {
        with_log(settings, |parent, reader, _| {
            prepare(parent);
            parent.restart();
            let expected: Vec<String> =
                told.iter().map(|told| std::format!("<28>restart refused=\"{told}\"")).collect();
            assert_eq!(reader.lines(), expected);
            assert_eq!(parent.state.must_restart, told.is_none());
        });
    };
    check(&Settings::new(), &|_| {}, Some("it is off"));
    let pid_1 = "as PID 1 this process must not end: restart the container";
    check(&on(), &|parent| parent.pid = Pid::from_raw(1).unwrap(), Some(pid_1));
    let jail = "with --chroot the program would come from the new root directory: stop the server and start it again";
    check(&Settings { privileges: in_jail, ..on() }, &|_| {}, Some(jail));
    check(&on(), &|parent| parent.begin_stopping(Signal::TERM, Duration::MAX), Some("the server stops"));
    check(&on(), &|parent| drop(starts(parent, nobody(0), b"")), Some("a successor is starting already"));
    // It is done later.
    let letting_go = |parent: &mut Parent<'_, 'static, Stub>| {
        parent.descriptors.letting_go = Some(pipe2(PipeFlags::CLOEXEC).unwrap().0);
    };
    check(&on(), &letting_go, None);
}

/// Checks each reason for which rules are not read again.
#[test]
#[cfg_attr(miri, ignore = "it has no memfd_create")]
fn each_reload_that_changes_nothing_is_told_with_its_reason() {
    with_log(&Settings::new(), |parent, reader, _| {
        parent.reload();
        assert_eq!(reader.lines(), ["<29>reload why=\"there are no rules to read again\""]);
        parent.begin_stopping(Signal::TERM, Duration::MAX);
        parent.reload();
        assert_eq!(reader.lines(), ["<29>reload why=\"the server stops\""]);
    });
    with_log(&Settings { rules: Some(c"/no/such"), ..Settings::new() }, |parent, reader, _| {
        parent.reload();
        let told = "cannot read the rules in /no/such: No such file or directory; name a file that is there; with --chroot, \
                    in there";
        let hint = "the rules are as before, and the server goes on";
        assert_eq!(reader.lines(), [std::format!("<28>rules error=\"{told}\" hint=\"{hint}\"")]);
        assert_eq!((parent.state.generation, parent.rules.is_none()), (0, true));
    });
}
