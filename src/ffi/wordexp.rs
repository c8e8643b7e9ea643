//! `<wordexp.h>`: splits and expands words as a shell does.

use core::ffi::{c_char, c_int};

/// `typedef struct { size_t we_wordc; char **we_wordv; size_t we_offs; } wordexp_t;`
///
/// The words, and their number. wordexp(3), POSIX.
#[repr(C)]
#[derive(Debug)]
pub struct wordexp_t {
    /// The number of words.
    pub we_wordc: usize,
    /// The words, and a NULL after them.
    pub we_wordv: *mut *mut c_char,
    /// The number of free places before the words.
    pub we_offs: usize,
}

/// `WRDE_BADCHAR`
///
/// An unquoted newline or one of `|&;<>(){}`. wordexp(3), POSIX.
pub const WRDE_BADCHAR: c_int = 2;

/// `WRDE_CMDSUB`
///
/// A command to run, which is not allowed. wordexp(3), POSIX.
pub const WRDE_CMDSUB: c_int = 4;

/// `WRDE_NOCMD`
///
/// The flag that allows no command. wordexp(3), POSIX.
pub const WRDE_NOCMD: c_int = 4;

/// `WRDE_SYNTAX`
///
/// A quote that does not end, or the like. wordexp(3), POSIX.
pub const WRDE_SYNTAX: c_int = 5;

unsafe extern "C" {
    /// `int wordexp(const char *s, wordexp_t *p, int flags);`
    ///
    /// Split a string into words. wordexp(3), POSIX.
    pub fn wordexp(s: *const c_char, p: *mut wordexp_t, flags: c_int) -> c_int;

    /// `void wordfree(wordexp_t *p);`
    ///
    /// Free the words from wordexp. wordexp(3), POSIX.
    pub fn wordfree(p: *mut wordexp_t);
}
