//! `<poll.h>`: waits for descriptors.

/// `typedef /* ... */ nfds_t;`
///
/// A number of descriptors. poll(2), POSIX.
#[doc(inline)]
pub use libc::nfds_t;

/// `struct pollfd { int fd; short events; short revents; }`
///
/// A descriptor, the requested events, and the events that occurred. poll(2), POSIX.
#[doc(inline)]
pub use libc::pollfd;

/// `int poll(struct pollfd *fds, nfds_t nfds, int timeout);`
///
/// Wait for a descriptor, for timeout milliseconds at most. poll(2), POSIX.
#[doc(inline)]
pub use libc::poll;

/// `int ppoll(struct pollfd *fds, nfds_t nfds, const struct timespec *tmo_p, const sigset_t
/// *sigmask);`
///
/// Wait for a descriptor under another signal mask. poll(2), POSIX.1-2024.
#[doc(inline)]
pub use libc::ppoll;

/// `POLL*`
///
/// Events to wait for, and events that occurred. poll(2), POSIX and Linux.
#[doc(inline)]
pub use libc::{POLLERR, POLLHUP, POLLIN, POLLNVAL, POLLOUT, POLLRDHUP};
