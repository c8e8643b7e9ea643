//! A stack for a process that shares this process's memory.

use core::ptr::NonNull;

use crate::ffi::sys::mman as c;
use crate::sys::conv::ret;
use crate::sys::errno::{Errno, Result};
use crate::sys::memory::map::{map, unmap};

/// A stack for a process that shares this process's memory: see [`spawn`](crate::process::spawn).
///
/// Below the stack is a page that nothing may touch. So an overflow of the stack ends the process instead of
/// overwriting other memory.
#[derive(Debug)]
pub struct Stack {
    start: NonNull<u8>,
    size: usize,
}

/// The size of a page, or a multiple of it, on every system that runs Linux.
const GUARD: usize = 65_536;

/// The smallest size of a stack. The C library needs this much before a program runs.
pub const STACK_MIN: usize = 16_384;

impl Stack {
    /// `mmap()` and `mprotect()`: makes a stack of `size` bytes.
    ///
    /// Async-signal-safe: yes.
    ///
    /// # Errors
    /// `ENOMEM`. `EINVAL` for less than [`STACK_MIN`].
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

    /// Returns the beginning of the stack, which grows down from there. The address is aligned to 16 bytes, as function
    /// calls require on every processor.
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
