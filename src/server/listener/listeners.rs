//! `Listeners`: all sockets on which a server listens.

use core::ffi::CStr;
use core::time::Duration;

use super::socket::{Listener, SocketSettings, bind_inet, cannot, refuse_descriptors, set_options};
use super::unix::{bind_abstract, bind_unix, remove};
use crate::server::address::{Address, Quoted};
use crate::server::error::{Error, Reason, Result};
use crate::server::inherited::{Inherited, listen_fds};
use crate::server::limits::{HOST_MAX, LISTENERS_MAX};
use crate::sys::errno::{self, Errno};
use crate::sys::fd::{AsFd, BorrowedFd, OwnedFd, set_blocking, set_close_on_exec, set_nonblocking};
use crate::sys::net::{
    Ipv4Addr, Ipv6Addr, Shutdown, SockAddr, SocketAddr, SocketOption, SocketType, getaddrinfo, getsockopt, setsockopt,
    shutdown,
};
use crate::sys::poll::{PollEvents, PollFd, poll};

/// All sockets on which a server listens.
#[derive(Debug)]
pub(crate) struct Listeners {
    listeners: [Option<Listener>; LISTENERS_MAX],
    length: usize,
    /// Whether a close of a connection may wait although no child has changed the connection: a listener was passed with
    /// `SO_LINGER`, which its connections inherit, or the client of a Unix socket may have passed descriptors.
    closes_may_wait: bool,
    /// The first addresses that were skipped, because the system does not have them, and the error of each.
    skipped: [Option<(SocketAddr, Errno)>; SKIPPED_MAX],
}

/// The highest number of skipped addresses that are logged.
const SKIPPED_MAX: usize = 4;

impl Listeners {
    pub(crate) const fn new() -> Listeners {
        Listeners {
            listeners: [const { None }; LISTENERS_MAX],
            length: 0,
            closes_may_wait: false,
            skipped: [None; SKIPPED_MAX],
        }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Listener> + Clone {
        self.listeners.iter().take(self.length).flatten()
    }

    pub(crate) const fn len(&self) -> usize {
        self.length
    }

    /// Whether a client waits to be accepted.
    pub(crate) fn have_client(&self) -> bool {
        let mut fds = [PollFd::new(BorrowedFd::NONE, PollEvents::NONE); LISTENERS_MAX];
        for (place, listener) in fds.iter_mut().zip(self.iter()) {
            *place = PollFd::new(listener.as_fd(), PollEvents::IN);
        }
        // poll() takes no more places than descriptors are allowed.
        let fds = fds.get_mut(..self.length).unwrap_or_default();
        poll(fds, Some(Duration::ZERO)).is_ok_and(|ready| ready > 0)
    }

    pub(crate) const fn closes_may_wait(&self) -> bool {
        self.closes_may_wait
    }

    pub(crate) fn get(&self, index: usize) -> Option<&Listener> {
        self.listeners.get(index).and_then(Option::as_ref)
    }

    /// Fails if there is no room for a listener more.
    fn check_room(&self) -> Result<()> {
        if self.length < LISTENERS_MAX {
            return Ok(());
        }
        Err(Error::new(
            format_args!("more than {LISTENERS_MAX} addresses to listen on"),
            Reason::Usage("too many"),
            "start a second server for the rest",
        ))
    }

    /// Adds a listener. The file of a Unix socket is removed at the end from now on, also if this function fails.
    fn push(&mut self, listener: Listener) -> Result<()> {
        self.check_room()?;
        // The lock keeps a child that has the listener from adding a filter that drops every client. An emulator of
        // Linux may have no filters to lock, and a listener of Multipath TCP takes none.
        let locked = setsockopt(&listener, SocketOption::LOCK_FILTER, true);
        self.closes_may_wait |= !matches!(listener.address(), Ok(SockAddr::Inet(_)));
        if let Some(place) = self.listeners.get_mut(self.length) {
            *place = Some(listener);
            self.length += 1;
        }
        match locked {
            Ok(()) | Err(Errno::NOPROTOOPT | Errno::OPNOTSUPP) => Ok(()),
            Err(errno) => {
                let what = format_args!("cannot lock a listener: setsockopt SO_LOCK_FILTER");
                Err(Error::new(what, Reason::System(errno), "allow setsockopt"))
            }
        }
    }

    /// Takes a socket that listens already.
    pub(crate) fn adopt(&mut self, fd: OwnedFd) -> Result<()> {
        let raw = fd.raw();
        let fail = |errno| Error::new(format_args!("descriptor {raw}"), Reason::System(errno), "it is to be a socket");
        let unfit = |reason, hint| Err(Error::new(format_args!("descriptor {raw}"), Reason::State(reason), hint));
        if getsockopt(&fd, SocketOption::TYPE).map_err(fail)? != SocketType::STREAM {
            return unfit("this is no stream socket", "pass a socket of the type SOCK_STREAM (ListenStream=)");
        }
        if !getsockopt(&fd, SocketOption::ACCEPTCONN).map_err(fail)? {
            return unfit("this socket does not listen", "bind and listen before it is passed");
        }
        refuse_descriptors(&fd).map_err(fail)?;
        // If the option cannot be read, assume that it is set.
        self.closes_may_wait |= getsockopt(&fd, SocketOption::LINGER) != Ok(None);
        set_nonblocking(&fd).map_err(fail)?;
        set_close_on_exec(&fd).map_err(fail)?;
        self.push(Listener { fd, is_shared: true, is_own: false, file: None })
    }

    /// Takes a socket of the predecessor, or of the service manager. Others may have the socket if it `is_shared`. `file` is
    /// the identity of the file that a predecessor has made. Without it, the server removes no file: the path may lead to
    /// another server's.
    pub(crate) fn inherit(&mut self, fd: OwnedFd, is_shared: bool, file: Option<(u64, u64)>) -> Result<()> {
        self.adopt(fd)?;
        let index = self.length - 1;
        if let Some(Some(listener)) = self.listeners.get_mut(index) {
            listener.is_shared = is_shared;
            listener.file = file;
        }
        Ok(())
    }

    /// Takes the sockets that the service manager has passed: all, or those with this name.
    fn take_passed(
        &mut self,
        name: Option<&str>,
        settings: &SocketSettings,
        inherited: Option<&mut Inherited>,
    ) -> Result<()> {
        let what = format_args!("inherit");
        let Some(inherited) = inherited else {
            let reason = Reason::State("this program has not claimed the sockets that were passed to it");
            return Err(Error::new(what, reason, "it must claim them at its start: Server::inherit"));
        };
        let is_wanted = |found: &[u8]| name.is_none_or(|name| name.as_bytes() == found);
        let Some(passed) = listen_fds(inherited, is_wanted) else {
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
            self.inherit(fd.map_err(|errno| Error::new(what, Reason::System(errno), hint))?, true, None)?;
            let listener = self.iter().last().filter(|listener| matches!(listener.address(), Ok(SockAddr::Inet(_))));
            let set = listener.map_or(Ok(()), |listener| set_options(listener, settings));
            set.map_err(|errno| {
                Error::new(what, Reason::System(errno), "turn keepalive off, and leave out nodelay and defer-accept")
            })?;
        }
        if self.length == before {
            let reason = Reason::State("no socket that was passed has this name (LISTEN_FDNAMES)");
            return Err(Error::new(what, reason, "name one by FileDescriptorName= in the .socket unit"));
        }
        Ok(())
    }

    /// Sets whether accept4() waits for a client, in every process that has the listeners. Only the children of a pool
    /// with one listener wait there, and the kernel wakes one child for each client. The service manager, or a program, may
    /// pass a socket to several servers. There accept4() never waits, because a server without a pool would wait as well.
    pub(crate) fn set_waiting(&self, has_pool: bool) -> errno::Result<()> {
        let waits = has_pool && self.length == 1 && self.iter().all(|listener| !listener.is_shared());
        self.iter().try_for_each(|listener| if waits { set_blocking(listener) } else { set_nonblocking(listener) })
    }

    /// Listens on every address of `text`.
    pub(crate) fn bind(
        &mut self,
        text: &str,
        settings: &SocketSettings,
        inherited: Option<&mut Inherited>,
    ) -> Result<()> {
        // A socket that is bound and then not taken would leave its file.
        self.check_room()?;
        match Address::parse(text)? {
            Address::Port(port) => {
                let all = SocketAddr::new(Ipv6Addr::UNSPECIFIED.into(), port);
                match bind_inet(&all, false, settings) {
                    // These errors mean a machine without IPv6.
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
                self.bind_each(text, resolved.addresses(port), settings)
            }
            Address::Inherit(name) => self.take_passed(name, settings, inherited),
            Address::Unix(path) => self.push(bind_unix(path, text, settings)?),
            Address::Abstract(name) => self.push(bind_abstract(name, text, settings)?),
        }
    }

    fn bind_one(&mut self, text: &str, address: &SocketAddr, settings: &SocketSettings) -> Result<()> {
        match bind_inet(address, true, settings) {
            Err(Errno::ADDRINUSE) if self.has_port(address.port()) => {
                let hint = "this server listens there already, by another ADDRESS: leave one of them out";
                Err(Error::new(
                    format_args!("cannot listen on {}", Quoted(text)),
                    Reason::System(Errno::ADDRINUSE),
                    hint,
                ))
            }
            listener => self.push(listener.map_err(|errno| cannot(text, errno))?),
        }
    }

    /// Whether a listener has this port already, on any address.
    fn has_port(&self, port: u16) -> bool {
        self.iter().any(|listener| matches!(listener.address(), Ok(SockAddr::Inet(own)) if own.port() == port))
    }

    /// Listens on each address of a host once. Skips an address that the system does not have, if the host has another
    /// address. For example, /etc/hosts often names `::1` where IPv6 is off.
    fn bind_each(
        &mut self,
        text: &str,
        addresses: impl Iterator<Item = SocketAddr> + Clone,
        settings: &SocketSettings,
    ) -> Result<()> {
        let mut result = Err(cannot(text, Errno::ADDRNOTAVAIL));
        for (index, address) in addresses.clone().enumerate() {
            if addresses.clone().take(index).any(|earlier| earlier == address) {
                continue;
            }
            match self.bind_one(text, &address, settings) {
                Err(error) => match error.errno() {
                    Some(errno @ (Errno::ADDRNOTAVAIL | Errno::AFNOSUPPORT)) => {
                        if let Some(place) = self.skipped.iter_mut().find(|place| place.is_none()) {
                            *place = Some((address, errno));
                        }
                        result = result.or(Err(error));
                    }
                    _ => return Err(error),
                },
                Ok(()) => result = Ok(()),
            }
        }
        result
    }

    /// Returns the addresses of hosts that were skipped, and the error of each.
    pub(crate) fn skipped(&self) -> impl Iterator<Item = (SocketAddr, Errno)> {
        self.skipped.iter().copied().flatten()
    }

    /// Shuts down the listeners that the server has made: no process can accept from them any more.
    pub(crate) fn shut_down(&self) {
        for listener in self.iter().filter(|listener| !listener.is_shared) {
            // The call cannot fail, because a socket that listens can be shut down.
            let _ = shutdown(listener, Shutdown::Both);
        }
    }

    /// Closes all listeners, and removes the files of Unix sockets that the server has made.
    pub(crate) fn stop(&mut self) {
        for listener in self.iter() {
            if let (Some(file), Ok(SockAddr::Unix(address))) = (listener.file, listener.address()) {
                let Some(path) = address.path_c() else { continue };
                remove(path, file);
            }
        }
        self.close();
    }

    /// Closes all listeners.
    pub(crate) fn close(&mut self) {
        self.listeners = [const { None }; LISTENERS_MAX];
        self.length = 0;
    }
}

#[cfg(test)]
mod tests;
