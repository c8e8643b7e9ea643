//! `Rate`: the times of connections for `--max-rate`, the limit of connections in a period. `pause.rs` uses these
//! times.

use core::time::Duration;

use crate::sys::errno::Result;
use crate::sys::memory::ParentOnly;

/// A limit of connections in any stretch of time as long as the period. The limit is exact, because the times of the
/// last `limit` connections are kept.
pub(super) struct Rate {
    times: ParentOnly<Duration>,
    /// The index of the oldest time, once there are as many times as the limit.
    oldest: usize,
    limit: usize,
    period: Duration,
}

impl Rate {
    pub(super) fn new(limit: u32, period: Duration) -> Result<Rate> {
        let limit = limit as usize;
        // SAFETY: a child never uses the parent's state.
        let times = unsafe { ParentOnly::with_capacity(limit) }?;
        Ok(Rate { times, oldest: 0, limit, period })
    }

    /// Returns the time at which the next connection may be accepted. Returns `None` if there is no need to wait.
    pub(super) fn opens_at(&self) -> Option<Duration> {
        if self.times.len() < self.limit {
            return None;
        }
        self.times.get(self.oldest).map(|oldest| oldest.saturating_add(self.period))
    }

    /// Counts a connection.
    pub(super) fn count(&mut self, now: Duration) {
        if self.times.len() < self.limit {
            // The list has room for as many times as the limit.
            let _ = self.times.push(now);
        } else if let Some(oldest) = self.times.get_mut(self.oldest) {
            *oldest = now;
            self.oldest = (self.oldest + 1) % self.limit;
        }
    }
}

#[cfg(test)]
mod tests;
