//! The title of a process.

use core::ffi::{c_char, c_int};

use crate::ffi;
use crate::program::args::Args;
use crate::sys::memory::CStrArray;
use crate::sys::process::{has_other_threads, variables};

/// The title of this process: `ps` shows it in place of the arguments.
///
/// Linux shows the memory in which a process finds its arguments and its environment: both are copied elsewhere, and
/// the title is written in their place. That takes no system call.
pub struct Title {
    start: *mut u8,
    length: usize,
    /// Number of bytes of the last title.
    used: usize,
}

impl Title {
    /// Claims the memory, and gives the arguments where they are now.
    ///
    /// # Safety
    /// The pointer is to as many strings as C's main function was given, and no reference to them or to the environment
    /// exists.
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
        // The strings lie one behind the other, from the first argument to the last variable.
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

    /// Shows a title, as much of it as there is room for. Does nothing where other threads exist, which may be reading
    /// the arguments that the program was started with, as `std::env::args()` does.
    pub fn set(&mut self, title: &str) {
        // One byte stays a NUL.
        let length = title.len().min(self.length.saturating_sub(1));
        if length == 0 || has_other_threads() {
            return;
        }
        // SAFETY: so many bytes are there to be written. Since they were claimed, nothing else refers to them, and no
        // other thread looks at them now.
        unsafe { core::ptr::copy_nonoverlapping(title.as_ptr(), self.start, length) };
        let rest = self.start.wrapping_add(length);
        // SAFETY: as above; what the last title took is within them.
        unsafe { core::ptr::write_bytes(rest, 0, self.used.saturating_sub(length)) };
        self.used = length;
    }
}

impl core::fmt::Debug for Title {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Title").field("length", &self.length).finish_non_exhaustive()
    }
}
