//! The environment of this process.

use core::ffi::CStr;

use crate::ffi;
use crate::sys::errno::Result;
use crate::sys::memory::CStrArray;
use crate::sys::threads::has_other_threads;

/// `environ`: returns a copy of the variables of the environment, each as `NAME=value`. A later `setenv()` does not
/// change the copy.
///
/// Returns an empty list where other threads exist, because such a thread might be changing the environment.
///
/// Async-signal-safe: no, because a `setenv()` that the handler interrupts may have freed the list of `environ`.
///
/// # Errors
/// `ENOMEM`.
///
/// # References
/// environ(7), POSIX
pub fn environ() -> Result<CStrArray> {
    // SAFETY: nothing runs between here and the end of the copy.
    CStrArray::copy(unsafe { variables() })
}

/// `getenv()`: copies the value of a variable to the caller's buffer. Returns `None` when there is no such variable, or
/// when its value and a NUL do not fit. Also returns `None` where other threads exist.
///
/// Async-signal-safe: no, because a `setenv()` that the handler interrupts may have freed the list of `environ`.
///
/// # References
/// getenv(3), POSIX
pub fn getenv<'b>(name: &CStr, buffer: &'b mut [u8]) -> Option<&'b CStr> {
    // SAFETY: nothing runs between here and the end of the copy.
    let value = unsafe { value(name.to_bytes()) }?.to_bytes_with_nul();
    let copy = buffer.get_mut(..value.len())?;
    copy.copy_from_slice(value);
    CStr::from_bytes_with_nul(copy).ok()
}

/// Returns the value of a variable without copying it. Returns `None` where other threads exist, and for an empty name.
///
/// # Safety
/// The contract of [`variables`] holds.
pub(crate) unsafe fn value(name: &[u8]) -> Option<&'static CStr> {
    // SAFETY: by this function's own contract.
    unsafe { variables() }.filter(|_| !name.is_empty()).find_map(|variable| {
        let value = variable.to_bytes_with_nul().strip_prefix(name)?.strip_prefix(b"=")?;
        CStr::from_bytes_with_nul(value).ok()
    })
}

/// Returns the variables without copying them. Returns no variable where other threads exist.
///
/// # Safety
/// Nothing changes the environment, as `setenv()` does, for as long as the iterator or one of its strings is in use.
pub(crate) unsafe fn variables() -> impl Iterator<Item = &'static CStr> + Clone {
    let start = if has_other_threads() {
        core::ptr::null()
    } else {
        // SAFETY: the C library's variable is always there, and no other thread changes it.
        unsafe { ffi::unistd::environ }.cast_const()
    };
    (0..).map_while(move |index| {
        if start.is_null() {
            return None;
        }
        // SAFETY: the index is at most that of the null pointer at the end, because the iterator ends there.
        let place = unsafe { start.add(index) };
        // SAFETY: the place is within the list.
        let string = unsafe { place.read() };
        // SAFETY: a pointer that is not null is to a string, which nothing changes meanwhile.
        if string.is_null() { None } else { Some(unsafe { CStr::from_ptr(string) }) }
    })
}
