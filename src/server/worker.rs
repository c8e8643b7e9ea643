//! What a connection is given to: a function in a new process, or a program in one.

use core::ffi::{CStr, c_int};
use core::net::SocketAddr;
use core::time::Duration;

use super::connection::{Connection, Peer};
use super::error::{Error, Reason, Result};
use super::limits::{EXIT_DONE, EXIT_FAILED, EXIT_PANICKED, PATH_MAX, SPAWN_STACK, VARIABLES_BYTES, VARIABLES_MAX};
use super::listener::Listeners;
use super::log::{Level, Log};
use super::pidfile::PidFile;
use crate::errno::{self, Errno};
use crate::fd::{AsFd, close_of_parent};
use crate::file::{access_x, stat};
use crate::memory::{CStrArray, Mark, Stack};
use crate::net::{Credentials, SockAddr, TimeOption, setsockopt_timeout};
use crate::process::{
    _exit, Fork, Pid, Spawn, SpawnError, begin_group, environ, fork, fork_bare, getpid, signal_at_death_of, spawn,
};
use crate::signal::{MaskHow, SigSet, Signal, SignalFd, sigprocmask};

/// What the server has open and a child is not to have.
pub(super) struct Open<'a> {
    pub(super) listeners: Listeners,
    pub(super) signals: Option<SignalFd>,
    pub(super) pidfile: Option<PidFile<'a>>,
}

impl Open<'_> {
    /// Closes all of it in a child, without a change to memory that the child has from its parent.
    ///
    /// # Safety
    /// This process has been forked from the server's, and uses none of this again.
    unsafe fn close_in_child(&self) {
        let signals = self.signals.iter().map(AsFd::as_fd);
        let pidfile = self.pidfile.iter().map(AsFd::as_fd);
        for fd in self.listeners.iter().map(AsFd::as_fd).chain(signals).chain(pidfile) {
            // SAFETY: by this function's own contract.
            unsafe { close_of_parent(fd) };
        }
    }
}

/// Leaves nothing behind of what the server has made. In a child nothing is left to be dropped.
impl Drop for Open<'_> {
    fn drop(&mut self) {
        self.listeners.stop();
        if let Some(pidfile) = self.pidfile.take() {
            pidfile.remove();
        }
    }
}

/// What a worker has to know of the server.
pub(super) struct Birth<'b, 'a> {
    pub(super) open: &'b mut Open<'a>,
    pub(super) log: &'b Log,
    /// The signals that were blocked before the server blocked its own.
    pub(super) mask: &'b SigSet,
    /// The server, when a child is to end with it.
    pub(super) parent: Option<Pid>,
    pub(super) idle_timeout: Option<Duration>,
    /// How many children there are with this one, and how many there may be.
    pub(super) children: u32,
    pub(super) limit: u32,
}

impl Birth<'_, '_> {
    fn log_accept(&self, pid: impl FnOnce() -> Pid, peer: &Peer) {
        self.log.event(Level::Connection, "accept", |line| {
            line.number("pid", pid());
            line.text("from", peer);
            line.number("children", self.children);
            line.number("limit", self.limit);
        });
    }
}

/// Why a connection was given to nobody, and the connection.
pub(super) struct NotStarted {
    pub(super) connection: Connection,
    pub(super) call: &'static str,
    pub(super) errno: Errno,
    /// Whether it may do to try again.
    pub(super) again: bool,
}

/// What serves connections.
pub(super) trait Worker {
    /// Starts a process that serves a connection.
    fn start(&mut self, connection: Connection, birth: Birth<'_, '_>) -> core::result::Result<Pid, NotStarted>;
}

/// What a handler returns, and the status with which its child ends.
pub trait Outcome {
    /// The status.
    fn status(self) -> c_int;
}

/// Done.
impl Outcome for () {
    fn status(self) -> c_int {
        EXIT_DONE
    }
}

/// The status itself.
impl Outcome for c_int {
    fn status(self) -> c_int {
        self
    }
}

/// Done, or [`EXIT_FAILED`].
impl<T: Outcome, E> Outcome for core::result::Result<T, E> {
    fn status(self) -> c_int {
        self.map_or(EXIT_FAILED, Outcome::status)
    }
}

/// A function, in a process made by `fork()`.
pub(super) struct Function<H> {
    handler: H,
    fork: fn() -> errno::Result<Fork>,
}

impl<H> Function<H> {
    /// A function that may do whatever it likes.
    pub(super) fn new(handler: H) -> Function<H> {
        Function { handler, fork }
    }

    /// A function for whose process the C library's `fork()` does more than is needed.
    ///
    /// # Safety
    /// `handler` keeps to what [`fork_bare`] says.
    pub(super) unsafe fn new_bare(handler: H) -> Function<H> {
        // SAFETY: the child makes system calls, logs, and ends by `_exit()`; of `handler` it is this function's contract.
        Function { handler, fork: || unsafe { fork_bare() } }
    }
}

impl<H: FnMut(Connection) -> R, R: Outcome> Worker for Function<H> {
    fn start(&mut self, connection: Connection, birth: Birth<'_, '_>) -> core::result::Result<Pid, NotStarted> {
        match (self.fork)() {
            Ok(Fork::Parent(child)) => Ok(child.pid()),
            Ok(Fork::Child) => {
                let _bomb = Bomb;
                let status = self.child(connection, birth);
                _exit(status)
            }
            Err(errno) => Err(NotStarted { connection, call: "fork", errno, again: true }),
        }
    }
}

impl<H: FnMut(Connection) -> R, R: Outcome> Function<H> {
    /// What the child does; the status to end with.
    fn child(&mut self, connection: Connection, birth: Birth<'_, '_>) -> c_int {
        // A new process is no session's first, so it may.
        let _ = begin_group();
        if birth.parent.is_some_and(|parent| signal_at_death_of(parent, Signal::TERM).is_err()) {
            return EXIT_FAILED;
        }
        // SAFETY: this is the server's child, which ends without coming back to what is the server's.
        unsafe { birth.open.close_in_child() };
        sigprocmask(MaskHow::Set, birth.mask);
        birth.log_accept(getpid, &connection.peer());
        if let Some(limit) = birth.idle_timeout {
            for way in [TimeOption::Receive, TimeOption::Send] {
                if setsockopt_timeout(&connection, way, limit).is_err() {
                    return EXIT_FAILED;
                }
            }
        }
        (self.handler)(connection).status()
    }
}

/// Ends the process when it is dropped, and so when a handler unwinds: the server's own code is not gone back to.
struct Bomb;

impl Drop for Bomb {
    fn drop(&mut self) {
        _exit(EXIT_PANICKED)
    }
}

/// A program, in a process made as `vfork()` makes it.
pub(super) struct Program {
    path: [u8; PATH_MAX],
    argv: CStrArray,
    envp: CStrArray,
    /// The end of what the server's own environment gave.
    inherited: Mark,
    stack: Stack,
}

/// The variables that say who is connected: the server's own, if it has any, were about somebody else.
const VARIABLES: [&str; 13] = [
    "PROTO",
    "TCPLOCALIP",
    "TCPLOCALPORT",
    "TCPLOCALHOST",
    "TCPREMOTEIP",
    "TCPREMOTEPORT",
    "TCPREMOTEHOST",
    "TCPREMOTEINFO",
    "TCPCONNNUM",
    "IPCREMOTEEUID",
    "IPCREMOTEEGID",
    "IPCREMOTEPID",
    "IPCREMOTEPATH",
];

fn is_ours(variable: &CStr) -> bool {
    let name = variable.to_bytes().split(|&byte| byte == b'=').next().unwrap_or_default();
    VARIABLES.iter().any(|ours| ours.as_bytes() == name)
}

impl Program {
    /// The program with these arguments, its name first, which is sought in `PATH` unless it has a slash.
    pub(super) fn new<'s>(arguments: impl Iterator<Item = &'s CStr> + Clone) -> Result<Program> {
        let lack = |errno| Error::new(format_args!("cannot keep the program's arguments"), Reason::System(errno), "");
        let Some(name) = arguments.clone().next().filter(|name| !name.is_empty()) else {
            return Err(Error::new(format_args!("the program"), Reason::Usage("it has no name"), "name one"));
        };
        let path = find(name).map_err(|errno| {
            let hint = match errno {
                Errno::NOENT => "give its path, or put its directory into PATH",
                Errno::ACCES => "make it a file that may be run (chmod +x)",
                _ => "",
            };
            Error::new(format_args!("cannot run {}", name.to_bytes().escape_ascii()), Reason::System(errno), hint)
        })?;
        let kept = environ().filter(|variable| !is_ours(variable));
        let bytes: usize = kept.clone().map(|variable| variable.to_bytes_with_nul().len()).sum();
        let mut envp =
            CStrArray::with_capacity(kept.clone().count() + VARIABLES_MAX, bytes + VARIABLES_BYTES).map_err(lack)?;
        for variable in kept {
            envp.push(variable).map_err(lack)?;
        }
        let inherited = envp.mark();
        let argv = CStrArray::copy(arguments).map_err(lack)?;
        Ok(Program { path, argv, envp, inherited, stack: Stack::new(SPAWN_STACK).map_err(lack)? })
    }

    /// Puts into the environment who is connected, by the names of UCSPI.
    fn set_environment(&mut self, connection: &Connection) -> errno::Result<()> {
        self.envp.truncate(self.inherited);
        match connection.peer() {
            Peer::Inet(remote) => {
                self.envp.push(c"PROTO=TCP")?;
                if let SockAddr::Inet(local) = connection.local_addr()? {
                    let local = SocketAddr::new(local.ip().to_canonical(), local.port());
                    self.envp.push_fmt(format_args!("TCPLOCALIP={}", local.ip()))?;
                    self.envp.push_fmt(format_args!("TCPLOCALPORT={}", local.port()))?;
                }
                self.envp.push_fmt(format_args!("TCPREMOTEIP={}", remote.ip()))?;
                self.envp.push_fmt(format_args!("TCPREMOTEPORT={}", remote.port()))?;
                self.envp.push_fmt(format_args!("TCPCONNNUM={}", connection.from_source()))
            }
            Peer::Unix(Credentials { pid, uid, gid }) => {
                self.envp.push(c"PROTO=IPC")?;
                self.envp.push_fmt(format_args!("IPCREMOTEEUID={uid}"))?;
                self.envp.push_fmt(format_args!("IPCREMOTEEGID={gid}"))?;
                self.envp.push_fmt(format_args!("IPCREMOTEPID={pid}"))
            }
            Peer::Unknown => Ok(()),
        }
    }
}

impl Worker for Program {
    fn start(&mut self, connection: Connection, birth: Birth<'_, '_>) -> core::result::Result<Pid, NotStarted> {
        if let Err(errno) = self.set_environment(&connection) {
            return Err(NotStarted { connection, call: "getsockname", errno, again: false });
        }
        let plan = Spawn {
            path: CStr::from_bytes_until_nul(&self.path).unwrap_or_default(),
            argv: &self.argv,
            envp: &self.envp,
            connection: connection.as_fd(),
            mask: SigSet::empty(),
            parent: birth.parent,
        };
        match spawn(&mut self.stack, &plan) {
            Ok(pid) => {
                birth.log_accept(|| pid, &connection.peer());
                Ok(pid)
            }
            Err(SpawnError::Clone(errno)) => Err(NotStarted { connection, call: "clone", errno, again: true }),
            Err(SpawnError::Exec(errno)) => {
                // What the kernel lacks now, or a file that is being replaced.
                let again = matches!(
                    errno,
                    Errno::AGAIN | Errno::NOMEM | Errno::MFILE | Errno::NFILE | Errno::TXTBSY | Errno::INTR
                );
                Err(NotStarted { connection, call: "execve", errno, again })
            }
        }
    }
}

/// Where execvp() looks when there is no PATH.
const DEFAULT_PATH: &[u8] = b"/bin:/usr/bin";

/// The file that a program's name stands for, as a path with its NUL.
fn find(name: &CStr) -> errno::Result<[u8; PATH_MAX]> {
    let name = name.to_bytes();
    if name.contains(&b'/') {
        return executable(&[], name);
    }
    let path = environ().find_map(|variable| variable.to_bytes().strip_prefix(b"PATH=")).unwrap_or(DEFAULT_PATH);
    let mut found = Err(Errno::NOENT);
    for directory in path.split(|&byte| byte == b':') {
        match executable(if directory.is_empty() { b"." } else { directory }, name) {
            Ok(path) => return Ok(path),
            // One that is there but may not be run is worth telling, unless a later one may.
            Err(Errno::ACCES) => found = Err(Errno::ACCES),
            Err(_) => {}
        }
    }
    found
}

/// The path of a file in a directory, if it may be run.
fn executable(directory: &[u8], name: &[u8]) -> errno::Result<[u8; PATH_MAX]> {
    let mut path = [0; PATH_MAX];
    let slash: &[u8] = if directory.is_empty() { b"" } else { b"/" };
    let mut length = 0;
    for part in [directory, slash, name] {
        // The last byte stays a NUL.
        let room = path.get_mut(length..length + part.len()).filter(|_| length + part.len() < PATH_MAX);
        room.ok_or(Errno::NAMETOOLONG)?.copy_from_slice(part);
        length += part.len();
    }
    let file = CStr::from_bytes_until_nul(&path).unwrap_or_default();
    access_x(file)?;
    if stat(file)?.is_regular() { Ok(path) } else { Err(Errno::ACCES) }
}
