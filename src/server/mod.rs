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
//! From `serve` on, and until it returns, the signals TERM, INT, QUIT, USR1, CHLD and PIPE are blocked and belong to the
//! server, SIGCHLD's disposition is the default, and every child of the process is waited for, those that the server
//! has not made included. In a child the signals are as they were before. A process that has other threads cannot
//! serve: [`Error`] says so.
//!
//! | signal | what it does |
//! |---|---|
//! | TERM, INT | stop listening at once, let the children end by themselves for the time of [`grace`](Server::grace), then send them TERM, and after 5 seconds KILL. A second one skips the wait |
//! | QUIT | send the children TERM now |
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
//! | `accept` | a child begins: `pid`, `from`, `children` with it, `limit` |
//! | `end` | a child has ended: `pid`, `from`, `exit` or `signal`, `seconds` that it lived, `children` without it |
//! | `refuse` | a client was turned away: `from`, `why`, `from_source`, `count` |
//! | `pause`, `resume` | nobody is accepted, `why`: `max-children`, `max-rate`, or the call that failed, with its `error` and a `hint` |
//! | `lifetime` | a child's time is up: `pid`, `from` |
//! | `fail` | a program could not be run, or a call failed that never does: `call`, `error`, `count` |
//! | `status`, `child` | SIGUSR1 came; a line for each child where details are logged |
//! | `stop`, `stopped` | the server was told to stop: `signal`, `sender`, `children`; it has: `drained`, `terminated`, `killed` |
//! | `abort`, `orphan` | details: a connection was gone when it was accepted; a process was waited for that served nobody |
//! | `lost` | so many `lines` before this one could not be written |

#![allow(
    clippy::result_large_err,
    reason = "an error has its text with it, as there is no allocator; none is on a hot path"
)]

mod address;
mod children;
mod connection;
mod error;
pub mod limits;
mod listener;
mod log;
mod map;
mod parent;
mod pidfile;
mod rate;
mod service;
mod worker;

use core::ffi::CStr;
use core::time::Duration;

pub use connection::{Connection, Peer};
pub use error::{Error, Result};
pub use log::{LogFormat, Verbosity};
pub use parent::Stopped;
pub use service::Service;
pub use worker::Outcome;

use error::Reason;
use limits::{BACKLOG_DEFAULT, GRACE_DEFAULT, LISTENERS_MAX, MAX_CHILDREN_DEFAULT, MAX_CHILDREN_LIMIT, RATE_LIMIT};
use listener::{Listener, Listeners, Shown, SocketSettings};
use log::{Level, Log};
use parent::{Parent, SIGNALS, cannot_serve, single_threaded};
use pidfile::PidFile;
use worker::{Function, Open, Program, Worker};

use crate::fd::{self, OwnedFd, STDOUT};
use crate::file::{OpenFlags, open};
use crate::net::SockAddr;
use crate::process::{Pid, getpid};
use crate::signal::{
    Disposition, MaskHow, SaFlags, SigAction, SigSet, Signal, SignalFd, sigaction, sigaction_replace, sigprocmask,
    sigprocmask_replace,
};
use crate::text::Text;

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
    grace: Duration,
    orphans_end: bool,
    announce: bool,
    pidfile: Option<&'a CStr>,
    is_last_act: bool,
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
                grace: GRACE_DEFAULT,
                orphans_end: true,
                announce: false,
                pidfile: None,
                is_last_act: false,
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

    /// Whether serving is the last thing that this process does (no): then the signals stay blocked when it returns, and
    /// one that comes late does not change how the process ends.
    pub const fn last_act(mut self, on: bool) -> Self {
        self.settings.is_last_act = on;
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
        let Server { addresses, addresses_given, adopted, adopt_error, settings } = self;
        if let Some(error) = adopt_error {
            return Err(error);
        }
        settings.check()?;
        let log = Log::new(settings.log_format, settings.verbosity);
        let pidfile = settings.pidfile.map(|path| PidFile::create(path, getpid())).transpose()?;
        let mut bound = Bound { open: Open { listeners: adopted, signals: None, pidfile }, settings, log };
        let listeners = &mut bound.open.listeners;
        if addresses_given > LISTENERS_MAX {
            let what = format_args!("{addresses_given} addresses");
            return Err(Error::new(what, Reason::Usage("too many"), "start a second server for the rest"));
        }
        for address in addresses.iter().take(addresses_given) {
            listeners.bind(address, &bound.settings.socket)?;
        }
        if listeners.len() == 0 {
            return Err(Error::new(
                format_args!("no address to listen on"),
                Reason::Usage("none was named"),
                "name one",
            ));
        }
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

impl Settings<'_> {
    /// Whether the numbers make sense.
    fn check(&self) -> Result<()> {
        let is_in = |what: &str, number: u32, limit: u32| {
            if (1..=limit).contains(&number) {
                return Ok(());
            }
            let what = format_args!("{what} {number}");
            Err(Error::new(what, Reason::Usage("out of range"), "it is at least 1, and at most what the docs say"))
        };
        is_in("max_children", self.max_children, MAX_CHILDREN_LIMIT)?;
        is_in("max_rate", self.max_rate.map_or(1, |(limit, _)| limit), RATE_LIMIT)
    }
}

/// A server that listens: clients can connect, and wait until it serves.
///
/// Dropping it, without having served, closes the sockets and removes what files were made for them.
pub struct Bound<'a> {
    open: Open<'a>,
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
    pub fn addresses(&self) -> impl Iterator<Item = crate::errno::Result<SockAddr>> {
        self.open.listeners.iter().map(Listener::address)
    }

    /// Serves each connection by `handler`, in a process of its own, until a signal says that it is enough.
    ///
    /// The handler runs in a copy of this process: what it changes is seen by nobody else.
    ///
    /// # Errors
    /// `EDEADLK` when this process has other threads; `ENOMEM`, `EMFILE` when there is no memory for as many children
    /// as there may be, or no descriptor for the signals.
    pub fn serve<R: Outcome>(self, handler: impl FnMut(Connection) -> R) -> Result<Stopped> {
        self.serve_with(Function::new(handler))
    }

    /// Serves each connection by a service that is built in.
    ///
    /// # Errors
    /// As [`serve`](Bound::serve).
    pub fn serve_builtin(self, service: Service) -> Result<Stopped> {
        let handler = |connection| {
            let status = service.serve(&connection);
            // The end of the process closes it.
            core::mem::forget(connection);
            status
        };
        // SAFETY: the services read, write and compute, and know no threads.
        self.serve_with(unsafe { Function::new_bare(handler) })
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
        let program = Program::new(arguments)?;
        self.serve_with(program)
    }

    fn serve_with(self, worker: impl Worker) -> Result<Stopped> {
        single_threaded()?;
        let Bound { mut open, settings, log } = self;
        let pid = getpid();
        let mut signals = SigSet::empty();
        SIGNALS.iter().for_each(|signal| signals.add(*signal));
        let mask = sigprocmask_replace(MaskHow::Block, &signals);
        let chld = SigAction { sa_handler: Disposition::Default, sa_mask: SigSet::empty(), sa_flags: SaFlags::NONE };
        let chld = sigaction_replace(Signal::CHLD, &chld);
        let result = SignalFd::new(&signals)
            .map_err(|errno| cannot_serve("signalfd", errno, "allow more open files (ulimit -n)"))
            .and_then(|fd| {
                open.signals = Some(fd);
                announce(&open.listeners, pid, &settings, &log)?;
                let parent = Parent::new(&settings, &log, open, worker, pid, mask);
                parent.map_err(|errno| cannot_serve("mmap", errno, "lower the number of children")).map(Parent::run)
            });
        if !settings.is_last_act {
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
    let file = open(c"/proc/sys/net/core/somaxconn", OpenFlags::RDONLY.with(OpenFlags::CLOEXEC), 0).ok()?;
    let mut digits = [0; NUMBER_MAX];
    let length = fd::read(&file, &mut digits).ok()?;
    core::str::from_utf8(digits.get(..length)?).ok()?.trim_ascii().parse().ok()
}

/// The most digits of a number in /proc/sys, and a newline.
const NUMBER_MAX: usize = 16;
