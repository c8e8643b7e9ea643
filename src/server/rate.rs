//! How many connections in how much time.

use core::time::Duration;

use crate::sys::errno::Result;
use crate::sys::memory::ParentOnly;

/// At most so many connections in any stretch of time as long as the period: exact, because the time of each of the
/// last so many is kept.
pub(super) struct Rate {
    times: ParentOnly<Duration>,
    /// Where the time of the oldest is, once there are as many as may be.
    oldest: usize,
    limit: usize,
    period: Duration,
}

impl Rate {
    pub(super) fn new(limit: u32, period: Duration) -> Result<Rate> {
        let limit = limit as usize;
        // SAFETY: the server's children accept nobody.
        let times = unsafe { ParentOnly::with_capacity(limit) }?;
        Ok(Rate { times, oldest: 0, limit, period })
    }

    /// When the next connection may come; `None` for at once, whenever that is.
    pub(super) fn opens_at(&self) -> Option<Duration> {
        if self.times.len() < self.limit {
            return None;
        }
        self.times.get(self.oldest).map(|oldest| *oldest + self.period)
    }

    /// Counts a connection.
    pub(super) fn count(&mut self, now: Duration) {
        if self.times.len() < self.limit {
            // There is room for as many as the limit.
            let _ = self.times.push(now);
        } else if let Some(oldest) = self.times.get_mut(self.oldest) {
            *oldest = now;
            self.oldest = (self.oldest + 1) % self.limit;
        }
    }
}

#[cfg(test)]
mod tests;
