//! `<sys/resource.h>`: limits.

/// `typedef /* ... */ rlim_t;`
///
/// A limit. getrlimit(2), POSIX.
#[doc(inline)]
pub use libc::rlim_t;

/// `typedef /* ... */ __rlimit_resource_t;`
///
/// A resource, in a type of glibc. The man page calls this type an int. getrlimit(2).
#[doc(inline)]
pub use libc::__rlimit_resource_t;

/// `struct rlimit { rlim_t rlim_cur; rlim_t rlim_max; }`
///
/// A soft and a hard limit. getrlimit(2), POSIX.
#[doc(inline)]
pub use libc::rlimit;

/// `int getrlimit(__rlimit_resource_t resource, struct rlimit *rlim);`
///
/// Ask for a limit. getrlimit(2), POSIX.
#[doc(inline)]
pub use libc::getrlimit;

/// `int setrlimit(__rlimit_resource_t resource, const struct rlimit *rlim);`
///
/// Set a limit. getrlimit(2), POSIX.
#[doc(inline)]
pub use libc::setrlimit;

/// `RLIMIT_*`
///
/// The resources, in the order of their numbers. getrlimit(2), POSIX and Linux.
#[doc(inline)]
pub use libc::{
    RLIMIT_AS, RLIMIT_CORE, RLIMIT_CPU, RLIMIT_DATA, RLIMIT_FSIZE, RLIMIT_LOCKS, RLIMIT_MEMLOCK, RLIMIT_MSGQUEUE,
    RLIMIT_NICE, RLIMIT_NOFILE, RLIMIT_NPROC, RLIMIT_RSS, RLIMIT_RTPRIO, RLIMIT_RTTIME, RLIMIT_SIGPENDING,
    RLIMIT_STACK,
};

/// `RLIM_INFINITY`
///
/// No limit. getrlimit(2), POSIX.
#[doc(inline)]
pub use libc::RLIM_INFINITY;
