//! A process that makes one connection after another.

use core::time::Duration;

use mpserv::errno::Errno;
use mpserv::poll::ppoll;
use mpserv::time::{Clock, clock_gettime};

use crate::error::Failure;
use crate::exchange::Exchange;
use crate::options::Plan;
use crate::stats::{Count, Span, Stats, nanos};

/// The times of a run, and this process's place in it.
#[derive(Clone, Copy)]
pub(crate) struct Schedule {
    /// The index among all processes, which decides the source addresses.
    pub(crate) process: u32,
    /// The index among the workers, which decides the share of the connections.
    pub(crate) worker: u32,
    /// The time at which the first connection is due.
    pub(crate) start: Duration,
    /// The time after which no connection begins.
    pub(crate) end: Option<Duration>,
}

/// The pause after a connection that failed. The pause keeps a worker from spinning when every connection fails.
const BREATH: Duration = Duration::from_millis(1);
const NANOS_PER_SECOND: f64 = 1e9;

pub(crate) fn now() -> Duration {
    clock_gettime(Clock::MONOTONIC)
}

/// Sleeps until `time`, or until a signal comes.
pub(crate) fn sleep_until(time: Duration) {
    if let Some(left) = time.checked_sub(now()).filter(|left| !left.is_zero()) {
        let _ = ppoll(&mut [], Some(left), None);
    }
}

struct Worker<'p> {
    plan: &'p Plan,
    schedule: Schedule,
    stats: Stats<'p>,
    exchange: Exchange,
}

/// Makes this process's share of the connections.
pub(crate) fn work(plan: &Plan, schedule: Schedule, stats: Stats<'_>) {
    let exchange = Exchange::new(plan.talk, schedule.process);
    Worker { plan, schedule, stats, exchange }.run();
    stats.set(Count::Ended, nanos(now()));
}

impl Worker<'_> {
    fn run(&mut self) {
        let share = self.share();
        let mut made = 0;
        self.wait_until(self.schedule.start);
        while share.is_none_or(|share| made < share) && !self.stats.is_stopping() {
            let due = self.due(made);
            let begin = due.unwrap_or_else(now);
            if self.schedule.end.is_some_and(|end| begin >= end) {
                break;
            }
            if due.is_some() {
                // A late connection begins at once, and its time counts from the moment when it was due. So the times
                // also show connections that a blocked server has delayed.
                if now() > begin && made > 0 {
                    self.stats.add(Count::Late, 1);
                }
                self.wait_until(begin);
                // A signal has ended the wait, so this connection is not due yet.
                if now() < begin {
                    break;
                }
            }
            self.stats.set(Count::Begun, nanos(now()));
            let result = self.connection(made, begin);
            self.stats.set(Count::Begun, 0);
            made += 1;
            if let Err(failure) = result {
                self.note(&failure);
            }
        }
    }

    /// Returns the number of connections that this process makes, if that is limited.
    fn share(&self) -> Option<u64> {
        let (workers, worker) = (u64::from(self.plan.workers), u64::from(self.schedule.worker));
        self.plan.count.map(|count| count / workers + u64::from(worker < count % workers))
    }

    /// Returns the time when a connection is due at a fixed rate. The processes take turns.
    fn due(&self, made: u64) -> Option<Duration> {
        let rate = self.plan.rate?;
        let index = made * u64::from(self.plan.workers) + u64::from(self.schedule.worker);
        Some(self.schedule.start + Duration::from_nanos((index as f64 * NANOS_PER_SECOND / rate) as u64))
    }

    fn wait_until(&self, time: Duration) {
        while now() < time && !self.stats.is_stopping() {
            sleep_until(time);
        }
    }

    fn connection(&mut self, made: u64, begin: Duration) -> Result<(), Failure> {
        let Worker { plan, schedule, stats, exchange } = self;
        let connection = plan.target.connect(schedule.process, made, plan.reset)?;
        let mut is_first = true;
        for _ in 0..plan.keep {
            let sent = now();
            exchange.run(&connection, || {
                if is_first {
                    stats.took(Span::FirstByte, now().saturating_sub(begin));
                    is_first = false;
                }
            })?;
            stats.took(Span::Request, now().saturating_sub(sent));
            stats.add(Count::Requests, 1);
            stats.add(Count::Bytes, exchange.size());
        }
        drop(connection);
        stats.took(Span::Connection, now().saturating_sub(begin));
        stats.add(Count::Connections, 1);
        Ok(())
    }

    /// Counts a connection that failed, unless the end of the run cut it off.
    fn note(&self, failure: &Failure) {
        if failure.errno == Some(Errno::INTR) && self.stats.is_stopping() {
            self.stats.add(Count::Unfinished, 1);
        } else {
            self.stats.note(failure);
            sleep_until(now() + BREATH);
        }
    }
}
