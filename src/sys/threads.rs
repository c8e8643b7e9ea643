//! Tells whether a process has more than one thread. In such a process many C functions must not be called.

use crate::ffi;

/// Whether this process has other threads, or had one before and so may still have it. Makes no system call.
///
/// Async-signal-safe: yes.
#[must_use]
pub fn has_other_threads() -> bool {
    // SAFETY: the C library's variable is a char that is always there. Its value changes only when this thread starts
    // another.
    unsafe { (&raw const ffi::sys::single_threaded::__libc_single_threaded).read_volatile() == 0 }
}
