//! `ReaderState`: the state of the log's reader, which the processes of a server share.
//!
//! A server waits for the reader once, whichever of its processes has a line. The first process that finds no room sets
//! the end of the wait. After that time, no process waits until one of them has written a line.

use core::sync::atomic::{AtomicU64, Ordering};
use core::time::Duration;

use crate::server::limits::{LOG_PATIENCE, SYSLOG_WARN};
use crate::sys::memory::SharedNumbers;
use crate::sys::time::{Clock, clock_gettime};

/// The index of the end of the wait, in microseconds of the monotonic clock. 0 means that the last line was written.
const WAIT_ENDS: usize = 0;
/// The index of the number of lines that could not be written, and were not told of yet.
const LOST: usize = 1;
/// The index of the earliest time of the next warning that the log daemon has gone, in microseconds.
const WARN_AT: usize = 2;
/// The number of shared numbers.
const COUNT: usize = 3;

/// The state of the reader. `None` if the system has no memory for it: each process then decides for itself, and lost
/// lines are not counted.
///
/// A child that is taken over can write any numbers. So a process whose own last line was lost does not wait again,
/// whatever the state says, and no process waits longer than [`LOG_PATIENCE`].
#[derive(Debug)]
pub(super) struct ReaderState(Option<SharedNumbers>);

impl ReaderState {
    pub(super) fn new() -> ReaderState {
        ReaderState(SharedNumbers::new(COUNT).ok())
    }

    fn number(&self, index: usize) -> Option<&AtomicU64> {
        self.0.as_ref()?.get(index)
    }

    /// Whether the last line was not written: the time to wait for the reader has passed. Until then, a process may
    /// still write its line.
    pub(super) fn is_stuck(&self) -> bool {
        let ends = self.number(WAIT_ENDS).map_or(0, |ends| ends.load(Ordering::Relaxed));
        ends != 0 && ends <= micros(clock_gettime(Clock::MONOTONIC))
    }

    /// Returns the time until which a process may wait for the reader. The time has come already if the server has
    /// waited before.
    pub(super) fn wait_ends(&self, now: Duration) -> Duration {
        let latest = now.saturating_add(LOG_PATIENCE);
        let Some(ends) = self.number(WAIT_ENDS) else { return latest };
        let begun = ends.compare_exchange(0, micros(latest), Ordering::Relaxed, Ordering::Relaxed);
        begun.map_or_else(|earlier| Duration::from_micros(earlier).min(latest), |_| latest)
    }

    /// Notes whether a line was written.
    pub(super) fn note(&self, is_written: bool, now: Duration) {
        let Some(ends) = self.number(WAIT_ENDS) else { return };
        if !is_written {
            let _ = ends.compare_exchange(0, micros(now), Ordering::Relaxed, Ordering::Relaxed);
        } else if ends.load(Ordering::Relaxed) != 0 {
            ends.store(0, Ordering::Relaxed);
        }
    }

    /// Whether this process is to warn that the log daemon has gone. If so, no process warns for [`SYSLOG_WARN`].
    pub(super) fn begins_warning(&self, now: Duration) -> bool {
        let Some(warn_at) = self.number(WARN_AT) else { return false };
        let (now, next) = (micros(now), micros(now.saturating_add(SYSLOG_WARN)));
        let at = warn_at.load(Ordering::Relaxed);
        // A child that is taken over can write any time.
        let is_due = at <= now || at > next;
        is_due && warn_at.compare_exchange(at, next, Ordering::Relaxed, Ordering::Relaxed).is_ok()
    }

    /// Counts lines that could not be written.
    pub(super) fn add_lost(&self, lines: u64) {
        if let Some(lost) = self.number(LOST) {
            lost.fetch_add(lines, Ordering::Relaxed);
        }
    }

    /// Returns the number of lines that could not be written, and counts anew.
    pub(super) fn take_lost(&self) -> u64 {
        let lost = self.number(LOST).filter(|lost| lost.load(Ordering::Relaxed) != 0);
        lost.map_or(0, |lost| lost.swap(0, Ordering::Relaxed))
    }
}

/// Returns a time in microseconds, which is never 0.
fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX).max(1)
}

#[cfg(test)]
mod tests;
