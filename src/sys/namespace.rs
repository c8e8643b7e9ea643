//! A part of the system to oneself.

use core::ffi::c_char;

use crate::ffi::net::r#if::{IFF_UP, ifreq};
use crate::ffi::sched as c;
use crate::ffi::sys::ioctl::{SIOCGIFFLAGS, SIOCSIFFLAGS, ioctl};
use crate::ffi::unistd;
use crate::program::text::Text;
use crate::sys::conv::ret;
use crate::sys::errno::Result;
use crate::sys::fd::write_all;
use crate::sys::fs::{OpenFlags, open};
use crate::sys::net::{self, AddressFamily, Protocol, SocketFlags, SocketType};

/// `unshare(CLONE_NEWUSER)`, and the maps of its ids: gives this process users of its own, of whom it is root, and the
/// owner of what it unshares next. To everybody else it is who it was.
///
/// # Errors
/// `EPERM` or `ENOSPC` where that is not allowed, `EINVAL` in a process with other threads.
///
/// # References
/// unshare(2), user_namespaces(7), Linux
pub fn own_users() -> Result<()> {
    // SAFETY: the call has no precondition.
    let user = unsafe { unistd::geteuid() };
    // SAFETY: the call has no precondition.
    let group = unsafe { unistd::getegid() };
    // SAFETY: the call has no precondition on memory.
    ret(unsafe { c::unshare(c::CLONE_NEWUSER) })?;
    let map = |path, text: Text<ID_MAP_MAX>| write_all(open(path, OpenFlags::RDWR, 0)?, text.as_bytes());
    map(c"/proc/self/setgroups", Text::of(format_args!("deny")))?;
    map(c"/proc/self/uid_map", Text::of(format_args!("0 {user} 1")))?;
    map(c"/proc/self/gid_map", Text::of(format_args!("0 {group} 1")))
}

/// How long a map of one id is at most.
const ID_MAP_MAX: usize = "0 4294967295 1".len();

/// `unshare(CLONE_NEWNET)`: gives the calling thread, and all that it starts, a network in which nobody else is, and
/// nothing but a loopback interface, which is brought up.
///
/// # Errors
/// `EPERM` for who may not, `ENOSPC` when there are as many as there may be, `EINVAL` when the kernel has no such namespaces.
///
/// # References
/// unshare(2), network_namespaces(7), netdevice(7), Linux
pub fn own_network() -> Result<()> {
    // SAFETY: the call has no precondition on memory.
    ret(unsafe { c::unshare(c::CLONE_NEWNET) })?;
    let socket = net::socket(AddressFamily::INET, SocketType::DGRAM | SocketFlags::CLOEXEC, Protocol::DEFAULT)?;
    // SAFETY: the type is plain numbers and null pointers, for which zeros are values.
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
