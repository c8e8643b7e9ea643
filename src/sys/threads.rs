//! Tells whether a process has more than one thread. Many C functions must not be called then.

use crate::ffi;

/// Whether this process has other threads, or once had and may therefore still have. No system call.
///
/// Async-signal-safe: yes.
#[must_use]
pub fn has_other_threads() -> bool {
    // SAFETY: the C library's variable is a char that is always there; it changes only when this thread starts another.
    unsafe { (&raw const ffi::sys::single_threaded::__libc_single_threaded).read_volatile() == 0 }
}
