//! A process that keeps idle connections open.

use core::time::Duration;

use mpserv::fd::OwnedFd;

use crate::error::Failure;
use crate::exchange::Exchange;
use crate::options::Plan;
use crate::stats::{Count, Stats, nanos};
use crate::worker::{now, sleep_until};

/// The most idle connections of one process: fewer than the usual limit of open files (1024).
pub(crate) const IDLE_PER_PROCESS: u32 = 500;
/// The time between two checks whether the run has ended.
const LOOK: Duration = Duration::from_millis(100);

/// Opens `count` connections, and makes an exchange on each. When the run ends, makes another exchange on each.
pub(crate) fn hold_idle(plan: &Plan, process: u32, count: u32, stats: Stats<'_>) {
    let mut exchange = Exchange::new(plan.talk, process);
    let mut held = [const { None }; IDLE_PER_PROCESS as usize];
    for (index, place) in held.iter_mut().take(count as usize).enumerate() {
        if stats.is_stopping() {
            break;
        }
        stats.set(Count::Begun, nanos(now()));
        match open(plan, process, index as u64, &mut exchange) {
            Ok(connection) => {
                *place = Some(connection);
                stats.add(Count::Idle, 1);
            }
            Err(failure) => stats.note(&failure),
        }
        stats.set(Count::Begun, 0);
    }
    while !stats.is_stopping() {
        sleep_until(now() + LOOK);
    }
    // If an answer takes too long, the supervisor ends this process.
    for connection in held.iter().flatten() {
        if let Err(failure) = exchange.run(connection, || {}) {
            stats.note(&failure);
        }
    }
}

fn open(plan: &Plan, process: u32, earlier: u64, exchange: &mut Exchange) -> Result<OwnedFd, Failure> {
    let connection = plan.target.connect(process, earlier, plan.reset)?;
    exchange.run(&connection, || {})?;
    Ok(connection)
}
