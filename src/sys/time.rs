//! Reads clocks, and waits for a time to pass.
//!
//! # Example
//! ```
//! use core::time::Duration;
//! use mpserv::time::{Clock, clock_gettime, nanosleep};
//!
//! let before = clock_gettime(Clock::MONOTONIC);
//! nanosleep(Duration::from_millis(1));
//! assert!(clock_gettime(Clock::MONOTONIC) - before >= Duration::from_millis(1));
//! ```

use core::ffi::{c_int, c_long, c_uint};
use core::mem::MaybeUninit;
use core::time::Duration;

use crate::ffi;
use crate::ffi::sys::time::{ITIMER_REAL, itimerval, timeval};
use crate::ffi::time as c;
use crate::sys::conv::ret;
use crate::sys::errno::Result;
use crate::sys::flags::open_set;
use crate::sys::threads::has_other_threads;

/// A clock of the system.
#[repr(transparent)]
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Clock(c_int);

open_set!(Clock from c {
    REALTIME = CLOCK_REALTIME,
    MONOTONIC = CLOCK_MONOTONIC,
    BOOTTIME = CLOCK_BOOTTIME,
});

/// `clock_gettime()`: returns the time that a clock shows. `REALTIME` counts from 1970 and may be set. `MONOTONIC`
/// counts from some moment in the past and only goes forward. Usually makes no system call, because the C library reads
/// memory that the kernel shares.
///
/// Async-signal-safe: yes.
///
/// # References
/// clock_gettime(2), POSIX
#[must_use]
pub fn clock_gettime(clock: Clock) -> Duration {
    let mut time = MaybeUninit::zeroed();
    // SAFETY: the pointer is to room for one timespec. For these clocks the call cannot fail.
    unsafe { c::clock_gettime(clock.0, time.as_mut_ptr()) };
    // SAFETY: the struct was zeroed, which is a valid time, and then filled in.
    let time: c::timespec = unsafe { time.assume_init() };
    Duration::new(u64::try_from(time.tv_sec).unwrap_or(0), u32::try_from(time.tv_nsec).unwrap_or(0))
}

/// `tzset()`: reads the time zone, which the C library then keeps. `syslog()` and [`localtime_r`] need the time zone.
///
/// Does nothing where other threads exist, which may be using the time zone.
///
/// Async-signal-safe: no, because `tzset()` takes a lock, allocates and reads files.
///
/// # References
/// tzset(3), POSIX
pub fn tzset() {
    if !has_other_threads() {
        // SAFETY: no other thread reads the environment or the time zone meanwhile.
        unsafe { c::tzset() };
    }
}

/// `struct tm`: a moment of a year, in some time zone.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[doc(alias = "tm")]
pub struct Tm {
    /// The month, from 0.
    pub month: u8,
    /// The day of the month, from 1.
    pub day: u8,
    /// The hour, from 0 to 23.
    pub hour: u8,
    /// The minute, from 0 to 59.
    pub minute: u8,
    /// The second, from 0 to 60: there are leap seconds.
    pub second: u8,
}

/// `localtime_r()`: returns the local time of a time since 1970. `None` for a time that is too long. Reads the time zone
/// if neither [`tzset`] nor this function has read it before.
///
/// Returns `None` where other threads exist, which may be using the time zone.
///
/// Async-signal-safe: no, because `localtime_r()` takes a lock, allocates and reads files.
///
/// # References
/// localtime_r(3), POSIX
#[must_use]
pub fn localtime_r(time: Duration) -> Option<Tm> {
    if has_other_threads() {
        return None;
    }
    let seconds = ffi::sys::types::time_t::try_from(time.as_secs()).ok()?;
    let mut tm = MaybeUninit::<c::tm>::zeroed();
    // SAFETY: the pointers are to a time and to room for one struct. No other thread changes the environment meanwhile.
    if unsafe { c::localtime_r(&raw const seconds, tm.as_mut_ptr()) }.is_null() {
        return None;
    }
    // SAFETY: the struct was zeroed, which is a valid value, and then filled in.
    let tm = unsafe { tm.assume_init() };
    // Each of these numbers is below 100.
    let [month, day, hour, minute, second] =
        [tm.tm_mon, tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec].map(|number| u8::try_from(number).unwrap_or(0));
    Some(Tm { month, day, hour, minute, second })
}

/// Converts a time to C's type. A time that is too long becomes the longest of that type.
pub(crate) fn timespec_of(time: Duration) -> c::timespec {
    let tv_sec = ffi::sys::types::time_t::try_from(time.as_secs()).unwrap_or(ffi::sys::types::time_t::MAX);
    c::timespec { tv_sec, tv_nsec: c_long::from(time.subsec_nanos() as i32) }
}

/// Converts a time to C's type, rounded up to a microsecond, so that a short time never becomes 0. A time that is too
/// long becomes the longest of that type.
pub(crate) fn timeval_of(time: Duration) -> timeval {
    let rounded = time.saturating_add(Duration::from_nanos(999));
    let tv_sec = ffi::sys::types::time_t::try_from(rounded.as_secs()).unwrap_or(ffi::sys::types::time_t::MAX);
    timeval { tv_sec, tv_usec: rounded.subsec_micros().into() }
}

/// Converts a time from C's type. A time below 0 becomes 0.
pub(crate) fn duration_of_timeval(time: timeval) -> Duration {
    let seconds = Duration::from_secs(u64::try_from(time.tv_sec).unwrap_or(0));
    seconds.saturating_add(Duration::from_micros(u64::try_from(time.tv_usec).unwrap_or(0)))
}

/// `sleep()`: waits for `seconds`, or until a signal handler has run. Returns the seconds that were left.
///
/// Async-signal-safe: yes.
///
/// # References
/// sleep(3), POSIX
pub fn sleep(seconds: c_uint) -> c_uint {
    // SAFETY: the call has no precondition.
    unsafe { ffi::unistd::sleep(seconds) }
}

/// `alarm()`: sends SIGALRM to this process in `seconds`, or cancels the alarm with 0. Returns the seconds that were
/// left of an earlier alarm, or 0.
///
/// Async-signal-safe: yes.
///
/// # References
/// alarm(2), POSIX
pub fn alarm(seconds: c_uint) -> c_uint {
    // SAFETY: the call has no precondition.
    unsafe { ffi::unistd::alarm(seconds) }
}

/// `nanosleep()`: waits for this time, or until a signal handler has run.
///
/// Async-signal-safe: yes.
///
/// # References
/// nanosleep(2), POSIX
pub fn nanosleep(time: Duration) {
    let time = timespec_of(time);
    // SAFETY: the pointer is to a timespec, and null means that the remaining time is not wanted.
    unsafe { c::nanosleep(&raw const time, core::ptr::null_mut()) };
}

/// `struct itimerval`: a timer, whose times are rounded up to a microsecond.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
#[doc(alias = "itimerval")]
pub struct Itimer {
    /// The time until the signal, or 0 for no timer.
    pub value: Duration,
    /// The time between later signals, or 0 for one signal.
    pub interval: Duration,
}

/// `setitimer(ITIMER_REAL, …)`: sends SIGALRM to this process when the timer is due. Returns the rest of the earlier
/// timer that the call replaces, which [`alarm`] may have set.
///
/// Async-signal-safe: yes.
///
/// # Errors
/// None for these times. Any error that the C library reports is passed on.
///
/// # References
/// setitimer(2), POSIX.1-2017
pub fn setitimer(timer: Itimer) -> Result<Itimer> {
    let c_of = |timer: Itimer| itimerval { it_interval: timeval_of(timer.interval), it_value: timeval_of(timer.value) };
    let (new, mut old) = (c_of(timer), c_of(Itimer::default()));
    // SAFETY: both pointers are to local structs.
    ret(unsafe { ffi::sys::time::setitimer(ITIMER_REAL, &raw const new, &raw mut old) })?;
    Ok(Itimer { value: duration_of_timeval(old.it_value), interval: duration_of_timeval(old.it_interval) })
}
