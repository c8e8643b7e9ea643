//! Maps memory by `mmap()`, and gives memory back by `munmap()`.

use core::ffi::{c_int, c_void};
use core::ptr::{self, NonNull};

use crate::ffi::sys::mman as c;
use crate::sys::errno::{Errno, Result};

/// `mmap()`: maps memory that is all 0, private or shared. A `size` of 0 maps one page, because the kernel maps no
/// less.
pub(super) fn map(size: usize, sharing: c_int) -> Result<NonNull<u8>> {
    // SAFETY: the kernel chooses the place of the new memory, so no memory in use is touched.
    let start = unsafe {
        c::mmap(ptr::null_mut(), size.max(1), c::PROT_READ | c::PROT_WRITE, sharing | c::MAP_ANONYMOUS, -1, 0)
    };
    mapped(start)
}

/// Calls [`map`] for this many `T`, and checks that the memory is aligned for a `T`.
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

/// `munmap()`: gives the memory back.
pub(super) fn unmap(start: NonNull<u8>, size: usize) {
    // SAFETY: `map` returned the memory with that size, and no reference into it is left.
    unsafe { c::munmap(start.as_ptr().cast(), size.max(1)) };
}
