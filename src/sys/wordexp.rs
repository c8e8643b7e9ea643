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
use crate::sys::process::value;
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
    /// A `$` stands where it may begin an expansion other than `$NAME` and `${NAME}`. No call was made.
    Expansion,
    /// The line, with the values of its variables, is longer than [`LINE_MAX`], or has a pattern and more than
    /// [`SLASHES_MAX`] slashes. No call was made.
    TooLong,
    /// The variable `IFS` names separators other than space, tab and newline. No call was made.
    Separators,
    /// Other threads exist, which might be changing the environment. No call was made.
    Threads,
    /// `WRDE_NOSPACE`, or another error that the C library reports.
    Other,
}

/// The longest line that is split, with its NUL and the values of its variables, each as often as it is named. The C
/// library copies a name after `~` to its stack.
pub const LINE_MAX: usize = 4096;

/// The most `/` of a line with a pattern (`*`, `?`, `[`), and of the values of its variables. The C library calls itself
/// for each `/` after a pattern.
pub const SLASHES_MAX: usize = 64;

/// `wordexp(…, WRDE_NOCMD)`: splits a line into words, with respect to quotes, and expands `~`, variables and patterns
/// in the words. Runs no command.
///
/// A variable is `$NAME` or `${NAME}`. Every other expansion is refused, because glibc reads null pointers and frees
/// foreign memory for some of them: for `$(())`, `${NAME?}`, `${#NAME-}`, `${NAME-$@}`. Any `$` may stand in single
/// quotes and after a backslash, unless a `~` or a pattern stands before it. After a `~` or a pattern, glibc reads
/// quotes in another way.
///
/// `IFS` may name no other separators than space, tab and newline, because glibc does not return from some lines if
/// `IFS` has a character of a pattern.
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
    // SAFETY: no other thread exists, and the values are used here alone.
    let value_of = |name: &[u8]| unsafe { value(name) }.map_or(&b""[..], CStr::to_bytes);
    check(line.to_bytes_with_nul(), value_of)?;
    let mut words = MaybeUninit::uninit();
    // SAFETY: the line ends in a NUL, and has none of the expansions for which the C library fails. wordexp fills in
    // `words`, a local variable. wordexp reads the environment, which no other thread changes.
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

/// Refuses a line with expansions for which the C library may fail. `value_of` returns the value of a variable.
fn check<'v>(line: &[u8], value_of: impl Fn(&[u8]) -> &'v [u8]) -> Result<(), WordError> {
    if !value_of(b"IFS").iter().all(|byte| b" \t\n".contains(byte)) {
        return Err(WordError::Separators);
    }
    let (mut length, mut slashes, mut has_pattern) = (0, 0, false);
    let mut count = |bytes: &[u8]| {
        length += bytes.len();
        slashes += bytes.iter().filter(|byte| **byte == b'/').count();
        has_pattern |= bytes.iter().any(|byte| b"*?[".contains(byte));
        if length > LINE_MAX || (has_pattern && slashes > SLASHES_MAX) { Err(WordError::TooLong) } else { Ok(()) }
    };
    count(line)?;
    let (mut is_in_double_quotes, mut hides) = (false, true);
    let mut rest = line;
    while let Some((first, after)) = rest.split_first() {
        rest = after;
        match first {
            b'\\' if hides => rest = after.get(1..).unwrap_or_default(),
            b'\'' if hides && !is_in_double_quotes => {
                let end = after.iter().position(|&byte| byte == b'\'').unwrap_or(after.len() - 1);
                rest = after.get(end + 1..).unwrap_or_default();
            }
            b'"' => is_in_double_quotes = !is_in_double_quotes,
            // From here on the C library may take a quote or a backslash for something else.
            b'~' | b'*' | b'?' | b'[' if !is_in_double_quotes => {
                hides = false;
                count(if *first == b'~' { value_of(b"HOME") } else { b"" })?;
            }
            b'$' => count(value_of(variable(after)?))?,
            _ => {}
        }
    }
    Ok(())
}

/// Returns the name of the variable after a `$`. The name is empty before a quote and at the end of a word, where the
/// `$` stands for itself.
fn variable(text: &[u8]) -> Result<&[u8], WordError> {
    fn name(text: &[u8]) -> (&[u8], &[u8]) {
        let is_part = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_';
        text.split_at(text.iter().take_while(|byte| is_part(byte)).count())
    }
    let is_start = |byte: &u8| byte.is_ascii_alphabetic() || *byte == b'_';
    match text {
        [b'\0' | b' ' | b'\t' | b'"' | b'\'', ..] => Ok(b""),
        [first, ..] if is_start(first) => Ok(name(text).0),
        [b'{', text @ ..] if text.first().is_some_and(is_start) => match name(text) {
            (name, [b'}', ..]) => Ok(name),
            _ => Err(WordError::Expansion),
        },
        [b'(', b'(', ..] => Err(WordError::Expansion),
        [b'(', ..] => Err(WordError::Command),
        _ => Err(WordError::Expansion),
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
