//! Processes ahead of time: how many there are to be, and when.

use core::time::Duration;

use super::limits::{CRASH_PAUSE, CRASH_PAUSE_MAX, POOL_TICK};

/// How many processes there are, at least and at most.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct PoolSize {
    pub(super) min: u32,
    pub(super) max: u32,
}

/// What the server knows of its pool besides its children.
pub(super) struct Pool {
    size: PoolSize,
    /// How many processes are made in the next second, when all are busy.
    growth: u32,
    /// When it is next looked at whether there are too few, or too many.
    tick: Duration,
    /// How long nobody is made after the next process that crashes before it has served anybody.
    crash_pause: Duration,
    /// Until when none is made.
    closed_until: Duration,
}

/// What is to be done in this second.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Step {
    /// Nothing.
    Stay,
    /// To make so many.
    Grow(u32),
    /// To do without one of those that are idle.
    Shrink,
}

impl Pool {
    pub(super) fn new(size: PoolSize, now: Duration) -> Pool {
        Pool { size, growth: 1, tick: now + POOL_TICK, crash_pause: CRASH_PAUSE, closed_until: Duration::ZERO }
    }

    /// Whether its size may change.
    const fn is_elastic(&self) -> bool {
        self.size.min < self.size.max
    }

    /// How many are missing at once.
    pub(super) fn missing(&self, processes: u32, now: Duration) -> u32 {
        if now < self.closed_until { 0 } else { self.size.min.saturating_sub(processes) }
    }

    /// What the second brings, when it is over.
    pub(super) fn step(&mut self, processes: u32, idle: u32, now: Duration) -> Step {
        self.tick = now + POOL_TICK;
        if !self.is_elastic() {
            return Step::Stay;
        }
        if idle == 0 && now >= self.closed_until {
            let more = self.growth.min(self.size.max.saturating_sub(processes));
            self.growth = self.growth.saturating_mul(2);
            return if more > 0 { Step::Grow(more) } else { Step::Stay };
        }
        self.growth = 1;
        if idle > self.size.min && processes > self.size.min { Step::Shrink } else { Step::Stay }
    }

    pub(super) fn is_due(&self, now: Duration) -> bool {
        now >= self.tick
    }

    /// When it is to be looked at next: each second where something may have changed, or where `watches` something.
    pub(super) fn due(&self, processes: u32, watches: bool, now: Duration) -> Option<Duration> {
        let tick = (watches || self.is_elastic()).then_some(self.tick);
        let opens = (processes < self.size.min && now < self.closed_until).then_some(self.closed_until);
        [tick, opens].into_iter().flatten().min()
    }

    /// A process has ended. One that was of no use to anybody has the next one wait, each time for longer.
    pub(super) fn on_end(&mut self, was_of_use: bool, now: Duration) {
        if was_of_use {
            self.crash_pause = CRASH_PAUSE;
            return;
        }
        self.close(self.crash_pause, now);
        self.crash_pause = (self.crash_pause * 2).min(CRASH_PAUSE_MAX);
    }

    /// None is made for a while.
    pub(super) fn close(&mut self, time: Duration, now: Duration) {
        self.closed_until = self.closed_until.max(now + time);
    }

    /// When one may be made again, if that is not now.
    pub(super) fn closed_until(&self, now: Duration) -> Option<Duration> {
        (now < self.closed_until).then_some(self.closed_until)
    }
}
