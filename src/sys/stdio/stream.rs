//! C's standard streams, and the functions that take a stream.

use core::ffi::{CStr, c_int};
use core::fmt::Write as _;
use core::sync::atomic::{AtomicBool, Ordering};

use crate::ffi;
use crate::sys::errno::Errno;
use crate::sys::fd::{self, BorrowedFd};
use crate::sys::stdio::direct::Direct;

/// `EOF`: the result of stdio's functions for an error, and for the end of the input.
pub const EOF: c_int = ffi::stdio::EOF;

/// `FILE *`: one of C's three standard streams.
#[derive(Clone, Copy, Debug)]
pub struct Stream {
    pub(super) file: *mut ffi::stdio::FILE,
    pub(super) fd: BorrowedFd<'static>,
}

/// `stdin`: returns standard input.
///
/// Async-signal-safe: yes.
#[must_use]
pub fn stdin() -> Stream {
    // SAFETY: the C library's variable is always there, and nothing in this process assigns to it.
    Stream { file: unsafe { ffi::stdio::stdin }, fd: fd::STDIN }
}

/// `stdout`: returns standard output.
///
/// Async-signal-safe: yes.
#[must_use]
pub fn stdout() -> Stream {
    // SAFETY: the reason is the same as for `stdin`.
    Stream { file: unsafe { ffi::stdio::stdout }, fd: fd::STDOUT }
}

/// `stderr`: returns standard error.
///
/// Async-signal-safe: yes.
#[must_use]
pub fn stderr() -> Stream {
    // SAFETY: the reason is the same as for `stdin`.
    Stream { file: unsafe { ffi::stdio::stderr }, fd: fd::STDERR }
}

/// Whether this process is inside stdio. If so, a handler that runs now has interrupted stdio.
static INSIDE: AtomicBool = AtomicBool::new(false);

/// Calls `function`, which enters stdio. If stdio was interrupted, returns `None` instead.
pub(super) fn enter<T>(function: impl FnOnce() -> T) -> Option<T> {
    if INSIDE.swap(true, Ordering::Relaxed) {
        return None;
    }
    let result = function();
    INSIDE.store(false, Ordering::Relaxed);
    Some(result)
}

/// Makes every handler, and every function that `exit()` runs, write without stdio from now on: `exit()` is about to
/// flush the streams, and does not return. Writes earlier text first, so that it stands before theirs.
pub(crate) fn close_to_handlers() {
    // If another thread is inside stdio, exit() writes the text.
    let _ = fflush(stdout());
    INSIDE.store(true, Ordering::Relaxed);
}

/// `fputs()`: prints `text`. Returns a negative number for an error.
///
/// Async-signal-safe: no, because `fputs()` locks the stream.
///
/// # References
/// fputs(3), POSIX
pub fn fputs(text: &CStr, stream: Stream) -> c_int {
    // SAFETY: the text ends in a NUL, and the stream is one of the three standard streams.
    enter(|| unsafe { ffi::stdio::fputs(text.as_ptr(), stream.file) }).unwrap_or_else(|| {
        let mut direct = Direct::new(stream.fd);
        direct.put(text.to_bytes());
        direct.flush();
        0
    })
}

/// `fputc()`: prints one byte. Returns [`EOF`] for an error.
///
/// Async-signal-safe: no, because `fputc()` locks the stream.
///
/// # References
/// fputc(3), POSIX
pub fn fputc(byte: u8, stream: Stream) -> c_int {
    // SAFETY: the stream is one of the three standard streams.
    enter(|| unsafe { ffi::stdio::fputc(c_int::from(byte), stream.file) }).unwrap_or_else(|| {
        let mut direct = Direct::new(stream.fd);
        direct.put(&[byte]);
        direct.flush();
        c_int::from(byte)
    })
}

/// `fgets()`: reads a line with its newline, or as much of the line as fits, and adds a NUL. Returns `None` at the end
/// of input, for an error, and in a handler that interrupted stdio. Of these cases, only an error may have changed
/// `buffer`.
///
/// Async-signal-safe: no, because `fgets()` locks the stream.
///
/// # References
/// fgets(3), POSIX
pub fn fgets(buffer: &mut [u8], stream: Stream) -> Option<&CStr> {
    let size = c_int::try_from(buffer.len()).unwrap_or(c_int::MAX);
    // SAFETY: the buffer is valid for writes of that size, and the stream is one of the three standard streams.
    let line = enter(|| unsafe { ffi::stdio::fgets(buffer.as_mut_ptr().cast(), size, stream.file) })?;
    if line.is_null() { None } else { Some(until_nul(buffer)) }
}

/// `fflush()`: writes the stream's buffer. Returns [`EOF`] for an error, and in a handler that interrupted stdio.
///
/// Async-signal-safe: no, because `fflush()` locks the stream.
///
/// # References
/// fflush(3), POSIX
pub fn fflush(stream: Stream) -> c_int {
    // SAFETY: the stream is one of the three standard streams.
    enter(|| unsafe { ffi::stdio::fflush(stream.file) }).unwrap_or(EOF)
}

/// `perror()`: prints `prefix`, a colon, and the reason why the last call failed, to standard error.
///
/// Async-signal-safe: no, because `perror()` locks the stream.
///
/// # References
/// perror(3), POSIX
pub fn perror(prefix: &CStr) {
    let errno = Errno::last();
    // SAFETY: the prefix ends in a NUL.
    if enter(|| unsafe { ffi::stdio::perror(prefix.as_ptr()) }).is_none() {
        let mut direct = Direct::new(fd::STDERR);
        direct.put(prefix.to_bytes());
        let _ = writeln!(direct, ": {errno}");
        direct.flush();
    }
}

/// Returns the string that C finds in a buffer, up to the first NUL. Returns an empty string if there is no NUL.
///
/// Async-signal-safe: yes.
#[must_use]
pub fn until_nul(buffer: &[u8]) -> &CStr {
    CStr::from_bytes_until_nul(buffer).unwrap_or_default()
}
