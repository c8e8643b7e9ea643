//! Closes connections without waiting for a client.
//!
//! If a socket has `SO_LINGER`, the close of its last copy waits until the client has taken all sent bytes. A program
//! can set that option, and end before the parent has closed its own copy. If the server was given a listener with this
//! option, each connection has the option from the start. A client of a Unix socket can also pass such a socket, which
//! is closed with the client's connection.

use super::state::Parent;
use crate::server::child::Worker;
use crate::server::connection::Connection;

impl<W: Worker> Parent<'_, '_, W> {
    /// Closes the parent's copy of a connection that a child has.
    pub(super) fn close(&self, connection: Connection) {
        self.earlier.interrupt(|| drop(connection));
    }

    /// Sends the message to a client that is not served, and closes the connection, which no child has.
    pub(super) fn reject(&self, connection: Connection, message: &str) {
        self.earlier.interrupt(|| {
            connection.reject(message);
            drop(connection);
        });
    }

    /// Closes the listeners, and so the connections that were not accepted.
    pub(super) fn stop_listening(&mut self) {
        self.earlier.interrupt(|| self.descriptors.listeners.stop());
    }
}
