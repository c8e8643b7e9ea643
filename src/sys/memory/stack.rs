//! A stack for a process that shares this one's memory.

use core::ptr::NonNull;

use crate::ffi::sys::mman as c;
use crate::sys::conv::ret;
use crate::sys::errno::{Errno, Result};
use crate::sys::memory::map::{map, unmap};

/// A stack for a process that shares this one's memory: see [`spawn`](crate::process::spawn).
///
/// Below it is a page that nothing may touch, so that running over the end faults instead of writing to what is there.
#[derive(Debug)]
pub struct Stack {
    start: NonNull<u8>,
    size: usize,
}

/// The size of a page, or a multiple of it, on every system that Linux runs on.
const GUARD: usize = 65_536;

/// The least that a stack has: room for what the C library does on it before a program runs.
pub const STACK_MIN: usize = 16_384;

impl Stack {
    /// `mmap()` and `mprotect()`: a stack of `size` bytes.
    ///
    /// Async-signal-safe: yes.
    ///
    /// # Errors
    /// `ENOMEM`; `EINVAL` for less than [`STACK_MIN`].
    ///
    /// # References
    /// mmap(2), mprotect(2), POSIX
    pub fn new(size: usize) -> Result<Stack> {
        if size < STACK_MIN {
            return Err(Errno::INVAL);
        }
        let size = size.checked_add(GUARD).ok_or(Errno::NOMEM)?;
        let stack = Stack { start: map(size, c::MAP_PRIVATE)?, size };
        // SAFETY: the pages are the first of the new mapping, and nothing refers to them.
        ret(unsafe { c::mprotect(stack.start.as_ptr().cast(), GUARD, c::PROT_NONE) })?;
        Ok(stack)
    }

    /// The beginning of the stack, which grows down from here. Aligned to 16 bytes, as every processor's calls want it.
    pub(crate) fn top(&mut self) -> *mut u8 {
        // SAFETY: the end of the mapping is one past its last byte.
        let end = unsafe { self.start.add(self.size) };
        end.as_ptr().map_addr(|address| address & !15)
    }
}

impl Drop for Stack {
    fn drop(&mut self) {
        unmap(self.start, self.size);
    }
}
