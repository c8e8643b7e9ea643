//! `Rate`: the times of connections for `--max-rate`, the limit of connections in a period. `pause.rs` uses these
//! times.

use core::time::Duration;

use crate::sys::errno::Result;
use crate::sys::memory::ParentOnly;

/// A limit of connections in any stretch of time as long as the period. The limit is exact, because the times of the
/// last `limit` connections are kept.
pub(super) struct Rate {
    /// The times, in a ring. `None` is no connection. It is older than all times.
    times: ParentOnly<Option<Duration>>,
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
        self.times.get(self.oldest).copied().flatten().map(|oldest| oldest.saturating_add(self.period))
    }

    /// Counts a connection.
    pub(super) fn count(&mut self, now: Duration) {
        if self.times.len() < self.limit {
            // The list has room for as many times as the limit.
            let _ = self.times.push(Some(now));
        } else if let Some(oldest) = self.times.get_mut(self.oldest) {
            *oldest = Some(now);
            self.oldest = (self.oldest + 1) % self.limit;
        }
    }

    /// Forgets a connection that was counted at this time, if it is still there. The function takes longer the more
    /// connections were counted afterwards.
    pub(super) fn give_back(&mut self, time: Duration) {
        let length = self.times.len();
        let place = |age: usize| (self.oldest + length - 1 - age) % length;
        let at = |age: usize| self.times.get(place(age)).copied().flatten();
        let Some(found) = (0..length).find(|age| at(*age).is_none_or(|other| other <= time)) else { return };
        if at(found) != Some(time) {
            return;
        }
        for age in (1..=found).rev() {
            let newer = self.times.get(place(age - 1)).copied().flatten();
            if let Some(older) = self.times.get_mut(place(age)) {
                *older = newer;
            }
        }
        let free = place(0);
        if length < self.limit {
            self.times.truncate(free);
        } else if let Some(newest) = self.times.get_mut(free) {
            *newest = None;
            self.oldest = free;
        }
    }
}

#[cfg(test)]
mod tests;
