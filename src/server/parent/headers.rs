//! Connections whose PROXY header has not come: one address cannot hold all children by sending nothing.

use core::time::Duration;

use super::children::{Child, Stage};
use super::map::Map;
use super::state::Parent;
use crate::server::child::Worker;
use crate::server::connection::Peer;
use crate::server::limits::HEADER_PATIENCE;
use crate::server::scoreboard::State;
use crate::server::source::Source;
use crate::sys::process::Pid;

impl<W: Worker> Parent<'_, '_, W> {
    /// Returns the time at which connections without a header are checked: only while no child is left for other
    /// connections.
    pub(super) fn headers_due(&self) -> Option<Duration> {
        (self.settings.proxy_protocol && self.pool.is_none() && self.is_full()).then_some(self.state.headers_at)
    }

    /// Gives the children time to read the headers that have come, if a wait until `due` has ended much later: then the
    /// children could not run either, as on a machine that was suspended.
    pub(super) fn forgive_stall(&mut self, due: Option<Duration>) {
        if due.is_some_and(|due| due.saturating_add(HEADER_PATIENCE) <= self.state.now) {
            self.state.headers_at = self.state.now + HEADER_PATIENCE;
        }
    }

    /// Ends old connections without a header, the oldest first. A connection is ended if it has waited for
    /// [`HEADER_PATIENCE`], and if its source has more than half of the children with such connections.
    pub(super) fn end_silent_connections(&mut self) {
        let now = self.state.now;
        self.state.headers_at = now + HEADER_PATIENCE;
        if !self.settings.proxy_protocol {
            return;
        }
        let share = (self.settings.max_children / 2).max(1);
        // If there is no memory for the map, the header's time limit ends the connections.
        let Ok(mut waiting) = Map::<Source, u32>::with_capacity(self.state.children.len() as usize) else { return };
        for (_, peer, _) in self.state.children.at(Stage::Running).filter_map(|child| self.silent(&child)) {
            let source = peer.source(self.settings.source_prefix);
            // The map has room for one source for each child.
            let _ = waiting.insert(source, waiting.get(&source).unwrap_or(0) + 1);
        }
        let mut next = self.state.children.first(Stage::Running);
        while let Some(child) = next {
            next = self.state.children.next(&child);
            let Some((pid, peer, since)) = self.silent(&child) else { continue };
            let source = peer.source(self.settings.source_prefix);
            let count = waiting.get(&source).unwrap_or(0);
            if count > share && since.saturating_add(HEADER_PATIENCE) <= now {
                let _ = waiting.insert(source, count - 1);
                self.refuse(&peer, "no PROXY header, and too many others without one", count);
                self.terminate(pid);
            }
        }
    }

    /// Returns a child that waits for a header, the address that has not sent it, and the time since which it waits. A
    /// child that has not yet run does not count: its header may be there.
    fn silent(&self, child: &Child) -> Option<(Pid, Peer, Duration)> {
        let slot = self.scoreboard.slot(child.index);
        let peer = if self.pool.is_some() { slot.peer() } else { child.peer };
        (slot.state() == State::Header).then(|| (child.pid, peer, slot.since()))
    }
}

#[cfg(test)]
mod tests;
