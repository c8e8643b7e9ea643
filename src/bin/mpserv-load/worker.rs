//! A process that makes one connection after another.

use core::time::Duration;

use mpserv::errno::Errno;
use mpserv::poll::ppoll;
use mpserv::time::{Clock, clock_gettime};

use crate::board::{Board, Count, Span, nanos};
use crate::exchange::Exchange;
use crate::options::Plan;
use crate::target::Failure;

/// When a run is, and who this is in it.
#[derive(Clone, Copy)]
pub(crate) struct Shift {
    /// Which of all processes this is: its source addresses go by that.
    pub(crate) process: u32,
    /// Which of the workers: its share goes by that.
    pub(crate) worker: u32,
    /// When the first connection is due.
    pub(crate) start: Duration,
    /// When no connection is begun any more.
    pub(crate) end: Option<Duration>,
}

/// After a connection that failed it waits for so long, so as not to spin where every one fails.
const BREATH: Duration = Duration::from_millis(1);
const NANOS_PER_SECOND: f64 = 1e9;

pub(crate) fn now() -> Duration {
    clock_gettime(Clock::MONOTONIC)
}

/// Sleeps until `time`, or until a signal came.
pub(crate) fn sleep_until(time: Duration) {
    if let Some(left) = time.checked_sub(now()).filter(|left| !left.is_zero()) {
        let _ = ppoll(&mut [], Some(left), None);
    }
}

struct Worker<'p> {
    plan: &'p Plan,
    shift: Shift,
    board: Board<'p>,
    exchange: Exchange,
}

/// Makes this process's share of the connections.
pub(crate) fn work(plan: &Plan, shift: Shift, board: Board<'_>) {
    let exchange = Exchange::new(plan.talk, shift.process);
    Worker { plan, shift, board, exchange }.run();
    board.set(Count::Ended, nanos(now()));
}

impl Worker<'_> {
    fn run(&mut self) {
        let share = self.share();
        let mut made = 0;
        self.wait_until(self.shift.start);
        while share.is_none_or(|share| made < share) && !self.board.is_stopping() {
            let due = self.due(made);
            let begin = due.unwrap_or_else(now);
            if self.shift.end.is_some_and(|end| begin >= end) {
                break;
            }
            if due.is_some() {
                // Whoever is late begins at once, and the time counts from when it was due: a server that stands still
                // is not spared the connections that would have come meanwhile.
                if now() > begin && made > 0 {
                    self.board.add(Count::Late, 1);
                }
                self.wait_until(begin);
            }
            self.board.set(Count::Begun, nanos(now()));
            let result = self.connection(made, begin);
            self.board.set(Count::Begun, 0);
            made += 1;
            if let Err(failure) = result {
                self.note(&failure);
            }
        }
    }

    /// How many connections this process makes, where that is limited.
    fn share(&self) -> Option<u64> {
        let (workers, worker) = (u64::from(self.plan.workers), u64::from(self.shift.worker));
        self.plan.count.map(|count| count / workers + u64::from(worker < count % workers))
    }

    /// When a connection is due, at a fixed rate. The processes take turns.
    fn due(&self, made: u64) -> Option<Duration> {
        let rate = self.plan.rate?;
        let index = made * u64::from(self.plan.workers) + u64::from(self.shift.worker);
        Some(self.shift.start + Duration::from_nanos((index as f64 * NANOS_PER_SECOND / rate) as u64))
    }

    fn wait_until(&self, time: Duration) {
        while now() < time && !self.board.is_stopping() {
            sleep_until(time);
        }
    }

    fn connection(&mut self, made: u64, begin: Duration) -> Result<(), Failure> {
        let Worker { plan, shift, board, exchange } = self;
        let connection = plan.target.connect(shift.process, made, plan.reset)?;
        let mut is_first = true;
        for _ in 0..plan.keep {
            let sent = now();
            exchange.run(&connection, || {
                if is_first {
                    board.took(Span::FirstByte, now().saturating_sub(begin));
                    is_first = false;
                }
            })?;
            board.took(Span::Request, now().saturating_sub(sent));
            board.add(Count::Requests, 1);
            board.add(Count::Bytes, exchange.size());
        }
        drop(connection);
        board.took(Span::Connection, now().saturating_sub(begin));
        board.add(Count::Connections, 1);
        Ok(())
    }

    /// Counts a connection that failed, unless it was the end of the run that has cut it off.
    fn note(&self, failure: &Failure) {
        if failure.errno == Some(Errno::INTR) && self.board.is_stopping() {
            self.board.add(Count::Unfinished, 1);
        } else {
            self.board.note(failure);
            sleep_until(now() + BREATH);
        }
    }
}
