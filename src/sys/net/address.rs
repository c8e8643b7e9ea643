//! Addresses of sockets: the types of `core::net` for IPv4 and IPv6, [`UnixAddr`] for Unix sockets, and [`SockAddr`]
//! for all.

use core::ffi::{CStr, c_char, c_int};
use core::fmt;
use core::mem::{MaybeUninit, offset_of};
pub use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};
use core::ptr;

use crate::ffi::arpa;
use crate::ffi::netinet::r#in::{in_addr, in6_addr, sockaddr_in, sockaddr_in6};
use crate::ffi::sys::socket::{self as c, sockaddr, sockaddr_storage, socklen_t};
use crate::ffi::sys::un::sockaddr_un;
use crate::sys::errno::{Errno, Result};
use crate::sys::flags::open_set;
use crate::sys::sealed::Sealed;

/// The family of a socket and of its address: `AF_…`, which Linux also calls `PF_…`.
#[repr(transparent)]
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct AddressFamily(pub(super) c_int);

open_set!(AddressFamily from c {
    UNSPEC = AF_UNSPEC,
    UNIX = AF_UNIX,
    INET = AF_INET,
    INET6 = AF_INET6,
});

/// The length of the longest path of a Unix socket.
pub const UNIX_PATH_MAX: usize = size_of::<sockaddr_un>() - offset_of!(sockaddr_un, sun_path);

/// The address of a Unix socket: a path, an abstract name (which begins with a NUL), or none.
#[derive(Clone, Copy)]
pub struct UnixAddr {
    /// `sun_path`, with zeros after the name.
    name: [u8; UNIX_PATH_MAX],
    /// The number of bytes of `name` in use.
    length: usize,
}

impl UnixAddr {
    /// Returns the address with this path.
    ///
    /// Async-signal-safe: yes.
    ///
    /// # Errors
    /// `ENAMETOOLONG` when the path and its NUL are longer than [`UNIX_PATH_MAX`], `ENOENT` when the path is empty.
    pub fn new(path: &CStr) -> Result<UnixAddr> {
        if path.is_empty() {
            return Err(Errno::NOENT);
        }
        UnixAddr::from_parts(&[], path.to_bytes_with_nul())
    }

    /// Returns the address with this abstract name, which is in no file system.
    ///
    /// Async-signal-safe: yes.
    ///
    /// # Errors
    /// `ENAMETOOLONG` when the name and the NUL before it are longer than [`UNIX_PATH_MAX`].
    pub fn from_abstract(name: &[u8]) -> Result<UnixAddr> {
        UnixAddr::from_parts(&[0], name)
    }

    fn from_parts(prefix: &[u8], rest: &[u8]) -> Result<UnixAddr> {
        let mut name = [0; UNIX_PATH_MAX];
        let length = prefix.len() + rest.len();
        let (start, end) = name.get_mut(..length).ok_or(Errno::NAMETOOLONG)?.split_at_mut(prefix.len());
        start.copy_from_slice(prefix);
        end.copy_from_slice(rest);
        Ok(UnixAddr { name, length })
    }

    /// Returns the path, or `None` for an abstract name and for a socket without a name.
    ///
    /// Async-signal-safe: yes.
    #[must_use]
    pub fn path(&self) -> Option<&[u8]> {
        let path = self.name.get(..self.length)?.split(|&byte| byte == 0).next()?;
        if path.is_empty() { None } else { Some(path) }
    }

    /// Returns the path as a C string. Returns `None` where [`path`](UnixAddr::path) does. Also returns `None` for a
    /// path from the kernel that fills the whole address, because such a path has no NUL.
    ///
    /// Async-signal-safe: yes.
    #[must_use]
    pub fn path_c(&self) -> Option<&CStr> {
        self.path().and_then(|_| CStr::from_bytes_until_nul(&self.name).ok())
    }
}

impl fmt::Debug for UnixAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Writes `unix:PATH`, or `unix:@NAME` for an abstract name.
impl fmt::Display for UnixAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name.get(..self.length) {
            Some([0, name @ ..]) => write!(f, "unix:@{}", name.escape_ascii()),
            _ => write!(f, "unix:{}", self.path().unwrap_or_default().escape_ascii()),
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

/// Writes `127.0.0.1:5000`, `[::]:5000` or `unix:/run/echo`.
impl fmt::Display for SockAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SockAddr::Inet(address) => address.fmt(f),
            SockAddr::Unix(address) => address.fmt(f),
            SockAddr::Other(_) => f.write_str("unknown"),
        }
    }
}

/// An address that can be passed to C functions, as `struct sockaddr *` and a length.
pub trait AsSockAddr: Sealed {
    #[doc(hidden)]
    fn with_c<T>(&self, function: impl FnOnce(*const sockaddr, socklen_t) -> T) -> T;
}

impl Sealed for SocketAddrV4 {}
impl Sealed for SocketAddrV6 {}
impl Sealed for SocketAddr {}
impl Sealed for UnixAddr {}

/// Returns the size of the address type `T`.
pub(super) const fn length_of<T>() -> socklen_t {
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
        let sun_path = self.name.map(|byte| c_char::from_ne_bytes([byte]));
        let address = sockaddr_un { sun_family: c::AF_UNIX as c::sa_family_t, sun_path };
        let length = offset_of!(sockaddr_un, sun_path) + self.length;
        function((&raw const address).cast(), length as socklen_t)
    }
}

/// Room into which C functions write an address.
pub(super) struct Received {
    address: MaybeUninit<sockaddr_storage>,
    room: socklen_t,
    /// Before the call, the size of the room. After the call, the length of the whole address, even if it is longer
    /// than the room.
    length: socklen_t,
}

impl Received {
    /// Returns room for `length` bytes, at most as many as a `sockaddr_storage` has.
    pub(super) const fn new(length: socklen_t) -> Received {
        Received { address: MaybeUninit::uninit(), room: length, length }
    }

    pub(super) fn as_c(&mut self) -> (*mut sockaddr, *mut socklen_t) {
        (self.address.as_mut_ptr().cast(), &raw mut self.length)
    }

    /// Returns the number of bytes that the kernel filled in.
    fn filled_in(&self) -> usize {
        self.length.min(self.room) as usize
    }

    /// Returns the address that was filled in.
    ///
    /// # Safety
    /// A C function has filled in the address and its length.
    pub(super) unsafe fn get(&self) -> SockAddr {
        // SAFETY: as many bytes were filled in, and a sockaddr_storage is aligned for any address.
        unsafe { sockaddr_from_c(self.address.as_ptr().cast(), self.filled_in()) }
    }
}

/// Returns the address that a C function has filled in. Reads only bytes that the function has filled in.
///
/// # Safety
/// The pointer is aligned for an address, and points to `length` readable bytes.
pub(crate) unsafe fn sockaddr_from_c(address: *const sockaddr, length: usize) -> SockAddr {
    // SAFETY: by this function's own contract. Every address begins with the family, which is an integer.
    let family = unsafe { read_within::<c::sa_family_t>(address, length) }.map_or(c::AF_UNSPEC, c_int::from);
    let known = match family {
        c::AF_INET => {
            // SAFETY: by this function's own contract. All fields are integers.
            unsafe { read_within::<sockaddr_in>(address, length) }.map(|address| {
                let ip = Ipv4Addr::from_bits(u32::from_be(address.sin_addr.s_addr));
                SockAddr::Inet(SocketAddr::V4(SocketAddrV4::new(ip, u16::from_be(address.sin_port))))
            })
        }
        c::AF_INET6 => {
            // SAFETY: by this function's own contract. All fields are integers.
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
            let mut name = [0; UNIX_PATH_MAX];
            // SAFETY: an address of this family has its path there.
            let path = unsafe { address.byte_add(offset_of!(sockaddr_un, sun_path)) };
            // SAFETY: as many bytes of the path are readable, and `name` has room for them.
            unsafe { ptr::copy_nonoverlapping(path.cast(), name.as_mut_ptr(), length) };
            Some(SockAddr::Unix(UnixAddr { name, length }))
        }
        _ => None,
    };
    known.unwrap_or(SockAddr::Other(AddressFamily(family)))
}

/// Reads a `T` from the pointer, if there are enough bytes.
///
/// # Safety
/// The pointer is aligned for a `T` and points to `length` readable bytes. Bytes of any values are a valid `T`.
unsafe fn read_within<T>(address: *const sockaddr, length: usize) -> Option<T> {
    if length < size_of::<T>() {
        return None;
    }
    // SAFETY: by this function's own contract.
    Some(unsafe { address.cast::<T>().read() })
}

/// `inet_addr()`: returns the IPv4 address that a text stands for, or 255.255.255.255 (`INADDR_NONE`) if the text is no
/// address. The text `255.255.255.255` gives the same value.
///
/// Async-signal-safe: no, because POSIX does not say so of `inet_addr()`.
///
/// # References
/// inet_addr(3), POSIX
#[must_use]
pub fn inet_addr(text: &CStr) -> Ipv4Addr {
    // SAFETY: the text ends in a NUL.
    Ipv4Addr::from_bits(u32::from_be(unsafe { arpa::inet::inet_addr(text.as_ptr()) }))
}

#[cfg(test)]
mod tests;
