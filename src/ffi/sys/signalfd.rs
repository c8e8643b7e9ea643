//! `<sys/signalfd.h>`: signals that are read from a descriptor.

/// `struct signalfd_siginfo { uint32_t ssi_signo; int32_t ssi_errno; int32_t ssi_code; uint32_t ssi_pid; uint32_t
/// ssi_uid; }`
///
/// A signal that came, and its sender. signalfd(2), Linux.
#[doc(inline)]
pub use libc::signalfd_siginfo;

/// `int signalfd(int fd, const sigset_t *mask, int flags);`
///
/// Make a descriptor that is readable when one of these signals is pending. signalfd(2), Linux.
#[doc(inline)]
pub use libc::signalfd;

/// `SFD_*`
///
/// Flags of a new descriptor. signalfd(2), Linux.
#[doc(inline)]
pub use libc::{SFD_CLOEXEC, SFD_NONBLOCK};
