//! Words: a line split and expanded as a shell does.
//!
//! # Example
//! ```
//! use mpserv::wordexp::wordexp;
//!
//! let words = wordexp(c"cat 'a file'").expect("it is a line of words");
//! assert!(words.iter().eq([c"cat", c"a file"]));
//! ```

use core::ffi::CStr;
use core::mem::MaybeUninit;

use crate::ffi::wordexp as c;
use crate::sys::threads::has_other_threads;

/// The words of a line. A drop frees their memory.
#[derive(Debug)]
pub struct Words(c::wordexp_t);

/// The reason why a line was not split.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum WordError {
    /// `WRDE_BADCHAR`: the line has an unquoted newline or one of `|&;<>(){}`, which only a shell can handle.
    BadCharacter,
    /// `WRDE_CMDSUB`: the line has a command to run, as `$(…)`. No command is ever run.
    Command,
    /// `WRDE_SYNTAX`: a quote or a bracket does not end.
    Syntax,
    /// Other threads exist, which might be reading the environment, and `${NAME:=value}` would change it. No call was
    /// made.
    Threads,
    /// `WRDE_NOSPACE`, or another error that the C library reports.
    Other,
}

/// `wordexp(…, WRDE_NOCMD)`: splits a line into words, with respect to quotes, and expands `~`, variables and patterns
/// in the words. Runs no command. `${NAME:=value}` sets a variable of this process, as `setenv()` does.
///
/// Succeeds only where no other thread exists.
///
/// Async-signal-safe: no, because `wordexp()` allocates.
///
/// # Errors
/// See [`WordError`].
///
/// # References
/// wordexp(3), POSIX
pub fn wordexp(line: &CStr) -> Result<Words, WordError> {
    if has_other_threads() {
        return Err(WordError::Threads);
    }
    let mut words = MaybeUninit::uninit();
    // SAFETY: the line ends in a NUL, and the other pointer is to room for the words. The call may change the
    // environment, but no other thread reads it.
    let returned = unsafe { c::wordexp(line.as_ptr(), words.as_mut_ptr(), c::WRDE_NOCMD) };
    match returned {
        // SAFETY: wordexp succeeded, so it has filled in the words.
        0 => Ok(Words(unsafe { words.assume_init() })),
        c::WRDE_BADCHAR => Err(WordError::BadCharacter),
        c::WRDE_CMDSUB => Err(WordError::Command),
        c::WRDE_SYNTAX => Err(WordError::Syntax),
        _ => Err(WordError::Other),
    }
}

impl Words {
    /// Returns the words in order.
    ///
    /// Async-signal-safe: yes.
    pub fn iter(&self) -> impl Iterator<Item = &CStr> {
        (0..self.0.we_wordc).map(|index| {
            // SAFETY: wordexp gave an array of this many pointers.
            let slot = unsafe { self.0.we_wordv.add(index) };
            // SAFETY: the slot is within the array, which lives as long as `self`.
            let word = unsafe { *slot };
            // SAFETY: each pointer is to a word that ends in a NUL and lives as long as `self`.
            unsafe { CStr::from_ptr(word) }
        })
    }
}

impl Drop for Words {
    fn drop(&mut self) {
        // SAFETY: wordexp filled in the words, and no code uses them after this.
        unsafe { c::wordfree(&raw mut self.0) };
    }
}
