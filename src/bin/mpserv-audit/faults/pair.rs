//! Drives any two commands under faults.

use std::time::{Duration, Instant};

use mpserv::signal::Signal;

use super::drive::to_the_end;
use crate::commands::Pair;
use crate::run::stage::Stage;
use crate::trouble::Trouble;

/// The time of rest of the server after which the user's client is killed. Such a client waits for a reply that will
/// not come.
const CLIENT_PATIENCE: Duration = Duration::from_secs(1);

/// Drives one of the two commands to its end, exactly as without a fault.
pub(super) fn act(pair: &Pair, stage: &mut Stage<'_>) -> Result<(), Trouble> {
    let runs = stage.settle()?;
    let is_ready = pair.listen[0].is_none() || stage.is_server();
    if runs && is_ready {
        run_client(&pair.helper, stage)?;
    }
    if stage.settle()? {
        match pair.signal {
            Some(signal) => stage.signal(signal)?,
            None if stage.is_server() => stage.signal(Signal::INT)?,
            None => {}
        }
    }
    to_the_end(stage)
}

fn run_client(words: &[String], stage: &mut Stage<'_>) -> Result<(), Trouble> {
    stage.start(words)?;
    let mut resting = Instant::now();
    while !stage.helper_has_ended()? {
        if !stage.is_at_rest()? {
            resting = Instant::now();
        }
        if resting.elapsed() > CLIENT_PATIENCE {
            stage.end_helper();
            break;
        }
        stage.wait()?;
    }
    Ok(())
}
