//! The server in earnest: one process per connection, running a function of yours or a program.
//!
//! ```no_run
//! use mpserv::server::{Connection, Server};
//!
//! fn greet(connection: Connection) -> mpserv::errno::Result<()> {
//!     let mut line = [0; 80];
//!     connection.write_all(b"Who are you?\r\n")?;
//!     let length = connection.read(&mut line)?;
//!     connection.write_all(b"Hello, ")?;
//!     connection.write_all(&line[..length])
//! }
//!
//! Server::new().listen("127.0.0.1:5000").max_children(100).serve(greet)?;
//! # Ok::<(), mpserv::server::Error>(())
//! ```
//!
//! `serve` returns when the process gets SIGTERM, SIGINT or SIGQUIT and the children have ended. Each connection is
//! handed to the function in a new process: whatever the function does there, panic, run for ever, write to a null
//! pointer, no other connection notices. The child ends, by `_exit()`, when the function returns: what std's or C's
//! output still holds is to be flushed before.
//!
//! # The process
//! From `serve` on, and until it returns, the signals TERM, INT, QUIT, HUP, USR1, CHLD and PIPE are blocked and belong to the
//! server, SIGCHLD's disposition is the default, and every child of the process is waited for, those that the server
//! has not made included. In a child the signals are as they were before. A process that has other threads cannot
//! serve: [`Error`] says so.
//!
//! | signal | what it does |
//! |---|---|
//! | TERM, INT | stop listening at once, let the children end by themselves for the time of [`grace`](Server::grace), then send them TERM, and after 5 seconds KILL. A second one skips the wait |
//! | QUIT | send the children TERM now |
//! | HUP | read the [rules](Server::rules) again; start the program anew, where [`restart`](Server::restart) says so |
//! | USR1 | log the status |
//!
//! # The log
//! One line an event on standard error, or to syslog, each written with one write: `mpserv: EVENT name=value ...`. What
//! has a `count` stands for as many events of its kind: the same trouble is logged once a second.
//!
//! | event | when, and its fields |
//! |---|---|
//! | `listen` | a socket listens: `address`, `backlog` |
//! | `start` | the server serves: `pid`, `limit` |
//! | `accept` | a child begins to serve: `pid`, `from`, `by` which balancer, `children` with it, `limit` |
//! | `end` | a child has ended: `pid`, `from`, `exit` or `signal`, `seconds` that it lived, `children` without it |
//! | `refuse` | a client was turned away: `from`, `why`, `from_source`, `count` |
//! | `pause`, `resume` | nobody is accepted, `why`: `max-children`, `max-rate`, or the call that failed, with its `error` and a `hint` |
//! | `lifetime` | a child's time is up: `pid`, `from` |
//! | `fail` | a program could not be run, or a call failed that never does: `call`, `error`, `count` |
//! | `status`, `child` | SIGUSR1 came; a line for each child where details are logged |
//! | `stop`, `stopped` | the server was told to stop: `signal`, `sender`, `children`; it has: `drained`, `terminated`, `killed` |
//! | `abort`, `orphan` | details: a connection was gone when it was accepted; a process was waited for that served nobody |
//! | `rules` | they were read again: how many `rules`, or the `error` |
//! | `restart` | another process is to take this one's place: its `pid` and `program`, or the `error` |
//! | `succeeded` | it has, and this one serves the clients that it has: `by`, `children` |
//! | `violation` | a child in the sandbox was ended: `pid`, `from`, the `call` that it made |
//! | `leave` | a child of the pool has ended without a client: `pid`, `status`, `seconds` that it lived, the `pause` before the next is made |
//! | `lost` | so many `lines` before this one could not be written |

#![allow(
    clippy::result_large_err,
    reason = "an error has its text with it, as there is no allocator; none is on a hot path"
)]

mod address;
mod admission;
mod children;
mod connection;
mod error;
pub mod inherited;
pub mod limits;
mod listener;
mod log;
mod map;
mod own_file;
mod parent;
mod pidfile;
mod pool;
mod privileges;
pub mod proxy_protocol;
mod rate;
mod restart;
pub mod rules;
mod sandbox;
mod scoreboard;
mod service;
pub mod status;
#[cfg(feature = "std")]
mod std_impls;
mod systemd;
mod worker;

use core::ffi::{CStr, c_long};
use core::time::Duration;

pub use connection::{Connection, Peer};
pub use error::{Error, Result};
pub use inherited::is_successor;
pub use log::{LogFormat, Verbosity};
pub use parent::Stopped;
pub use privileges::Identity;
pub use service::Service;
pub use worker::Outcome;

use error::{Reason, hint_of_lack};
use limits::{
    BACKLOG_DEFAULT, GRACE_DEFAULT, LISTENERS_MAX, MAX_CHILDREN_DEFAULT, MAX_CHILDREN_LIMIT, RATE_LIMIT, SERVICE_BUFFER,
};
use listener::{Listener, Listeners, Shown, SocketSettings};
use log::{Level, Log};
use parent::{Parent, SIGNALS, can_fork, cannot_serve};
use pidfile::PidFile;
use pool::PoolSize;
use privileges::{Limits, Privileges, is_root, restrict_programs};
use rules::{Rules, RulesError};
use systemd::Manager;
use worker::{Function, Open, Program, Worker};

use crate::program::text::Text;
use crate::program::{Args, Title};
use crate::server::inherited::{RESTART_VARIABLE, Socket, take_restart};
use crate::sys::errno::Errno;
use crate::sys::fd::{self, OwnedFd, STDOUT};
use crate::sys::fs::{OpenFlags, open};
use crate::sys::memory::MapVec;
use crate::sys::net::SockAddr;
use crate::sys::process::{Limit, Resource};
use crate::sys::process::{Pid, getpid};
use crate::sys::seccomp::note_violations;
use crate::sys::signal::{
    Disposition, MaskHow, SigAction, SigSet, Signal, SignalFd, sigaction, sigaction_replace, sigprocmask,
    sigprocmask_replace,
};

/// A server: where it listens, and its options. Nothing happens before [`bind`](Server::bind) or one of the functions
/// that serve.
#[derive(Debug)]
#[must_use = "a server does nothing until it serves"]
pub struct Server<'a> {
    addresses: [&'a str; LISTENERS_MAX],
    /// How many there are, those that there was no room for included.
    addresses_given: usize,
    adopted: Listeners,
    adopt_error: Option<Error>,
    settings: Settings<'a>,
}

/// The options.
#[derive(Debug)]
struct Settings<'a> {
    max_children: u32,
    max_per_source: Option<(u32, &'a str)>,
    max_rate: Option<(u32, Duration)>,
    idle_timeout: Option<Duration>,
    max_lifetime: Option<Duration>,
    pool: Option<PoolSize>,
    max_requests: Option<u64>,
    rules: Option<&'a CStr>,
    proxy_protocol: bool,
    privileges: Privileges<'a>,
    limits: Limits,
    /// Which system calls a handler makes, where it may make no other.
    sandbox: Option<&'a [c_long]>,
    restart: Option<Args>,
    title: Option<Title>,
    manager: bool,
    grace: Duration,
    orphans_end: bool,
    announce: bool,
    pidfile: Option<&'a CStr>,
    restore_signals: bool,
    log_format: LogFormat,
    verbosity: Verbosity,
    socket: SocketSettings,
}

impl Default for Server<'_> {
    fn default() -> Self {
        Server::new()
    }
}

impl<'a> Server<'a> {
    /// A server with every option at its default, and nowhere to listen yet.
    pub const fn new() -> Server<'a> {
        Server {
            addresses: [""; LISTENERS_MAX],
            addresses_given: 0,
            adopted: Listeners::new(),
            adopt_error: None,
            settings: Settings {
                max_children: MAX_CHILDREN_DEFAULT,
                max_per_source: None,
                max_rate: None,
                idle_timeout: None,
                max_lifetime: None,
                pool: None,
                max_requests: None,
                rules: None,
                proxy_protocol: false,
                privileges: Privileges { identity: None, chroot: None },
                limits: Limits::new(),
                sandbox: None,
                restart: None,
                title: None,
                manager: false,
                grace: GRACE_DEFAULT,
                orphans_end: true,
                announce: false,
                pidfile: None,
                restore_signals: true,
                log_format: LogFormat::Text,
                verbosity: Verbosity::Normal,
                socket: SocketSettings {
                    backlog: BACKLOG_DEFAULT,
                    keepalive: true,
                    nodelay: false,
                    reuse_port: false,
                    defer_accept: None,
                },
            },
        }
    }

    /// Listens there, too: `PORT` (IPv6 and IPv4), `HOST:PORT`, `[IPV6]:PORT` or `unix:PATH`. Port 0 is any that is free.
    ///
    /// A Unix socket's file that no server listens at any more is replaced.
    pub fn listen(mut self, address: &'a str) -> Self {
        if let Some(place) = self.addresses.get_mut(self.addresses_given) {
            *place = address;
        }
        self.addresses_given += 1;
        self
    }

    /// Takes a socket that listens already. The options of sockets do not apply to it.
    pub fn listener(mut self, socket: impl Into<OwnedFd>) -> Self {
        self.adopt_error = self.adopted.adopt(socket.into()).err().or(self.adopt_error);
        self
    }

    /// How many children there are at once at most (64). Further clients wait.
    pub const fn max_children(mut self, limit: u32) -> Self {
        self.settings.max_children = limit;
        self
    }

    /// How many connections at once come from one address, or one user of this machine. Those over it are told `message`
    /// and closed.
    pub const fn max_per_source(mut self, limit: u32, message: &'a str) -> Self {
        self.settings.max_per_source = Some((limit, message));
        self
    }

    /// How many connections are accepted in any `period`. Further clients wait.
    pub const fn max_rate(mut self, limit: u32, period: Duration) -> Self {
        self.settings.max_rate = Some((limit, period));
        self
    }

    /// How many clients the kernel holds until they are accepted (511). It may hold fewer: `net.core.somaxconn`.
    pub const fn backlog(mut self, backlog: u32) -> Self {
        self.settings.socket.backlog = backlog;
        self
    }

    /// How long a read or a write of a connection waits: then it fails with `EAGAIN`. Not for programs.
    pub const fn idle_timeout(mut self, limit: Duration) -> Self {
        self.settings.idle_timeout = Some(limit);
        self
    }

    /// How long a child lives: then it gets TERM, and after 5 seconds KILL.
    pub const fn max_lifetime(mut self, limit: Duration) -> Self {
        self.settings.max_lifetime = Some(limit);
        self
    }

    /// Makes between `min` and `max` processes ahead of time, each of which serves one connection after another, in
    /// place of a process for each connection: more, twice as many each second, while all are busy, and fewer again
    /// while more than `min` are idle. There are as many children as `max` then. Not for programs.
    ///
    /// A handler finds what an earlier one has left in its process. While the process is told that it is no longer
    /// needed, by SIGUSR2, a call of the handler may fail with `EINTR`; those of [`Connection`] go on.
    pub const fn prefork(mut self, min: u32, max: u32) -> Self {
        self.settings.pool = Some(PoolSize { min, max });
        self
    }

    /// How many connections a process that was made ahead of time serves: then another takes its place.
    pub const fn max_requests(mut self, limit: u64) -> Self {
        self.settings.max_requests = Some(limit);
        self
    }

    /// A file of rules: who may connect, by network. See [`rules`]. SIGHUP has it read again.
    pub const fn rules(mut self, path: &'a CStr) -> Self {
        self.settings.rules = Some(path);
        self
    }

    /// Whether each connection begins with a PROXY header, by which a balancer says who the client is (no). One that
    /// does not is closed. See [`proxy_protocol`].
    pub const fn proxy_protocol(mut self, on: bool) -> Self {
        self.settings.proxy_protocol = on;
        self
    }

    /// Who the server becomes once it listens.
    pub const fn user(mut self, identity: Identity) -> Self {
        self.settings.privileges.identity = Some(identity);
        self
    }

    /// Which directory becomes the root directory once the server listens. What is read later, the rules, programs, is
    /// in there.
    pub const fn chroot(mut self, directory: &'a CStr) -> Self {
        self.settings.privileges.chroot = Some(directory);
        self
    }

    /// A limit for each child.
    pub fn rlimit(mut self, resource: Resource, limit: Limit) -> Self {
        self.settings.limits.set(resource, limit);
        self
    }

    /// Puts children into a sandbox. A handler makes no system calls but these (`libc::SYS_…`), and those that a child
    /// needs to end; a service that is built in makes its own, whatever is named here. Any other call ends the child,
    /// and its name is logged. A program may make any, but gains no right by its user or file that it does not have.
    pub const fn sandbox(mut self, calls: &'a [c_long]) -> Self {
        self.settings.sandbox = Some(calls);
        self
    }

    /// Has SIGHUP start the program anew, as its file is then, with these arguments and with the sockets of this one.
    pub const fn restart(mut self, args: Args) -> Self {
        self.settings.restart = Some(args);
        self
    }

    /// Has `ps` show how many children there are: `mpserv: 3/64 children`.
    pub fn title(mut self, title: Title) -> Self {
        self.settings.title = Some(title);
        self
    }

    /// Whether the service manager is told how the server is, by `NOTIFY_SOCKET` and `WATCHDOG_USEC` (no).
    pub const fn notify(mut self, on: bool) -> Self {
        self.settings.manager = on;
        self
    }

    /// How long children may go on when the server is told to stop (30 seconds).
    pub const fn grace(mut self, time: Duration) -> Self {
        self.settings.grace = time;
        self
    }

    /// Whether children get TERM when the server is killed (they do), or go on.
    pub const fn orphans_end(mut self, end: bool) -> Self {
        self.settings.orphans_end = end;
        self
    }

    /// `TCP_NODELAY`: whether what is written is sent at once, even if it is little (no).
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

    /// `TCP_DEFER_ACCEPT`: a client is accepted once it has said something, or about this time has passed.
    pub const fn defer_accept(mut self, time: Duration) -> Self {
        self.settings.socket.defer_accept = Some(time);
        self
    }

    /// Prints the port of each listener to standard output, a line each, once the server serves (no).
    pub const fn announce(mut self, on: bool) -> Self {
        self.settings.announce = on;
        self
    }

    /// A file for the server's id, which is locked while it lives and removed when it stops.
    pub const fn pidfile(mut self, path: &'a CStr) -> Self {
        self.settings.pidfile = Some(path);
        self
    }

    /// Whether the signal mask and the action of SIGCHLD are restored when serving is over (yes). A program that ends then says
    /// no: a signal that comes late does not change its exit status.
    pub const fn restore_signals(mut self, on: bool) -> Self {
        self.settings.restore_signals = on;
        self
    }

    /// In which form the log is written, and where to (text, to standard error).
    pub const fn log(mut self, format: LogFormat) -> Self {
        self.settings.log_format = format;
        self
    }

    /// How much is logged.
    pub const fn verbosity(mut self, verbosity: Verbosity) -> Self {
        self.settings.verbosity = verbosity;
        self
    }

    /// Listens.
    ///
    /// # Errors
    /// An address or a number that makes no sense; what the system said to a socket, or to the pidfile.
    pub fn bind(self) -> Result<Bound<'a>> {
        let Server { addresses, addresses_given, adopted, adopt_error, mut settings } = self;
        if let Some(error) = adopt_error {
            return Err(error);
        }
        if let Some(pool) = settings.pool {
            settings.max_children = pool.max;
        }
        settings.check()?;
        let log = Log::new(settings.log_format, settings.verbosity);
        let manager = settings.manager.then(Manager::from_environment).transpose();
        let manager = manager.map_err(|errno| {
            Error::new(format_args!("NOTIFY_SOCKET"), Reason::System(errno), "the service manager sets it; unset it")
        })?;
        let manager = manager.unwrap_or(Manager::none());
        let open = Open { listeners: adopted, signals: None, pidfile: None, predecessor: None };
        let mut bound = Bound { open, rules: None, manager, settings, log };
        bound.listen(&addresses, addresses_given)?;
        if bound.settings.sandbox.is_some() {
            restrict_programs().map_err(|errno| cannot_serve("prctl", errno, "leave the sandbox out"))?;
        }
        bound.settings.privileges.give_up(bound.open.predecessor.is_some())?;
        bound.settings.limits.check()?;
        bound.rules = bound.settings.rules.map(read_rules).transpose()?;
        Ok(bound)
    }

    /// Listens and serves: see [`Bound::serve`].
    ///
    /// # Errors
    /// As [`bind`](Server::bind) and [`Bound::serve`].
    pub fn serve<R: Outcome>(self, handler: impl FnMut(Connection) -> R) -> Result<Stopped> {
        self.bind()?.serve(handler)
    }
}

/// Reads the rules of a file.
fn read_rules(path: &CStr) -> Result<Rules> {
    let file = path.to_bytes().escape_ascii();
    Rules::read(path).map_err(|error| match error {
        RulesError::System(errno) => {
            let hint = match errno {
                Errno::FBIG => "it is longer than 1 MiB: join networks",
                Errno::ISDIR => "name a file",
                Errno::ACCES => "the server's user is to be allowed to read it",
                _ => "name a file that is there; with --chroot, in there",
            };
            Error::new(format_args!("cannot read the rules in {file}"), Reason::System(errno), hint)
        }
        RulesError::Line(mistake) => Error::new(
            format_args!("{file}:{}: {}", mistake.line, mistake.word()),
            Reason::Usage(mistake.reason),
            mistake.hint,
        ),
    })
}

impl Bound<'_> {
    /// Listens, or takes over what the server has whose place this one takes.
    fn listen(&mut self, addresses: &[&str], addresses_given: usize) -> Result<()> {
        let found = take_restart().map_err(cannot_inherit)?.filter(|_| self.settings.restart.is_some());
        if let Some(found) = found {
            self.open.predecessor = Some(found.ready);
            let path = self.settings.pidfile;
            self.open.pidfile = path.zip(found.pidfile).map(|(path, fd)| PidFile::inherit(path, fd));
            for listener in found.listeners {
                let Socket { fd, is_managed } = listener.map_err(cannot_inherit)?;
                self.open.listeners.inherit(fd, is_managed)?;
            }
        }
        let (settings, open) = (&self.settings, &mut self.open);
        if open.pidfile.is_none() {
            open.pidfile = settings.pidfile.map(|path| PidFile::create(path, getpid())).transpose()?;
        }
        if open.predecessor.is_some() {
            return Ok(());
        }
        let listeners = &mut open.listeners;
        if addresses_given > LISTENERS_MAX {
            return Err(Error::new(
                format_args!("{addresses_given} addresses"),
                Reason::Usage("too many"),
                "start a second server for the rest",
            ));
        }
        for address in addresses.iter().take(addresses_given) {
            listeners.bind(address, &settings.socket)?;
        }
        if listeners.len() == 0 {
            return Err(Error::new(
                format_args!("no address to listen on"),
                Reason::Usage("none was named"),
                "name one",
            ));
        }
        Ok(())
    }
}

fn cannot_inherit(errno: Errno) -> Error {
    Error::new(format_args!("{RESTART_VARIABLE}"), Reason::System(errno), "only mpserv sets it, for the one after it")
}

impl Settings<'_> {
    /// Whether the numbers make sense.
    fn check(&self) -> Result<()> {
        let is_in = |what: &str, number: u32, limit: u32| {
            if (1..=limit).contains(&number) {
                return Ok(());
            }
            Err(Error::new(
                format_args!("{what} {number}"),
                Reason::Usage("out of range"),
                "it is at least 1, and at most what the docs say",
            ))
        };
        if let Some(PoolSize { min, max }) = self.pool {
            is_in("prefork", min, MAX_CHILDREN_LIMIT)?;
            let clash = if max < min {
                Some("at most is less than at least")
            } else if self.max_rate.is_some() {
                Some("processes made ahead of time accept by themselves, so there is no max_rate")
            } else if self.sandbox.is_some() && self.log_format == LogFormat::Syslog {
                Some("in the sandbox they cannot log to syslog")
            } else {
                None
            };
            if let Some(reason) = clash {
                return Err(Error::new(
                    format_args!("prefork {min}-{max}"),
                    Reason::Usage(reason),
                    "leave one of them out",
                ));
            }
        }
        is_in("max_children", self.max_children, MAX_CHILDREN_LIMIT)?;
        is_in("max_rate", self.max_rate.map_or(1, |(limit, _)| limit), RATE_LIMIT)
    }
}

/// A server that listens: clients can connect, and wait until it serves.
///
/// Dropping it, without having served, closes the sockets and removes what files were made for them.
pub struct Bound<'a> {
    open: Open<'a>,
    rules: Option<Rules>,
    manager: Manager,
    settings: Settings<'a>,
    log: Log,
}

impl core::fmt::Debug for Bound<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_list().entries(self.addresses()).finish()
    }
}

impl<'a> Bound<'a> {
    /// Where it listens: of each socket its own address, with the port that it got.
    ///
    /// # Errors
    /// Each: as [`getsockname`](crate::net::getsockname).
    pub fn addresses(&self) -> impl Iterator<Item = crate::sys::errno::Result<SockAddr>> {
        self.open.listeners.iter().map(Listener::address)
    }

    /// Serves each connection by `handler`, in a process of its own, until a signal says that it is enough.
    ///
    /// The handler runs in a copy of this process: what it changes is seen by nobody else.
    ///
    /// # Errors
    /// `EDEADLK` when this process has other threads; `ENOMEM`, `EMFILE` when there is no memory for as many children as there may be, or no descriptor for the signals.
    pub fn serve<R: Outcome>(self, handler: impl FnMut(Connection) -> R) -> Result<Stopped> {
        self.serve_with(Function(handler))
    }

    /// Serves each connection by a service that is built in.
    ///
    /// # Errors
    /// As [`serve`](Bound::serve).
    pub fn serve_builtin(mut self, service: Service) -> Result<Stopped> {
        self.settings.sandbox = self.settings.sandbox.map(|_| service.calls());
        let has_one_client = self.settings.pool.is_none();
        // In the sandbox no memory can be mapped, and a child that serves one after another need not do so again. Mapped
        // here, it is touched only in the children: each has as many pages of it as its client fills.
        let room = (self.settings.sandbox.is_some() || !has_one_client).then(|| MapVec::zeroed(SERVICE_BUFFER));
        let mut room = room.transpose().map_err(|errno| cannot_serve("mmap", errno, hint_of_lack(errno)))?;
        let handler = |connection| {
            let status = service.serve_with(&connection, room.as_deref_mut());
            if has_one_client {
                // The end of the process closes it.
                core::mem::forget(connection);
            }
            status
        };
        self.serve_with(Function(handler))
    }

    /// Serves each connection by a program: its name, sought in `PATH` unless it has a slash, and its arguments.
    ///
    /// The program has the connection as its standard input and output, the server's standard error, every signal at
    /// its default and none blocked, and in its environment who is connected: `PROTO=TCP`, `TCPREMOTEIP`,
    /// `TCPREMOTEPORT`, `TCPLOCALIP`, `TCPLOCALPORT` and, how many connections the client's address has, `TCPCONNNUM`;
    /// for Unix sockets `PROTO=IPC`, `IPCREMOTEPID`, `IPCREMOTEEUID`, `IPCREMOTEEGID`.
    ///
    /// # Errors
    /// As [`serve`](Bound::serve); a program that is not there, or may not be run.
    pub fn serve_program<'s>(self, arguments: impl Iterator<Item = &'s CStr> + Clone) -> Result<Stopped> {
        if self.settings.pool.is_some() {
            let what = format_args!("prefork");
            return Err(Error::new(what, Reason::Usage("a program serves one client and ends"), "leave it out"));
        }
        let program = Program::new(arguments)?;
        self.serve_with(program)
    }

    fn serve_with(self, worker: impl Worker) -> Result<Stopped> {
        can_fork()?;
        let Bound { mut open, rules, manager, mut settings, log } = self;
        let title = settings.title.take();
        let pid = getpid();
        let mut signals = SigSet::empty();
        SIGNALS.iter().for_each(|signal| signals.add(*signal));
        let mask = sigprocmask_replace(MaskHow::Block, &signals)
            .map_err(|errno| cannot_serve("sigprocmask", errno, "allow it where system calls are filtered"))?;
        let chld = SigAction::new(Disposition::Default);
        let chld = sigaction_replace(Signal::CHLD, &chld);
        let result = SignalFd::new(&signals)
            .map_err(|errno| cannot_serve("signalfd", errno, hint_of_lack(errno)))
            .and_then(|fd| {
                open.signals = Some(fd);
                if settings.sandbox.is_some() {
                    note_violations().map_err(|errno| cannot_serve("sigaction", errno, "leave the sandbox out"))?;
                }
                let mut parent = Parent::new(&settings, &log, open, worker, pid, mask)?.with(rules, manager, title);
                // From here on there is nothing that it lacks.
                announce(parent.listeners(), pid, &settings, &log)?;
                Ok(parent.run())
            });
        if settings.restore_signals {
            if let Ok(chld) = chld {
                let _ = sigaction(Signal::CHLD, &chld);
            }
            sigprocmask(MaskHow::Set, &mask);
        }
        result
    }
}

/// Says that the server serves, and where.
fn announce(listeners: &Listeners, pid: Pid, settings: &Settings<'_>, log: &Log) -> Result<()> {
    let backlog = settings.socket.backlog;
    let cap = somaxconn().filter(|cap| *cap < backlog);
    let own_address = |listener: &Listener| listener.address().map_err(|errno| cannot_serve("getsockname", errno, ""));
    for listener in listeners.iter() {
        let address = own_address(listener)?;
        log.event(Level::Notice, "listen", |line| {
            line.text("address", Shown(address));
            line.number("backlog", cap.unwrap_or(backlog));
            if cap.is_some() {
                line.number("asked", backlog);
                line.text("hint", "the kernel allows no more: sysctl net.core.somaxconn");
            }
        });
    }
    log.event(Level::Notice, "start", |line| {
        line.number("pid", pid);
        line.number("limit", settings.max_children);
        if is_root() && settings.privileges.identity.is_none() {
            line.text("warning", "the server and its children run as root: name another user with -u");
        }
    });
    if settings.announce {
        for listener in listeners.iter() {
            let SockAddr::Inet(address) = own_address(listener)? else { continue };
            let line = Text::<PORT_LINE>::of(format_args!("{}\n", address.port()));
            fd::write_all(STDOUT, line.as_bytes())
                .map_err(|errno| cannot_serve("the port could not be printed", errno, ""))?;
        }
    }
    Ok(())
}

/// The longest port, and a newline.
const PORT_LINE: usize = 6;

/// The longest backlog that the kernel allows, where it says so.
fn somaxconn() -> Option<u32> {
    let flags = OpenFlags::RDONLY | OpenFlags::CLOEXEC | OpenFlags::NONBLOCK;
    let file = open(c"/proc/sys/net/core/somaxconn", flags, 0).ok()?;
    let mut digits = [0; NUMBER_MAX];
    let length = fd::read(&file, &mut digits).ok()?;
    core::str::from_utf8(digits.get(..length)?).ok()?.trim_ascii().parse().ok()
}

/// The most digits of a number in /proc/sys, and a newline.
const NUMBER_MAX: usize = 16;
