//! `mmap()` and `munmap()`.

use core::ffi::{c_int, c_void};
use core::ptr::{self, NonNull};

use crate::ffi::sys::mman as c;
use crate::sys::errno::{Errno, Result};

/// `mmap()` of memory that is all 0, private or shared. No bytes are one page: the kernel maps no less.
pub(super) fn map(size: usize, sharing: c_int) -> Result<NonNull<u8>> {
    // SAFETY: new memory, where the kernel likes it, touches none that is in use.
    let start = unsafe {
        c::mmap(ptr::null_mut(), size.max(1), c::PROT_READ | c::PROT_WRITE, sharing | c::MAP_ANONYMOUS, -1, 0)
    };
    mapped(start)
}

/// [`map`] of room for so many `T`, aligned as they have to be.
pub(super) fn map_for<T>(count: usize, sharing: c_int) -> Result<NonNull<T>> {
    const { assert!(align_of::<T>() <= 4096, "a page is aligned to 4096 bytes") };
    let size = count.checked_mul(size_of::<T>()).ok_or(Errno::NOMEM)?;
    map(size, sharing).map(NonNull::cast)
}

/// Checks the result of `mmap()`.
pub(super) fn mapped(start: *mut c_void) -> Result<NonNull<u8>> {
    if start == c::MAP_FAILED {
        return Err(Errno::last());
    }
    NonNull::new(start.cast()).ok_or(Errno::NOMEM)
}

/// `munmap()`
pub(super) fn unmap(start: NonNull<u8>, size: usize) {
    // SAFETY: `map` returned the memory with that size, and no reference into it is left.
    unsafe { c::munmap(start.as_ptr().cast(), size.max(1)) };
}
