//! The environment of this process.

use core::ffi::CStr;

use crate::ffi;
use crate::sys::threads::has_other_threads;

/// `environ`: the environment of this process.
///
/// Only where no other thread exists, which might be changing it: empty otherwise.
///
/// # References
/// environ(7), POSIX
pub fn environ() -> impl Iterator<Item = &'static CStr> + Clone {
    // SAFETY: the C library's variable is always there.
    let start = unsafe { ffi::unistd::environ };
    let start = if has_other_threads() { core::ptr::null() } else { start.cast_const() };
    (0..).map_while(move |index| {
        if start.is_null() {
            return None;
        }
        // SAFETY: the index is at most that of the null pointer at the end, because the iterator ends there.
        let place = unsafe { start.add(index) };
        // SAFETY: the place is one of the list.
        let string = unsafe { place.read() };
        // SAFETY: what is not null is a string. Nothing of this library changes it.
        if string.is_null() { None } else { Some(unsafe { CStr::from_ptr(string) }) }
    })
}
