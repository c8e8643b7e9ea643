//! A process that holds connections open, idle.

use core::time::Duration;

use mpserv::fd::OwnedFd;

use crate::board::{Board, Count, nanos};
use crate::exchange::Exchange;
use crate::options::Plan;
use crate::target::Failure;
use crate::worker::{now, sleep_until};

/// One process holds at most so many: fewer than the descriptors that a process may have where nobody raised the limit.
pub(crate) const HELD_MAX: u32 = 500;
/// How often it looks whether the run has ended, if no signal says so.
const LOOK: Duration = Duration::from_millis(100);

/// Opens `count` connections, each of which has to answer, holds them until the run ends, and has each answer again.
pub(crate) fn hold(plan: &Plan, process: u32, count: u32, board: Board<'_>) {
    let mut exchange = Exchange::new(plan.talk, process);
    let mut held = [const { None }; HELD_MAX as usize];
    for (index, place) in held.iter_mut().take(count as usize).enumerate() {
        if board.is_stopping() {
            break;
        }
        board.set(Count::Begun, nanos(now()));
        match open(plan, process, index as u64, &mut exchange) {
            Ok(connection) => {
                *place = Some(connection);
                board.add(Count::Held, 1);
            }
            Err(failure) => board.note(&failure),
        }
        board.set(Count::Begun, 0);
    }
    while !board.is_stopping() {
        sleep_until(now() + LOOK);
    }
    for connection in held.iter().flatten() {
        board.set(Count::Begun, nanos(now()));
        if let Err(failure) = exchange.run(connection, || {}) {
            board.note(&failure);
        }
        board.set(Count::Begun, 0);
    }
}

fn open(plan: &Plan, process: u32, earlier: u64, exchange: &mut Exchange) -> Result<OwnedFd, Failure> {
    let connection = plan.target.connect(process, earlier, plan.reset)?;
    exchange.run(&connection, || {})?;
    Ok(connection)
}
