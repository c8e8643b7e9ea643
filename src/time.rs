//! Waiting for a time to pass.

use core::ffi::c_uint;

use crate::ffi;

/// `sleep()`: waits for `seconds`, or until a signal handler has run. Returns the seconds that were left.
///
/// # References
/// sleep(3), POSIX
pub fn sleep(seconds: c_uint) -> c_uint {
    // SAFETY: the call has no precondition.
    unsafe { ffi::unistd::sleep(seconds) }
}

/// `alarm()`: has SIGALRM sent to this process in `seconds`, or cancels that with 0. Returns the seconds that were left
/// of an earlier alarm, or 0.
///
/// # References
/// alarm(2), POSIX
pub fn alarm(seconds: c_uint) -> c_uint {
    // SAFETY: the call has no precondition.
    unsafe { ffi::unistd::alarm(seconds) }
}
