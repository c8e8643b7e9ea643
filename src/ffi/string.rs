//! `<string.h>`: strings and memory.

/// `size_t strlen(const char *s);`
///
/// The length of a string without its final NUL. strlen(3), C11.
#[doc(inline)]
pub use libc::strlen;

/// `void *memset(void *s, int c, size_t n);`
///
/// Fill n bytes with c. memset(3), C11.
#[doc(inline)]
pub use libc::memset;

/// `char *strerror(int errnum);`
///
/// The text of an error, in a buffer that the next call may change. strerror(3), C11.
#[doc(inline)]
pub use libc::strerror;

/// `int strerror_r(int errnum, char *buf, size_t buflen); /* XSI-compliant */`
///
/// The text of an error, in the caller's buffer; returns an error number. strerror(3), POSIX.
#[doc(inline)]
pub use libc::strerror_r;
