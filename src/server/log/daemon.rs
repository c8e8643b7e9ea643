//! `LogDaemon`: the connection to the daemon of the system's log.
//!
//! The server sends its lines itself, in the form of `syslog()` (RFC 3164). `syslog()` would wait for a daemon that does
//! not read. It would also connect again by the path of the daemon's socket, and in another root directory another user
//! may control that path.

use core::cell::Cell;
use core::fmt;
use core::time::Duration;

use crate::sys::errno::{Errno, Result};
use crate::sys::fd::{AsFd, BorrowedFd, OwnedFd};
use crate::sys::net::{AddressFamily, MsgFlags, Protocol, SocketFlags, SocketType, UnixAddr, connect, send, socket};
use crate::sys::time::{Tm, localtime_r};

/// The connection to the log daemon. Processes that are forked share the connection, so if one of them connects again,
/// all of them have the new connection.
#[derive(Debug)]
pub(super) struct LogDaemon {
    socket: Result<OwnedFd>,
    /// Whether the server may connect. In another root directory it must not.
    may_connect: Cell<bool>,
}

impl LogDaemon {
    /// Returns a `LogDaemon` that is not connected.
    pub(super) fn new() -> LogDaemon {
        let kind = SocketType::DGRAM | (SocketFlags::CLOEXEC | SocketFlags::NONBLOCK);
        let socket = socket(AddressFamily::UNIX, kind, Protocol::DEFAULT);
        LogDaemon { socket, may_connect: Cell::new(true) }
    }

    /// Returns a `LogDaemon` that is connected to the other end of a socket, and stays so.
    #[cfg(test)]
    pub(super) const fn connected(socket: OwnedFd) -> LogDaemon {
        LogDaemon { socket: Ok(socket), may_connect: Cell::new(false) }
    }

    /// Returns the socket, to wait until it has room.
    pub(super) fn socket(&self) -> Result<BorrowedFd<'_>> {
        self.socket.as_ref().map(AsFd::as_fd).map_err(|errno| *errno)
    }

    /// Connects to the daemon, or to another daemon after the first has gone.
    pub(super) fn connect(&self) -> Result<()> {
        connect(self.socket()?, &UnixAddr::new(c"/dev/log")?)
    }

    /// Keeps the present connection from now on: the root directory changes.
    pub(super) fn keep_connection(&self) {
        self.may_connect.set(false);
    }

    /// Sends a line, and never waits. Fails with `EAGAIN` if the daemon does not read. If the daemon has gone, connects
    /// again.
    pub(super) fn send(&self, line: &[u8]) -> Result<()> {
        let send_once = || send(self.socket()?, line, MsgFlags::DONTWAIT | MsgFlags::NOSIGNAL).map(drop);
        match send_once() {
            Err(errno) if self.may_connect.get() && !is_shortage(errno) => {
                self.connect()?;
                send_once()
            }
            result => result,
        }
    }

    /// Returns the advice for a warning about this error, if a person must do something about it.
    pub(super) fn advice(&self, errno: Errno) -> Option<&'static str> {
        let advice = if self.may_connect.get() {
            "start a log daemon, or leave out --log syslog"
        } else {
            "start this server again once a log daemon runs: after --chroot it does not connect again"
        };
        (!is_shortage(errno)).then_some(advice)
    }
}

/// Whether a line could not be sent because there was no room for it.
const fn is_shortage(errno: Errno) -> bool {
    matches!(errno, Errno::AGAIN | Errno::NOBUFS | Errno::NOMEM)
}

/// The local time of a line, with the space after it: `Nov  6 08:04:37 `. Nothing if the time is unknown: the daemon then
/// takes its own.
pub(super) struct LocalTime(pub(super) Duration);

impl fmt::Display for LocalTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
        let Some(Tm { month, day, hour, minute, second }) = localtime_r(self.0) else { return Ok(()) };
        let month = MONTHS.get(usize::from(month)).unwrap_or(&"Jan");
        write!(f, "{month} {day:2} {hour:02}:{minute:02}:{second:02} ")
    }
}

#[cfg(test)]
mod tests;
