//! Timers: everything that happens at a certain time.
//!
//! Each timer has one deadline, in [`deadline`](Parent::deadline). The loop fires the timers whose deadline has come,
//! and waits until the next deadline. So a timer that has fired must have a later deadline, or none. Otherwise the loop
//! would spin.

use core::time::Duration;

use super::children::Stage;
use super::pause::Blocked;
use super::state::{Limit, Parent};
use crate::server::child::Worker;
use crate::server::limits::{KILL_AFTER, KILL_AGAIN_EVERY};

/// Something that happens at a certain time.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Timer {
    /// A call that failed for lack of a resource is tried again.
    Retry,
    /// A child has lived for as long as it may.
    Lifetime,
    /// The pool grows or shrinks, and its long connections are ended.
    PoolTick,
    /// Preforked children are missing.
    PoolRefill,
    /// Retired children are signalled again.
    RetireAgain,
    /// A successor takes too long.
    Successor,
    /// The service manager was too slow for the message that a process is ready.
    Ready,
    /// The service manager's watchdog wants to hear from the server.
    Watchdog,
    /// The service manager is told the number of children.
    Status,
    /// Children have not ended after SIGTERM.
    Kill,
    /// Children that got SIGKILL are still there.
    KillAgain,
    /// Connections without a PROXY header hold the children for which other connections wait.
    Headers,
    /// The parent checks process groups that have outlived their child.
    Groups,
    /// The time for children to end by themselves is over.
    Grace,
    /// Earlier servers have not ended in time.
    Earlier,
    /// Children are reaped without a signal.
    Reap,
    /// Connections may be accepted again after `--max-rate`.
    Rate,
    /// Events that were held back are logged.
    Throttle,
    /// `ps` shows the number of children.
    Title,
}

impl Timer {
    pub(super) const ALL: [Timer; 19] = [
        Timer::Retry,
        Timer::Lifetime,
        Timer::PoolTick,
        Timer::PoolRefill,
        Timer::RetireAgain,
        Timer::Successor,
        Timer::Ready,
        Timer::Watchdog,
        Timer::Status,
        Timer::Kill,
        Timer::KillAgain,
        Timer::Headers,
        Timer::Groups,
        Timer::Grace,
        Timer::Earlier,
        Timer::Reap,
        Timer::Rate,
        Timer::Throttle,
        Timer::Title,
    ];
}

impl<W: Worker> Parent<'_, '_, W> {
    /// Returns the time at which a timer fires, or `None` if it does not fire.
    pub(super) fn deadline(&self, timer: Timer) -> Option<Duration> {
        let state = &self.state;
        match timer {
            Timer::Retry => state.shortage.as_ref()?.retry_at,
            Timer::Lifetime => {
                let limit = self.settings.max_lifetime.filter(|_| self.pool.is_none())?;
                state.children.first(Stage::Running).map(|child| child.started.saturating_add(limit))
            }
            Timer::PoolTick => {
                let pool = self.pool.as_ref()?;
                let may_resize = pool.is_elastic() && state.stopping.is_none();
                (may_resize || self.settings.max_lifetime.is_some() || self.settings.proxy_protocol)
                    .then(|| pool.tick())
            }
            Timer::PoolRefill => {
                let pool = self.pool.as_ref().filter(|_| state.stopping.is_none() && !self.is_full())?;
                (pool.missing(state.children.len_at(Stage::Running)) > 0).then(|| pool.opens_at())
            }
            Timer::RetireAgain => state.retire_again_at,
            Timer::Successor => state.successor.as_ref()?.deadline,
            Timer::Ready => self.publisher.ready_due(),
            Timer::Watchdog => self.publisher.watchdog_due(),
            Timer::Status => self.publisher.status_due(self.busy_children()),
            Timer::Kill => state.children.first(Stage::Terminating).map(|child| child.since + KILL_AFTER),
            Timer::KillAgain => state.children.first(Stage::Killed).map(|child| child.since + KILL_AGAIN_EVERY),
            Timer::Headers => self.headers_due(),
            Timer::Groups => state.groups.look_at(),
            Timer::Grace => {
                // Once all children have been told to end, the deadline means nothing.
                let has_untold =
                    [Stage::Running, Stage::Retiring].iter().any(|stage| state.children.len_at(*stage) > 0);
                state.stopping.as_ref().filter(|_| has_untold).map(|stopping| stopping.deadline)
            }
            Timer::Earlier => self.earlier_due(),
            Timer::Reap => state.reap_at,
            Timer::Rate => {
                let is_blocked = self.blocked() == Some(Blocked::Limit(Limit::MaxRate));
                self.rate.as_ref().filter(|_| is_blocked)?.opens_at()
            }
            Timer::Throttle => self.throttle.due(),
            Timer::Title => self.publisher.title_due(self.busy_children()),
        }
    }

    /// Runs the action of a timer.
    #[inline(never)]
    pub(super) fn fire(&mut self, timer: Timer) {
        let now = self.state.now;
        match timer {
            Timer::Retry => self.retry(),
            Timer::Lifetime => self.end_old_children(),
            Timer::PoolTick => self.on_pool_tick(),
            Timer::PoolRefill => self.refill_pool(),
            Timer::RetireAgain => self.retire_again(),
            Timer::Successor => self.successor_late(),
            Timer::Ready => self.ready_again(),
            Timer::Watchdog => self.publisher.notify_watchdog(now),
            Timer::Status => self.publisher.notify_status(self.busy_children(), now),
            Timer::Kill => self.kill_overdue(),
            Timer::KillAgain => self.kill_again(),
            Timer::Headers => self.end_silent_connections(),
            Timer::Groups => self.look_at_groups(),
            Timer::Grace => self.terminate_all(),
            Timer::Earlier => self.leave_earlier(),
            Timer::Reap => self.reap(),
            // No action is needed, because the loop accepts again by itself.
            Timer::Rate => {}
            Timer::Throttle => self.throttle.release(self.log, now),
            Timer::Title => self.publisher.set_title(self.busy_children(), now),
        }
    }

    /// Returns the deadline of the timer that fires next.
    pub(super) fn next_deadline(&self) -> Option<Duration> {
        Timer::ALL.into_iter().filter_map(|timer| self.deadline(timer)).min()
    }
}

#[cfg(test)]
mod tests;
