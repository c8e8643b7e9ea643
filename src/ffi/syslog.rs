//! `<syslog.h>`: the system's log.

/// `void openlog(const char *ident, int option, int facility);`
///
/// Set the name of the program in the log. syslog(3), POSIX.
#[doc(inline)]
pub use libc::openlog;

/// `void syslog(int priority, const char *format, ...);`
///
/// Log a line by a format. syslog(3), POSIX.
#[doc(inline)]
pub use libc::syslog;

/// `LOG_*`
///
/// Priorities of a message. syslog(3), POSIX.
#[doc(inline)]
pub use libc::{LOG_DEBUG, LOG_ERR, LOG_INFO, LOG_NOTICE, LOG_WARNING};

/// `LOG_*`
///
/// The part of the system that logs. syslog(3), POSIX.
#[doc(inline)]
pub use libc::LOG_DAEMON;

/// `LOG_*`
///
/// Options of openlog. syslog(3), POSIX and BSD.
#[doc(inline)]
pub use libc::{LOG_NDELAY, LOG_PID};
