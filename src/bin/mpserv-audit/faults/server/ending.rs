//! Judges the end of a server.

use mpserv::errno::Errno;
use mpserv::process::WaitStatus;

use crate::faults::case::{Case, Fault};

/// The server's exit status after it was told to stop.
pub const OBEYED: i32 = 0;
const TROUBLE: i32 = 111;

/// The beginning of each log line.
const PREFIX: &str = "mpserv: ";

/// The subjects that a server's last line may name in place of the failed call.
const THINGS: [&str; 4] =
    ["cannot listen on ", "cannot run ", "cannot keep the program's arguments", "the port could not be printed"];
/// Calls for which the log names another call.
const STEPS: [(&str, &str); 3] = [("capget", "prctl"), ("capset", "prctl"), ("rt_sigaction", "signal")];

/// The signals that stop a server.
const STOPPING: [&str; 2] = ["TERM", "INT"];
/// The signals that a serving server handles or ignores. Before the server serves, these signals have their default
/// action. SIGALRM always has its default action.
const TAKEN: [&str; 8] = ["TERM", "INT", "HUP", "USR1", "USR2", "CHLD", "PIPE", "CONT"];

/// The end of a server.
#[derive(Clone, Copy, Debug)]
pub struct Ending<'e> {
    pub status: WaitStatus,
    pub log: &'e str,
    /// Whether this tool, and not a fault, told the server to stop.
    pub was_told: bool,
    /// Whether the tool had to kill the server, which is counted already.
    pub was_killed: bool,
}

impl Ending<'_> {
    /// Describes the end, in words for the middle of a sentence. Also describes the rule that the end breaks, if it
    /// breaks one.
    pub fn judge(self, case: Option<&Case>) -> (String, Option<String>) {
        let signal = case.and_then(|case| match case.fault {
            Fault::Signal(name) => Some(name),
            _ => None,
        });
        let is_mute = case.is_some_and(is_mute);
        let line = self.log.lines().last().unwrap_or_default();
        match (self.status.exit_status(), self.status.term_signal()) {
            (Some(OBEYED), _) => {
                // A signal may have ended the successor too.
                let has_handed_over = self.log.contains("mpserv: handover by=");
                let was_asked =
                    self.was_told || signal.is_some_and(|signal| STOPPING.contains(&signal) || has_handed_over);
                let violation = if !was_asked {
                    Some(format!("it ends unasked; its last line is {line:?}"))
                } else if !is_mute && !self.log.contains("mpserv: stopped ") {
                    Some(format!("it ends without having stopped in order; its last line is {line:?}"))
                } else {
                    None
                };
                (String::new(), violation)
            }
            (Some(code), _) => {
                let says_why = is_mute || case.is_some_and(|case| names_what_failed(line, case));
                let violation =
                    (code != TROUBLE || !says_why).then(|| format!("it ends with {code} and says {line:?}"));
                (format!("; ends with {code}: {line}"), violation)
            }
            (None, by) => {
                let name = by.and_then(|signal| signal.name()).unwrap_or("a signal");
                let has_begun = self.log.contains("mpserv: start ");
                let is_injected = signal.is_some_and(|signal| name.strip_prefix("SIG") == Some(signal));
                let may = is_injected && !(has_begun && signal.is_some_and(|signal| TAKEN.contains(&signal)));
                let violation = (!may && !self.was_killed).then(|| format!("it is killed by {name}"));
                (format!("; dies of {name}"), violation)
            }
        }
    }
}

/// Whether the fault keeps the server from writing its log.
pub fn is_mute(case: &Case) -> bool {
    let writes = matches!(case.call.as_str(), "write" | "writev" | "sendmsg");
    writes && !matches!(case.fault, Fault::Signal(_))
}

/// Whether a server's last line names the failure: the call and its errno, or a subject. After the injected failure
/// another call may have failed for the same subject.
fn names_what_failed(line: &str, case: &Case) -> bool {
    let Some((what, _)) = line.strip_prefix(PREFIX).and_then(|said| said.split_once(": ")) else {
        return false;
    };
    if THINGS.iter().any(|thing| what.starts_with(thing)) {
        return true;
    }
    let why = match case.fault {
        Fault::Error(errno) => text_of(errno),
        Fault::Short(_) | Fault::Signal(_) => None,
    };
    let Some((what, _)) = line.split_once(&format!(": {}", why.unwrap_or_default())) else {
        return false;
    };
    let step = STEPS.iter().find(|(call, _)| *call == case.call).map(|(_, whole)| *whole);
    // The kernel's names can have a prefix, and a number if the call was added later.
    let bare = |name: &str| name.trim_end_matches(|letter: char| letter.is_ascii_digit()).to_owned();
    let call = bare(case.call.strip_prefix("rt_").unwrap_or(&case.call));
    let is_letter = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
    what.split(|letter| !is_letter(letter)).any(|word| bare(word) == call || step == Some(word))
}

/// Returns the C library's text for an errno.
fn text_of(name: &str) -> Option<String> {
    let mut all = (1..ERRNOS_END).map(Errno::from_raw);
    all.find(|errno| format!("{errno:?}") == name).map(|errno| errno.to_string())
}

/// The number after the last errno of Linux.
const ERRNOS_END: i32 = 134;

#[cfg(test)]
mod tests {
    use super::*;

    fn case(call: &str, fault: Fault) -> Case {
        Case { call: call.to_owned(), fault, when: 1, for_ever: false }
    }

    fn judge(status: i32, log: &str, was_told: bool, case: &Case) -> Option<String> {
        let status = WaitStatus::from_raw(status);
        Ending { status, log, was_told, was_killed: false }.judge(Some(case)).1
    }

    const FAILED: i32 = TROUBLE << 8;
    const STOPPED: &str = "mpserv: start pid=1 limit=2\nmpserv: stop signal=SIGTERM\nmpserv: stopped drained=0\n";

    #[test]
    fn a_line_of_the_log_is_no_reason_to_end() {
        let case = case("socket", Fault::Error("EMFILE"));
        assert!(judge(FAILED, "mpserv: accept pid=7 from=127.0.0.1:1 children=1 limit=2\n", false, &case).is_some());
        assert!(judge(FAILED, "mpserv: start pid=7 limit=2\n", false, &case).is_some());
        assert!(judge(FAILED, "", false, &case).is_some());
    }

    #[test]
    fn a_last_line_names_the_call_or_the_thing_and_the_errno() {
        let says = |call, errno, line: &str| names_what_failed(line, &case(call, Fault::Error(errno)));
        assert!(says("socket", "EMFILE", "mpserv: cannot listen on \"127.0.0.1:0\": Too many open files; allow more"));
        assert!(says("bind", "EADDRINUSE", "mpserv: cannot listen on \"unix:/a\": No such file or directory"));
        assert!(!says("signalfd4", "ENOMEM", "mpserv: cannot serve: signalfd: Permission denied"));
        assert!(says("signalfd4", "ENOMEM", "mpserv: cannot serve: signalfd: Cannot allocate memory; lower"));
        assert!(says("rt_sigprocmask", "EFAULT", "mpserv: cannot serve: sigprocmask: Bad address"));
        assert!(says(
            "ftruncate",
            "EIO",
            "mpserv: cannot serve: the scoreboard (memfd_create, ftruncate, fcntl, mmap): Input/output error"
        ));
        assert!(!says("getsockname", "EBADF", "mpserv: cannot serve: mmap: Bad file descriptor"));
        assert!(!says("getsockname", "EBADF", "mpserv: cannot serve: : Bad file descriptor"));
    }

    #[test]
    fn nobody_ends_in_order_unasked() {
        let error = case("poll", Fault::Error("EFAULT"));
        assert!(judge(0, STOPPED, false, &error).is_some());
        assert_eq!(judge(0, STOPPED, true, &error), None);
        assert!(judge(0, "mpserv: start pid=1 limit=2\n", true, &error).is_some());
        assert_eq!(judge(0, STOPPED, false, &case("poll", Fault::Signal("INT"))), None);
        assert!(judge(0, STOPPED, false, &case("poll", Fault::Signal("USR1"))).is_some());
        let handover = format!("mpserv: handover by=2 children=0\n{STOPPED}");
        assert_eq!(judge(0, &handover, false, &case("poll", Fault::Signal("ALRM"))), None);
        assert!(judge(0, &handover, false, &error).is_some());
    }

    #[test]
    fn a_signal_that_a_server_takes_does_not_kill_it() {
        let by = |number: i32, name, log| judge(number, log, false, &case("poll", Fault::Signal(name)));
        assert_eq!(by(1, "HUP", ""), None);
        assert!(by(1, "HUP", "mpserv: start pid=1 limit=2\n").is_some());
        assert_eq!(by(14, "ALRM", "mpserv: start pid=1 limit=2\n"), None);
        assert!(by(15, "INT", "").is_some());
    }

    #[test]
    fn every_errno_has_a_text() {
        for errors in super::super::super::errnos::ERRORS {
            for errno in errors.iter().filter(|errno| *errno != super::super::super::errnos::NEVER_SEEN) {
                assert!(text_of(errno).is_some(), "{errno}");
            }
        }
    }
}
