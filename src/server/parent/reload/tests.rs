use std::os::unix::process::ExitStatusExt;
use std::process::Command;
use std::string::String;
use std::vec::Vec;

use super::super::tests::{Stub, client, nobody, with_log};
use super::*;
use crate::program::text::Text;
use crate::server::connection::Peer;
use crate::server::inherited::{READY, READY_AND_STOPPING};
use crate::server::limits::{ENDS_WITHIN, READY_WITHIN};
use crate::server::scoreboard::State;
use crate::server::settings::Settings;
use crate::sys::errno::Errno;
use crate::sys::fd::{OwnedFd, PipeFlags, pipe2, write_all};
use crate::sys::process::{Pid, WaitStatus};
use crate::sys::signal::SignalInfo;

/// Makes this process the successor that starts, with this answer. Returns its end of the pipe.
fn starts(parent: &mut Parent<'_, 'static, Stub>, pid: Pid, answer: &[u8]) -> OwnedFd {
    let (answers, ready) = pipe2(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK).unwrap();
    write_all(&ready, answer).unwrap();
    parent.descriptors.successor = Some(answers);
    let deadline = Some(parent.state.now + READY_WITHIN);
    parent.state.successor = Some(Successor { pid, deadline, failure: None, must_reload: false });
    ready
}

/// A process that a signal must end. Without the signal, the process would end by itself.
struct Sleep(std::process::Child);

impl Sleep {
    fn new() -> Sleep {
        Sleep(Command::new("sleep").arg("10").spawn().unwrap())
    }

    fn pid(&self) -> Pid {
        Pid::from_raw(self.0.id() as i32).unwrap()
    }

    /// Waits for the end of the process, and returns the signal that has ended it.
    fn ended_by(&mut self) -> Option<i32> {
        self.0.wait().unwrap().signal()
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

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
