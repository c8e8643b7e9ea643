//! `<sys/wait.h>`: waits for children, and tells how each ended.

use core::ffi::c_int;
use core::fmt;

use crate::ffi::sys::wait as c;
use crate::sys::conv::ret_c_int;
use crate::sys::errno::{Errno, Result};
use crate::sys::flags::flags;
use crate::sys::pid::Pid;
use crate::sys::signal::{Signal, kill};

/// A child of this process, from [`fork`](super::fork()).
///
/// A drop neither waits for the child nor ends the child.
#[derive(Debug)]
pub struct Child {
    pid: Pid,
    status: Option<WaitStatus>,
}

impl Child {
    /// Returns a child that was forked just now.
    pub(super) const fn new(pid: Pid) -> Child {
        Child { pid, status: None }
    }

    /// Returns the id of the child. After a wait for the child, the kernel may give the id to another process.
    #[must_use]
    pub const fn pid(&self) -> Pid {
        self.pid
    }

    /// `waitpid(pid, &status, 0)`: waits until the child has ended. A second call returns the same status again.
    ///
    /// A child that has made this process its tracer (`PTRACE_TRACEME`) also returns when it stops: see
    /// [`WaitStatus::stop_signal`]. Such a child has not ended, and a further wait is possible.
    ///
    /// Async-signal-safe: yes.
    ///
    /// # Errors
    /// `EINTR` when a signal came first. `ECHILD` when other code has waited for the child, or SIGCHLD is ignored.
    pub fn wait(&mut self) -> Result<WaitStatus> {
        self.wait_with(WaitOptions::NONE)?.ok_or(Errno::CHILD)
    }

    /// `waitpid(pid, &status, WNOHANG)`: returns the status if the child has ended.
    ///
    /// Async-signal-safe: yes.
    ///
    /// # Errors
    /// `ECHILD` when other code has waited for the child, or SIGCHLD is ignored.
    pub fn try_wait(&mut self) -> Result<Option<WaitStatus>> {
        self.wait_with(WaitOptions::NOHANG)
    }

    fn wait_with(&mut self, options: WaitOptions) -> Result<Option<WaitStatus>> {
        if self.status.is_some() {
            return Ok(self.status);
        }
        let mut status = WaitStatus::default();
        let found = waitpid(WaitFor::Child(self.pid), Some(&mut status), options)?.map(|_| status);
        self.status = found.filter(|status| status.stop_signal().is_none());
        Ok(found)
    }

    /// `kill()`: sends a signal to the child, unless this value has already reaped the child. In that case another
    /// process may have the id by now.
    ///
    /// Async-signal-safe: yes.
    ///
    /// # Errors
    /// `ESRCH` when the child was reaped. `EPERM` when the child runs as another user.
    pub fn kill(&self, signal: Signal) -> Result<()> {
        if self.status.is_some() {
            return Err(Errno::SRCH);
        }
        kill(self.pid, signal)
    }
}

/// The children of a wait: the first argument of `waitpid()`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum WaitFor {
    /// -1: any child.
    AnyChild,
    /// The child with this id.
    Child(Pid),
    /// The negative of an id: any child in that process group.
    Group(Pid),
    /// 0: any child in the process group of the caller.
    OwnGroup,
}

impl WaitFor {
    const fn raw(self) -> c_int {
        match self {
            WaitFor::AnyChild => -1,
            WaitFor::Child(pid) => pid.raw(),
            // -1 would mean any child, so use a value that finds no child. Group 1 belongs to init, and has no child of
            // this process.
            WaitFor::Group(Pid::INIT) => c_int::MIN,
            WaitFor::Group(pid) => -pid.raw(),
            WaitFor::OwnGroup => 0,
        }
    }
}

flags! {
    /// `W…`: options of `waitpid()`.
    WaitOptions(c_int) from c {
        /// `WNOHANG`: returns at once, with `None` when no child has ended yet.
        #[doc(alias = "WNOHANG")]
        NOHANG = WNOHANG,
        /// `WUNTRACED`: also returns for a child that was stopped.
        #[doc(alias = "WUNTRACED")]
        UNTRACED = WUNTRACED,
        /// `WCONTINUED`: also returns for a stopped child that SIGCONT made go on.
        #[doc(alias = "WCONTINUED")]
        CONTINUED = WCONTINUED,
    }
}

/// `wait()`: waits until any child has ended and returns its id.
///
/// Async-signal-safe: yes.
///
/// # Errors
/// `ECHILD`, at once, when this process has no child. `EINTR` when a signal came first.
///
/// # References
/// wait(2), POSIX
pub fn wait(status: Option<&mut WaitStatus>) -> Result<Pid> {
    // SAFETY: the pointer is null or to an int that only the call uses meanwhile.
    ret_c_int(unsafe { c::wait(pointer_to(status)) }).map(Pid::from_kernel)
}

/// `waitpid()`: waits until one of the named children has ended, and returns its id. With
/// [`NOHANG`](WaitOptions::NOHANG), returns `None` when no such child has ended. Writes `status` only if the result is
/// an id.
///
/// Async-signal-safe: yes.
///
/// # Errors
/// `ECHILD` when there is no such child, `ESRCH` for group 1, `EINTR` when a signal came first.
///
/// # References
/// waitpid(2), POSIX
pub fn waitpid(children: WaitFor, status: Option<&mut WaitStatus>, options: WaitOptions) -> Result<Option<Pid>> {
    // SAFETY: the pointer is null or to an int that only the call uses meanwhile.
    ret_c_int(unsafe { c::waitpid(children.raw(), pointer_to(status), options.raw()) }).map(Pid::from_raw)
}

fn pointer_to(status: Option<&mut WaitStatus>) -> *mut c_int {
    status.map_or(core::ptr::null_mut(), |status| &raw mut status.0)
}

/// The status of a child that ended or was stopped: the int that `wait()` fills in.
///
/// The default is 0, which is also the status of a child that ended with 0.
#[repr(transparent)]
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct WaitStatus(c_int);

impl WaitStatus {
    /// Returns the status that this int stands for.
    #[must_use]
    pub const fn from_raw(status: c_int) -> WaitStatus {
        WaitStatus(status)
    }

    /// Returns the status as an int.
    #[must_use]
    pub const fn raw(self) -> c_int {
        self.0
    }

    /// Returns the exit status: the low 8 bits of the child's return value from main, or of its argument to `exit()`.
    /// Returns `None` if the child did not exit.
    #[doc(alias("WIFEXITED", "WEXITSTATUS"))]
    #[must_use]
    pub const fn exit_status(self) -> Option<c_int> {
        if c::WIFEXITED(self.0) { Some(c::WEXITSTATUS(self.0)) } else { None }
    }

    /// Returns the signal that ended the child, if a signal did.
    #[doc(alias("WIFSIGNALED", "WTERMSIG"))]
    #[must_use]
    pub const fn term_signal(self) -> Option<Signal> {
        if c::WIFSIGNALED(self.0) { Some(Signal::from_kernel(c::WTERMSIG(self.0))) } else { None }
    }

    /// Whether the signal that ended the child also made the kernel dump its memory.
    #[doc(alias = "WCOREDUMP")]
    #[must_use]
    pub const fn core_dumped(self) -> bool {
        c::WIFSIGNALED(self.0) && c::WCOREDUMP(self.0)
    }

    /// Returns the signal that stopped the child, if it was stopped. A stopped child has not ended.
    #[doc(alias("WIFSTOPPED", "WSTOPSIG"))]
    #[must_use]
    pub const fn stop_signal(self) -> Option<Signal> {
        if c::WIFSTOPPED(self.0) { Some(Signal::from_kernel(c::WSTOPSIG(self.0))) } else { None }
    }

    /// Whether SIGCONT made the child go on, so that it has not ended. Only a wait with [`WaitOptions::CONTINUED`]
    /// returns such a status.
    #[doc(alias = "WIFCONTINUED")]
    #[must_use]
    pub const fn is_continued(self) -> bool {
        c::WIFCONTINUED(self.0)
    }
}

impl fmt::Display for WaitStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(status) = self.exit_status() {
            write!(f, "exit {status}")
        } else if let Some(signal) = self.term_signal() {
            write!(f, "{signal}{}", if self.core_dumped() { " (core dumped)" } else { "" })
        } else if let Some(signal) = self.stop_signal() {
            write!(f, "stopped by {signal}")
        } else if self.is_continued() {
            f.write_str("continued")
        } else {
            write!(f, "status {:#06x}", self.0)
        }
    }
}

impl fmt::Debug for WaitStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
