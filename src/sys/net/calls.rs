//! The calls on sockets: they make, bind, connect and shut down sockets, listen, accept, send and receive.

use core::ffi::{c_int, c_void};
use core::ptr;

use crate::ffi::netinet::r#in::{self as inet, sockaddr_in};
use crate::ffi::sys::ioctl::{SIOCPROTOPRIVATE, ioctl};
use crate::ffi::sys::socket::{self as c, sockaddr_storage, socklen_t};
use crate::sys::conv::{ret, ret_usize};
use crate::sys::errno::{Errno, Result};
use crate::sys::fd::{AsFd, OwnedFd, ret_owned_fd};
use crate::sys::flags::{flags, open_set};
use crate::sys::net::address::{AddressFamily, AsSockAddr, Received, SockAddr, length_of};

/// The type of a socket: `SOCK_…`. Flags are added with `|`.
#[repr(transparent)]
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct SocketType(pub(super) c_int);

open_set!(SocketType from c {
    STREAM = SOCK_STREAM,
    DGRAM = SOCK_DGRAM,
});

impl core::ops::BitOr<SocketFlags> for SocketType {
    type Output = SocketType;

    fn bitor(self, flags: SocketFlags) -> SocketType {
        SocketType(self.0 | flags.raw())
    }
}

flags! {
    /// `SOCK_…`: flags for a new socket, for `socket()` and [`accept4`].
    SocketFlags(c_int) from c {
        /// `SOCK_CLOEXEC`: the socket is closed when the process runs another program.
        #[doc(alias = "SOCK_CLOEXEC")]
        CLOEXEC = SOCK_CLOEXEC,
        /// `SOCK_NONBLOCK`: calls fail with `EAGAIN` instead of waiting.
        #[doc(alias = "SOCK_NONBLOCK")]
        NONBLOCK = SOCK_NONBLOCK,
    }
}

/// The protocol of a socket.
#[repr(transparent)]
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Protocol(c_int);

impl Protocol {
    /// 0: the protocol that family and type imply.
    pub const DEFAULT: Protocol = Protocol(0);
}

open_set!(Protocol from inet {
    TCP = IPPROTO_TCP,
});

flags! {
    /// `MSG_…`: flags of `send()` and `recv()`.
    MsgFlags(c_int) from c {
        /// `MSG_DONTWAIT`: the call fails with `EAGAIN` instead of waiting.
        #[doc(alias = "MSG_DONTWAIT")]
        DONTWAIT = MSG_DONTWAIT,
        /// `MSG_NOSIGNAL`: the call fails with `EPIPE` without a SIGPIPE.
        #[doc(alias = "MSG_NOSIGNAL")]
        NOSIGNAL = MSG_NOSIGNAL,
        /// `MSG_PEEK`: the bytes that are read stay there, to be read again.
        #[doc(alias = "MSG_PEEK")]
        PEEK = MSG_PEEK,
    }
}

/// The half of a connection that `shutdown()` ends: its second argument.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Shutdown {
    /// `SHUT_RD`: ends reading.
    Read,
    /// `SHUT_WR`: ends writing. The peer then reads the end of the stream.
    Write,
    /// `SHUT_RDWR`: ends both halves.
    Both,
}

/// `socket()`: makes a socket.
///
/// Async-signal-safe: yes.
///
/// # Errors
/// `EMFILE`, `ENFILE` when no descriptor is left, `EAFNOSUPPORT` for a family that this system lacks,
/// `EPROTONOSUPPORT` for a protocol that is not of the family or type, `EACCES`, `ENOBUFS`, `ENOMEM`.
///
/// # References
/// socket(2), POSIX
pub fn socket(family: AddressFamily, socket_type: SocketType, protocol: Protocol) -> Result<OwnedFd> {
    // SAFETY: the call has no precondition.
    let fd = unsafe { c::socket(family.0, socket_type.0, protocol.0) };
    // SAFETY: the descriptor was made just now.
    unsafe { ret_owned_fd(fd) }
}

/// `bind()`: gives a socket its own address. Port 0 asks for any port that is free.
///
/// Async-signal-safe: yes.
///
/// # Errors
/// `EADDRINUSE` when another socket has the address, `EACCES` for a port that needs privilege or a directory that may
/// not be written, `EADDRNOTAVAIL` for an address that this machine does not have, `EINVAL` for a socket that has an
/// address already, `EAFNOSUPPORT` for an address of another family, `EBADF`, `ENOTSOCK`. For a path also `ENOENT`,
/// `ENOTDIR`, `ELOOP`, `EROFS`.
///
/// # References
/// bind(2), POSIX
pub fn bind(fd: impl AsFd, address: &impl AsSockAddr) -> Result<()> {
    // SAFETY: the pointer is to an address of that length for the time of the call.
    address.with_c(|address, length| ret(unsafe { c::bind(fd.as_fd().raw(), address, length) }))
}

/// `listen()`: makes a socket take connections, and hold up to `backlog` of them until they are accepted.
///
/// Async-signal-safe: yes.
///
/// # Errors
/// `EADDRINUSE` when another socket listens on the port, `EINVAL` for a socket that is connected, and for a Unix socket
/// without a name, `EBADF`, `ENOTSOCK`, `EOPNOTSUPP`.
///
/// # References
/// listen(2), POSIX
pub fn listen(fd: impl AsFd, backlog: c_int) -> Result<()> {
    // SAFETY: the call has no precondition on memory.
    ret(unsafe { c::listen(fd.as_fd().raw(), backlog) })
}

/// `connect()`: connects a socket to a peer.
///
/// Async-signal-safe: yes.
///
/// # Errors
/// `ECONNREFUSED` when no socket listens there, `ETIMEDOUT`, `ENETUNREACH`, `EHOSTUNREACH`, `EINPROGRESS` when the
/// socket is non-blocking, `EALREADY` when an earlier attempt still goes on, `EINTR` when a signal came first (the
/// attempt goes on), `EADDRNOTAVAIL` when no port is left for this end, `EAFNOSUPPORT` for an address of another
/// family, `EISCONN`, `EBADF`, `ENOTSOCK`. For a path also `ENOENT`, `ENOTDIR`, `ELOOP`, `EACCES`, and `EAGAIN` when
/// the socket is non-blocking and the listener's backlog is full.
///
/// # References
/// connect(2), POSIX
pub fn connect(fd: impl AsFd, address: &impl AsSockAddr) -> Result<()> {
    // SAFETY: the pointer is to an address of that length for the time of the call.
    address.with_c(|address, length| ret(unsafe { c::connect(fd.as_fd().raw(), address, length) }))
}

/// `accept(fd, NULL, NULL)`: takes the next connection, without the peer's address.
///
/// Async-signal-safe: yes.
///
/// # Errors
/// `EINTR` when a signal came first, `EAGAIN` when the listener is non-blocking and no connection waits, `ECONNABORTED`
/// when the client has gone already, `EMFILE`, `ENFILE` when no descriptor is left (the client keeps waiting),
/// `ENOBUFS`, `ENOMEM`, `EPERM`, `EINVAL` when the socket does not listen, `EOPNOTSUPP` when its type cannot listen,
/// `EBADF`, `ENOTSOCK`. On Linux also an error that the connection had before: `ENETDOWN`, `EPROTO`, `EHOSTDOWN`,
/// `EHOSTUNREACH`, `ENETUNREACH`.
///
/// # References
/// accept(2), POSIX
pub fn accept(fd: impl AsFd) -> Result<OwnedFd> {
    // SAFETY: null asks for no address.
    let fd = unsafe { c::accept(fd.as_fd().raw(), ptr::null_mut(), ptr::null_mut()) };
    // SAFETY: the descriptor was made just now.
    unsafe { ret_owned_fd(fd) }
}

/// `accept(fd, &address, &length)` with a `sockaddr_storage`: takes the next connection and the address of its client.
///
/// Async-signal-safe: yes.
///
/// # Errors
/// Fails as [`accept`] does.
pub fn acceptfrom(fd: impl AsFd) -> Result<(OwnedFd, SockAddr)> {
    acceptfrom_room(fd, length_of::<sockaddr_storage>())
}

/// `accept(fd, &address, &length)` with a `sockaddr_in`: does the same as [`acceptfrom`], for a listener for IPv4.
///
/// Async-signal-safe: yes.
///
/// # Errors
/// Fails as [`accept`] does.
pub fn acceptfrom_v4(fd: impl AsFd) -> Result<(OwnedFd, SockAddr)> {
    acceptfrom_room(fd, length_of::<sockaddr_in>())
}

fn acceptfrom_room(fd: impl AsFd, length: socklen_t) -> Result<(OwnedFd, SockAddr)> {
    let mut received = Received::new(length);
    let (address, length) = received.as_c();
    // SAFETY: the pointers are to room for an address and to its length.
    let fd = unsafe { c::accept(fd.as_fd().raw(), address, length) };
    // SAFETY: the descriptor was made just now.
    let fd = unsafe { ret_owned_fd(fd) }?;
    // SAFETY: the call did not fail, so it has filled in the address.
    Ok((fd, unsafe { received.get() }))
}

/// `accept4()`: does the same as [`acceptfrom`], with flags for the new descriptor.
///
/// Async-signal-safe: yes.
///
/// # Errors
/// Fails as [`accept`] does.
///
/// # References
/// accept4(2), POSIX 2024
pub fn accept4(fd: impl AsFd, flags: SocketFlags) -> Result<(OwnedFd, SockAddr)> {
    let mut received = Received::new(length_of::<sockaddr_storage>());
    let (address, length) = received.as_c();
    // SAFETY: the pointers are to room for an address and to its length.
    let fd = unsafe { c::accept4(fd.as_fd().raw(), address, length, flags.raw()) };
    // SAFETY: the descriptor was made just now.
    let fd = unsafe { ret_owned_fd(fd) }?;
    // SAFETY: the call did not fail, so it has filled in the address.
    Ok((fd, unsafe { received.get() }))
}

/// `ioctl(SIOCUNIXFILE)`: opens the file of a bound Unix socket, as `open()` with `O_PATH` does, wherever its name is.
/// The descriptor is closed when the process runs another program.
///
/// Async-signal-safe: yes.
///
/// # Errors
/// `EPERM` without the capability, `ENOENT` when the socket has no file, `EMFILE`, `ENFILE`, `ENOTSOCK` when this is no
/// socket, `EAFNOSUPPORT` when this is no Unix socket, `EBADF`.
///
/// # References
/// `<linux/un.h>`, Linux 4.12
pub fn open_unix_file(fd: impl AsFd) -> Result<OwnedFd> {
    let fd = fd.as_fd();
    // For another family, the same number is a request that has an argument, and another result.
    if !matches!(getsockname(fd)?, SockAddr::Unix(_)) {
        return Err(Errno::AFNOSUPPORT);
    }
    // SAFETY: the request of a Unix socket has no argument.
    let file = unsafe { ioctl(fd.raw(), SIOCPROTOPRIVATE, ptr::null_mut::<c_void>()) };
    // SAFETY: the descriptor was made just now.
    unsafe { ret_owned_fd(file) }
}

/// `getsockname()`: returns the address of a socket itself. After a bind to port 0, the address has the port that the
/// kernel chose.
///
/// Async-signal-safe: yes.
///
/// # Errors
/// `EBADF`, `ENOTSOCK`, `ENOBUFS`.
///
/// # References
/// getsockname(2), POSIX
pub fn getsockname(fd: impl AsFd) -> Result<SockAddr> {
    let mut received = Received::new(length_of::<sockaddr_storage>());
    let (address, length) = received.as_c();
    // SAFETY: the pointers are to room for an address and to its length.
    ret(unsafe { c::getsockname(fd.as_fd().raw(), address, length) })?;
    // SAFETY: the call did not fail, so it has filled in the address.
    Ok(unsafe { received.get() })
}

/// `getpeername()`: returns the address of the other end.
///
/// Async-signal-safe: yes.
///
/// # Errors
/// `ENOTCONN` when the socket is not connected, or no longer connected, `EBADF`, `ENOTSOCK`, `ENOBUFS`.
///
/// # References
/// getpeername(2), POSIX
pub fn getpeername(fd: impl AsFd) -> Result<SockAddr> {
    let mut received = Received::new(length_of::<sockaddr_storage>());
    let (address, length) = received.as_c();
    // SAFETY: the pointers are to room for an address and to its length.
    ret(unsafe { c::getpeername(fd.as_fd().raw(), address, length) })?;
    // SAFETY: the call did not fail, so it has filled in the address.
    Ok(unsafe { received.get() })
}

/// `send()`: writes `bytes`, or as many of them as fit, and returns their number.
///
/// Async-signal-safe: yes.
///
/// # Errors
/// `EINTR` when a signal came first, `EAGAIN` when nothing fits and the call must not wait, or when the socket's time
/// limit is over, `EPIPE` (and SIGPIPE) when this half is shut down or was never connected, `ECONNRESET`, `ENOTCONN`
/// for a Unix socket without a peer, `EBADF`, `ENOTSOCK`. For datagrams also `EDESTADDRREQ` without a peer, `EMSGSIZE`
/// for a datagram that is too long, `ECONNREFUSED` when no socket received an earlier datagram.
///
/// # References
/// send(2), POSIX
pub fn send(fd: impl AsFd, bytes: &[u8], flags: MsgFlags) -> Result<usize> {
    // SAFETY: the bytes are valid for reads of the length that is passed with them.
    ret_usize(unsafe { c::send(fd.as_fd().raw(), bytes.as_ptr().cast(), bytes.len(), flags.raw()) })
}

/// `recv()`: reads the bytes that are there, up to the length of `buffer`. A result of 0 is the end of the stream.
///
/// Async-signal-safe: yes.
///
/// # Errors
/// `EINTR` when a signal came first, `EAGAIN` when nothing is there and the call must not wait, or when the socket's
/// time limit is over, `ECONNRESET` when the peer reset the connection, `ENOTCONN`, `EBADF`, `ENOTSOCK`. For datagrams
/// also `ECONNREFUSED` when no socket received an earlier datagram of this socket.
///
/// # References
/// recv(2), POSIX
pub fn recv(fd: impl AsFd, buffer: &mut [u8], flags: MsgFlags) -> Result<usize> {
    // SAFETY: the buffer is valid for writes of the length that is passed with it.
    ret_usize(unsafe { c::recv(fd.as_fd().raw(), buffer.as_mut_ptr().cast(), buffer.len(), flags.raw()) })
}

/// `shutdown()`: ends one half of a connection, or both, for every process that has the socket.
///
/// Async-signal-safe: yes.
///
/// # Errors
/// `ENOTCONN` when the peer has gone, `EBADF`, `ENOTSOCK`.
///
/// # References
/// shutdown(2), POSIX
pub fn shutdown(fd: impl AsFd, how: Shutdown) -> Result<()> {
    let how = match how {
        Shutdown::Read => c::SHUT_RD,
        Shutdown::Write => c::SHUT_WR,
        Shutdown::Both => c::SHUT_RDWR,
    };
    // SAFETY: the call has no precondition on memory.
    ret(unsafe { c::shutdown(fd.as_fd().raw(), how) })
}
