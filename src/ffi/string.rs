//! `<string.h>`: strings and memory.

/// `int strerror_r(int errnum, char *buf, size_t buflen); /* XSI-compliant */`
///
/// The text of an error, in the caller's buffer; returns an error number. strerror(3), POSIX.
#[doc(inline)]
pub use libc::strerror_r;
