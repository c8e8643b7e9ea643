//! `Connection` and `Peer`: a connection, and the client at its other end.

use core::fmt;
use core::time::Duration;

use super::source::{Source, SourcePrefix};
use crate::sys::errno::{Errno, Result, retry_on_intr};
use crate::sys::fd::{AsFd, BorrowedFd, OwnedFd, all_of};
use crate::sys::net::{
    Credentials, MsgFlags, Shutdown, SockAddr, SocketAddr, SocketOption, getsockname, getsockopt, recv, send,
    setsockopt, shutdown,
};
use crate::sys::time::{Clock, clock_gettime};

/// A client's connection, in the child that serves it. A drop closes the connection.
#[derive(Debug)]
pub struct Connection {
    fd: OwnedFd,
    peer: Peer,
    number: u64,
    from_source: u32,
    /// The address to which the client connected, if a proxy has named it.
    local: Option<SocketAddr>,
    /// The longest wait of a call, which the socket has as well.
    idle_timeout: Option<Duration>,
}

/// The other end of a connection.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Peer {
    /// A client over TCP. An IPv4 client has an IPv4 address, even if the listener also takes IPv6.
    Inet(SocketAddr),
    /// A client on this machine, through a Unix socket.
    Unix(Credentials),
    /// A client about which nothing is known.
    Unknown,
}

impl Peer {
    /// Returns the client of a new connection: the user from `SO_PEERCRED` for a Unix socket, else the address that
    /// `accept4()` returned.
    pub(super) fn of(fd: &OwnedFd, address: SockAddr) -> Peer {
        match address {
            SockAddr::Inet(address) => {
                let mut address = address;
                address.set_ip(address.ip().to_canonical());
                Peer::Inet(address)
            }
            SockAddr::Unix(_) => getsockopt(fd, SocketOption::PEERCRED).map_or(Peer::Unknown, Peer::Unix),
            SockAddr::Other(_) => Peer::Unknown,
        }
    }

    /// Returns the source of the client: its network, cut to `prefix` bits, or its user.
    pub(super) fn source(&self, prefix: SourcePrefix) -> Source {
        match self {
            Peer::Inet(address) => prefix.source_of(*address),
            Peer::Unix(credentials) => Source::User(credentials.uid),
            Peer::Unknown => Source::Unknown,
        }
    }
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Peer::Inet(address) => address.fmt(f),
            Peer::Unix(Credentials { pid, uid, gid }) => write!(f, "unix:pid:{pid}:uid:{uid}:gid:{gid}"),
            Peer::Unknown => f.write_str("unknown"),
        }
    }
}

impl Connection {
    pub(super) const fn new(fd: OwnedFd, peer: Peer, number: u64, from_source: u32) -> Connection {
        Connection { fd, peer, number, from_source, local: None, idle_timeout: None }
    }

    /// Sets the client that a proxy has named, and the address to which that client connected.
    pub(super) fn set_client(&mut self, source: SocketAddr, destination: SocketAddr) {
        let canonical = |mut address: SocketAddr| {
            address.set_ip(address.ip().to_canonical());
            address
        };
        self.peer = Peer::Inet(canonical(source));
        self.local = Some(canonical(destination));
    }

    /// Sets how long a read and a write wait.
    pub(super) fn set_idle_timeout(&mut self, limit: Duration) -> Result<()> {
        self.idle_timeout = Some(limit);
        let mut options = [SocketOption::RCVTIMEO, SocketOption::SNDTIMEO].into_iter();
        options.try_for_each(|option| setsockopt(&self.fd, option, limit))
    }

    /// Repeats a call that a signal has interrupted. The kernel counts the time limit of the call anew each time. So
    /// once the limit has passed, a signal ends the wait.
    #[inline]
    fn retry<R>(&self, mut call: impl FnMut() -> Result<R>) -> Result<R> {
        let Some(limit) = self.idle_timeout else { return retry_on_intr(call) };
        let deadline = clock_gettime(Clock::MONOTONIC).saturating_add(limit);
        loop {
            match call() {
                Err(Errno::INTR) if clock_gettime(Clock::MONOTONIC) >= deadline => return Err(Errno::AGAIN),
                Err(Errno::INTR) => {}
                result => return result,
            }
        }
    }

    pub(super) const fn set_from_source(&mut self, from_source: u32) {
        self.from_source = from_source;
    }

    /// Returns the client.
    #[must_use]
    pub const fn peer(&self) -> Peer {
        self.peer
    }

    /// Returns the number of this connection, from 1. No other connection of the server has it. With
    /// [`prefork`](super::Server::prefork) the numbers have gaps, and their order is not that of the clients.
    #[must_use]
    pub const fn number(&self) -> u64 {
        self.number
    }

    /// Returns the number of connections of the client's source, this one included. A source is an address, or a user
    /// of this machine.
    #[must_use]
    pub const fn from_source(&self) -> u32 {
        self.from_source
    }

    /// `getsockname()`: returns the address to which the client connected, or the address that a proxy has named.
    ///
    /// If the listener takes IPv4 and IPv6, the address of the server is a mapped one (`::ffff:127.0.0.1`) for a client
    /// of IPv4, while [`peer`](Connection::peer) is an IPv4 address: see `to_canonical`.
    ///
    /// # Errors
    /// Fails as [`getsockname`] does.
    pub fn local_addr(&self) -> Result<SockAddr> {
        self.local.map_or_else(|| getsockname(&self.fd), |local| Ok(SockAddr::Inet(local)))
    }

    /// `recv()`: reads the bytes that are there, up to the length of `buffer`. A result of 0 is the end of the stream.
    ///
    /// # Errors
    /// `EAGAIN` when the client was silent for the server's idle time. Fails otherwise as [`recv`] does, but not with
    /// `EINTR`.
    #[inline]
    pub fn read(&self, buffer: &mut [u8]) -> Result<usize> {
        self.retry(|| recv(&self.fd, buffer, MsgFlags::NONE))
    }

    /// `send(…, MSG_NOSIGNAL)`: writes as many of `bytes` as fit, and returns the number. Raises no SIGPIPE.
    ///
    /// # Errors
    /// `EPIPE` when the client has gone, `EAGAIN` when the client took too little to make room in the server's idle time.
    /// Fails otherwise as [`send`] does, but not with `EINTR`.
    #[inline]
    pub fn write(&self, bytes: &[u8]) -> Result<usize> {
        self.retry(|| send(&self.fd, bytes, MsgFlags::NOSIGNAL))
    }

    /// Calls [`write`](Connection::write) until all of `bytes` is written.
    ///
    /// # Errors
    /// Fails as [`write`](Connection::write) does. Some of the bytes may have been written.
    #[inline]
    pub fn write_all(&self, bytes: &[u8]) -> Result<()> {
        all_of(bytes, |rest| self.write(rest))
    }

    /// `shutdown()`: ends one half of the connection, or both.
    ///
    /// # Errors
    /// Fails as [`shutdown()`] does.
    pub fn shutdown(&self, how: Shutdown) -> Result<()> {
        shutdown(&self.fd, how)
    }

    /// Sends a message to a client that is not served, as far as that is possible without waiting. Reads the client's
    /// data first: if bytes were left unread, the close would reset the connection, and the message would be lost.
    #[inline(never)]
    pub(super) fn reject(&self, message: &str) {
        let at_once = MsgFlags::DONTWAIT | MsgFlags::NOSIGNAL;
        // If the client does not read, the message is lost.
        let _ = send(&self.fd, message.as_bytes(), at_once);
        let _ = recv(&self.fd, &mut [0; REJECT_READ], MsgFlags::DONTWAIT);
    }
}

/// The number of bytes that are read from a client before it is rejected.
const REJECT_READ: usize = 4096;

impl AsFd for Connection {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

impl From<Connection> for OwnedFd {
    fn from(connection: Connection) -> OwnedFd {
        connection.fd
    }
}

#[cfg(test)]
mod tests;
