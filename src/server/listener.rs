//! The sockets that a server listens on.

use core::ffi::{CStr, c_int, c_uint};
use core::fmt;
use core::time::Duration;

use super::address::{Address, Quoted};
use super::error::{Error, Reason, Result};
use super::inherited::listen_fds;
use super::limits::{HOST_MAX, LISTENERS_MAX, LOCK_RETRY, LOCK_WITHIN};
use super::own_file::{OwnFile, Problem};
use crate::sys::errno::{self, Errno};
use crate::sys::fd::{AsFd, BorrowedFd, OwnedFd};
use crate::sys::fs::{Stat, lstat, unlink};
use crate::sys::net::getaddrinfo;
use crate::sys::net::{
    AddressFamily, AsSockAddr, Ipv4Addr, Ipv6Addr, Protocol, Shutdown, SockAddr, SocketAddr, SocketFlags, SocketOption,
    SocketType, UNIX_PATH_MAX, UnixAddr, bind, connect, getsockname, listen, setsockopt, shutdown, socket,
};
use crate::sys::time::{Clock, clock_gettime, nanosleep};

/// What is set on every socket that listens. Linux gives it on to the connections, so that none has to be set again.
#[derive(Clone, Copy, Debug)]
pub(super) struct SocketSettings {
    pub(super) backlog: u32,
    pub(super) keepalive: bool,
    pub(super) nodelay: bool,
    pub(super) reuse_port: bool,
    pub(super) defer_accept: Option<Duration>,
}

/// A socket that listens.
#[derive(Debug)]
pub(super) struct Listener {
    fd: OwnedFd,
    /// Whether it is the service manager's, who goes on with it.
    is_managed: bool,
    /// Which file it is, of a Unix socket that the server has made.
    file: Option<(u64, u64)>,
}

/// All of them.
#[derive(Debug)]
pub(super) struct Listeners {
    listeners: [Option<Listener>; LISTENERS_MAX],
    length: usize,
}

impl Listeners {
    pub(super) const fn new() -> Listeners {
        Listeners { listeners: [const { None }; LISTENERS_MAX], length: 0 }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Listener> + Clone {
        self.listeners.iter().take(self.length).flatten()
    }

    pub(super) const fn len(&self) -> usize {
        self.length
    }

    pub(super) fn get(&self, index: usize) -> Option<&Listener> {
        self.listeners.get(index).and_then(Option::as_ref)
    }

    fn push(&mut self, listener: Listener) -> Result<()> {
        let place = self.listeners.get_mut(self.length).ok_or_else(|| {
            Error::new(
                format_args!("more than {LISTENERS_MAX} addresses to listen on"),
                Reason::Usage("too many"),
                "start a second server for the rest",
            )
        })?;
        *place = Some(listener);
        self.length += 1;
        Ok(())
    }

    /// Takes a socket that listens already.
    pub(super) fn adopt(&mut self, fd: OwnedFd) -> Result<()> {
        let raw = fd.raw();
        let fail = |errno| Error::new(format_args!("descriptor {raw}"), Reason::System(errno), "it is to be a socket");
        let listens = crate::sys::net::getsockopt(&fd, SocketOption::ACCEPTCONN).map_err(fail)?;
        if !listens {
            let reason = Reason::State("this socket does not listen");
            return Err(Error::new(format_args!("descriptor {raw}"), reason, "bind and listen before it is passed"));
        }
        crate::sys::fd::set_nonblocking(&fd).map_err(fail)?;
        crate::sys::fd::set_close_on_exec(&fd).map_err(fail)?;
        self.push(Listener { fd, is_managed: false, file: None })
    }

    /// Takes the socket of the server whose place this one takes, and the file that it has made for it.
    pub(super) fn inherit(&mut self, fd: OwnedFd, is_managed: bool) -> Result<()> {
        self.adopt(fd)?;
        let index = self.length - 1;
        if let Some(Some(listener)) = self.listeners.get_mut(index) {
            listener.is_managed = is_managed;
            if !is_managed {
                listener.find_file();
            }
        }
        Ok(())
    }

    /// Takes the sockets that the service manager has passed: all, or those with this name.
    fn take_passed(&mut self, name: Option<&str>) -> Result<()> {
        let what = format_args!("inherit");
        let is_wanted = |found: &[u8]| name.is_none_or(|name| name.as_bytes() == found);
        let Some(passed) = listen_fds(is_wanted) else {
            let reason = Reason::State("no socket was passed to this process (LISTEN_PID, LISTEN_FDS)");
            return Err(Error::new(
                what,
                reason,
                "start it by a .socket unit, or by systemd-socket-activate -l ADDRESS",
            ));
        };
        let before = self.length;
        for fd in passed {
            let hint = "each socket can be had once";
            self.inherit(fd.map_err(|errno| Error::new(what, Reason::System(errno), hint))?, true)?;
        }
        if self.length == before {
            let reason = Reason::State("no socket that was passed has this name (LISTEN_FDNAMES)");
            return Err(Error::new(what, reason, "name one by FileDescriptorName= in the .socket unit"));
        }
        Ok(())
    }

    /// Has those that wait for a client wait, or not, in every process that has them.
    pub(super) fn set_blocking(&self, blocking: bool) -> errno::Result<()> {
        self.iter().try_for_each(|listener| {
            if blocking { crate::sys::fd::set_blocking(listener) } else { crate::sys::fd::set_nonblocking(listener) }
        })
    }

    /// Listens on every address that `text` stands for.
    pub(super) fn bind(&mut self, text: &str, settings: &SocketSettings) -> Result<()> {
        match Address::parse(text)? {
            Address::Port(port) => {
                let all = SocketAddr::new(Ipv6Addr::UNSPECIFIED.into(), port);
                match bind_inet(&all, false, settings) {
                    // A machine without IPv6.
                    Err(Errno::AFNOSUPPORT | Errno::ADDRNOTAVAIL) => {
                        self.bind_one(text, &SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), port), settings)
                    }
                    listener => self.push(listener.map_err(|errno| cannot(text, errno))?),
                }
            }
            Address::Inet(address) => self.bind_one(text, &address, settings),
            Address::Host(host, port) => {
                let mut name = [0; HOST_MAX];
                let room = name.get_mut(..host.len()).filter(|_| host.len() < HOST_MAX);
                let Some(room) = room else { return Err(cannot(text, Errno::NAMETOOLONG)) };
                room.copy_from_slice(host.as_bytes());
                let name = CStr::from_bytes_until_nul(&name).unwrap_or_default();
                let resolved = getaddrinfo(name).map_err(|error| {
                    let hint = "check the name, or give the address in numbers";
                    Error::new(format_args!("cannot listen on {}", Quoted(text)), Reason::Resolver(error), hint)
                })?;
                resolved.addresses(port).try_for_each(|address| self.bind_one(text, &address, settings))
            }
            Address::Inherit(name) => self.take_passed(name),
            Address::Unix(path) => self.push(bind_unix(path, text, settings)?),
        }
    }

    fn bind_one(&mut self, text: &str, address: &SocketAddr, settings: &SocketSettings) -> Result<()> {
        self.push(bind_inet(address, true, settings).map_err(|errno| cannot(text, errno))?)
    }

    /// Has those that the server has made take no connection any more, in every process that has them.
    pub(super) fn shut_down(&self) {
        for listener in self.iter().filter(|listener| !listener.is_managed) {
            // It listens, so it can.
            let _ = shutdown(listener, Shutdown::Both);
        }
    }

    /// Closes all of them, and removes the files of those that the server has made.
    pub(super) fn stop(&mut self) {
        for listener in self.iter() {
            if let (Some(file), Ok(SockAddr::Unix(address))) = (listener.file, listener.address()) {
                let Some(path) = address.path_c() else { continue };
                // Another server may have put its own in its place.
                if lstat(path).is_ok_and(|now| now.identity() == file) {
                    let _ = unlink(path);
                }
            }
        }
        self.close();
    }

    /// Closes all of them.
    pub(super) fn close(&mut self) {
        self.listeners = [const { None }; LISTENERS_MAX];
        self.length = 0;
    }
}

impl Listener {
    pub(super) const fn is_managed(&self) -> bool {
        self.is_managed
    }

    /// Asked for anew each time, which is seldom: kept, it would be a hundred times as large as what is kept.
    pub(super) fn address(&self) -> errno::Result<SockAddr> {
        getsockname(&self.fd)
    }

    /// Notes which file it is that the socket has, if it has one.
    fn find_file(&mut self) {
        let Ok(SockAddr::Unix(address)) = self.address() else { return };
        let stat = address.path_c().and_then(|path| lstat(path).ok());
        self.file = stat.filter(Stat::is_socket).map(|stat| stat.identity());
    }
}

impl AsFd for Listener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

/// A new socket, set up but for its address.
fn prepare(family: AddressFamily, settings: &SocketSettings) -> errno::Result<OwnedFd> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let fd = socket(family, SocketType::STREAM | flags, Protocol::DEFAULT)?;
    if settings.keepalive && family != AddressFamily::UNIX {
        setsockopt(&fd, SocketOption::KEEPALIVE, true)?;
    }
    Ok(fd)
}

fn finish(fd: &OwnedFd, address: &impl AsSockAddr, settings: &SocketSettings) -> errno::Result<()> {
    bind(fd, address)?;
    listen(fd, c_int::try_from(settings.backlog).unwrap_or(c_int::MAX))
}

fn bind_inet(address: &SocketAddr, v6_only: bool, settings: &SocketSettings) -> errno::Result<Listener> {
    let family = if address.is_ipv6() { AddressFamily::INET6 } else { AddressFamily::INET };
    let fd = prepare(family, settings)?;
    setsockopt(&fd, SocketOption::REUSEADDR, true)?;
    if settings.reuse_port {
        setsockopt(&fd, SocketOption::REUSEPORT, true)?;
    }
    if address.is_ipv6() {
        setsockopt(&fd, SocketOption::V6ONLY, v6_only)?;
    }
    if settings.nodelay {
        setsockopt(&fd, SocketOption::NODELAY, true)?;
    }
    if let Some(time) = settings.defer_accept {
        setsockopt(&fd, SocketOption::DEFER_ACCEPT, c_int::try_from(time.as_secs()).unwrap_or(c_int::MAX))?;
    }
    finish(&fd, address, settings)?;
    Ok(Listener { fd, is_managed: false, file: None })
}

/// What follows a socket's path in the path of its lock.
const LOCK_SUFFIX: &[u8] = b".lock";
/// The mode of a lock: nobody else is to lock it.
const LOCK_MODE: c_uint = 0o600;

/// Listens at a path. Servers that begin at the same path do so one after another, by a lock beside it: no server takes the
/// socket of another one for stale, or removes it, before the other one listens.
fn bind_unix(path: &str, text: &str, settings: &SocketSettings) -> Result<Listener> {
    let mut buffer = [0; UNIX_PATH_MAX + LOCK_SUFFIX.len()];
    let path = terminated(&mut buffer, &[path.as_bytes()], UNIX_PATH_MAX).map_err(|errno| cannot(text, errno))?;
    let mut buffer = [0; UNIX_PATH_MAX + LOCK_SUFFIX.len()];
    let length = buffer.len();
    let lock_path =
        terminated(&mut buffer, &[path.to_bytes(), LOCK_SUFFIX], length).map_err(|errno| cannot(text, errno))?;
    let lock = lock_in_time(lock_path, text)?;
    let listener = bind_unix_locked(path, settings).map_err(|errno| cannot(text, errno));
    lock.remove(lock_path);
    listener
}

/// The parts as one string with its NUL, if that is at most so long. The kernel would take a socket's path without its NUL;
/// other programs would not find it.
fn terminated<'b>(buffer: &'b mut [u8], parts: &[&[u8]], most: usize) -> errno::Result<&'b CStr> {
    let mut length = 0;
    for part in parts {
        if part.contains(&0) {
            return Err(Errno::INVAL);
        }
        let end = length + part.len();
        let room = buffer.get_mut(length..end).filter(|_| end < most).ok_or(Errno::NAMETOOLONG)?;
        room.copy_from_slice(part);
        length = end;
    }
    CStr::from_bytes_until_nul(buffer).map_err(|_| Errno::NAMETOOLONG)
}

/// Takes the lock of a socket's path, and waits a while for another server that has it.
fn lock_in_time(path: &CStr, text: &str) -> Result<OwnFile> {
    let unfit = |reason| {
        let what = format_args!("cannot listen on {}: lock {}", Quoted(text), path.to_bytes().escape_ascii());
        Error::new(what, Reason::State(reason), "remove it, or choose another directory")
    };
    let deadline = clock_gettime(Clock::MONOTONIC) + LOCK_WITHIN;
    loop {
        match OwnFile::lock(path, LOCK_MODE) {
            Ok(lock) => return Ok(lock),
            Err(Problem::System(errno)) => return Err(cannot(text, errno)),
            Err(Problem::Unfit(reason)) => return Err(unfit(reason)),
            Err(Problem::Locked(_)) if clock_gettime(Clock::MONOTONIC) >= deadline => {
                return Err(unfit("another server that begins has kept it locked"));
            }
            Err(Problem::Locked(_)) => nanosleep(LOCK_RETRY),
        }
    }
}

fn bind_unix_locked(path: &CStr, settings: &SocketSettings) -> errno::Result<Listener> {
    let address = UnixAddr::new(path)?;
    let fd = prepare(AddressFamily::UNIX, settings)?;
    match finish(&fd, &address, settings) {
        Err(Errno::ADDRINUSE) => {
            remove_stale(path, &address)?;
            finish(&fd, &address, settings)?;
        }
        bound => bound?,
    }
    let file = lstat(path)?.identity();
    Ok(Listener { fd, is_managed: false, file: Some(file) })
}

/// Removes a socket's file that no server listens at. `EADDRINUSE` when one does, or when it is another kind of file.
fn remove_stale(path: &CStr, address: &UnixAddr) -> errno::Result<()> {
    if !lstat(path)?.is_socket() {
        return Err(Errno::ADDRINUSE);
    }
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let probe = socket(AddressFamily::UNIX, SocketType::STREAM | flags, Protocol::DEFAULT)?;
    match connect(&probe, address) {
        Err(Errno::CONNREFUSED) => unlink(path),
        _ => Err(Errno::ADDRINUSE),
    }
}

/// Whether accept4() has failed because of one connection, which was gone or never got through. The next one may be
/// well.
pub(super) const fn is_connection_error(errno: Errno) -> bool {
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

/// The error of an address that cannot be listened on.
fn cannot(text: &str, errno: Errno) -> Error {
    let hint = match errno {
        Errno::ADDRINUSE if text.starts_with("unix:") => {
            "a server listens there, or it is not a socket: choose another"
        }
        Errno::ADDRINUSE => "another process listens there (ss -ltnp shows which): stop it, or choose another port",
        Errno::ACCES if text.starts_with("unix:") => "the directory may not be written to: choose another",
        Errno::ACCES => "a port below 1024 needs root or CAP_NET_BIND_SERVICE: choose a higher one",
        Errno::ADDRNOTAVAIL => "this machine does not have that address (ip address shows those that it has)",
        Errno::NAMETOOLONG => "choose a shorter one",
        Errno::NOENT | Errno::NOTDIR => "the directory is not there: make it, or choose another",
        Errno::MFILE | Errno::NFILE => "allow more open files (ulimit -n)",
        _ => "",
    };
    Error::new(format_args!("cannot listen on {}", Quoted(text)), Reason::System(errno), hint)
}

/// How an address is shown: `127.0.0.1:5000`, `[::]:5000`, `unix:/run/echo`.
pub(super) struct Shown(pub(super) SockAddr);

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            SockAddr::Inet(address) => address.fmt(f),
            SockAddr::Unix(address) => write!(f, "{address:?}"),
            SockAddr::Other(_) => f.write_str("unknown"),
        }
    }
}
