//! `Successor`: a new process of the program, which takes the sockets over.
//!
//! This server serves on while the successor starts. This server stops accepting only when the successor has said that
//! it is ready, so no client is refused.

use core::ffi::{CStr, c_int};
use core::time::Duration;

use crate::program::Args;
use crate::program::text::Text;
use crate::server::child::{copy_environment, find_executable};
use crate::server::descriptors::Descriptors;
use crate::server::inherited::{FAILURE_MAX, Passed, READY, READY_AND_STOPPING, RESTART_VARIABLE, say_failed};
use crate::server::limits::{ENDS_WITHIN, PATH_MAX, READY_WITHIN};
use crate::server::path::join;
use crate::server::privileges::Identity;
use crate::sys::errno::{Errno, Result};
use crate::sys::fd::{AsFd, OwnedFd, PipeFlags, keep_on_exec, pipe2, read};
use crate::sys::fs::readlink;
use crate::sys::memory::CStrArray;
use crate::sys::process::{_exit, Fork, Pid, WaitStatus, executed_path, execve, fork, getpid};
use crate::sys::signal::{MaskHow, SigSet, Signal, kill, sigprocmask};

/// The status of a process that could not become the program.
const NO_PROGRAM: c_int = 127;

/// The variables that a successor must not get, because they are about this process.
const STALE_VARIABLES: [&str; 5] = [RESTART_VARIABLE, "LISTEN_PID", "LISTEN_PIDFDID", "LISTEN_FDS", "LISTEN_FDNAMES"];

/// A successor that is starting.
pub(super) struct Successor {
    pub(super) pid: Pid,
    /// The time at which the successor is killed. `None` once it was killed.
    pub(super) deadline: Option<Duration>,
    /// The reason why the successor cannot take over, once it is known.
    pub(super) failure: Option<Text<FAILURE_MAX>>,
    /// Whether the rules were read again since the successor was started. It may have read the rules of before.
    pub(super) must_reload: bool,
}

/// The answer of a successor.
#[allow(clippy::large_enum_variant, reason = "there is no allocator, and an answer comes once")]
pub(super) enum Answer {
    None,
    /// The successor serves.
    Ready,
    /// The successor has served, and was told to stop.
    Stopping,
    /// The successor has ended or is about to, for the reason that it gave.
    Failed(Text<FAILURE_MAX>),
    /// The successor has closed the pipe without an answer. The successor has ended, or it is not mpserv.
    Silent,
}

impl Successor {
    /// Starts the program at a path with the arguments of this process. Also returns the pipe through which the
    /// successor answers, and the pipe by which it tells this server to stop.
    pub(super) fn start(
        path: &CStr,
        args: Args,
        identity: Option<Identity>,
        descriptors: &Descriptors<'_>,
        mask: &SigSet,
        now: Duration,
    ) -> Result<(Successor, [OwnedFd; 2])> {
        let (answers, ready) = pipe2(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK)?;
        let (orders, to_orders) = pipe2(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK)?;
        let mut passed = Passed {
            successor: getpid(),
            ready: ready.as_fd(),
            pidfile: descriptors.pidfile.as_ref().map(AsFd::as_fd),
            listeners: descriptors
                .listeners
                .iter()
                .map(|listener| (listener.as_fd(), listener.is_shared(), listener.file())),
            predecessor: getpid(),
            orders: to_orders.as_fd(),
            earlier: &descriptors.earlier,
        };
        let mut envp = copy_environment(identity, |name| STALE_VARIABLES.iter().any(|stale| stale.as_bytes() == name))?;
        let argv = CStrArray::copy(args.from(0))?;
        match fork()? {
            Fork::Parent(child) => {
                let deadline = Some(now + READY_WITHIN);
                Ok((Successor { pid: child.pid(), deadline, failure: None, must_reload: false }, [answers, orders]))
            }
            Fork::Child => {
                passed.successor = getpid();
                let told = envp.push_fmt(format_args!("{RESTART_VARIABLE}={passed}"));
                let listeners = passed.listeners.map(|(listener, ..)| listener);
                let pipes = passed.earlier.pipes().map(AsFd::as_fd).chain([passed.ready, passed.orders]);
                let mut fds = listeners.chain(passed.pidfile).chain(pipes);
                if told.is_ok() && fds.try_for_each(keep_on_exec).is_ok() {
                    sigprocmask(MaskHow::Set, mask);
                    let errno = execve(path, &argv, &envp);
                    say_failed(&ready, format_args!("execve: {errno}"));
                }
                _exit(NO_PROGRAM)
            }
        }
    }

    /// Waits for the end of a successor that has closed the pipe, or has given the reason for its failure.
    pub(super) fn await_end(&mut self, why: Option<Text<FAILURE_MAX>>, now: Duration) {
        self.failure = self.failure.take().or(why);
        self.deadline = self.deadline.map(|deadline| deadline.min(now + ENDS_WITHIN));
    }

    /// Whether the successor was killed. What it has said no longer counts then.
    pub(super) const fn is_killed(&self) -> bool {
        self.deadline.is_none()
    }

    /// Kills the successor. It is still there until it has been reaped.
    pub(super) fn kill(&mut self, why: Option<Text<FAILURE_MAX>>) {
        self.failure = self.failure.take().or(why);
        self.deadline = None;
        self.signal(Signal::KILL);
    }

    /// Sends the successor a signal.
    pub(super) fn signal(&self, signal: Signal) {
        // The successor is a child that was not reaped, so the id is still its own.
        let _ = kill(self.pid, signal);
    }

    /// Returns the reason why a successor that has ended did not take over. `answer` is its last answer.
    pub(super) fn why_ended(self, answer: Answer, status: Option<WaitStatus>) -> Text<FAILURE_MAX> {
        match (self.failure, answer, status) {
            (Some(why), ..) | (None, Answer::Failed(why), _) => why,
            (None, Answer::Ready, Some(status)) => {
                Text::of(format_args!("it ended as soon as it was ready ({status})"))
            }
            (None, _, Some(status)) => Text::of(format_args!(
                "it ended before it was ready ({status}), and gave no reason: is the file mpserv?"
            )),
            (None, _, None) => Text::of(format_args!("it ended before it was ready")),
        }
    }
}

impl Answer {
    /// Reads the answer, if there is one.
    pub(super) fn read(answers: &OwnedFd) -> Answer {
        let mut text = [0; FAILURE_MAX];
        match read(answers, &mut text).map(|length| text.get(..length).unwrap_or_default()) {
            Ok(READY) => Answer::Ready,
            Ok(READY_AND_STOPPING) => Answer::Stopping,
            Ok(why @ [_, ..]) => {
                let why = core::str::from_utf8(why).unwrap_or("the reason that it has told is not UTF-8");
                Answer::Failed(Text::of(format_args!("it ended before it was ready: {why}")))
            }
            Err(Errno::INTR | Errno::AGAIN) => Answer::None,
            Ok([]) | Err(_) => Answer::Silent,
        }
    }
}

/// Returns the reason for the failure of a successor that has run for too long. `answers` is the pipe, or `None` once
/// the successor has closed it.
pub(super) fn why_late(answers: Option<&OwnedFd>) -> Text<FAILURE_MAX> {
    match answers {
        Some(_) => Text::of(format_args!("it was not ready within {} seconds", READY_WITHIN.as_secs())),
        None => Text::of(format_args!("it has closed its descriptors without an answer: is the file mpserv?")),
    }
}

/// Finds the file of this program. Tries the path with which the program was started, then its name in the arguments,
/// and then the running program itself. The name in the arguments can be any text (`exec -a` of shells, `ExecStart=@`
/// of systemd), and the path may no longer exist. A relative path is not tried, because the working directory may have
/// changed. The path of the running file stands for it. A path that exists and cannot be run is an error: the old file
/// or another one in its place would not be the update that was asked for.
pub(super) fn find_own_program(args: Args) -> Result<[u8; PATH_MAX]> {
    let is_absolute = |path: &CStr| path.to_bytes().starts_with(b"/");
    let by_path = match executed_path() {
        Some(path) if is_absolute(path) => find_executable(path),
        Some(_) => find_running_file(),
        None => Err(Errno::NOENT),
    };
    by_path.or_else(|errno| {
        if !matches!(errno, Errno::NOENT | Errno::NOTDIR) {
            return Err(errno);
        }
        let name = Some(args.program()).filter(|name| is_absolute(name) || !name.to_bytes().contains(&b'/'));
        let others = [name, Some(SELF)];
        others.into_iter().flatten().find_map(|name| find_executable(name).ok()).ok_or(errno)
    })
}

/// Finds the file from which this program runs, or the file that has replaced it at the same path.
fn find_running_file() -> Result<[u8; PATH_MAX]> {
    let [mut link, mut path] = [[0; PATH_MAX]; 2];
    let file = readlink(SELF, &mut link)?;
    join(&mut path, &[file.strip_suffix(DELETED).unwrap_or(file)]).and_then(find_executable)
}

/// The text that the kernel adds to the path of a file that was removed or replaced.
const DELETED: &[u8] = b" (deleted)";

/// The file of the running program, even if it has been removed.
pub(super) const SELF: &CStr = c"/proc/self/exe";

#[cfg(test)]
mod tests;
