//! Handles SIGUSR1: writes the status to the log.

use super::children::Stage;
use super::state::Parent;
use crate::server::child::Worker;
use crate::server::log::ServerStatus;

impl<W: Worker> Parent<'_, '_, W> {
    /// Handles SIGUSR1: logs the status, and each child if details are logged.
    pub(super) fn log_status(&self) {
        let state = &self.state;
        self.log.status(&ServerStatus {
            children: state.children.len(),
            limit: self.settings.max_children,
            serving: self.pool.as_ref().map(|_| self.scoreboard.serving()),
            accepted: self.accepted(),
            refused: self.refused(),
            ended: state.ended,
            uptime: state.now - state.started,
            paused: state.shortage.as_ref().map_or("no", |shortage| shortage.call),
            is_stopping: state.stopping.is_some(),
        });
        for child in Stage::ALL.into_iter().flat_map(|stage| state.children.at(stage)) {
            self.log.child(child.pid, &self.client_of(&child), self.scoreboard.slot(child.index), state.now);
        }
    }
}

#[cfg(test)]
mod tests;
