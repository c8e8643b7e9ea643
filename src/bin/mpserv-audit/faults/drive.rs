//! Drives a program that may fail at any call. The drive is the same as without a fault.

use std::time::{Duration, Instant};

use mpserv::signal::Signal;

use crate::drives::{Client, Server};
use crate::programs::Kind;
use crate::run::stage::{Stage, Standing};
use crate::trouble::Trouble;

/// Number of alarms sent to a program that lives on alarms, so that the tool need not wait for them. Without a fault
/// the program ends after three.
const ALARMS: usize = 5;
/// A program that rests for longer than this waits for ever, because TCP delays less.
const REST_PATIENCE: Duration = Duration::from_millis(100);
/// Number of rounds of a client, each with the first exchanges.
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

/// Waits for a program's end, and kills a program that waits or makes calls for ever.
pub(super) fn to_the_end(stage: &mut Stage<'_>) -> Result<(), Trouble> {
    // Long enough for everything that TCP may still delay.
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

/// The clients come together, and go in the other order.
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
