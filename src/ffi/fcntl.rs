//! `<fcntl.h>`: opening files, and the flags of descriptors.

/// `int open(const char *pathname, int flags, ...);`
///
/// Open a file. If the flags create a file, the mode follows them. open(2), POSIX.
#[doc(inline)]
pub use libc::open;

/// `int fcntl(int fd, int cmd, ...);`
///
/// Ask for, or change, a descriptor's flags. fcntl(2), POSIX.
#[doc(inline)]
pub use libc::fcntl;

/// `O_*`
///
/// Flags for open. open(2), POSIX.
#[doc(inline)]
pub use libc::{
    O_APPEND, O_CLOEXEC, O_CREAT, O_EXCL, O_NOCTTY, O_NOFOLLOW, O_NONBLOCK, O_PATH, O_RDONLY, O_RDWR, O_TRUNC, O_WRONLY,
};

/// `AT_*`
///
/// Flags that tell an `...at()` function how to find its file. open(2), POSIX.
#[doc(inline)]
pub use libc::AT_EMPTY_PATH;

/// `F_*`
///
/// Commands of fcntl. fcntl(2), POSIX.
#[doc(inline)]
pub use libc::{F_DUPFD_CLOEXEC, F_GETFD, F_GETFL, F_SETFD, F_SETFL};

/// `F_ADD_SEALS`, `F_SEAL_*`
///
/// Seals: changes to a file in memory that are forbidden from now on. fcntl(2), Linux.
#[doc(inline)]
pub use libc::{F_ADD_SEALS, F_SEAL_FUTURE_WRITE, F_SEAL_GROW, F_SEAL_SEAL, F_SEAL_SHRINK, F_SEAL_WRITE};

/// `FD_CLOEXEC`
///
/// The flag of a descriptor that exec closes. fcntl(2), POSIX.
#[doc(inline)]
pub use libc::FD_CLOEXEC;
