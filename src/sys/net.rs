//! Sockets, and the addresses that they have: `core::net`'s for IPv4 and IPv6, [`UnixAddr`] for Unix sockets.

use core::ffi::{CStr, c_char, c_int};
use core::fmt;
use core::mem::{MaybeUninit, offset_of};
pub use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};
use core::ptr;
use core::time::Duration;

use crate::ffi::netinet::r#in::{self as inet, in_addr, in6_addr, sockaddr_in, sockaddr_in6};
use crate::ffi::sys::socket::{self as c, sockaddr, sockaddr_storage, socklen_t};
use crate::ffi::sys::un::sockaddr_un;
use crate::ffi::{self, arpa};
use crate::sys::conv::{ret, ret_usize};
use crate::sys::errno::{Errno, Result};
use crate::sys::fd::{AsFd, OwnedFd, ret_owned_fd};
use crate::sys::open_set::open_set;
use crate::sys::process::has_other_threads;
use crate::sys::sealed::Sealed;
use crate::sys::time::timeval_of;

/// The family of a socket and of its address: `AF_…`, which Linux also calls `PF_…`.
#[repr(transparent)]
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct AddressFamily(c_int);

open_set!(AddressFamily from c {
    UNSPEC = AF_UNSPEC,
    UNIX = AF_UNIX,
    INET = AF_INET,
    INET6 = AF_INET6,
});

/// The type of a socket: `SOCK_…`. Flags are added by [`with`](SocketType::with).
#[repr(transparent)]
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct SocketType(c_int);

open_set!(SocketType from c {
    STREAM = SOCK_STREAM,
    DGRAM = SOCK_DGRAM,
});

impl SocketType {
    /// The type with these flags.
    #[must_use]
    pub const fn with(self, flags: SocketFlags) -> SocketType {
        SocketType(self.0 | flags.0)
    }
}

/// What a new socket has from its start: of `socket()` and [`accept4`].
#[repr(transparent)]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SocketFlags(c_int);

impl SocketFlags {
    /// 0.
    pub const NONE: SocketFlags = SocketFlags(0);
    /// `SOCK_CLOEXEC`: closed when the process runs another program.
    #[doc(alias = "SOCK_CLOEXEC")]
    pub const CLOEXEC: SocketFlags = SocketFlags(c::SOCK_CLOEXEC);
    /// `SOCK_NONBLOCK`: calls fail with `EAGAIN` instead of waiting.
    #[doc(alias = "SOCK_NONBLOCK")]
    pub const NONBLOCK: SocketFlags = SocketFlags(c::SOCK_NONBLOCK);

    /// Both.
    #[must_use]
    pub const fn with(self, other: SocketFlags) -> SocketFlags {
        SocketFlags(self.0 | other.0)
    }
}

/// The protocol of a socket.
#[repr(transparent)]
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Protocol(c_int);

impl Protocol {
    /// 0: the one that family and type imply.
    pub const DEFAULT: Protocol = Protocol(0);
}

open_set!(Protocol from inet {
    TCP = IPPROTO_TCP,
});

/// How `send()` and `recv()` work: `MSG_…`.
#[repr(transparent)]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct MsgFlags(c_int);

impl MsgFlags {
    /// 0.
    pub const NONE: MsgFlags = MsgFlags(0);
    /// `MSG_DONTWAIT`: fail with `EAGAIN` instead of waiting.
    #[doc(alias = "MSG_DONTWAIT")]
    pub const DONTWAIT: MsgFlags = MsgFlags(c::MSG_DONTWAIT);
    /// `MSG_NOSIGNAL`: fail with `EPIPE` without a SIGPIPE.
    #[doc(alias = "MSG_NOSIGNAL")]
    pub const NOSIGNAL: MsgFlags = MsgFlags(c::MSG_NOSIGNAL);

    /// `MSG_PEEK`: leave what is read there, to be read again.
    #[doc(alias = "MSG_PEEK")]
    pub const PEEK: MsgFlags = MsgFlags(c::MSG_PEEK);

    /// Both.
    #[must_use]
    pub const fn with(self, other: MsgFlags) -> MsgFlags {
        MsgFlags(self.0 | other.0)
    }
}

/// Which half of a connection `shutdown()` ends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Shutdown {
    /// `SHUT_RD`: no more is read.
    Read,
    /// `SHUT_WR`: no more is written; the peer reads the end.
    Write,
    /// `SHUT_RDWR`: both.
    Both,
}

/// How long a path a Unix socket can have.
pub const UNIX_PATH_MAX: usize = size_of::<sockaddr_un>() - offset_of!(sockaddr_un, sun_path);

/// The address of a Unix socket: a path, an abstract name (which begins with a NUL), or none.
#[derive(Clone, Copy)]
pub struct UnixAddr {
    address: sockaddr_un,
    /// How much of `sun_path` is in use.
    length: usize,
}

impl UnixAddr {
    /// The address with this path.
    ///
    /// # Errors
    /// `ENAMETOOLONG` when it is longer than [`UNIX_PATH_MAX`] with its NUL, `ENOENT` when it is empty.
    pub fn new(path: &CStr) -> Result<UnixAddr> {
        if path.is_empty() {
            return Err(Errno::NOENT);
        }
        UnixAddr::from_name(path.to_bytes_with_nul())
    }

    /// The address with this abstract name, which is in no file system.
    ///
    /// # Errors
    /// `ENAMETOOLONG` when it is longer than [`UNIX_PATH_MAX`] with the NUL before it.
    pub fn from_abstract(name: &[u8]) -> Result<UnixAddr> {
        let mut address = [0; UNIX_PATH_MAX];
        let end = name.len() + 1;
        address.get_mut(1..end).ok_or(Errno::NAMETOOLONG)?.copy_from_slice(name);
        UnixAddr::from_name(address.get(..end).unwrap_or_default())
    }

    fn from_name(name: &[u8]) -> Result<UnixAddr> {
        let mut sun_path = [0; UNIX_PATH_MAX];
        let room = sun_path.get_mut(..name.len()).ok_or(Errno::NAMETOOLONG)?;
        for (place, &byte) in room.iter_mut().zip(name) {
            *place = c_char::from_ne_bytes([byte]);
        }
        Ok(UnixAddr { address: sockaddr_un { sun_family: c::AF_UNIX as c::sa_family_t, sun_path }, length: name.len() })
    }

    /// The path, or `None` for an abstract name and for a socket without a name.
    #[must_use]
    pub fn path(&self) -> Option<&[u8]> {
        let name = self.address.sun_path.get(..self.length)?;
        // SAFETY: a c_char and a u8 have the same layout, and any bits are valid for both.
        let name = unsafe { core::slice::from_raw_parts(name.as_ptr().cast::<u8>(), name.len()) };
        let path = name.split(|&byte| byte == 0).next()?;
        if path.is_empty() { None } else { Some(path) }
    }

    /// The path as C has it; `None` also for one that the kernel gave without a NUL, because it fills the address.
    #[must_use]
    pub fn path_c(&self) -> Option<&CStr> {
        let path = self.path()?;
        if path.len() == UNIX_PATH_MAX {
            return None;
        }
        // SAFETY: behind the path, and within the address, is the NUL that ended it, or one of those around it.
        Some(unsafe { CStr::from_ptr(path.as_ptr().cast()) })
    }
}

impl fmt::Debug for UnixAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.path() {
            Some(path) => write!(f, "unix:{}", path.escape_ascii()),
            None => f.write_str("unix:"),
        }
    }
}

/// The address of either end of a socket.
#[derive(Clone, Copy, Debug)]
pub enum SockAddr {
    /// IPv4 or IPv6.
    Inet(SocketAddr),
    /// A Unix socket.
    Unix(UnixAddr),
    /// Another family.
    Other(AddressFamily),
}

/// An address that C's functions can be given: `struct sockaddr *` and its length.
pub trait AsSockAddr: Sealed {
    #[doc(hidden)]
    fn with_c<T>(&self, function: impl FnOnce(*const sockaddr, socklen_t) -> T) -> T;
}

impl Sealed for SocketAddrV4 {}
impl Sealed for SocketAddrV6 {}
impl Sealed for SocketAddr {}
impl Sealed for UnixAddr {}

/// The length of a `T` that is an address.
const fn length_of<T>() -> socklen_t {
    size_of::<T>() as socklen_t
}

impl AsSockAddr for SocketAddrV4 {
    fn with_c<T>(&self, function: impl FnOnce(*const sockaddr, socklen_t) -> T) -> T {
        let address = sockaddr_in {
            sin_family: c::AF_INET as c::sa_family_t,
            sin_port: self.port().to_be(),
            sin_addr: in_addr { s_addr: self.ip().to_bits().to_be() },
            sin_zero: [0; 8],
        };
        function((&raw const address).cast(), length_of::<sockaddr_in>())
    }
}

impl AsSockAddr for SocketAddrV6 {
    fn with_c<T>(&self, function: impl FnOnce(*const sockaddr, socklen_t) -> T) -> T {
        let address = sockaddr_in6 {
            sin6_family: c::AF_INET6 as c::sa_family_t,
            sin6_port: self.port().to_be(),
            sin6_flowinfo: self.flowinfo(),
            sin6_addr: in6_addr { s6_addr: self.ip().octets() },
            sin6_scope_id: self.scope_id(),
        };
        function((&raw const address).cast(), length_of::<sockaddr_in6>())
    }
}

impl AsSockAddr for SocketAddr {
    fn with_c<T>(&self, function: impl FnOnce(*const sockaddr, socklen_t) -> T) -> T {
        match self {
            SocketAddr::V4(address) => address.with_c(function),
            SocketAddr::V6(address) => address.with_c(function),
        }
    }
}

impl AsSockAddr for UnixAddr {
    fn with_c<T>(&self, function: impl FnOnce(*const sockaddr, socklen_t) -> T) -> T {
        let length = offset_of!(sockaddr_un, sun_path) + self.length;
        function((&raw const self.address).cast(), length as socklen_t)
    }
}

/// Room for an address that C's functions fill in.
struct Received {
    address: MaybeUninit<sockaddr_storage>,
    room: socklen_t,
    /// First the room, then the length of the whole address, also where that is longer.
    length: socklen_t,
}

impl Received {
    /// Room for `length` bytes, which are at most those of a `sockaddr_storage`.
    const fn new(length: socklen_t) -> Received {
        Received { address: MaybeUninit::uninit(), room: length, length }
    }

    fn as_c(&mut self) -> (*mut sockaddr, *mut socklen_t) {
        (self.address.as_mut_ptr().cast(), &raw mut self.length)
    }

    /// How many bytes were filled in.
    fn filled_in(&self) -> usize {
        self.length.min(self.room) as usize
    }

    /// The address that was filled in.
    ///
    /// # Safety
    /// A C function has filled in the address and its length.
    unsafe fn get(&self) -> SockAddr {
        // SAFETY: so many bytes were filled in, and a sockaddr_storage is aligned for any address.
        unsafe { sockaddr_from_c(self.address.as_ptr().cast(), self.filled_in()) }
    }
}

/// The address that a C function has filled in; what it has not filled in is not read.
///
/// # Safety
/// The pointer is aligned as an address, and to so many readable bytes.
pub(crate) unsafe fn sockaddr_from_c(address: *const sockaddr, length: usize) -> SockAddr {
    // SAFETY: by this function's own contract; a family is an integer, with which every address begins.
    let family = unsafe { read_within::<c::sa_family_t>(address, length) }.map_or(c::AF_UNSPEC, c_int::from);
    let known = match family {
        c::AF_INET => {
            // SAFETY: by this function's own contract; all fields are integers.
            unsafe { read_within::<sockaddr_in>(address, length) }.map(|address| {
                let ip = Ipv4Addr::from_bits(u32::from_be(address.sin_addr.s_addr));
                SockAddr::Inet(SocketAddr::V4(SocketAddrV4::new(ip, u16::from_be(address.sin_port))))
            })
        }
        c::AF_INET6 => {
            // SAFETY: by this function's own contract; all fields are integers.
            unsafe { read_within::<sockaddr_in6>(address, length) }.map(|address| {
                SockAddr::Inet(SocketAddr::V6(SocketAddrV6::new(
                    Ipv6Addr::from(address.sin6_addr.s6_addr),
                    u16::from_be(address.sin6_port),
                    address.sin6_flowinfo,
                    address.sin6_scope_id,
                )))
            })
        }
        c::AF_UNIX => {
            let length = length.saturating_sub(offset_of!(sockaddr_un, sun_path)).min(UNIX_PATH_MAX);
            let mut unix = sockaddr_un { sun_family: c::AF_UNIX as c::sa_family_t, sun_path: [0; UNIX_PATH_MAX] };
            // SAFETY: an address of this family has its path there.
            let path = unsafe { address.byte_add(offset_of!(sockaddr_un, sun_path)) };
            // SAFETY: so many bytes of the path are readable, and as many fit.
            unsafe { ptr::copy_nonoverlapping(path.cast(), unix.sun_path.as_mut_ptr(), length) };
            Some(SockAddr::Unix(UnixAddr { address: unix, length }))
        }
        _ => None,
    };
    known.unwrap_or(SockAddr::Other(AddressFamily(family)))
}

/// What the pointer is to, as a `T`, when there are as many bytes.
///
/// # Safety
/// The pointer is aligned for a `T` and to so many readable bytes, any of which are valid for a `T`.
unsafe fn read_within<T>(address: *const sockaddr, length: usize) -> Option<T> {
    if length < size_of::<T>() {
        return None;
    }
    // SAFETY: by this function's own contract.
    Some(unsafe { address.cast::<T>().read() })
}

/// `socket()`: makes a socket.
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
/// # Errors
/// `EADDRINUSE` when another socket has the address, `EACCES` for a port that needs privilege or a directory that may
/// not be written, `EADDRNOTAVAIL` for an address that this machine does not have, `EINVAL` for a socket that has one,
/// `EAFNOSUPPORT` for an address of another family, `EBADF`, `ENOTSOCK`; for a path `ENOENT`, `ENOTDIR`, `ELOOP`, `EROFS`.
///
/// # References
/// bind(2), POSIX
pub fn bind(fd: impl AsFd, address: &impl AsSockAddr) -> Result<()> {
    // SAFETY: the pointer is to an address of that length for the time of the call.
    address.with_c(|address, length| ret(unsafe { c::bind(fd.as_fd().raw(), address, length) }))
}

/// `listen()`: has a socket take connections, and hold up to `backlog` of them until they are accepted.
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
/// # Errors
/// `ECONNREFUSED` when nobody listens there, `ETIMEDOUT`, `ENETUNREACH`, `EHOSTUNREACH`, `EINPROGRESS` when the socket
/// is non-blocking, and then `EALREADY`, `EINTR` when a signal came first (the attempt goes on), `EADDRNOTAVAIL` when no
/// port is left for this end, `EAFNOSUPPORT` for an address of another family, `EISCONN`, `EBADF`, `ENOTSOCK`; for a path
/// `ENOENT`, `ENOTDIR`, `ELOOP`, `EACCES`, and `EAGAIN` when the socket is non-blocking and the listener's backlog full.
///
/// # References
/// connect(2), POSIX
pub fn connect(fd: impl AsFd, address: &impl AsSockAddr) -> Result<()> {
    // SAFETY: the pointer is to an address of that length for the time of the call.
    address.with_c(|address, length| ret(unsafe { c::connect(fd.as_fd().raw(), address, length) }))
}

/// `accept(fd, NULL, NULL)`: takes the next connection, without asking who it is.
///
/// # Errors
/// `EINTR` when a signal came first, `EAGAIN` when the listener is non-blocking and nobody waits, `ECONNABORTED` when
/// the client has gone again, `EMFILE`, `ENFILE` when no descriptor is left (the client keeps waiting), `ENOBUFS`,
/// `ENOMEM`, `EPERM`, `EINVAL` when the socket does not listen, `EOPNOTSUPP` when it never can, `EBADF`, `ENOTSOCK`; on Linux also what the connection
/// already suffered: `ENETDOWN`, `EPROTO`, `EHOSTDOWN`, `EHOSTUNREACH`, `ENETUNREACH`.
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
/// # Errors
/// As [`accept`].
pub fn acceptfrom(fd: impl AsFd) -> Result<(OwnedFd, SockAddr)> {
    acceptfrom_room(fd, length_of::<sockaddr_storage>())
}

/// `accept(fd, &address, &length)` with a `sockaddr_in`: [`acceptfrom`] of a listener for IPv4.
///
/// # Errors
/// As [`accept`].
pub fn acceptfrom_v4(fd: impl AsFd) -> Result<(OwnedFd, SockAddr)> {
    acceptfrom_room(fd, length_of::<sockaddr_in>())
}

fn acceptfrom_room(fd: impl AsFd, length: socklen_t) -> Result<(OwnedFd, SockAddr)> {
    let mut received = Received::new(length);
    let (address, length) = received.as_c();
    // SAFETY: the pointers are to room for an address and to the length of it.
    let fd = unsafe { c::accept(fd.as_fd().raw(), address, length) };
    // SAFETY: the descriptor was made just now.
    let fd = unsafe { ret_owned_fd(fd) }?;
    // SAFETY: the call did not fail, so it has filled in the address.
    Ok((fd, unsafe { received.get() }))
}

/// `accept4()`: [`acceptfrom`] with flags for the new descriptor.
///
/// # Errors
/// As [`accept`].
///
/// # References
/// accept4(2), POSIX 2024
pub fn accept4(fd: impl AsFd, flags: SocketFlags) -> Result<(OwnedFd, SockAddr)> {
    let mut received = Received::new(length_of::<sockaddr_storage>());
    let (address, length) = received.as_c();
    // SAFETY: the pointers are to room for an address and to the length of it.
    let fd = unsafe { c::accept4(fd.as_fd().raw(), address, length, flags.0) };
    // SAFETY: the descriptor was made just now.
    let fd = unsafe { ret_owned_fd(fd) }?;
    // SAFETY: the call did not fail, so it has filled in the address.
    Ok((fd, unsafe { received.get() }))
}

/// `getsockname()`: the address of a socket itself; of one bound to port 0, with the port that it got.
///
/// # Errors
/// `EBADF`, `ENOTSOCK`, `ENOBUFS`.
///
/// # References
/// getsockname(2), POSIX
pub fn getsockname(fd: impl AsFd) -> Result<SockAddr> {
    let mut received = Received::new(length_of::<sockaddr_storage>());
    let (address, length) = received.as_c();
    // SAFETY: the pointers are to room for an address and to the length of it.
    ret(unsafe { c::getsockname(fd.as_fd().raw(), address, length) })?;
    // SAFETY: the call did not fail, so it has filled in the address.
    Ok(unsafe { received.get() })
}

/// `getpeername()`: the address of the other end.
///
/// # Errors
/// `ENOTCONN` when there is none (any more), `EBADF`, `ENOTSOCK`, `ENOBUFS`.
///
/// # References
/// getpeername(2), POSIX
pub fn getpeername(fd: impl AsFd) -> Result<SockAddr> {
    let mut received = Received::new(length_of::<sockaddr_storage>());
    let (address, length) = received.as_c();
    // SAFETY: the pointers are to room for an address and to the length of it.
    ret(unsafe { c::getpeername(fd.as_fd().raw(), address, length) })?;
    // SAFETY: the call did not fail, so it has filled in the address.
    Ok(unsafe { received.get() })
}

/// `send()`: writes `bytes`, or as many of them as fit; how many is returned.
///
/// # Errors
/// `EINTR` when a signal came first, `EAGAIN` when the call is not to wait and nothing fits, or its time is over, `EPIPE`
/// (and SIGPIPE) when this half is shut down or was never connected, `ECONNRESET`, `ENOTCONN` for a Unix socket without a
/// peer, `EBADF`, `ENOTSOCK`; for datagrams `EDESTADDRREQ` without a peer, `EMSGSIZE` for one that is too long,
/// `ECONNREFUSED` when nobody took an earlier one.
///
/// # References
/// send(2), POSIX
pub fn send(fd: impl AsFd, bytes: &[u8], flags: MsgFlags) -> Result<usize> {
    // SAFETY: the bytes are valid for reads of the length that is passed with them.
    ret_usize(unsafe { c::send(fd.as_fd().raw(), bytes.as_ptr().cast(), bytes.len(), flags.0) })
}

/// `recv()`: reads what is there, up to the length of `buffer`. 0 is the end.
///
/// # Errors
/// `EINTR` when a signal came first, `EAGAIN` when the call is not to wait and nothing is there, or its time is over,
/// `ECONNRESET` when the peer reset the connection, `ENOTCONN`, `EBADF`, `ENOTSOCK`; for datagrams `ECONNREFUSED` when
/// nobody took an earlier one of ours.
///
/// # References
/// recv(2), POSIX
pub fn recv(fd: impl AsFd, buffer: &mut [u8], flags: MsgFlags) -> Result<usize> {
    // SAFETY: the buffer is valid for writes of the length that is passed with it.
    ret_usize(unsafe { c::recv(fd.as_fd().raw(), buffer.as_mut_ptr().cast(), buffer.len(), flags.0) })
}

/// `shutdown()`: ends one half of a connection, or both, in every process that has it.
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

/// An option of a socket whose value is an int.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct IntOption {
    level: c_int,
    name: c_int,
}

#[allow(missing_docs, reason = "the alias is the C name; socket(7), tcp(7) and ipv6(7) say what each does")]
impl IntOption {
    #[doc(alias = "SO_REUSEADDR")]
    pub const REUSEADDR: IntOption = IntOption { level: c::SOL_SOCKET, name: c::SO_REUSEADDR };
    #[doc(alias = "SO_REUSEPORT")]
    pub const REUSEPORT: IntOption = IntOption { level: c::SOL_SOCKET, name: c::SO_REUSEPORT };
    #[doc(alias = "SO_KEEPALIVE")]
    pub const KEEPALIVE: IntOption = IntOption { level: c::SOL_SOCKET, name: c::SO_KEEPALIVE };
    #[doc(alias = "SO_ERROR")]
    pub const ERROR: IntOption = IntOption { level: c::SOL_SOCKET, name: c::SO_ERROR };
    #[doc(alias = "SO_TYPE")]
    pub const TYPE: IntOption = IntOption { level: c::SOL_SOCKET, name: c::SO_TYPE };
    #[doc(alias = "SO_ACCEPTCONN")]
    pub const ACCEPTCONN: IntOption = IntOption { level: c::SOL_SOCKET, name: c::SO_ACCEPTCONN };
    #[doc(alias = "TCP_NODELAY")]
    pub const NODELAY: IntOption = IntOption { level: inet::IPPROTO_TCP, name: ffi::netinet::tcp::TCP_NODELAY };
    #[doc(alias = "TCP_DEFER_ACCEPT")]
    pub const DEFER_ACCEPT: IntOption =
        IntOption { level: inet::IPPROTO_TCP, name: ffi::netinet::tcp::TCP_DEFER_ACCEPT };
    #[doc(alias = "IP_BIND_ADDRESS_NO_PORT")]
    pub const BIND_ADDRESS_NO_PORT: IntOption =
        IntOption { level: inet::IPPROTO_IP, name: inet::IP_BIND_ADDRESS_NO_PORT };
    #[doc(alias = "IPV6_V6ONLY")]
    pub const V6ONLY: IntOption = IntOption { level: inet::IPPROTO_IPV6, name: inet::IPV6_V6ONLY };
}

/// `setsockopt()`: sets an option; of one that is a switch, 1 is on and 0 is off.
///
/// # Errors
/// `ENOPROTOOPT` when the socket has no such option, or it cannot be set, `EOPNOTSUPP` for one of TCP on a Unix socket,
/// `EINVAL` for one that is too late, as `V6ONLY` of a socket that is bound, `EBADF`, `ENOTSOCK`.
///
/// # References
/// setsockopt(2), POSIX
pub fn setsockopt(fd: impl AsFd, option: IntOption, value: c_int) -> Result<()> {
    // SAFETY: the options of this type take an int, which the pointer is to, with its length.
    ret(unsafe {
        c::setsockopt(fd.as_fd().raw(), option.level, option.name, (&raw const value).cast(), length_of::<c_int>())
    })
}

/// `setsockopt(fd, SOL_SOCKET, SO_LINGER, …)`: what `close()` does with what was not sent yet. `Some(0)` resets the
/// connection, `Some(n)` waits for up to n seconds, `None` goes on sending behind the program's back.
///
/// # Errors
/// `EBADF`, `ENOTSOCK`.
pub fn setsockopt_linger(fd: impl AsFd, seconds: Option<c_int>) -> Result<()> {
    let value = c::linger { l_onoff: c_int::from(seconds.is_some()), l_linger: seconds.unwrap_or(0) };
    // SAFETY: the option takes a struct linger, which the pointer is to, with its length.
    ret(unsafe {
        c::setsockopt(
            fd.as_fd().raw(),
            c::SOL_SOCKET,
            c::SO_LINGER,
            (&raw const value).cast(),
            length_of::<c::linger>(),
        )
    })
}

/// Which way of a socket has a time limit.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum TimeOption {
    /// `SO_RCVTIMEO`: reading, and accepting.
    #[doc(alias = "SO_RCVTIMEO")]
    Receive,
    /// `SO_SNDTIMEO`: writing, and connecting.
    #[doc(alias = "SO_SNDTIMEO")]
    Send,
}

/// `setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO or SO_SNDTIMEO, …)`: a call that has waited for so long in vain fails with
/// `EAGAIN`. The limit is rounded up to a microsecond; 0 waits for as long as it takes.
///
/// # Errors
/// `EBADF`, `ENOTSOCK`.
///
/// # References
/// socket(7), POSIX
pub fn setsockopt_timeout(fd: impl AsFd, option: TimeOption, limit: Duration) -> Result<()> {
    let name = match option {
        TimeOption::Receive => c::SO_RCVTIMEO,
        TimeOption::Send => c::SO_SNDTIMEO,
    };
    let value = timeval_of(limit);
    // SAFETY: the option takes a struct timeval, which the pointer is to, with its length.
    ret(unsafe {
        c::setsockopt(
            fd.as_fd().raw(),
            c::SOL_SOCKET,
            name,
            (&raw const value).cast(),
            length_of::<ffi::sys::time::timeval>(),
        )
    })
}

/// `struct ucred`: who is at the other end of a Unix socket.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Credentials {
    /// The process that connected; 0 for one outside of this PID namespace.
    pub pid: c_int,
    /// Its user.
    pub uid: u32,
    /// Its group.
    pub gid: u32,
}

/// `getsockopt(fd, SOL_SOCKET, SO_PEERCRED, …)`: who connected to a Unix socket.
///
/// # Errors
/// `EBADF`, `ENOTSOCK`.
///
/// # References
/// unix(7)
pub fn getsockopt_peercred(fd: impl AsFd) -> Result<Credentials> {
    let mut value = c::ucred { pid: 0, uid: 0, gid: 0 };
    let mut length = length_of::<c::ucred>();
    // SAFETY: the option fills in a struct ucred, which the pointer is to, with its length.
    ret(unsafe {
        c::getsockopt(fd.as_fd().raw(), c::SOL_SOCKET, c::SO_PEERCRED, (&raw mut value).cast(), &raw mut length)
    })?;
    Ok(Credentials { pid: value.pid, uid: value.uid, gid: value.gid })
}

/// `getsockopt()`: the value of an option.
///
/// # Errors
/// `EOPNOTSUPP` when the socket has no such option, `ENOPROTOOPT` when the kernel has none, `EBADF`, `ENOTSOCK`.
///
/// # References
/// getsockopt(2), POSIX
pub fn getsockopt(fd: impl AsFd, option: IntOption) -> Result<c_int> {
    let mut value: c_int = 0;
    let mut length = length_of::<c_int>();
    // SAFETY: the options of this type fill in an int, which the pointer is to, with its length.
    ret(unsafe {
        c::getsockopt(fd.as_fd().raw(), option.level, option.name, (&raw mut value).cast(), &raw mut length)
    })?;
    Ok(value)
}

/// `inet_addr()`: the IPv4 address that a text stands for. 255.255.255.255 (`INADDR_NONE`) for a text that stands for
/// none, which is also that address.
///
/// # References
/// inet_addr(3), POSIX
#[must_use]
pub fn inet_addr(text: &CStr) -> Ipv4Addr {
    // SAFETY: the text ends in a NUL.
    Ipv4Addr::from_bits(u32::from_be(unsafe { arpa::inet::inet_addr(text.as_ptr()) }))
}

/// `gethostbyname()`: the first IPv4 address of a host, as the resolver's files and servers have it.
///
/// Only where no other thread exists: the C library has one place for the answer. `None` otherwise, and when the host
/// is not known.
///
/// # References
/// gethostbyname(3)
#[must_use]
pub fn gethostbyname(name: &CStr) -> Option<Ipv4Addr> {
    if has_other_threads() {
        return None;
    }
    // SAFETY: the name ends in a NUL, and no other thread makes this call.
    let host = unsafe { ffi::netdb::gethostbyname(name.as_ptr()) };
    // SAFETY: the answer is null or stays as it is until the next call.
    let host = unsafe { host.as_ref() }?;
    // SAFETY: the list of addresses ends in a null pointer, so it has a first element.
    let first = unsafe { host.h_addr_list.read() };
    if host.h_addrtype != c::AF_INET || first.is_null() {
        return None;
    }
    // SAFETY: an address of this family is four bytes, in network order.
    let octets = unsafe { first.cast::<[u8; 4]>().read() };
    Some(Ipv4Addr::from(octets))
}
