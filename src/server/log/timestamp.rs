//! `Timestamp`: the time of a line of text.

use core::fmt;
use core::time::Duration;

/// A time since 1970, as RFC 3339 writes it, in UTC: `2026-11-25T23:05:59.123Z`.
///
/// The date is computed here, because `gmtime_r()` may read files, which a child in the sandbox must not do.
pub(super) struct Timestamp(pub(super) Duration);

const SECONDS_OF_DAY: u64 = 86_400;
/// The year in which the clock begins.
const FIRST_YEAR: u64 = 1970;

const fn is_leap(year: u64) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

const fn days_of_year(year: u64) -> u64 {
    if is_leap(year) { 366 } else { 365 }
}

/// Returns the year, month and day that is this many days after the first of January 1970.
fn date(mut days: u64) -> (u64, usize, u64) {
    let mut year = FIRST_YEAR;
    while days >= days_of_year(year) {
        days -= days_of_year(year);
        year += 1;
    }
    let february = if is_leap(year) { 29 } else { 28 };
    let mut month = 1;
    for length in [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30] {
        if days < length {
            break;
        }
        days -= length;
        month += 1;
    }
    (year, month, days + 1)
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (year, month, day) = date(self.0.as_secs() / SECONDS_OF_DAY);
        let seconds = self.0.as_secs() % SECONDS_OF_DAY;
        let (hour, minute, second) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
        write!(f, "{year}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{:03}Z", self.0.subsec_millis())
    }
}

#[cfg(test)]
mod tests;
