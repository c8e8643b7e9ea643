//! `<syslog.h>`: the system's log.
//!
//! # Example
//! ```no_run
//! use mpserv::syslog::{Priority, openlog, syslog};
//!
//! openlog(c"hello");
//! syslog(Priority::NOTICE, c"started");
//! ```

use core::ffi::{CStr, c_int};

use crate::ffi::syslog as c;
use crate::sys::flags::open_set;

/// The priority of a message.
#[repr(transparent)]
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Priority(c_int);

open_set!(Priority from c {
    ERR = LOG_ERR,
    WARNING = LOG_WARNING,
    NOTICE = LOG_NOTICE,
    INFO = LOG_INFO,
    DEBUG = LOG_DEBUG,
});

impl Priority {
    /// Returns the number with which a line of this priority begins, if it comes from a daemon (`LOG_DAEMON`): see RFC
    /// 3164.
    ///
    /// Async-signal-safe: yes.
    #[must_use]
    pub const fn of_daemon(self) -> c_int {
        c::LOG_DAEMON | self.0
    }
}

/// `openlog(ident, LOG_PID | LOG_NDELAY, LOG_DAEMON)`: sets the name of this program in the log, and connects to the
/// log at once.
///
/// Async-signal-safe: no, because `openlog()` takes a lock.
///
/// # References
/// openlog(3), POSIX
pub fn openlog(ident: &'static CStr) {
    // SAFETY: the C library keeps the pointer, and the string is always there.
    unsafe { c::openlog(ident.as_ptr(), c::LOG_PID | c::LOG_NDELAY, c::LOG_DAEMON) };
}

/// `syslog(priority, "%s", line)`: logs a line.
///
/// Async-signal-safe: no, because `syslog()` takes a lock and allocates.
///
/// # References
/// syslog(3), POSIX
pub fn syslog(priority: Priority, line: &CStr) {
    // SAFETY: the format takes one string, and the line is a string.
    unsafe { c::syslog(priority.0, c"%s".as_ptr(), line.as_ptr()) };
}
