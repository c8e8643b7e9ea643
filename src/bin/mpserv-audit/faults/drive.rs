//! Drives a program that may fail at any call. The drive is the same as without a fault.

use std::time::{Duration, Instant};

use mpserv::signal::Signal;

use crate::drives::{Client, Server};
use crate::programs::Kind;
use crate::run::stage::{Stage, Standing};
use crate::trouble::Trouble;

/// The number of alarms that the tool sends to a program that waits for alarms, so that no real time passes. Without a
/// fault the program ends after three alarms.
const ALARMS: usize = 5;
/// The time of rest after which a program counts as a program that waits for ever. TCP delays data for a shorter time.
const REST_PATIENCE: Duration = Duration::from_millis(100);
/// The number of rounds of a client, each with the first exchanges.
const EXCHANGES: usize = 2;

/// Drives a program to its end, and kills it if it does not end.
pub fn act(kind: Kind, stage: &mut Stage<'_>) -> Result<(), Trouble> {
    match kind {
        Kind::Alone { alarms: false } => {}
        Kind::Alone { alarms: true } => {
            for _ in 0..ALARMS {
                if stage.settle()? {
                    stage.signal(Signal::ALRM)?;
                }
            }
        }
        Kind::Server { server, .. } => two_clients(server, stage)?,
        Kind::Client { peer, .. } => peer.serve(stage)?,
    }
    to_the_end(stage)
}

/// Waits for a program's end, and kills a program that waits for ever or makes calls for ever.
pub(super) fn to_the_end(stage: &mut Stage<'_>) -> Result<(), Trouble> {
    // This time is long enough for all data that TCP may still delay.
    let start = Instant::now();
    while stage.settle()? {
        if start.elapsed() > REST_PATIENCE {
            stage.end_all(Standing::Waiting);
            break;
        }
        stage.wait()?;
    }
    Ok(())
}

/// Connects two clients at the same time. The second client leaves first.
fn two_clients(server: Server, stage: &mut Stage<'_>) -> Result<(), Trouble> {
    stage.settle()?;
    let first = Client::connect(stage, server.port)?;
    let second = Client::connect(stage, server.port)?;
    for exchange in server.exchanges.iter().take(EXCHANGES) {
        for client in [&first, &second] {
            client.exchange(stage, *exchange)?;
            client.exchange(stage, *exchange)?;
        }
    }
    second.close(stage)?;
    first.close(stage)?;
    stage.signal(Signal::INT)
}
