//! `<time.h>`: clocks.

/// `typedef /* ... */ clockid_t;`
///
/// A clock. clockid_t(3type), POSIX.
#[doc(inline)]
pub use libc::clockid_t;

/// `struct timespec { time_t tv_sec; long tv_nsec; }`
///
/// Seconds and nanoseconds. timespec(3type), C11, POSIX.
#[doc(inline)]
pub use libc::timespec;

/// `int clock_gettime(clockid_t clockid, struct timespec *tp);`
///
/// Read a clock. clock_gettime(2), POSIX.
#[doc(inline)]
pub use libc::clock_gettime;

/// `int clock_nanosleep(clockid_t clockid, int flags, const struct timespec *request, struct
/// timespec *remain);`
///
/// Sleep by a clock. The result is an error number. clock_nanosleep(2), POSIX.
#[doc(inline)]
pub use libc::clock_nanosleep;

/// `int nanosleep(const struct timespec *req, struct timespec *rem);`
///
/// Sleep for a time, or until a signal comes. nanosleep(2), POSIX.
#[doc(inline)]
pub use libc::nanosleep;

/// `struct tm { int tm_sec; int tm_min; int tm_hour; int tm_mday; int tm_mon; int tm_year; int
/// tm_wday; int tm_yday; int tm_isdst; long tm_gmtoff; const char *tm_zone; }`
///
/// A date and a time of day. tm(3type), C11, POSIX, BSD.
#[doc(inline)]
pub use libc::tm;

/// `struct tm *localtime_r(const time_t *timep, struct tm *result);`
///
/// Convert a time to the local time. localtime_r(3), POSIX.
#[doc(inline)]
pub use libc::localtime_r;

unsafe extern "C" {
    /// `void tzset(void);`
    ///
    /// Read the time zone from TZ or from the system's file. tzset(3), POSIX.
    pub fn tzset();
}

/// `CLOCK_*`
///
/// The clocks. clock_gettime(2), POSIX and Linux.
#[doc(inline)]
pub use libc::{CLOCK_BOOTTIME, CLOCK_MONOTONIC, CLOCK_REALTIME};
