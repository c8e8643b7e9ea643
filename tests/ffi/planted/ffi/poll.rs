//! `<poll.h>`

use crate::libc;

/// `typedef /* ... */ nfds_t;`
pub use libc::nfds_t;

/// `struct pollfd { int fd; short events; short revents; }`
pub use libc::pollfd;

/// `int poll(struct pollfd *fds, nfds_t nfds, int timeout);`
pub use libc::poll;

/// `POLL*`
pub use libc::{POLLIN, POLLOUT};
