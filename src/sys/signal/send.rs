//! Sends a signal to a process, to a group, or to this process.

use crate::ffi::signal as c;
use crate::sys::conv::ret;
use crate::sys::errno::{Errno, Result};
use crate::sys::pid::Pid;
use crate::sys::signal::set::Signal;

/// `kill()`: sends a signal to a process.
///
/// Async-signal-safe: yes.
///
/// # Errors
/// `ESRCH` when there is no such process, `EPERM` when the process runs as another user.
///
/// # References
/// kill(2), POSIX
pub fn kill(pid: Pid, signal: Signal) -> Result<()> {
    // SAFETY: the call has no precondition on memory.
    ret(unsafe { c::kill(pid.raw(), signal.raw()) })
}

/// `killpg()`: sends a signal to all processes of a group.
///
/// Async-signal-safe: yes.
///
/// # Errors
/// `ESRCH` when the group has no process, `EPERM` when all its processes run as other users. `EINVAL`, without a call,
/// for group 1, which the C library takes for every process.
///
/// # References
/// killpg(3), POSIX
pub fn killpg(group: Pid, signal: Signal) -> Result<()> {
    if group == Pid::INIT {
        return Err(Errno::INVAL);
    }
    // SAFETY: the call has no precondition on memory.
    ret(unsafe { c::killpg(group.raw(), signal.raw()) })
}

/// `raise()`: sends a signal to this process. When the call returns, the handler has run, unless the signal is
/// blocked.
///
/// Async-signal-safe: yes.
///
/// # Errors
/// `EINVAL` for a signal that the C library keeps for itself or does not know, as a
/// [`WaitStatus`](crate::process::WaitStatus) may name it.
///
/// # References
/// raise(3), POSIX
pub fn raise(signal: Signal) -> Result<()> {
    // SAFETY: the call has no precondition on memory.
    ret(unsafe { c::raise(signal.raw()) })
}
