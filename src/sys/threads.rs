//! Tells whether a process has more than one thread. In such a process many C functions must not be called.

use crate::ffi;

/// Whether this process has, or may have, other threads. A thread that has ended may still count. Makes no system call.
///
/// Async-signal-safe: yes.
#[must_use]
pub fn has_other_threads() -> bool {
    // SAFETY: the C library's variable is a char that is always there. Its value changes only when this thread starts
    // another thread.
    unsafe { (&raw const ffi::sys::single_threaded::__libc_single_threaded).read_volatile() == 0 }
}
