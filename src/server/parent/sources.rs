//! `Sources`: the number of connections of each source.

use super::map::Map;
use crate::server::connection::Peer;
use crate::server::source::{Source, SourcePrefix};
use crate::sys::errno::Result;

/// The number of connections of each source that has any.
pub(super) struct Sources {
    counts: Map<Source, u32>,
    prefix: SourcePrefix,
}

impl Sources {
    /// Returns a table for as many sources as there may be children.
    pub(super) fn with_capacity(children: u32, prefix: SourcePrefix) -> Result<Sources> {
        Ok(Sources { counts: Map::with_capacity(children as usize)?, prefix })
    }

    /// Counts a client.
    pub(super) fn add(&mut self, peer: &Peer) {
        // The map has room for one source for each child.
        let _ = self.counts.insert(peer.source(self.prefix), self.count(peer) + 1);
    }

    /// Removes a client from the count of its source.
    pub(super) fn remove(&mut self, peer: &Peer) {
        let source = peer.source(self.prefix);
        match self.counts.get(&source) {
            // The source is in the map already, so this needs no room.
            Some(count @ 2..) => self.counts.insert(source, count - 1).unwrap_or_default(),
            _ => _ = self.counts.remove(&source),
        }
    }

    /// Returns the number of connections that a client's source has.
    pub(super) fn count(&self, peer: &Peer) -> u32 {
        self.counts.get(&peer.source(self.prefix)).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests;
