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

/// The words of a line; dropping them frees them.
#[derive(Debug)]
pub struct Words(c::wordexp_t);

/// Reason for which a line is not split.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum WordError {
    /// `WRDE_BADCHAR`: it has, unquoted, a newline or one of `|&;<>(){}`, which only a shell knows what to do with.
    BadCharacter,
    /// `WRDE_CMDSUB`: it has a command to run, as `$(…)`. No command is ever run.
    Command,
    /// `WRDE_SYNTAX`: a quote or a bracket does not end.
    Syntax,
    /// Other threads exist, which might be reading the environment: `${NAME:=value}` changes it. No call was made.
    Threads,
    /// `WRDE_NOSPACE` or what else the C library reports.
    Other,
}

/// `wordexp(…, WRDE_NOCMD)`: splits a line into words, minding quotes, and expands `~`, variables and patterns in them.
/// Runs no command. `${NAME:=value}` sets a variable of this process, as `setenv()` does.
///
/// Only where no other thread exists.
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
    // SAFETY: the line ends in a NUL, and wordexp fills in the words, which are ours to write. No other thread reads
    // the environment, which it may change.
    let returned = unsafe { c::wordexp(line.as_ptr(), words.as_mut_ptr(), c::WRDE_NOCMD) };
    match returned {
        // SAFETY: wordexp succeeded, so it has filled them in.
        0 => Ok(Words(unsafe { words.assume_init() })),
        c::WRDE_BADCHAR => Err(WordError::BadCharacter),
        c::WRDE_CMDSUB => Err(WordError::Command),
        c::WRDE_SYNTAX => Err(WordError::Syntax),
        _ => Err(WordError::Other),
    }
}

impl Words {
    /// The words in order.
    ///
    /// Async-signal-safe: yes.
    pub fn iter(&self) -> impl Iterator<Item = &CStr> {
        (0..self.0.we_wordc).map(|index| {
            // SAFETY: wordexp gave an array of this many pointers.
            let slot = unsafe { self.0.we_wordv.add(index) };
            // SAFETY: the slot is within the array, which lives as long as `self`.
            let word = unsafe { *slot };
            // SAFETY: each points to a word that ends in a NUL and lives as long as `self`.
            unsafe { CStr::from_ptr(word) }
        })
    }
}

impl Drop for Words {
    fn drop(&mut self) {
        // SAFETY: wordexp filled them in, and no code uses them after this.
        unsafe { c::wordfree(&raw mut self.0) };
    }
}
