//! The log throttle: each kind of repeated trouble is logged once a second, with the number of its events.
//!
//! While trouble goes on, the first event after each second is logged, with all its fields. If no further event
//! follows, the events that were held back are summed up a second later. Their fields are not kept.

use core::time::Duration;

use super::writer::{Level, Log};
use crate::server::limits::{RETRY_EVERY, THROTTLE_PERIOD};
use crate::sys::errno::Errno;
use crate::sys::process::Pid;
use crate::sys::time::nanosleep;

/// A kind of event that may come very often.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Throttled {
    /// A client was refused.
    Refuse,
    /// A connection was gone before it was accepted.
    Abort,
    /// The limit of children was reached.
    MaxChildren,
    /// The limit of connections in a period was reached.
    MaxRate,
    /// A resource that a connection needs is short.
    Shortage,
    /// A program could not be run.
    Exec,
    /// A call failed unexpectedly.
    Call,
}

impl Throttled {
    const ALL: [Throttled; 7] = [
        Throttled::Refuse,
        Throttled::Abort,
        Throttled::MaxChildren,
        Throttled::MaxRate,
        Throttled::Shortage,
        Throttled::Exec,
        Throttled::Call,
    ];

    /// Returns the level, the event and its field `why`, for the line that sums up suppressed events.
    const fn summary(self) -> (Level, &'static str, &'static str) {
        match self {
            Throttled::Refuse => (Level::Warning, "refuse", "as before"),
            Throttled::Abort => (Level::Detail, "abort", "as before"),
            Throttled::MaxChildren => (Level::Notice, "pause", "max-children"),
            Throttled::MaxRate => (Level::Notice, "pause", "max-rate"),
            Throttled::Shortage => (Level::Warning, "pause", "as before"),
            Throttled::Exec => (Level::Warning, "fail", "as before"),
            Throttled::Call => (Level::Warning, "fail", "as before"),
        }
    }
}

/// The throttle: one state for each kind of event.
#[derive(Default)]
pub(crate) struct LogThrottle([HeldBack; Throttled::ALL.len()]);

/// Events of one kind that were held back.
#[derive(Clone, Copy, Default)]
struct HeldBack {
    /// The earliest time at which the next event may be logged.
    opens: Option<Duration>,
    /// The number of events that were held back.
    count: u64,
}

impl HeldBack {
    /// Returns the time at which the events that were held back are summed up.
    fn due(&self) -> Option<Duration> {
        self.opens.filter(|_| self.count > 0).map(|opens| opens.saturating_add(THROTTLE_PERIOD))
    }
}

impl LogThrottle {
    /// Counts an event. If the event must be logged now, returns the number of events for which the line stands.
    pub(crate) fn admit(&mut self, kind: Throttled, now: Duration) -> Option<u64> {
        let held = self.0.get_mut(kind as usize)?;
        held.count += 1;
        if held.opens.is_some_and(|opens| now < opens) {
            return None;
        }
        held.opens = Some(now + THROTTLE_PERIOD);
        Some(core::mem::take(&mut held.count))
    }

    /// Logs an unexpected failure of a call, and waits for [`RETRY_EVERY`], so that the failure cannot make a busy
    /// loop. `child` is the process in which the call failed, if that is not the parent.
    pub(crate) fn back_off(&mut self, log: &Log, now: Duration, call: &str, errno: Errno, child: Option<Pid>) {
        if let Some(count) = self.admit(Throttled::Call, now) {
            log.call_failed(call, errno, child, count);
        }
        nanosleep(RETRY_EVERY);
    }

    /// Returns the time at which [`release`](LogThrottle::release) has something to log.
    pub(crate) fn due(&self) -> Option<Duration> {
        self.0.iter().filter_map(HeldBack::due).min()
    }

    /// Sums up the events that were held back, for each kind that has not occurred for a period.
    pub(crate) fn release(&mut self, log: &Log, now: Duration) {
        for (held, kind) in self.0.iter_mut().zip(Throttled::ALL) {
            if held.due().is_some_and(|due| now >= due) {
                held.opens = Some(now.saturating_add(THROTTLE_PERIOD));
                let count = core::mem::take(&mut held.count);
                let (level, event, why) = kind.summary();
                log.event(level, event, |line| {
                    line.text("why", why);
                    line.number("count", count);
                });
            }
        }
    }
}

#[cfg(test)]
mod tests;
