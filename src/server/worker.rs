//! What a connection is given to: a function in a new process, or a program in one.

use core::ffi::{CStr, c_int};
use core::net::SocketAddr;
use core::time::Duration;

use super::Settings;
use super::admission::Admission;
use super::connection::{Connection, Peer};
use super::error::{self, Error, Reason};
use super::limits::{
    ABORTS_IN_A_ROW, EXIT_DONE, EXIT_FAILED, EXIT_PANICKED, EXIT_REFUSED, EXIT_UNFIT, LISTENERS_MAX, PATH_MAX,
    SPAWN_STACK, VARIABLES_BYTES, VARIABLES_MAX,
};
use super::listener::Listeners;
use super::log::{Floods, Level, Log, Seconds};
use super::pidfile::PidFile;
use super::proxy_protocol::{Header, read_header};
use super::sandbox::{self, Inmate};
use super::scoreboard::{Slot, State};
use super::systemd;
use crate::server::inherited::RESTART_VARIABLE;
use crate::sys::errno::{self, Errno};
use crate::sys::fd::{AsFd, BorrowedFd, OwnedFd};
use crate::sys::fs::{access_x, stat};
use crate::sys::memory::{CStrArray, Mark, Stack};
use crate::sys::net::{Credentials, SockAddr, SocketFlags, SocketOption, accept4, setsockopt};
use crate::sys::poll::{PollEvents, PollFd, ppoll};
use crate::sys::process::setrlimit;
use crate::sys::process::{
    _exit, Fork, Pid, Spawn, SpawnError, become_program, environ, fork, getpid, set_pdeathsig, setpgid, spawn,
};
use crate::sys::signal::{
    Disposition, MaskHow, SigAction, SigSet, Signal, SignalFd, SignalFlag, sigaction, sigprocmask,
};
use crate::sys::time::{Clock, clock_gettime};

/// What the server has open and a child is not to have.
pub(super) struct Open<'a> {
    pub(super) listeners: Listeners,
    pub(super) signals: Option<SignalFd>,
    pub(super) pidfile: Option<PidFile<'a>>,
    /// Where the server waits whose place this one takes.
    pub(super) predecessor: Option<OwnedFd>,
}

impl Open<'_> {
    /// Closes all of it in a child.
    fn close_in_child(&mut self) {
        self.listeners.close();
        self.close_but_listeners_in_child();
    }

    /// Closes all but the listeners in a child.
    fn close_but_listeners_in_child(&mut self) {
        self.signals = None;
        self.pidfile = None;
    }

    /// Leaves the sockets, their files and the pidfile to the one who has them, too.
    pub(super) fn hand_over(&mut self) {
        self.listeners.close();
        self.pidfile = None;
    }
}

/// Leaves nothing behind of what the server has made. In a child nothing is left to be dropped.
impl Drop for Open<'_> {
    fn drop(&mut self) {
        // Who did not get as far as to serve leaves everything to the one who still does.
        if self.predecessor.is_some() {
            return self.hand_over();
        }
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
    pub(super) settings: &'b Settings<'a>,
    /// The signals that were blocked before the server blocked its own.
    pub(super) mask: &'b SigSet,
    /// The server, when a child is to end with it.
    pub(super) parent: Option<Pid>,
    pub(super) admission: Admission<'b>,
    /// Where the child says what it does.
    pub(super) slot: Slot<'static>,
    /// How many children there are with this one, where each has one client.
    pub(super) children: Option<u32>,
}

/// The signal that tells a child of the pool that it is no longer needed.
pub(super) const RETIRE: Signal = Signal::USR2;

/// Whether it came.
static RETIRED: SignalFlag = SignalFlag::new();

impl Birth<'_, '_> {
    fn log_accept(&self, pid: impl FnOnce() -> Pid, peer: &Peer, balancer: Option<&Peer>) {
        self.log.event(Level::Connection, "accept", |line| {
            line.number("pid", pid());
            line.text("from", peer);
            if let Some(balancer) = balancer {
                line.text("by", balancer);
            }
            line.number("children", self.children.unwrap_or_else(|| self.admission.scoreboard.serving()));
            line.number("limit", self.settings.max_children);
        });
    }

    /// What every child does first: in a group of its own, and ending with the server.
    fn begin(&self) -> Result<(), c_int> {
        // A new process is no session's first, so it may.
        let _ = setpgid(None, None);
        self.parent.map_or(Ok(()), |parent| set_pdeathsig(parent, Signal::TERM)).map_err(|_| EXIT_UNFIT)
    }

    /// Sets the limits that the child has.
    fn limit(&self) -> Result<(), c_int> {
        let limits = self.settings.limits.as_slice().iter();
        limits.copied().try_for_each(|(resource, limit)| {
            setrlimit(resource, limit).map_err(|errno| self.unfit("setrlimit", errno))
        })
    }

    /// Logs that a child could not be set up, and returns the status that it ends with.
    fn unfit(&self, call: &str, errno: Errno) -> c_int {
        self.log.event(Level::Warning, "fail", |line| {
            line.text("call", call);
            line.text("error", errno);
            line.number("pid", getpid());
        });
        EXIT_UNFIT
    }

    /// Finds out who the client is, where a balancer says so, and turns it away if it is not to be served. Returns the
    /// balancer that has passed it on. The error is the status to end with.
    fn meet(&self, connection: &mut Connection) -> Result<Option<Peer>, c_int> {
        let balancer = connection.peer();
        let header = read_header(&*connection).map_err(|error| {
            self.log_refuse(&balancer, format_args!("{error}"), 0);
            EXIT_REFUSED
        })?;
        let mut by = None;
        if let Header::Proxied { source, destination } = header {
            connection.set_client(source, destination);
            by = Some(balancer);
        }
        self.slot.set_client(connection.number(), &connection.peer());
        self.admit(connection)?;
        Ok(by)
    }

    /// What a child of the pool does before it serves a client.
    fn meet_next(&self, pid: Pid, connection: &mut Connection) -> Result<(), c_int> {
        let mut balancer = None;
        if self.settings.proxy_protocol {
            balancer = self.meet(connection)?;
        } else if self.admission.decides() {
            self.admit(connection)?;
        }
        self.limit_silence(connection)?;
        self.log_accept(|| pid, &connection.peer(), balancer.as_ref());
        Ok(())
    }

    /// Turns a client away that is not to be served. The error is the status to end with.
    fn admit(&self, connection: &mut Connection) -> Result<(), c_int> {
        match self.admission.check(&connection.peer(), connection.number(), None) {
            Ok(others) => {
                connection.set_from_source(others + 1);
                Ok(())
            }
            Err(refusal) => {
                // Once it is told so, it counts no more: it may try again at once.
                self.slot.forget_client();
                self.log_refuse(&connection.peer(), format_args!("{}", refusal.why), refusal.from_source);
                connection.dismiss(refusal.message);
                Err(EXIT_REFUSED)
            }
        }
    }

    fn log_refuse(&self, peer: &Peer, why: core::fmt::Arguments<'_>, from_source: u32) {
        self.admission.scoreboard.count_refused();
        self.log.event(Level::Warning, "refuse", |line| {
            line.text("from", peer);
            line.text("why", why);
            line.number("from_source", from_source);
            line.number("count", 1);
        });
    }

    /// Sets how long a read or a write waits.
    fn limit_silence(&self, connection: &Connection) -> Result<(), c_int> {
        let Some(limit) = self.settings.idle_timeout else { return Ok(()) };
        let mut ways = [SocketOption::RCVTIMEO, SocketOption::SNDTIMEO].into_iter();
        ways.try_for_each(|way| setsockopt(connection, way, limit)).map_err(|_| EXIT_FAILED)
    }

    fn enter_sandbox(&self, inmate: Inmate) -> Result<(), c_int> {
        let Some(calls) = self.settings.sandbox else { return Ok(()) };
        let Some(note) = self.slot.note() else { return Ok(()) };
        sandbox::enter(inmate, calls, note).map_err(|errno| self.unfit("seccomp", errno))
    }

    /// The next client of a child that serves one after another; `None` when there is something else to look at first.
    /// The error is the status to end with.
    fn next_client(&self, arrivals: &mut Arrivals) -> Result<Option<(OwnedFd, SockAddr)>, c_int> {
        let listeners = || self.open.listeners.iter();
        let Arrivals { ready, aborts_in_a_row, .. } = arrivals;
        for (listener, ready) in listeners().zip(ready.iter_mut()).filter(|(_, ready)| **ready) {
            match accept4(listener, SocketFlags::CLOEXEC) {
                Ok(client) => {
                    *aborts_in_a_row = 0;
                    return Ok(Some(client));
                }
                Err(Errno::AGAIN) => (*ready, *aborts_in_a_row) = (false, 0),
                Err(Errno::INTR) => return Ok(None),
                // The server has shut it down.
                Err(Errno::INVAL) => return Err(EXIT_DONE),
                Err(errno) if is_of_connection(errno) && *aborts_in_a_row < ABORTS_IN_A_ROW => {
                    *aborts_in_a_row += 1;
                    return Ok(None);
                }
                Err(errno) => {
                    self.back_off(&mut arrivals.floods, "accept4", errno);
                    return Ok(None);
                }
            }
        }
        let mut fds = [PollFd::new(BorrowedFd::NONE, PollEvents::NONE); LISTENERS_MAX];
        for (place, listener) in fds.iter_mut().zip(listeners()) {
            *place = PollFd::new(listener.as_fd(), PollEvents::IN);
        }
        match ppoll(fds.get_mut(..self.open.listeners.len()).unwrap_or_default(), None, None) {
            Ok(_) => {
                for (ready, fd) in arrivals.ready.iter_mut().zip(&fds) {
                    *ready = !fd.revents().is_empty();
                }
            }
            // A signal is looked at by the caller.
            Err(Errno::INTR) => {}
            Err(errno) => self.back_off(&mut arrivals.floods, "ppoll", errno),
        }
        Ok(None)
    }

    /// A call failed that will fail again for a while.
    fn back_off(&self, floods: &mut Floods, call: &str, errno: Errno) {
        floods.back_off(self.log, clock_gettime(Clock::MONOTONIC), call, errno, Some(getpid()));
    }
}

/// What a child that serves one client after another knows of those that come.
struct Arrivals {
    /// Which listeners may have somebody waiting.
    ready: [bool; LISTENERS_MAX],
    aborts_in_a_row: u32,
    floods: Floods,
}

/// Whether it is the connection that was gone again when it was to be accepted, or never got through: the next one may
/// be well.
pub(super) const fn is_of_connection(errno: Errno) -> bool {
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
    fn start(&mut self, connection: Connection, birth: Birth<'_, '_>) -> Result<Pid, NotStarted>;

    /// Starts a process that serves one connection after another.
    fn start_pool(&mut self, birth: Birth<'_, '_>) -> Result<Pid, Errno>;
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
impl<T: Outcome, E> Outcome for Result<T, E> {
    fn status(self) -> c_int {
        self.map_or(EXIT_FAILED, Outcome::status)
    }
}

/// A function, in a process made by `fork()`.
pub(super) struct Function<H>(pub(super) H);

impl<H: FnMut(Connection) -> R, R: Outcome> Worker for Function<H> {
    fn start(&mut self, connection: Connection, birth: Birth<'_, '_>) -> Result<Pid, NotStarted> {
        match fork() {
            Ok(Fork::Parent(child)) => Ok(child.pid()),
            Ok(Fork::Child) => {
                let _bomb = Bomb;
                let (Ok(status) | Err(status)) = self.serve_one(connection, birth);
                _exit(status)
            }
            Err(errno) => Err(NotStarted { connection, call: "fork", errno, again: true }),
        }
    }

    fn start_pool(&mut self, birth: Birth<'_, '_>) -> Result<Pid, Errno> {
        match fork()? {
            Fork::Parent(child) => Ok(child.pid()),
            Fork::Child => {
                let _bomb = Bomb;
                let (Ok(status) | Err(status)) = self.serve_many(birth);
                _exit(status)
            }
        }
    }
}

impl<H: FnMut(Connection) -> R, R: Outcome> Function<H> {
    /// What a child does that has one client; the status to end with.
    fn serve_one(&mut self, mut connection: Connection, birth: Birth<'_, '_>) -> Result<c_int, c_int> {
        birth.begin()?;
        birth.open.close_in_child();
        sigprocmask(MaskHow::Set, birth.mask);
        birth.limit()?;
        let balancer = if birth.settings.proxy_protocol { birth.meet(&mut connection)? } else { None };
        birth.log_accept(getpid, &connection.peer(), balancer.as_ref());
        birth.limit_silence(&connection)?;
        birth.enter_sandbox(Inmate::Once)?;
        Ok((self.0)(connection).status())
    }

    /// What a child of the pool does; the status to end with.
    fn serve_many(&mut self, birth: Birth<'_, '_>) -> Result<c_int, c_int> {
        birth.begin()?;
        birth.open.close_but_listeners_in_child();
        let pid = getpid();
        let action = SigAction::new(Disposition::Flag(&RETIRED));
        sigaction(RETIRE, &action).map_err(|errno| birth.unfit("sigaction", errno))?;
        let mut mask = *birth.mask;
        mask.remove(RETIRE);
        sigprocmask(MaskHow::Set, &mask);
        birth.limit()?;
        birth.enter_sandbox(Inmate::Pool)?;
        // Of one listener alone a client is waited for by accepting.
        let ready = [birth.open.listeners.len() == 1; LISTENERS_MAX];
        let mut arrivals = Arrivals { ready, aborts_in_a_row: 0, floods: Floods::default() };
        let mut left = birth.settings.max_requests.unwrap_or(u64::MAX);
        let mut now = clock_gettime(Clock::MONOTONIC);
        birth.slot.set(pid, State::Idle, now);
        while left > 0 && !RETIRED.is_raised() {
            let Some((fd, address)) = birth.next_client(&mut arrivals)? else { continue };
            let began = clock_gettime(Clock::MONOTONIC);
            let number = birth.admission.scoreboard.count_accepted();
            let peer = Peer::of(&fd, address);
            let mut connection = Connection::new(fd, peer, number, 0);
            birth.slot.set_client(number, &connection.peer());
            birth.slot.set(pid, State::Serving, began);
            let met = birth.meet_next(pid, &mut connection);
            let peer = connection.peer();
            // Of one that was turned away, or that failed at once, the log has told.
            let status = match met {
                Ok(()) => Some((self.0)(connection).status()),
                Err(_) => {
                    drop(connection);
                    None
                }
            };
            now = clock_gettime(Clock::MONOTONIC);
            birth.slot.end_client();
            birth.slot.set(pid, State::Idle, now);
            if let Some(status) = status {
                log_end(birth.log, pid, &peer, now - began, status);
            }
            left -= 1;
        }
        Ok(EXIT_DONE)
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
    VARIABLES.iter().chain(&systemd::VARIABLES).chain([&RESTART_VARIABLE]).any(|ours| ours.as_bytes() == name)
}

impl Program {
    /// The program with these arguments, its name first, which is sought in `PATH` unless it has a slash.
    pub(super) fn new<'s>(arguments: impl Iterator<Item = &'s CStr> + Clone) -> error::Result<Program> {
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
    fn start(&mut self, connection: Connection, birth: Birth<'_, '_>) -> Result<Pid, NotStarted> {
        if birth.settings.proxy_protocol {
            return self.start_behind_balancer(connection, birth);
        }
        if let Err(errno) = self.set_environment(&connection) {
            return Err(NotStarted { connection, call: "getsockname", errno, again: false });
        }
        let plan = plan(&self.path, &self.argv, &self.envp, &connection, &birth);
        match spawn(&mut self.stack, &plan) {
            Ok(pid) => {
                birth.log_accept(|| pid, &connection.peer(), None);
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

    fn start_pool(&mut self, _birth: Birth<'_, '_>) -> Result<Pid, Errno> {
        // A program serves one client and ends, as the options' check says.
        Err(Errno::NOSYS)
    }
}

impl Program {
    /// Starts a process that first hears from the balancer who the client is, and then becomes the program: for that it
    /// has to have memory of its own.
    fn start_behind_balancer(&mut self, connection: Connection, birth: Birth<'_, '_>) -> Result<Pid, NotStarted> {
        match fork() {
            Ok(Fork::Parent(child)) => Ok(child.pid()),
            Ok(Fork::Child) => {
                let _bomb = Bomb;
                let status = self.meet_and_run(connection, birth).unwrap_or_else(|status| status);
                _exit(status)
            }
            Err(errno) => Err(NotStarted { connection, call: "fork", errno, again: true }),
        }
    }

    /// What that process does until it is the program; the status to end with.
    fn meet_and_run(&mut self, mut connection: Connection, birth: Birth<'_, '_>) -> Result<c_int, c_int> {
        birth.begin()?;
        birth.open.close_in_child();
        let balancer = birth.meet(&mut connection)?;
        self.set_environment(&connection).map_err(|errno| birth.unfit("getsockname", errno))?;
        birth.log_accept(getpid, &connection.peer(), balancer.as_ref());
        let plan = plan(&self.path, &self.argv, &self.envp, &connection, &birth);
        match become_program(&plan) {
            Ok(never) => match never {},
            Err(errno) => Err(birth.unfit("execve", errno)),
        }
    }
}

fn plan<'a>(
    path: &'a [u8],
    argv: &'a CStrArray,
    envp: &'a CStrArray,
    connection: &'a Connection,
    birth: &'a Birth<'_, '_>,
) -> Spawn<'a> {
    Spawn {
        path: CStr::from_bytes_until_nul(path).unwrap_or_default(),
        argv,
        envp,
        connection: connection.as_fd(),
        mask: SigSet::empty(),
        parent: birth.parent,
        limits: birth.settings.limits.as_slice(),
    }
}

/// Logs that a connection is over.
pub(super) fn log_end(log: &Log, pid: Pid, peer: &Peer, time: Duration, status: c_int) {
    log.event(Level::Connection, "end", |line| {
        line.number("pid", pid);
        line.text("from", peer);
        line.number("exit", status);
        line.number("seconds", Seconds(time));
    });
}

/// Where execvp() looks when there is no PATH.
const DEFAULT_PATH: &[u8] = b"/bin:/usr/bin";

/// The file that a program's name stands for, as a path with its NUL.
pub(super) fn find(name: &CStr) -> errno::Result<[u8; PATH_MAX]> {
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
