//! Looks up the addresses of a host, and the index of an interface, by name.

use core::ffi::{CStr, c_int, c_uint};
use core::fmt;
use core::mem;
use core::ptr;

use crate::ffi::net::r#if as interfaces;
use crate::ffi::netdb as c;
use crate::ffi::sys::socket::{AF_INET, AF_UNSPEC, SOCK_STREAM};
use crate::sys::errno::Errno;
use crate::sys::net::address::{Ipv4Addr, SockAddr, SocketAddr, sockaddr_from_c};
use crate::sys::threads::has_other_threads;

/// The longest name of a host that is looked up, with its NUL (`NI_MAXHOST`). Parts of the C library copy a name to
/// their stack, so a longer name counts as unknown.
pub const HOST_MAX: usize = 1025;

/// `EAI_…`: the reason why a name has no address.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct GaiError {
    code: c_int,
    /// For `EAI_SYSTEM`, the system's error.
    errno: Errno,
}

impl fmt::Display for GaiError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.code == c::EAI_SYSTEM {
            return self.errno.fmt(f);
        }
        // SAFETY: the call has no precondition.
        let text = unsafe { c::gai_strerror(self.code) };
        // SAFETY: the text is a string that is always there.
        let text = unsafe { CStr::from_ptr(text) };
        f.write_str(text.to_str().unwrap_or("an error whose text is not UTF-8"))
    }
}

impl fmt::Debug for GaiError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl core::error::Error for GaiError {}

/// The answer of [`getaddrinfo`]: the addresses of a host. An address may come more than once.
#[derive(Debug)]
pub struct AddrInfo(*mut c::addrinfo);

impl AddrInfo {
    /// Returns the addresses, with this port, in the order in which the system prefers them.
    ///
    /// Async-signal-safe: yes.
    pub fn addresses(&self, port: u16) -> impl Iterator<Item = SocketAddr> + Clone {
        let mut next = self.0.cast_const();
        core::iter::from_fn(move || {
            // SAFETY: the list belongs to the C library, stays until it is freed, and ends in null.
            let info = unsafe { next.as_ref() }?;
            next = info.ai_next;
            // SAFETY: the pointer is to an address of that length.
            Some(unsafe { sockaddr_from_c(info.ai_addr, info.ai_addrlen as usize) })
        })
        .filter_map(move |address| match address {
            SockAddr::Inet(mut address) => {
                address.set_port(port);
                Some(address)
            }
            _ => None,
        })
    }
}

impl Drop for AddrInfo {
    fn drop(&mut self) {
        // SAFETY: the list came from getaddrinfo and is freed once.
        unsafe { c::freeaddrinfo(self.0) };
    }
}

/// `getaddrinfo(host, NULL, {AI_PASSIVE, SOCK_STREAM}, …)`: looks up the addresses of a host in the system's files and
/// servers.
///
/// Async-signal-safe: no, because `getaddrinfo()` allocates, locks and reads files.
///
/// # Errors
/// `EAI_NONAME` when no such host is known, `EAI_AGAIN` when no server answered, and others.
///
/// # References
/// getaddrinfo(3), POSIX
pub fn getaddrinfo(host: &CStr) -> Result<AddrInfo, GaiError> {
    if host.count_bytes() >= HOST_MAX {
        return Err(GaiError { code: c::EAI_NONAME, errno: Errno::INVAL });
    }
    let hints = c::addrinfo {
        ai_flags: c::AI_PASSIVE,
        ai_family: AF_UNSPEC,
        ai_socktype: SOCK_STREAM,
        // SAFETY: 0 is valid for every other field: it means no protocol, no length and no pointers.
        ..unsafe { mem::zeroed() }
    };
    let mut list = ptr::null_mut();
    // SAFETY: the name ends in a NUL, null stands for no service, and the other pointers are to a valid `addrinfo` and
    // to room for a pointer.
    let code = unsafe { c::getaddrinfo(host.as_ptr(), ptr::null(), &raw const hints, &raw mut list) };
    if code == 0 { Ok(AddrInfo(list)) } else { Err(GaiError { code, errno: Errno::last() }) }
}

/// `gethostbyname()`: looks up the first IPv4 address of a host in the resolver's files and servers.
///
/// Returns `None` when the host is not known. Also returns `None` where other threads exist, because the C library has
/// only one place for the answer.
///
/// Async-signal-safe: no, because `gethostbyname()` allocates, locks and reads files.
///
/// # References
/// gethostbyname(3)
#[must_use]
pub fn gethostbyname(name: &CStr) -> Option<Ipv4Addr> {
    if has_other_threads() || name.count_bytes() >= HOST_MAX {
        return None;
    }
    // SAFETY: the name ends in a NUL, and no other thread makes this call.
    let host = unsafe { c::gethostbyname(name.as_ptr()) };
    // SAFETY: the answer is null, or does not change until the next call.
    let host = unsafe { host.as_ref() }?;
    // SAFETY: the list of addresses ends in a null pointer, so it has a first element.
    let first = unsafe { host.h_addr_list.read() };
    if host.h_addrtype != AF_INET || first.is_null() {
        return None;
    }
    // SAFETY: an address of this family is four bytes, in network order.
    let octets = unsafe { first.cast::<[u8; 4]>().read() };
    Some(Ipv4Addr::from(octets))
}

/// `if_nametoindex()`: returns the index of a network interface, which is the scope of its link-local addresses.
///
/// Async-signal-safe: no, because POSIX does not say so of `if_nametoindex()`.
///
/// # Errors
/// `ENODEV` when there is no interface of this name.
///
/// # References
/// if_nametoindex(3), POSIX
pub fn if_nametoindex(name: &CStr) -> Result<c_uint, Errno> {
    // SAFETY: the name ends in a NUL.
    match unsafe { interfaces::if_nametoindex(name.as_ptr()) } {
        0 => Err(Errno::last()),
        index => Ok(index),
    }
}

#[cfg(test)]
mod tests;
