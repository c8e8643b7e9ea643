//! Starting the program anew: the new one takes the sockets over while the old one still serves, says that it is ready,
//! and only then the old one stops to accept.

use core::ffi::{CStr, c_int};
use core::time::Duration;

use super::limits::{READY_WITHIN, VARIABLES_BYTES, VARIABLES_MAX};
use super::worker::{Open, find};
use crate::program::Args;
use crate::server::inherited::{Passed, RESTART_VARIABLE};
use crate::sys::errno::{Errno, Result};
use crate::sys::fd::{AsFd, BorrowedFd, OwnedFd, PipeFlags, keep_on_exec, pipe2, read, write_all};
use crate::sys::memory::CStrArray;
use crate::sys::process::{_exit, Fork, Pid, environ, execve, fork_unchecked, getpid};
use crate::sys::signal::{MaskHow, SigSet, Signal, kill, sigprocmask};

/// What the new program says when it serves.
const READY: &[u8] = b"R";
/// The status of a process that could not become the program.
const NO_PROGRAM: c_int = 127;

/// A program that is starting.
pub(super) struct Restart {
    pub(super) pid: Pid,
    /// Where it says that it is ready.
    ready: OwnedFd,
    /// When it has taken too long.
    pub(super) deadline: Duration,
}

/// What has become of it.
pub(super) enum Progress {
    /// Nothing yet.
    None,
    /// It serves.
    Ready,
    /// It has ended, or closed what it was to answer through.
    Failed,
}

impl Restart {
    /// Starts the program that this process runs, as its file is now, with the same arguments.
    pub(super) fn start(args: Args, open: &Open<'_>, mask: &SigSet, now: Duration) -> Result<Restart> {
        let path = find(args.program())?;
        let path = CStr::from_bytes_until_nul(&path).unwrap_or_default();
        let (ready, answer) = pipe2(PipeFlags::CLOEXEC)?;
        let mut passed = Passed {
            heir: getpid(),
            ready: answer.as_fd(),
            pidfile: open.pidfile.as_ref().map(AsFd::as_fd),
            listeners: open.listeners.iter().map(|listener| (listener.as_fd(), listener.is_managed())),
        };
        let is_stale = |variable: &&CStr| {
            let name = variable.to_bytes().split(|&byte| byte == b'=').next();
            [RESTART_VARIABLE, "LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"]
                .iter()
                .any(|stale| name == Some(stale.as_bytes()))
        };
        let kept = environ().filter(|variable| !is_stale(variable));
        let bytes: usize = kept.clone().map(|variable| variable.to_bytes_with_nul().len()).sum();
        let mut envp = CStrArray::with_capacity(kept.clone().count() + VARIABLES_MAX, bytes + VARIABLES_BYTES)?;
        kept.into_iter().try_for_each(|variable| envp.push(variable))?;
        let argv = CStrArray::copy(args.from(0))?;
        // SAFETY: a server has no other threads, and the child asks for no time until it is a program.
        match unsafe { fork_unchecked() }? {
            Fork::Parent(child) => Ok(Restart { pid: child.pid(), ready, deadline: now + READY_WITHIN }),
            Fork::Child => {
                passed.heir = getpid();
                let is_told = envp.push_fmt(format_args!("{RESTART_VARIABLE}={passed}"));
                let mut fds =
                    passed.listeners.map(|(listener, _)| listener).chain(passed.pidfile).chain([passed.ready]);
                if is_told.is_ok() && fds.try_for_each(keep_on_exec).is_ok() {
                    sigprocmask(MaskHow::Set, mask);
                    let _ = execve(path, &argv, &envp);
                }
                _exit(NO_PROGRAM)
            }
        }
    }

    /// Looks what the new program has said. To be called when there is something to read.
    pub(super) fn progress(&self) -> Progress {
        match read(&self.ready, &mut [0; READY.len()]) {
            Ok(0) => Progress::Failed,
            Ok(_) => Progress::Ready,
            Err(Errno::INTR | Errno::AGAIN) => Progress::None,
            Err(_) => Progress::Failed,
        }
    }

    /// Ends a program that does not get ready.
    pub(super) fn give_up(&self) {
        // It is this process's child and was not waited for.
        let _ = kill(self.pid, Signal::KILL);
    }
}

impl AsFd for Restart {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.ready.as_fd()
    }
}

/// Tells the server that this one takes the place of that it serves.
pub(super) fn say_ready(ready: &OwnedFd) -> Result<()> {
    write_all(ready, READY)
}
