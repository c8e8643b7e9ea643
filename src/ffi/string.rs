//! `<string.h>`: strings and memory.

/// `int strerror_r(int errnum, char *buf, size_t buflen); /* XSI-compliant */`
///
/// Write the text of an error to the caller's buffer. The result is an error number. strerror(3), POSIX.
#[doc(inline)]
pub use libc::strerror_r;
