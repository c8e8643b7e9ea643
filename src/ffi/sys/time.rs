//! `<sys/time.h>`: times of day, and a timer.

use core::ffi::c_int;

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

/// `ITIMER_REAL`
///
/// The timer that counts real time and sends SIGALRM. setitimer(2), POSIX.1-2017.
pub const ITIMER_REAL: c_int = 0;

/// `struct itimerval { struct timeval it_interval; struct timeval it_value; }`
///
/// The time until a timer is due, and the time between later signals. setitimer(2), POSIX.1-2017.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct itimerval {
    /// The time between later signals, or 0.
    pub it_interval: timeval,
    /// The time until the next signal, or 0 for none.
    pub it_value: timeval,
}

unsafe extern "C" {
    /// `int setitimer(int which, const struct itimerval *restrict new_value, struct itimerval *restrict old_value);
    /// /* XSI-compliant */`
    ///
    /// Set a timer. setitimer(2), POSIX.1-2017.
    pub fn setitimer(which: c_int, new_value: *const itimerval, old_value: *mut itimerval) -> c_int;
}
