//! The title of a process.

use core::ffi::{c_char, c_int};

use crate::ffi;
use crate::program::args::Args;
use crate::sys::memory::CStrArray;
use crate::sys::process::{has_other_threads, variables};

/// The title of this process, which `ps` shows in place of the arguments.
///
/// Linux shows the memory in which a process finds its arguments and its environment. So this type copies both
/// elsewhere, and writes the title in their place. A change of the title takes no system call.
pub struct Title {
    start: *mut u8,
    length: usize,
    /// The number of bytes of the last title.
    used: usize,
}

impl Title {
    /// Claims the memory, and returns the copied arguments.
    ///
    /// # Safety
    /// `argv` points to the `argc` strings that C's main function got. No reference to these strings or to the
    /// environment exists.
    #[doc(hidden)]
    #[must_use]
    pub unsafe fn claim(argc: c_int, argv: *const *const c_char) -> (Args, Title) {
        // SAFETY: by this function's own contract.
        let old = unsafe { Args::new(argc, argv) };
        // SAFETY: this function alone changes the environment, at its end.
        let variables = unsafe { variables() };
        let (Ok(args), Ok(environment)) = (CStrArray::copy(old.from(0)), CStrArray::copy(variables.clone())) else {
            return (old, Title { start: core::ptr::null_mut(), length: 0, used: 0 });
        };
        // The strings are contiguous, from the first argument to the last variable.
        let start = old.program().as_ptr();
        let mut end = start;
        for string in old.from(0).chain(variables) {
            if string.as_ptr() == end {
                end = end.wrapping_add(string.to_bytes_with_nul().len());
            }
        }
        let length = end.addr() - start.addr();
        let used = length;
        let new = Args::of_copy(&args);
        // SAFETY: no reference to the old list exists, by this function's own contract.
        unsafe { ffi::unistd::environ = environment.as_ptr().cast_mut().cast() };
        // The copies stay for as long as the process.
        core::mem::forget((args, environment));
        (new, Title { start: start.cast_mut().cast(), length, used })
    }

    /// Shows as many characters of a title as fit. With an empty title, `ps` shows the name of the program's file in
    /// brackets. Does nothing where other threads exist, because `std::env::args()` in such a thread may be reading the
    /// memory. From then on `std::env::args()` returns parts of the title, so a program reads the arguments that its main
    /// function gets.
    pub fn set(&mut self, title: &str) {
        // The last byte stays a NUL.
        let Some(room) = self.length.checked_sub(1).filter(|_| !has_other_threads()) else { return };
        let mut length = title.len().min(room);
        while !title.is_char_boundary(length) {
            length -= 1;
        }
        // SAFETY: this process may write this many bytes there. Since the memory was claimed, nothing else refers to
        // it, and no other thread reads it now.
        unsafe { core::ptr::copy_nonoverlapping(title.as_ptr(), self.start, length) };
        let rest = self.start.wrapping_add(length);
        // SAFETY: the reason above holds here as well. The bytes of the last title are within that memory.
        unsafe { core::ptr::write_bytes(rest, 0, self.used.saturating_sub(length)) };
        self.used = length;
    }
}

impl core::fmt::Debug for Title {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Title").field("length", &self.length).finish_non_exhaustive()
    }
}
