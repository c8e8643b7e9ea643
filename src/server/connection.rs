//! A connection, and who is at its other end.

use core::fmt;
use core::net::IpAddr;

use crate::sys::errno::{Result, retry_on_intr};
use crate::sys::fd::{AsFd, BorrowedFd, OwnedFd, all_of};
use crate::sys::net::{
    Credentials, MsgFlags, Shutdown, SockAddr, SocketAddr, SocketOption, getsockname, getsockopt, recv, send, shutdown,
};

/// A client's connection, in the child that serves it. Dropping it closes it.
#[derive(Debug)]
pub struct Connection {
    fd: OwnedFd,
    peer: Peer,
    number: u64,
    from_source: u32,
    /// The address to which the client connected, where a balancer has said it.
    local: Option<SocketAddr>,
}

/// Who is at the other end of a connection.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Peer {
    /// A client over TCP: an IPv4 address is one whether the listener is for IPv4 or for both.
    Inet(SocketAddr),
    /// A client on this machine, through a Unix socket.
    Unix(Credentials),
    /// A client about whom nothing is known.
    Unknown,
}

/// What `--max-per-source` counts by.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) enum Source {
    /// A machine.
    Ip(IpAddr),
    /// A user of this machine.
    User(u32),
    /// Everybody else.
    Unknown,
}

impl Peer {
    /// Who has connected: `SO_PEERCRED` for a Unix socket, else the address that `accept4()` gave.
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

    pub(super) fn source(&self) -> Source {
        match self {
            Peer::Inet(address) => Source::Ip(address.ip()),
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
        Connection { fd, peer, number, from_source, local: None }
    }

    /// Another connection's end, about which a balancer has said who is at the other, and where that one connected.
    pub(super) fn set_client(&mut self, source: SocketAddr, destination: SocketAddr) {
        let canonical = |mut address: SocketAddr| {
            address.set_ip(address.ip().to_canonical());
            address
        };
        self.peer = Peer::Inet(canonical(source));
        self.local = Some(canonical(destination));
    }

    pub(super) const fn set_from_source(&mut self, from_source: u32) {
        self.from_source = from_source;
    }

    /// Who is at the other end.
    #[must_use]
    pub const fn peer(&self) -> Peer {
        self.peer
    }

    /// Which connection of this server it is, from 1.
    #[must_use]
    pub const fn number(&self) -> u64 {
        self.number
    }

    /// How many connections the client's source has, this one included: an address, or a user of this machine.
    #[must_use]
    pub const fn from_source(&self) -> u32 {
        self.from_source
    }

    /// `getsockname()`: the address to which the client connected, or what a balancer has said of that.
    ///
    /// # Errors
    /// As [`getsockname`].
    pub fn local_addr(&self) -> Result<SockAddr> {
        self.local.map_or_else(|| getsockname(&self.fd), |local| Ok(SockAddr::Inet(local)))
    }

    /// `recv()`: reads what is there, up to the length of `buffer`. 0 is the end.
    ///
    /// # Errors
    /// `EAGAIN` when the client was silent for the server's idle time; as [`recv`].
    pub fn read(&self, buffer: &mut [u8]) -> Result<usize> {
        retry_on_intr(|| recv(&self.fd, buffer, MsgFlags::NONE))
    }

    /// `send(…, MSG_NOSIGNAL)`: writes `bytes`, or as many of them as fit; how many is returned. No SIGPIPE.
    ///
    /// # Errors
    /// `EPIPE` when the client has gone, `EAGAIN` when it took nothing for the server's idle time; as [`send`].
    pub fn write(&self, bytes: &[u8]) -> Result<usize> {
        retry_on_intr(|| send(&self.fd, bytes, MsgFlags::NOSIGNAL))
    }

    /// [`write`](Connection::write) until all of `bytes` is written.
    ///
    /// # Errors
    /// As [`write`](Connection::write); some of the bytes may have been written.
    pub fn write_all(&self, bytes: &[u8]) -> Result<()> {
        all_of(bytes, |rest| self.write(rest))
    }

    /// `shutdown()`: ends one half of the connection, or both.
    ///
    /// # Errors
    /// As [`shutdown()`].
    pub fn shutdown(&self, how: Shutdown) -> Result<()> {
        shutdown(&self.fd, how)
    }

    /// Says something to a client that is not going to be served, as far as it can be said without waiting, and reads
    /// what the client has said: what is left unread at a close resets the connection.
    pub(super) fn dismiss(&self, message: &str) {
        let at_once = MsgFlags::DONTWAIT | MsgFlags::NOSIGNAL;
        // A client that does not take the message gets none: nobody waits for it.
        let _ = send(&self.fd, message.as_bytes(), at_once);
        let _ = recv(&self.fd, &mut [0; DISMISS_READ], MsgFlags::DONTWAIT);
    }
}

/// How much of what a client has said is read before it is dismissed.
const DISMISS_READ: usize = 4096;

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
