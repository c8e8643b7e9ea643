//! `<sys/types.h>`: the types of ids, sizes and times.

/// `typedef /* ... */ pid_t;`
///
/// A process or process group. pid_t(3type), POSIX.
#[doc(inline)]
pub use libc::pid_t;

/// `typedef /* ... */ uid_t;`
///
/// A user. uid_t(3type), POSIX.
#[doc(inline)]
pub use libc::uid_t;

/// `typedef /* ... */ gid_t;`
///
/// A group. gid_t(3type), POSIX.
#[doc(inline)]
pub use libc::gid_t;

/// `typedef /* ... */ mode_t;`
///
/// A file's type and permissions. mode_t(3type), POSIX.
#[doc(inline)]
pub use libc::mode_t;

/// `typedef /* ... */ dev_t;`
///
/// A device. dev_t(3type), POSIX.
#[doc(inline)]
pub use libc::dev_t;

/// `typedef /* ... */ ino_t;`
///
/// A file's number in its file system. ino_t(3type), POSIX.
#[doc(inline)]
pub use libc::ino_t;

/// `typedef /* ... */ off_t;`
///
/// A place in a file. off_t(3type), POSIX.
#[doc(inline)]
pub use libc::off_t;

/// `typedef /* ... */ size_t;`
///
/// A number of bytes. size_t(3type), C11.
#[doc(inline)]
pub use libc::size_t;

/// `typedef /* ... */ ssize_t;`
///
/// A number of bytes, or -1. ssize_t(3type), POSIX.
#[doc(inline)]
pub use libc::ssize_t;

/// `typedef /* ... */ time_t;`
///
/// Seconds since 1970. time_t(3type), C11.
#[doc(inline)]
pub use libc::time_t;
