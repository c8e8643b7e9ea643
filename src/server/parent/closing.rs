//! Closes connections without waiting for a client.
//!
//! If a socket has `SO_LINGER`, the close of its last copy waits until the client has taken all sent bytes. A program
//! can set that option, and end before the parent has closed its own copy. If the server was given a listener with this
//! option, each connection has the option from the start. A client of a Unix socket can also pass such a socket, which
//! is closed with the client's connection.

use super::state::Parent;
use crate::server::child::Worker;
use crate::server::connection::{Connection, Peer};
use crate::server::in_time::in_time;
use crate::server::limits::CLOSE_WITHIN;
use crate::sys::signal::{SigSet, Signal};

impl<W: Worker> Parent<'_, '_, W> {
    /// Closes the parent's copy of a connection that a child has.
    pub(super) fn close(&self, connection: Connection) {
        let may_wait = self.worker.leaves_processes() || self.may_linger(&connection);
        close_in_time(&self.mask, may_wait, || drop(connection));
    }

    /// Sends the message to a client that is not served, and closes the connection, which no child has.
    pub(super) fn reject(&self, connection: Connection, message: &str) {
        close_in_time(&self.mask, self.may_linger(&connection), || {
            connection.reject(message);
            drop(connection);
        });
    }

    /// Closes the listeners, and so the connections that were not accepted.
    pub(super) fn stop_listening(&mut self) {
        close_in_time(&self.mask, true, || self.descriptors.listeners.stop());
    }

    /// Whether the close of a connection may wait although no child has changed the connection.
    fn may_linger(&self, connection: &Connection) -> bool {
        self.descriptors.listeners.lingers() || is_local(connection)
    }
}

/// Runs `close`. If `close` may wait, a signal ends each of its waits after [`CLOSE_WITHIN`]. `mask` has the blocked
/// signals.
fn close_in_time(mask: &SigSet, may_wait: bool, close: impl FnOnce()) {
    if may_wait {
        in_time(CLOSE_WITHIN, CLOSE_WITHIN, mask.contains(Signal::ALRM), close);
    } else {
        close();
    }
}

/// Whether the client may have passed descriptors.
const fn is_local(connection: &Connection) -> bool {
    !matches!(connection.peer(), Peer::Inet(_))
}
