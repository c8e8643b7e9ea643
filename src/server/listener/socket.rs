//! `Listener`: a socket that listens, and its options.

use core::ffi::{c_int, c_uint};
use core::time::Duration;

use crate::ffi::sys::types::{gid_t, uid_t};
use crate::server::address::Quoted;
use crate::server::error::{Error, Reason};
use crate::sys::errno::{self, Errno};
use crate::sys::fd::{AsFd, BorrowedFd, OwnedFd};
use crate::sys::net::{
    AddressFamily, AsSockAddr, Protocol, SockAddr, SocketAddr, SocketFlags, SocketOption, SocketType, bind,
    getsockname, listen, setsockopt, socket,
};

/// Options that are set on each listener. Linux passes these options on to connections, so they need not be set again.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SocketSettings {
    pub(crate) backlog: u32,
    pub(crate) keepalive: bool,
    pub(crate) nodelay: bool,
    pub(crate) reuse_port: bool,
    pub(crate) defer_accept: Option<Duration>,
    /// The permissions of a Unix socket's file. `None` leaves the permissions to the umask.
    pub(crate) mode: Option<c_uint>,
    /// The user and the group that will own a Unix socket's file.
    pub(crate) owner: Option<(uid_t, gid_t)>,
}

/// A socket that listens.
#[derive(Debug)]
pub(crate) struct Listener {
    pub(super) fd: OwnedFd,
    /// Whether others may have the socket: the service manager, which keeps the socket when the server stops, or a program
    /// that has given the server a copy.
    pub(super) is_shared: bool,
    /// Whether this process listens there by its own settings. The backlog of any other socket is unknown.
    pub(super) is_own: bool,
    /// The device and inode of the file, for a Unix socket that this server or a predecessor has made.
    pub(super) file: Option<(u64, u64)>,
}

impl Listener {
    pub(crate) const fn is_shared(&self) -> bool {
        self.is_shared
    }

    pub(crate) const fn is_own(&self) -> bool {
        self.is_own
    }

    /// Returns the address, with the port that the kernel has chosen. The address is rarely needed, so each call asks
    /// the kernel.
    pub(crate) fn address(&self) -> errno::Result<SockAddr> {
        getsockname(&self.fd)
    }

    /// Returns the device and inode of the file, for a Unix socket that this server or a predecessor has made.
    pub(crate) const fn file(&self) -> Option<(u64, u64)> {
        self.file
    }
}

impl AsFd for Listener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

/// Makes a socket that does not block. Clients of a Unix socket can pass no descriptors.
pub(super) fn prepare(family: AddressFamily) -> errno::Result<OwnedFd> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let fd = socket(family, SocketType::STREAM | flags, Protocol::DEFAULT)?;
    if family == AddressFamily::UNIX {
        refuse_descriptors(&fd)?;
    }
    Ok(fd)
}

/// Keeps the clients of a Unix socket from passing descriptors. Connections inherit the option from their listener.
///
/// A descriptor that was not received is closed by the process that closes the connection. The close can take as long
/// as the client wants, for example with `SO_LINGER`. So the parent would hang when it refuses such a client.
pub(super) fn refuse_descriptors(fd: &OwnedFd) -> errno::Result<()> {
    match setsockopt(fd, SocketOption::PASSRIGHTS, false) {
        // The kernel is older than Linux 6.16, or the socket is no Unix socket.
        Err(Errno::NOPROTOOPT | Errno::OPNOTSUPP) => Ok(()),
        result => result,
    }
}

/// Gives a socket its address, and listens.
pub(super) fn finish(fd: &OwnedFd, address: &impl AsSockAddr, settings: &SocketSettings) -> errno::Result<()> {
    bind(fd, address)?;
    start(fd, settings)
}

/// Listens on a socket that has its address.
pub(super) fn start(fd: &OwnedFd, settings: &SocketSettings) -> errno::Result<()> {
    listen(fd, c_int::try_from(settings.backlog).unwrap_or(c_int::MAX))
}

/// Sets the options of a TCP listener that its connections have as well.
pub(super) fn set_options(fd: &impl AsFd, settings: &SocketSettings) -> errno::Result<()> {
    // A socket that was passed may have the option.
    setsockopt(fd, SocketOption::KEEPALIVE, settings.keepalive)?;
    if settings.nodelay {
        setsockopt(fd, SocketOption::NODELAY, true)?;
    }
    if let Some(time) = settings.defer_accept {
        // A part of a second counts as a second, because 0 seconds would turn the option off.
        let seconds = time.as_secs().saturating_add(u64::from(time.subsec_nanos() > 0));
        setsockopt(fd, SocketOption::DEFER_ACCEPT, c_int::try_from(seconds).unwrap_or(c_int::MAX))?;
    }
    Ok(())
}

/// Listens on a TCP address.
pub(super) fn bind_inet(address: &SocketAddr, v6_only: bool, settings: &SocketSettings) -> errno::Result<Listener> {
    let family = if address.is_ipv6() { AddressFamily::INET6 } else { AddressFamily::INET };
    let fd = prepare(family)?;
    setsockopt(&fd, SocketOption::REUSEADDR, true)?;
    if settings.reuse_port {
        setsockopt(&fd, SocketOption::REUSEPORT, true)?;
    }
    if address.is_ipv6() {
        setsockopt(&fd, SocketOption::V6ONLY, v6_only)?;
    }
    set_options(&fd, settings)?;
    finish(&fd, address, settings)?;
    Ok(Listener { fd, is_shared: false, is_own: true, file: None })
}

/// Whether accept4() has failed because of one connection alone, which has ended or never got through. The next
/// connection may succeed.
pub(crate) const fn is_connection_error(errno: Errno) -> bool {
    matches!(
        errno,
        Errno::CONNABORTED
            | Errno::PROTO
            | Errno::PERM
            | Errno::NETDOWN
            | Errno::NETUNREACH
            | Errno::HOSTDOWN
            | Errno::HOSTUNREACH
            | Errno::NONET
            | Errno::NOPROTOOPT
            | Errno::OPNOTSUPP
            | Errno::TIMEDOUT
    )
}

/// Returns the error of an address on which the server cannot listen.
pub(super) fn cannot(text: &str, errno: Errno) -> Error {
    let hint = match errno {
        Errno::ADDRINUSE if text.starts_with("unix:") => {
            "a server listens there, or it is not a socket: choose another"
        }
        Errno::ADDRINUSE => "another process listens there (ss -ltnp shows which): stop it, or choose another port",
        Errno::ACCES if text.starts_with("unix:") => "the directory may not be written to: choose another",
        Errno::PERM if text.starts_with("unix:") => "only root can give the file to another user (--owner, --user)",
        Errno::ACCES => "a port below 1024 needs root or CAP_NET_BIND_SERVICE: choose a higher one",
        Errno::ADDRNOTAVAIL => "this machine does not have that address (ip address shows those that it has)",
        Errno::NAMETOOLONG => "choose a shorter one",
        Errno::NOENT | Errno::NOTDIR => "the directory is not there: make it, or choose another",
        Errno::MFILE | Errno::NFILE => "allow more open files (ulimit -n)",
        _ => "",
    };
    Error::new(format_args!("cannot listen on {}", Quoted(text)), Reason::System(errno), hint)
}
