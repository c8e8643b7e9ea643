//! The pipes by which a server that stops tells the earlier servers, which still have clients, to stop as well.
//!
//! A server that starts a successor makes a pipe, and keeps the reading end until its process ends. The successor gets
//! the writing end, and passes it on to its own successor. So the newest server can tell each earlier server to stop,
//! and sees when that server has ended. An id could be that of another process by then, a pipe cannot.

use core::ffi::c_int;
use core::time::Duration;

use super::limits::EARLIER_MAX;
use crate::sys::errno::Result;
use crate::sys::fd::{AsFd, OwnedFd, read, write};
use crate::sys::poll::{PollEvents, PollFd, poll};
use crate::sys::process::Pid;
use crate::sys::signal::Signal;

/// An order to stop, which is one byte in the pipe.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Order {
    /// The signal by which the newest server was told to stop.
    pub(crate) signal: Signal,
    /// Whether the children get SIGTERM at once.
    pub(crate) at_once: bool,
}

impl Order {
    /// The bit of an order that is obeyed at once. The other bits are the number of the signal.
    const AT_ONCE: u8 = 0x80;

    const fn byte(self) -> u8 {
        self.signal.raw() as u8 | if self.at_once { Order::AT_ONCE } else { 0 }
    }

    /// Reads the next order. Returns `None` when all later servers have ended. Never waits: fails with `EAGAIN` if there
    /// is no order.
    pub(crate) fn read(orders: &OwnedFd) -> Result<Option<Order>> {
        let mut bytes = [0];
        let length = read(orders, &mut bytes)?;
        let order = |byte: u8| Order {
            signal: Signal::from_raw(c_int::from(byte & !Order::AT_ONCE)).unwrap_or(Signal::TERM),
            at_once: byte & Order::AT_ONCE != 0,
        };
        Ok(bytes.get(..length).unwrap_or_default().first().copied().map(order))
    }
}

/// A server that still has clients after a restart.
#[derive(Debug)]
pub(crate) struct EarlierServer {
    /// The id of the server. Only `--status` uses it.
    pub(crate) pid: Pid,
    /// The pipe to the server.
    pub(crate) pipe: OwnedFd,
}

/// The earlier servers that have not ended, the oldest first.
#[derive(Debug, Default)]
pub(crate) struct EarlierServers([Option<EarlierServer>; EARLIER_MAX]);

impl EarlierServers {
    /// Adds a server that is newer than the others, unless that server has ended. The oldest makes room.
    pub(crate) fn add(&mut self, server: EarlierServer) {
        if !has_ended(&server.pipe) {
            self.0.rotate_left(1);
            if let Some(last) = self.0.last_mut() {
                *last = Some(server);
            }
        }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &EarlierServer> + Clone {
        self.0.iter().flatten()
    }

    /// Returns the pipes to the servers.
    pub(crate) fn pipes(&self) -> impl Iterator<Item = &OwnedFd> + Clone {
        self.iter().map(|server| &server.pipe)
    }

    /// Gives each earlier server an order.
    pub(crate) fn tell(&self, order: Order) {
        for pipe in self.pipes() {
            // The write fails if the server has ended. It never waits, because the pipe does not.
            let _ = write(pipe, &[order.byte()]);
        }
    }

    /// Whether an earlier server has not ended, as far as is known.
    pub(crate) fn has_any(&self) -> bool {
        self.iter().next().is_some()
    }

    /// Forgets the servers that have ended, and closes the pipes to them.
    pub(crate) fn forget_ended(&mut self) {
        for place in &mut self.0 {
            let _ = place.take_if(|server| has_ended(&server.pipe));
        }
    }
}

/// Whether the server that reads from a pipe has ended.
fn has_ended(pipe: &OwnedFd) -> bool {
    let mut fds = [PollFd::new(pipe.as_fd(), PollEvents::NONE)];
    // The end of a pipe for writing has an error when nobody can read from it.
    poll(&mut fds, Some(Duration::ZERO)).is_ok() && fds.iter().any(|fd| !fd.revents().is_empty())
}

#[cfg(test)]
pub(super) mod tests;
