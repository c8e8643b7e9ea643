//! The size of the pool: the wanted number of preforked children, and the time at which the next child may be made.

use core::time::Duration;

use crate::server::limits::{CRASH_PAUSE, CRASH_PAUSE_MAX, POOL_TICK};
use crate::server::settings::PoolSize;

/// The size of the pool, and its changes.
pub(super) struct Pool {
    size: PoolSize,
    /// The number of children that are made in the next second if all are busy.
    growth: u32,
    /// The time of the next decision about the size.
    tick: Duration,
    /// The pause after the next child that crashes before it has a client.
    crash_pause: Duration,
    /// The time until which no child is made.
    closed_until: Duration,
}

/// The decision about the size, made once a second.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Step {
    Stay,
    /// Start this many more children.
    Grow(u32),
    /// Retire one idle child.
    Shrink,
}

impl Pool {
    pub(super) fn new(size: PoolSize, now: Duration) -> Pool {
        Pool { size, growth: 1, tick: now + POOL_TICK, crash_pause: CRASH_PAUSE, closed_until: Duration::ZERO }
    }

    /// Whether the size may change.
    pub(super) const fn is_elastic(&self) -> bool {
        self.size.min < self.size.max
    }

    /// Returns the time of the next [`step`](Pool::step).
    pub(super) const fn tick(&self) -> Duration {
        self.tick
    }

    /// Returns the number of children that are missing if `running` children exist.
    pub(super) const fn missing(&self, running: u32) -> u32 {
        self.size.min.saturating_sub(running)
    }

    /// Returns the earliest time at which a child may be made.
    pub(super) const fn opens_at(&self) -> Duration {
        self.closed_until
    }

    /// Decides how the size changes at the end of a second, and begins the next second.
    pub(super) fn step(&mut self, running: u32, idle: u32, now: Duration) -> Step {
        self.tick = now + POOL_TICK;
        if !self.is_elastic() {
            return Step::Stay;
        }
        if idle == 0 && now >= self.closed_until {
            let more = self.growth.min(self.size.max.saturating_sub(running));
            self.growth = self.growth.saturating_mul(2);
            return if more > 0 { Step::Grow(more) } else { Step::Stay };
        }
        self.growth = 1;
        if idle > self.size.min && running > self.size.min { Step::Shrink } else { Step::Stay }
    }

    /// Takes note of a child that has ended. After each child that was not useful, the next child has to wait for
    /// longer.
    pub(super) fn on_end(&mut self, was_useful: bool, now: Duration) {
        if was_useful {
            self.crash_pause = CRASH_PAUSE;
            return;
        }
        self.close(self.crash_pause, now);
        self.crash_pause = (self.crash_pause * 2).min(CRASH_PAUSE_MAX);
    }

    /// Keeps the pool from making children for a while.
    pub(super) fn close(&mut self, time: Duration, now: Duration) {
        self.closed_until = self.closed_until.max(now + time);
    }

    /// Returns the earliest time at which a child may be made again, if none may be made now.
    pub(super) fn closed_until(&self, now: Duration) -> Option<Duration> {
        (now < self.closed_until).then_some(self.closed_until)
    }
}

#[cfg(test)]
mod tests;
