//! `<syslog.h>`: the system's log.

/// `void openlog(const char *ident, int option, int facility);`
///
/// Say who logs. syslog(3), POSIX.
#[doc(inline)]
pub use libc::openlog;

/// `void syslog(int priority, const char *format, ...);`
///
/// Log a line by a format. syslog(3), POSIX.
#[doc(inline)]
pub use libc::syslog;

/// `void closelog(void);`
///
/// Close the connection to the log. syslog(3), POSIX.
#[doc(inline)]
pub use libc::closelog;

/// `LOG_*`
///
/// How much it matters. syslog(3), POSIX.
#[doc(inline)]
pub use libc::{LOG_ALERT, LOG_CRIT, LOG_DEBUG, LOG_EMERG, LOG_ERR, LOG_INFO, LOG_NOTICE, LOG_WARNING};

/// `LOG_*`
///
/// Which part of the system logs. syslog(3), POSIX.
#[doc(inline)]
pub use libc::{
    LOG_AUTH, LOG_DAEMON, LOG_LOCAL0, LOG_LOCAL1, LOG_LOCAL2, LOG_LOCAL3, LOG_LOCAL4, LOG_LOCAL5, LOG_LOCAL6,
    LOG_LOCAL7, LOG_USER,
};

/// `LOG_*`
///
/// How openlog opens. syslog(3), POSIX and BSD.
#[doc(inline)]
pub use libc::{LOG_CONS, LOG_NDELAY, LOG_NOWAIT, LOG_PERROR, LOG_PID};
