//! `fork()`, where no other thread exists.

use core::ffi::c_int;

use crate::ffi;
use crate::sys::conv::ret_c_int;
use crate::sys::errno::{CReturn, Errno, Result};
use crate::sys::pid::Pid;
use crate::sys::process::wait::Child;
use crate::sys::threads::has_other_threads;

/// The result of a `fork()`: the side of the child, or that of the parent.
#[derive(Debug)]
pub enum Fork {
    /// This process is the child. Its memory is a copy. Its descriptors refer to the same open files as the parent's.
    Child,
    /// This process called `fork()`, and has this new child.
    Parent(Child),
}

/// Gives 0 in the child, and the child's id in the parent.
impl CReturn for Fork {
    fn c_return(&self) -> c_int {
        match self {
            Fork::Child => 0,
            Fork::Parent(child) => child.pid().raw(),
        }
    }
}

/// `fork()`: makes a second process, which is a copy of this process. Both processes return from the call.
///
/// Succeeds only where no other thread exists. A child has a copy of the memory, but only the thread that called
/// `fork()`. So a lock that another thread held, such as the allocator's, would stay locked in the child for ever. The
/// check for threads needs no system call, because it reads the C library's variable `__libc_single_threaded`. A
/// process that once had a second thread may fail the check even when that thread has ended.
///
/// Async-signal-safe: no, because `fork()` runs the handlers of `pthread_atfork()` and takes locks of the C library.
///
/// # Errors
/// `EDEADLK` when this process has, or may have, other threads. Then no call was made. `EAGAIN` when a limit on
/// processes is reached (`RLIMIT_NPROC`, the cgroup's `pids.max`), `ENOMEM`, also when the first process of this PID
/// namespace has ended.
///
/// # References
/// fork(2), POSIX; glibc's `<sys/single_threaded.h>`
#[inline]
pub fn fork() -> Result<Fork> {
    if has_other_threads() {
        return Err(Errno::DEADLK);
    }
    // SAFETY: there is no other thread, so the child has all that the parent has.
    unsafe { fork_unchecked() }
}

/// `fork()`: does the same as [`fork`], even in a process with other threads.
///
/// Async-signal-safe: no, because `fork()` runs the handlers of `pthread_atfork()` and takes locks of the C library.
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
#[inline]
pub unsafe fn fork_unchecked() -> Result<Fork> {
    // SAFETY: by this function's own contract.
    let pid = ret_c_int(unsafe { ffi::unistd::fork() })?;
    Ok(Pid::from_raw(pid).map_or(Fork::Child, |pid| Fork::Parent(Child::new(pid))))
}
