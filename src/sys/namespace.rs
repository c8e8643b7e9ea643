//! Namespaces: gives this process users and a network of its own.
//!
//! A namespace is a part of the system that only the processes in it see.
//!
//! # Example
//! ```no_run
//! use mpserv::namespace::{own_network, own_users};
//!
//! // Any process may become root of a user namespace, and may then make a network.
//! own_users()?;
//! own_network()?;
//! # Ok::<(), mpserv::errno::Errno>(())
//! ```

use core::ffi::{CStr, c_char};

use crate::ffi::net::r#if::{IFF_UP, ifreq};
use crate::ffi::sched as c;
use crate::ffi::sys::ioctl::{SIOCGIFFLAGS, SIOCSIFFLAGS, ioctl};
use crate::sys::conv::ret;
use crate::sys::errno::Result;
use crate::sys::fd::write_all;
use crate::sys::fs::{OpenFlags, open};
use crate::sys::memory::CStrArray;
use crate::sys::net::{self, AddressFamily, Protocol, SocketFlags, SocketType};
use crate::sys::user::{getegid, geteuid};

/// `unshare(CLONE_NEWUSER)`, and maps of the user's and the group's id: makes this process root of a new user
/// namespace. Namespaces that the process unshares later belong to this user namespace. Outside of the namespace, the
/// process's user is the same as before.
///
/// Async-signal-safe: yes.
///
/// # Errors
/// `EPERM` or `ENOSPC` where a new user namespace is not allowed, `EINVAL` in a process with other threads, `ENOMEM`.
///
/// # References
/// unshare(2), user_namespaces(7), Linux
pub fn own_users() -> Result<()> {
    let mut maps = CStrArray::with_capacity(2, 2 * ID_MAP_MAX)?;
    maps.push_fmt(format_args!("0 {} 1", geteuid()))?;
    maps.push_fmt(format_args!("0 {} 1", getegid()))?;
    // SAFETY: the call has no precondition on memory.
    ret(unsafe { c::unshare(c::CLONE_NEWUSER) })?;
    let write =
        |path, text: Option<&CStr>| write_all(open(path, OpenFlags::RDWR, 0)?, text.unwrap_or_default().to_bytes());
    write(c"/proc/self/setgroups", Some(c"deny"))?;
    write(c"/proc/self/uid_map", maps.get(0))?;
    write(c"/proc/self/gid_map", maps.get(1))
}

/// The length of the longest map of one id, with its NUL.
const ID_MAP_MAX: usize = "0 4294967295 1\0".len();

/// `unshare(CLONE_NEWNET)`: gives a new network to the calling thread, and to all threads and processes that it starts
/// later. The network has only a loopback interface, which this function brings up.
///
/// Async-signal-safe: yes.
///
/// # Errors
/// `EPERM` without the capability, `ENOSPC` when no further namespace is allowed, `EINVAL` when the kernel has no such
/// namespaces.
///
/// # References
/// unshare(2), network_namespaces(7), netdevice(7), Linux
pub fn own_network() -> Result<()> {
    // SAFETY: the call has no precondition on memory.
    ret(unsafe { c::unshare(c::CLONE_NEWNET) })?;
    let socket = net::socket(AddressFamily::INET, SocketType::DGRAM | SocketFlags::CLOEXEC, Protocol::DEFAULT)?;
    // SAFETY: the type consists of numbers and pointers, for which zeros are valid.
    let mut request: ifreq = unsafe { core::mem::zeroed() };
    for (to, from) in request.ifr_name.iter_mut().zip(b"lo") {
        *to = c_char::from_ne_bytes([*from]);
    }
    // SAFETY: the kernel reads the name and writes the flags, within the request.
    ret(unsafe { ioctl(socket.raw(), SIOCGIFFLAGS, &raw mut request) })?;
    // SAFETY: the call above has written this member of the union.
    let flags = unsafe { request.ifr_ifru.ifru_flags };
    request.ifr_ifru.ifru_flags = flags | i16::try_from(IFF_UP).unwrap_or_default();
    // SAFETY: the kernel reads the name and the flags.
    ret(unsafe { ioctl(socket.raw(), SIOCSIFFLAGS, &raw mut request) })
}
