//! Processes: fork, wait, and how one ended.

use core::ffi::c_int;
use core::fmt;

use crate::conv::ret_c_int;
use crate::errno::{CReturn, Errno, Result};
use crate::ffi;
pub use crate::pid::Pid;
use crate::signal::{Signal, kill};
use crate::stdio;

/// `getpid()`: the id of this process.
#[must_use]
pub fn getpid() -> Pid {
    // SAFETY: the call has no precondition.
    Pid::from_kernel(unsafe { ffi::unistd::getpid() })
}

/// `getppid()`: the id of the parent, or `None` when the parent is outside of this PID namespace.
#[must_use]
pub fn getppid() -> Option<Pid> {
    // SAFETY: the call has no precondition.
    Pid::from_raw(unsafe { ffi::unistd::getppid() })
}

/// On which side of a `fork()` this process is.
#[derive(Debug)]
pub enum Fork {
    /// In the new process. Its memory is a copy, its descriptors share what they refer to with the parent's.
    Child,
    /// In the process that called, with the new one.
    Parent(Child),
}

/// 0 in the child, the child's id in the parent.
impl CReturn for Fork {
    fn c_return(&self) -> c_int {
        match self {
            Fork::Child => 0,
            Fork::Parent(child) => child.pid.raw(),
        }
    }
}

/// `fork()`: makes a second process out of this one. Both return from the call.
///
/// Only where no other thread exists. A child has a copy of the memory but only the thread that called, so a lock that
/// another thread held (the allocator's, say) would stay locked in it for ever. Asking costs no system call: the C
/// library keeps note of it in `__libc_single_threaded`. Once a process has had a second thread it may be taken to
/// have one for good.
///
/// # Errors
/// `EDEADLK` when this process has, or may have, other threads: no call was made. `EAGAIN` when a limit on processes
/// is reached (`RLIMIT_NPROC`, the cgroup's `pids.max`), `ENOMEM`.
///
/// # References
/// fork(2), POSIX; glibc's `<sys/single_threaded.h>`
pub fn fork() -> Result<Fork> {
    if has_other_threads() {
        return Err(Errno::DEADLK);
    }
    // SAFETY: there is no other thread, so the child has all that the parent has.
    unsafe { fork_unchecked() }
}

/// `fork()`, whether other threads exist or not.
///
/// # Safety
/// In a process with other threads the child calls nothing but async-signal-safe functions until it ends or runs
/// another program: see [`fork`].
///
/// # Errors
/// `EAGAIN`, `ENOMEM`.
///
/// # References
/// fork(2), signal-safety(7), POSIX
pub unsafe fn fork_unchecked() -> Result<Fork> {
    // SAFETY: by this function's own contract.
    let pid = ret_c_int(unsafe { ffi::unistd::fork() })?;
    Ok(Pid::from_raw(pid).map_or(Fork::Child, |pid| Fork::Parent(Child { pid, status: None })))
}

/// Whether this process has other threads, or once had and may therefore still have. No system call.
#[must_use]
pub fn has_other_threads() -> bool {
    // SAFETY: the C library's variable is a char that is always there; it changes only when this thread starts another.
    unsafe { (&raw const ffi::sys::single_threaded::__libc_single_threaded).read_volatile() == 0 }
}

/// A child of this process, from [`fork`].
///
/// Dropping it neither waits for the child nor ends it.
#[derive(Debug)]
pub struct Child {
    pid: Pid,
    status: Option<WaitStatus>,
}

impl Child {
    /// The id of the child. Once it was waited for, the kernel may give the id to another process.
    #[must_use]
    pub const fn pid(&self) -> Pid {
        self.pid
    }

    /// `waitpid(pid, &status, 0)`: waits until the child has ended. A second call returns the same status again.
    ///
    /// # Errors
    /// `EINTR` when a signal came first; `ECHILD` when something else has waited for it, or SIGCHLD is ignored.
    pub fn wait(&mut self) -> Result<WaitStatus> {
        self.wait_with(WaitOptions::NONE)?.ok_or(Errno::CHILD)
    }

    /// `waitpid(pid, &status, WNOHANG)`: the status if the child has ended.
    ///
    /// # Errors
    /// `ECHILD` when something else has waited for it, or SIGCHLD is ignored.
    pub fn try_wait(&mut self) -> Result<Option<WaitStatus>> {
        self.wait_with(WaitOptions::NOHANG)
    }

    fn wait_with(&mut self, options: WaitOptions) -> Result<Option<WaitStatus>> {
        if self.status.is_none() {
            let mut status = WaitStatus::default();
            self.status = waitpid(WaitFor::Child(self.pid), Some(&mut status), options)?.map(|_| status);
        }
        Ok(self.status)
    }

    /// `kill()`: sends a signal to the child, unless it was waited for through this value: then the id may by now be
    /// another process's.
    ///
    /// # Errors
    /// `ESRCH` when the child was waited for; `EPERM` when it runs as somebody else.
    pub fn kill(&self, signal: Signal) -> Result<()> {
        if self.status.is_some() {
            return Err(Errno::SRCH);
        }
        kill(self.pid, signal)
    }
}

/// Which children a `waitpid()` waits for: C's first argument.
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
            WaitFor::Group(pid) => -pid.raw(),
            WaitFor::OwnGroup => 0,
        }
    }
}

/// How a `waitpid()` waits: C's third argument. Combined with [`with`](WaitOptions::with).
#[repr(transparent)]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct WaitOptions(c_int);

impl WaitOptions {
    /// 0: wait until a child has ended.
    pub const NONE: WaitOptions = WaitOptions(0);
    /// `WNOHANG`: return at once, with `None` when no child has ended yet.
    #[doc(alias = "WNOHANG")]
    pub const NOHANG: WaitOptions = WaitOptions(ffi::sys::wait::WNOHANG);
    /// `WUNTRACED`: return for a child that was stopped, too.
    #[doc(alias = "WUNTRACED")]
    pub const UNTRACED: WaitOptions = WaitOptions(ffi::sys::wait::WUNTRACED);

    /// Both.
    #[must_use]
    pub const fn with(self, other: WaitOptions) -> WaitOptions {
        WaitOptions(self.0 | other.0)
    }
}

/// `wait()`: waits until any child has ended and returns its id.
///
/// # Errors
/// `ECHILD`, at once, when there is no child to wait for; `EINTR` when a signal came first.
///
/// # References
/// wait(2), POSIX
pub fn wait(status: Option<&mut WaitStatus>) -> Result<Pid> {
    // SAFETY: the pointer is null or to an int that is ours to write for the time of the call.
    ret_c_int(unsafe { ffi::sys::wait::wait(pointer_to(status)) }).map(Pid::from_kernel)
}

/// `waitpid()`: waits until one of the named children has ended and returns its id, or `None` when
/// [`NOHANG`](WaitOptions::NOHANG) was asked for and none of them has. `status` is written only with an id.
///
/// # Errors
/// `ECHILD` when there is no such child; `EINTR` when a signal came first.
///
/// # References
/// waitpid(2), POSIX
pub fn waitpid(children: WaitFor, status: Option<&mut WaitStatus>, options: WaitOptions) -> Result<Option<Pid>> {
    // SAFETY: the pointer is null or to an int that is ours to write for the time of the call.
    ret_c_int(unsafe { ffi::sys::wait::waitpid(children.raw(), pointer_to(status), options.0) }).map(Pid::from_raw)
}

fn pointer_to(status: Option<&mut WaitStatus>) -> *mut c_int {
    status.map_or(core::ptr::null_mut(), |status| &raw mut status.0)
}

/// How a child ended, or that it was stopped: the int that `wait()` fills in.
///
/// The default is 0, which is also the status of a child that ended with 0.
#[repr(transparent)]
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct WaitStatus(c_int);

impl WaitStatus {
    /// The status that this int stands for.
    #[must_use]
    pub const fn from_raw(status: c_int) -> WaitStatus {
        WaitStatus(status)
    }

    /// The int.
    #[must_use]
    pub const fn raw(self) -> c_int {
        self.0
    }

    /// What the child returned from main or gave to `exit()`, the low 8 bits of it, if that is how it ended.
    #[doc(alias("WIFEXITED", "WEXITSTATUS"))]
    #[must_use]
    pub const fn exit_status(self) -> Option<c_int> {
        if ffi::sys::wait::WIFEXITED(self.0) { Some(ffi::sys::wait::WEXITSTATUS(self.0)) } else { None }
    }

    /// The signal that ended the child, if one did.
    #[doc(alias("WIFSIGNALED", "WTERMSIG"))]
    #[must_use]
    pub const fn term_signal(self) -> Option<Signal> {
        if ffi::sys::wait::WIFSIGNALED(self.0) {
            Some(Signal::from_kernel(ffi::sys::wait::WTERMSIG(self.0)))
        } else {
            None
        }
    }

    /// Whether the signal that ended the child also had its memory dumped.
    #[doc(alias = "WCOREDUMP")]
    #[must_use]
    pub const fn core_dumped(self) -> bool {
        ffi::sys::wait::WIFSIGNALED(self.0) && ffi::sys::wait::WCOREDUMP(self.0)
    }

    /// The signal that stopped the child, if it was stopped: it has not ended.
    #[doc(alias("WIFSTOPPED", "WSTOPSIG"))]
    #[must_use]
    pub const fn stop_signal(self) -> Option<Signal> {
        if ffi::sys::wait::WIFSTOPPED(self.0) {
            Some(Signal::from_kernel(ffi::sys::wait::WSTOPSIG(self.0)))
        } else {
            None
        }
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

/// `exit()`: ends this process with `status`, of which the parent sees the low 8 bits. Runs what `atexit()` registered
/// and writes what stdio still holds.
///
/// # References
/// exit(3), POSIX
pub fn exit(status: c_int) -> ! {
    stdio::close_to_handlers();
    // SAFETY: the call has no precondition but that it is not entered twice, and this process has come to its one end.
    unsafe { ffi::stdlib::exit(status) }
}

/// `_exit()`: ends this process with `status` at once. What stdio still holds is lost, as it should be in a child that
/// inherited it.
///
/// # References
/// _exit(2), POSIX
pub fn _exit(status: c_int) -> ! {
    // SAFETY: the call has no precondition.
    unsafe { ffi::unistd::_exit(status) }
}

/// `abort()`: ends this process by SIGABRT.
///
/// # References
/// abort(3), POSIX
pub fn abort() -> ! {
    // SAFETY: the call has no precondition.
    unsafe { ffi::stdlib::abort() }
}
