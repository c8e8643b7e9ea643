//! `Server`: the builder, from which a [`Bound`] server comes.

use core::ffi::{CStr, c_long};
use core::time::Duration;

use super::bound::Bound;
use super::child::Outcome;
use super::connection::Connection;
use super::error::{Error, Result};
use super::inherited::Inherited;
use super::limits::LISTENERS_MAX;
use super::listener::Listeners;
use super::log::{LogFormat, LogTime, Verbosity};
use super::parent::Stopped;
use super::privileges::Identity;
use super::settings::{PoolSize, Settings};
use super::source::SourcePrefix;
use crate::program::{Args, Title};
use crate::sys::fd::OwnedFd;
use crate::sys::process::{Limit, Resource};

/// A server: its addresses and its settings. Nothing happens before [`bind`](Server::bind) or [`serve`](Server::serve),
/// but that [`listener`](Server::listener) prepares its socket.
#[derive(Debug)]
#[must_use = "a server does nothing until it serves"]
pub struct Server<'a> {
    addresses: [&'a str; LISTENERS_MAX],
    /// The number of addresses that were given. The number may be greater than the length of `addresses`.
    addresses_given: usize,
    adopted: Listeners,
    adopt_error: Option<Error>,
    settings: Settings<'a>,
}

impl Default for Server<'_> {
    fn default() -> Self {
        Server::new()
    }
}

impl<'a> Server<'a> {
    /// Returns a server with every setting at its default, and no address yet.
    pub const fn new() -> Server<'a> {
        Server {
            addresses: [""; LISTENERS_MAX],
            addresses_given: 0,
            adopted: Listeners::new(),
            adopt_error: None,
            settings: Settings::new(),
        }
    }

    /// Adds an address on which the server listens: `PORT` (IPv6 and IPv4), `HOST:PORT`, `[IPV6]:PORT`, `unix:PATH` or
    /// `unix:@NAME`, in the abstract namespace. With port 0 the kernel chooses a free port. A link-local address names
    /// its interface: `[fe80::1%eth0]:5000`.
    ///
    /// Skips the addresses of a host that the system does not have, as long as another address is left.
    ///
    /// Replaces the file of a Unix socket if no server listens on the socket any more. A relative path is looked up
    /// again when the file is removed, at the stop: do not change the working directory while the server exists.
    pub fn listen(mut self, address: &'a str) -> Self {
        if let Some(place) = self.addresses.get_mut(self.addresses_given) {
            *place = address;
        }
        self.addresses_given += 1;
        self
    }

    /// Adds a socket that listens already. The settings of sockets do not apply to this socket.
    ///
    /// A successor (see [`restart`](Server::restart)) has the sockets of its predecessor, and closes this one. So a
    /// program with both makes this socket only if [`is_successor`](super::is_successor) is false: a client that has
    /// come to a second socket on the same port would be lost.
    ///
    /// If the program keeps a copy of the descriptor, the copy listens on when the server has stopped, and another server
    /// may have it. This call sets options that the copy shares: the copy no longer blocks, takes no socket filter any
    /// more, and as a Unix socket takes no descriptors from a client (`SO_PASSRIGHTS`).
    pub fn listener(mut self, socket: impl Into<OwnedFd>) -> Self {
        self.adopt_error = self.adopted.adopt(socket.into()).err().or(self.adopt_error);
        self
    }

    /// Sets the highest number of children at once (64). Further clients wait.
    pub const fn max_children(mut self, limit: u32) -> Self {
        self.settings.max_children = limit;
        self
    }

    /// Sets the highest number of connections at once from one source (no limit). A source is an IPv4 address, an IPv6
    /// network of 64 bits, or a user of this machine. See [`source_prefix`](Server::source_prefix). A client over the
    /// limit gets `message`, and the connection is closed.
    pub const fn max_per_source(mut self, limit: u32, message: &'a str) -> Self {
        self.settings.max_per_source = Some((limit, message));
        self
    }

    /// Sets the lengths, in bits, of the IPv4 and IPv6 networks that count as one source (32 and 64). The lengths hold
    /// for the limits here and in [`rules`](Server::rules).
    pub const fn source_prefix(mut self, v4: u32, v6: u32) -> Self {
        self.settings.source_prefix = SourcePrefix { v4, v6 };
        self
    }

    /// Sets the highest number of connections that are accepted in any `period` (no limit). Further clients wait.
    /// Refused clients do not count.
    pub const fn max_rate(mut self, limit: u32, period: Duration) -> Self {
        self.settings.max_rate = Some((limit, period));
        self
    }

    /// Sets the number of clients that the kernel holds until they are accepted (511). The kernel's own limit is
    /// `net.core.somaxconn`.
    pub const fn backlog(mut self, backlog: u32) -> Self {
        self.settings.socket.backlog = backlog;
        self
    }

    /// Sets the longest time that a read or a write of a connection waits before it fails with `EAGAIN` (no limit). In
    /// std the error is `ErrorKind::WouldBlock`. The limit stays when a connection becomes a `TcpStream`. This setting
    /// has no effect on programs.
    ///
    /// If the handler catches signals, or a preforked child is told to end (SIGHUP, SIGUSR2), a wait may take up to twice
    /// this time: after a signal the kernel counts anew, and the first signal after the limit ends the wait. Reads and
    /// writes of a `TcpStream` fail with `EINTR` instead, and what repeats them counts anew.
    pub const fn idle_timeout(mut self, limit: Duration) -> Self {
        self.settings.idle_timeout = Some(limit);
        self
    }

    /// Sets the longest time that a child lives (no limit). After that time the child gets TERM, and 5 seconds later
    /// KILL. With [`prefork`](Server::prefork), it is the longest time that a connection lasts, to within a second.
    /// If a preforked child ends while a process that it has left in its group holds the connection, the time begins anew.
    pub const fn max_lifetime(mut self, limit: Duration) -> Self {
        self.settings.max_lifetime = Some(limit);
        self
    }

    /// Makes between `min` and `max` processes before clients come. Each process serves one connection after another.
    /// Programs cannot be preforked.
    ///
    /// While all processes are busy, the server makes more processes each second, twice as many each time. While more
    /// than `min` processes are idle, the server retires one process each second. `max` takes the place of
    /// [`max_children`](Server::max_children).
    ///
    /// A handler finds the changes that an earlier call of the handler has left in the process. A process that the
    /// handler forks must end in the handler: if it returned, it would serve clients as well, as if it were its parent.
    /// Such a process has the listeners, too: while it lives, no other server can listen there after a kill of this one.
    ///
    /// SIGUSR2 tells a process that it is no longer needed. This signal can make a call of the handler fail with
    /// `EINTR`, but not the functions of [`Connection`]. The process closes the listeners at once, and ends after its
    /// client. But if its [`sandbox`](Server::sandbox) has a call that may make a descriptor, the process keeps the
    /// listeners until its client leaves: a new socket must not get the number of a listener. Until then no other
    /// server can listen at the address, even if this server has been killed. If the kill comes just before the process
    /// waits for a client, the process serves one client more. A handler that becomes another program, or puts a filter
    /// on its own system calls, must block or ignore SIGUSR2 before, because the signal would end it. While a handler
    /// blocks SIGUSR2, or runs a server of its own, its process does not notice a kill of this server.
    pub const fn prefork(mut self, min: u32, max: u32) -> Self {
        self.settings.pool = Some(PoolSize { min, max });
        self
    }

    /// Sets the number of connections that a preforked process serves before another process takes its place (no
    /// limit). Set it if a handler may leave descriptors open: a process that has no more can accept no client.
    /// [`bind`](Server::bind) refuses this setting without [`prefork`](Server::prefork).
    pub const fn max_requests(mut self, limit: u64) -> Self {
        self.settings.max_requests = Some(limit);
        self
    }

    /// Sets the file of rules, which says which clients may connect, by network. See [`rules`](super::rules). On SIGHUP
    /// the server reads the file again.
    pub const fn rules(mut self, path: &'a CStr) -> Self {
        self.settings.rules = Some(path);
        self
    }

    /// Whether each connection begins with a PROXY header, by which a proxy names the client (no). A connection without
    /// such a header is closed. See [`proxy_protocol`](super::proxy_protocol). If the caller catches, ignores or blocks
    /// SIGTERM, a silent connection can hold its child 5 seconds longer when others wait.
    pub const fn proxy_protocol(mut self, on: bool) -> Self {
        self.settings.proxy_protocol = on;
        self
    }

    /// Sets the user and the groups that the server takes on once it listens.
    pub const fn user(mut self, identity: Identity) -> Self {
        self.settings.privileges.identity = Some(identity);
        self
    }

    /// Sets the directory that becomes the root directory once the server listens. Files that are read later, such as
    /// rules and programs, are looked up there. SIGUSR2 starts no successor then.
    pub const fn chroot(mut self, directory: &'a CStr) -> Self {
        self.settings.privileges.chroot = Some(directory);
        self
    }

    /// Sets a resource limit for each child. A limit of the size of files (`fsize`) also cuts off the lines that children
    /// write to a log that is a file. A limit of descriptors (`nofile`) that leaves no room for a connection lets no
    /// preforked child accept, and with 0 no child waits for a PROXY header.
    pub fn rlimit(mut self, resource: Resource, limit: Limit) -> Self {
        self.settings.limits.set(resource, limit);
        self
    }

    /// Puts children into a sandbox.
    ///
    /// A handler can make these system calls (`libc::SYS_…`) and those that a child needs to end. The service of
    /// [`serve_builtin`](super::Bound::serve_builtin) can always make the calls that it needs. Any other call ends the
    /// child, and the name of the call is logged, unless you name `rt_sigaction` or `seccomp`. A program can make any call,
    /// but gains no right from its user or its file.
    ///
    /// [`bind`](Server::bind) takes from this process, for good, what its programs must not have: the capabilities that
    /// programs inherit, and new privileges (`PR_SET_NO_NEW_PRIVS`). So a program of root has no capability. A handler keeps
    /// those of the server: set [`user`](Server::user).
    ///
    /// If you name a call that changes a socket, or sends or receives, a handler can make the call on its connection
    /// alone: `recvfrom`, `recvmsg`, `recvmmsg`, `sendto` without an address, `sendmsg`, `sendmmsg`, `getsockopt`,
    /// `setsockopt`, `shutdown`, `bind`, `connect` and `listen`. But by `sendmsg` and `sendmmsg` a handler can pass every
    /// open descriptor to the client of a Unix socket, and by `connect` it can reach another address.
    ///
    /// If you name `mremap`, a handler can make a mapping larger, but move no mapping to a fixed address
    /// (`MREMAP_FIXED`), and not touch the child's slot. `remap_file_pages` is never allowed. Any other call that you
    /// name has no limits: by `read` and `write` a handler reaches every open descriptor.
    ///
    /// With [`prefork`](Server::prefork), a handler can make these calls on
    /// [`SANDBOX_CONNECTIONS`](super::limits::SANDBOX_CONNECTIONS) descriptors: the lowest numbers that are free when
    /// the child begins. So a handler that keeps more connections than that is ended, and so is a handler that closes
    /// a descriptor of the program and then gets a connection with that number.
    pub const fn sandbox(mut self, calls: &'a [c_long]) -> Self {
        self.settings.sandbox = Some(calls);
        self
    }

    /// Makes SIGUSR2 start the program anew, with these arguments and with the sockets of this server. The new process
    /// takes over, and this process ends after its last client. No client is refused.
    ///
    /// The program is the file at the path with which this process was started. If that path was relative, it is the
    /// file that runs, or the file that has replaced it: the working directory may have changed.
    ///
    /// SIGPIPE, SIGXFSZ and SIGTTOU are ignored when the new process starts, as they are while a server serves.
    ///
    /// The new process takes the sockets by [`inherit`](Server::inherit). So [`bind`](Server::bind) refuses `restart`
    /// without `inherit`. A program that forks after `bind`, as a daemon does, must not do so if
    /// [`is_successor`](super::is_successor). A program that executes itself again in the same process must remove the
    /// variable `MPSERV_INHERIT` before: what it names has been taken.
    ///
    /// With [`user`](Server::user), SIGUSR2 starts no successor if that user can read the program's file, or owns it:
    /// other processes of the user could trace the new process. Let the file be root's, with the mode 711. Nor does it if a
    /// user other than root can write to the file, or can replace it or an entry on its path.
    pub const fn restart(mut self, args: Args) -> Self {
        self.settings.restart = Some(args);
        self
    }

    /// Lets this server take the sockets that were passed to the process: by the service manager, for the address
    /// `inherit`, and by its predecessor.
    pub const fn inherit(mut self, inherited: Inherited) -> Self {
        self.settings.inherited = Some(inherited);
        self
    }

    /// Makes `ps` show the number of children: `mpserv: 3/64 children`.
    pub fn title(mut self, title: Title) -> Self {
        self.settings.title = Some(title);
        self
    }

    /// Whether the service manager is told the state of the server, by `NOTIFY_SOCKET` and `WATCHDOG_USEC` (no).
    pub const fn notify(mut self, on: bool) -> Self {
        self.settings.notify = on;
        self
    }

    /// Sets the time that children have to end by themselves when the server is told to stop (30 seconds).
    pub const fn grace(mut self, time: Duration) -> Self {
        self.settings.grace = time;
        self
    }

    /// Whether children get TERM when the server is killed (yes), except those whose handler has changed its user.
    /// Otherwise each child goes on with its client, and ends after that client. A preforked child closes the listeners
    /// as [`prefork`](Server::prefork) says, so that another server can listen at the address.
    pub const fn orphans_end(mut self, end: bool) -> Self {
        self.settings.orphans_end = end;
        self
    }

    /// Sets the permissions of the file of each Unix socket, up to `0o777` (as the umask says). A client needs the permission to
    /// write. The server changes the umask of the process while it binds, so no other thread may bind such a server or make
    /// a file at that time.
    pub const fn mode(mut self, mode: u32) -> Self {
        self.settings.socket.mode = Some(mode);
        self
    }

    /// Sets the user and the group that own the file of each Unix socket (those of [`user`](Server::user), if that is
    /// set).
    pub const fn owner(mut self, identity: Identity) -> Self {
        self.settings.socket.owner = Some(identity.ids());
        self
    }

    /// `TCP_NODELAY`: whether even a few bytes are sent at once (no).
    pub const fn nodelay(mut self, on: bool) -> Self {
        self.settings.socket.nodelay = on;
        self
    }

    /// `SO_KEEPALIVE`: whether a client that has vanished is noticed after some hours (yes).
    pub const fn keepalive(mut self, on: bool) -> Self {
        self.settings.socket.keepalive = on;
        self
    }

    /// `SO_REUSEPORT`: whether other servers of this user may listen on the same port, and share the clients (no).
    pub const fn reuse_port(mut self, on: bool) -> Self {
        self.settings.socket.reuse_port = on;
        self
    }

    /// `TCP_DEFER_ACCEPT`: accepts a client only when it has sent something, or when about this time has passed.
    pub const fn defer_accept(mut self, time: Duration) -> Self {
        self.settings.socket.defer_accept = Some(time);
        self
    }

    /// Whether the port of each listener is printed to standard output, a line each, once the server serves (no). A
    /// successor prints no ports: its ports are those of its predecessor.
    pub const fn announce(mut self, on: bool) -> Self {
        self.settings.announce = on;
        self
    }

    /// Sets the file for the server's process id. The file is locked while the server lives, and removed when the
    /// server stops. A relative path is looked up again then: do not change the working directory before. Where a file
    /// may have no byte (`ulimit -f 0`), SIGXFSZ ends a process that does not ignore it.
    pub const fn pidfile(mut self, path: &'a CStr) -> Self {
        self.settings.pidfile = Some(path);
        self
    }

    /// Whether the signal mask, the actions of signals and the timer of SIGALRM are restored when the server has stopped
    /// (yes). A program that ends with its server sets this to no, so that a late signal does not change its exit
    /// status.
    pub const fn restore_signals(mut self, on: bool) -> Self {
        self.settings.restore_signals = on;
        self
    }

    /// Sets the format of the log and its destination (text, to standard error).
    pub const fn log(mut self, format: LogFormat) -> Self {
        self.settings.log_format = format;
        self
    }

    /// Whether a line of text on standard error begins with the time (unless standard error is a terminal or systemd's
    /// journal).
    pub const fn log_time(mut self, time: LogTime) -> Self {
        self.settings.log_time = time;
        self
    }

    /// Sets the events that are logged (all, without details).
    pub const fn verbosity(mut self, verbosity: Verbosity) -> Self {
        self.settings.verbosity = verbosity;
        self
    }

    /// Checks the settings, and listens. Opens `/dev/null` as each of descriptors 0, 1 and 2 that is closed, so that
    /// nothing but the log is written to standard error.
    ///
    /// # Errors
    /// An error for an address or a number that makes no sense. Otherwise the system's error for a socket, or for the
    /// pidfile.
    #[inline(never)]
    pub fn bind(self) -> Result<Bound<'a>> {
        let Server { addresses, addresses_given, adopted, adopt_error, settings } = self;
        Bound::new(settings, adopt_error.map_or(Ok(adopted), Err), &addresses, addresses_given)
    }

    /// Listens and serves: see [`Bound::serve`].
    ///
    /// # Errors
    /// Fails as [`bind`](Server::bind) and [`Bound::serve`] do.
    pub fn serve<R: Outcome>(self, handler: impl FnMut(Connection) -> R) -> Result<Stopped> {
        self.bind()?.serve(handler)
    }
}
