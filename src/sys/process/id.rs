//! Ids of processes, groups and sessions, and the end of this process.

use core::ffi::c_int;
use core::ptr;
use core::sync::atomic::{AtomicPtr, Ordering};

use crate::ffi;
use crate::sys::conv::{ret, ret_c_int};
use crate::sys::errno::{Errno, Result};
use crate::sys::pid::Pid;
use crate::sys::stdio;
use crate::sys::threads::has_other_threads;

/// `getpid()`: returns the id of this process.
///
/// Async-signal-safe: yes.
#[must_use]
pub fn getpid() -> Pid {
    // SAFETY: the call has no precondition.
    Pid::from_kernel(unsafe { ffi::unistd::getpid() })
}

/// `getppid()`: returns the id of the parent, or `None` when the parent is outside of this PID namespace.
///
/// Async-signal-safe: yes.
#[must_use]
pub fn getppid() -> Option<Pid> {
    // SAFETY: the call has no precondition.
    Pid::from_raw(unsafe { ffi::unistd::getppid() })
}

/// `setpgid()`: moves a process into a process group. `None` is C's 0: this process, or the group with the process's
/// id. A terminal sends the signal of ctrl-C only to the group in its foreground.
///
/// Async-signal-safe: yes.
///
/// # Errors
/// `EPERM` for a leader of a session, for a process of another session, and for a group that this session does not
/// have. `ESRCH` when the process is neither this one nor its child, `EACCES` when the child runs another program
/// already.
///
/// # References
/// setpgid(2), POSIX
#[inline]
pub fn setpgid(pid: Option<Pid>, group: Option<Pid>) -> Result<()> {
    let [pid, group] = [pid, group].map(|id| id.map_or(0, Pid::raw));
    // SAFETY: the call has no precondition on memory.
    ret(unsafe { ffi::unistd::setpgid(pid, group) })
}

/// `setsid()`: begins a session and a process group, both with this process's id, and without a terminal. Returns the
/// id.
///
/// Async-signal-safe: yes.
///
/// # Errors
/// `EPERM` when this process leads a group already.
///
/// # References
/// setsid(2), POSIX
pub fn setsid() -> Result<Pid> {
    // SAFETY: the call has no precondition.
    ret_c_int(unsafe { ffi::unistd::setsid() }).map(Pid::from_kernel)
}

/// `kill(pid, 0)`: whether there is a process with this id. A zombie counts.
///
/// Async-signal-safe: yes.
///
/// # References
/// kill(2), POSIX
#[must_use]
pub fn exists(pid: Pid) -> bool {
    // SAFETY: the call has no precondition on memory, and 0 sends nothing.
    ret(unsafe { ffi::signal::kill(pid.raw(), 0) }) != Err(Errno::SRCH)
}

/// `kill(-group, 0)`: whether there is a process in this group. A zombie counts. For group 1 the result is true,
/// without a call, because -1 would mean every process.
///
/// Async-signal-safe: yes.
///
/// # References
/// kill(2), POSIX
#[must_use]
pub fn group_exists(group: Pid) -> bool {
    // SAFETY: the call has no precondition on memory, and 0 sends nothing.
    group == Pid::INIT || ret(unsafe { ffi::signal::kill(-group.raw(), 0) }) != Err(Errno::SRCH)
}

/// `getpgid()`: returns the group of a process, or `None` when the group has no id in this PID namespace.
///
/// Async-signal-safe: yes.
///
/// # Errors
/// `ESRCH` when there is no such process.
///
/// # References
/// getpgid(2), POSIX
pub fn getpgid(pid: Pid) -> Result<Option<Pid>> {
    // SAFETY: the call has no precondition.
    ret_c_int(unsafe { ffi::unistd::getpgid(pid.raw()) }).map(Pid::from_raw)
}

/// `exit()`: ends this process with `status`. The parent sees the low 8 bits. Runs the functions that `atexit()`
/// registered, and writes the buffers of stdio. If several threads call `exit()`, the status of the first call counts.
///
/// Before glibc 2.41, two threads must not call C's `exit()` at once, and a std program may call it by
/// `std::process::exit()` or by the end of its `main`. With the feature `std`, the first call here goes through
/// `std::process::exit()`, which lets one thread in. Without the feature, where other threads exist, this function writes
/// the buffer of [`stdout`](crate::sys::stdio::stdout) and calls [`_exit`]: the functions of `atexit()` do not run.
/// Nothing here knows of a call of `exit()` by C code. As with `std::process::exit()`, a call in a destructor that runs
/// after `main` has returned aborts the process.
///
/// Async-signal-safe: no, because `exit()` runs the functions of `atexit()` and writes the buffers of stdio.
///
/// # References
/// exit(3), POSIX
pub fn exit(status: c_int) -> ! {
    /// The thread that called first, by the address of its errno.
    static FIRST: AtomicPtr<c_int> = AtomicPtr::new(ptr::null_mut());
    // SAFETY: the call has no precondition.
    let own = unsafe { ffi::errno::__errno_location() };
    let first = FIRST.compare_exchange(ptr::null_mut(), own, Ordering::Relaxed, Ordering::Relaxed);
    // A function that the first call runs may call again, in the same thread. The C library then runs the others.
    if first.is_err_and(|first| first != own) && has_other_threads() {
        // Wait: another thread is about to end the process.
        loop {
            core::hint::spin_loop();
        }
    }
    stdio::close_to_handlers();
    #[cfg(feature = "std")]
    if first.is_ok() {
        // If another thread has called std's function, the call waits for the end of the process.
        std::process::exit(status);
    }
    #[cfg(not(feature = "std"))]
    if has_other_threads() {
        _exit(status);
    }
    // SAFETY: the call has one precondition: two threads must not call it. No other thread exists, or this thread has
    // passed the lock of std.
    unsafe { ffi::stdlib::exit(status) }
}

/// `_exit()`: ends this process with `status` at once. The parent sees the low 8 bits. The buffers of stdio are lost, as
/// they should be in a child that inherited them.
///
/// Async-signal-safe: yes.
///
/// # References
/// _exit(2), POSIX
#[inline]
pub fn _exit(status: c_int) -> ! {
    // SAFETY: the call has no precondition.
    unsafe { ffi::unistd::_exit(status) }
}

/// `abort()`: ends this process by SIGABRT.
///
/// Async-signal-safe: yes.
///
/// # References
/// abort(3), POSIX
pub fn abort() -> ! {
    // SAFETY: the call has no precondition.
    unsafe { ffi::stdlib::abort() }
}
