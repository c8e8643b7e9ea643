//! `<sys/time.h>`: times of day.

/// `struct timeval { time_t tv_sec; suseconds_t tv_usec; }`
///
/// Seconds and microseconds. timeval(3type), POSIX.
#[doc(inline)]
pub use libc::timeval;

/// `typedef /* ... */ suseconds_t;`
///
/// Microseconds. suseconds_t(3type), POSIX.
#[doc(inline)]
pub use libc::suseconds_t;
