//! `<sys/uio.h>`: several buffers in one call.

/// `struct iovec { void *iov_base; size_t iov_len; }`
///
/// A buffer. iovec(3type), POSIX.
#[doc(inline)]
pub use libc::iovec;

/// `ssize_t writev(int fd, const struct iovec *iov, int iovcnt);`
///
/// Write several buffers. readv(2), POSIX.
#[doc(inline)]
pub use libc::writev;
