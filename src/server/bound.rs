//! A bound server: it listens, prints its ports on request, and serves.

use core::ffi::CStr;
use core::fmt;

use super::child::{Function, Outcome, Program, Worker};
use super::connection::Connection;
use super::descriptors::Descriptors;
use super::error::{Error, Reason, Result, shortage_hint};
use super::inherited::{RESTART_VARIABLE, Socket, fill_standard, take_restart};
use super::keep_from_programs::keep_from_programs;
use super::limits::{LISTENERS_MAX, RETRY_EVERY, SERVICE_BUFFER};
use super::listener::{Listener, Listeners};
use super::log::Log;
use super::parent::{Parent, Start, Stopped};
use super::pidfile::PidFile;
use super::privileges::{is_root, restrict_programs};
use super::rules::Rules;
use super::service::Service;
use super::settings::Settings;
use super::signals::Signals;
use super::systemd::Manager;
use crate::program::text::Text;
use crate::sys::errno::{self, Errno, retry_on_intr};
use crate::sys::fd::{self, BorrowedFd, STDOUT};
use crate::sys::fs::{OpenFlags, open};
use crate::sys::memory::MapVec;
use crate::sys::net::SockAddr;
use crate::sys::poll::{PollEvents, PollFd, poll};
use crate::sys::process::{Pid, getpid, has_other_threads};
use crate::sys::seccomp::note_violations;
use crate::sys::signal::{Signal, SignalFd, sigpending};

/// A server that listens: clients can connect, and wait until it serves.
///
/// A drop without a call of `serve` closes the sockets and removes their files and the pidfile. In a process that was
/// forked from this process, the drop only closes the sockets. If the forked process serves, this process must not drop
/// its copy: end it by [`_exit`](crate::process::_exit). Fork one process that serves, and no more: the one that
/// stops first removes the pidfile and the files of sockets of all. A successor ([`is_successor`](super::is_successor))
/// serves in the process that was started: do not fork there.
pub struct Bound<'a> {
    descriptors: Descriptors<'a>,
    rules: Option<Rules>,
    manager: Manager,
    /// The error that keeps the server from reaching the service manager.
    manager_error: Option<Errno>,
    settings: Settings<'a>,
    log: Log,
}

impl fmt::Debug for Bound<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.addresses()).finish()
    }
}

impl<'a> Bound<'a> {
    /// Listens on the adopted sockets and on the first [`LISTENERS_MAX`] of `addresses`, and gives up the rights that
    /// serving does not need. `addresses_given` is the number of addresses that the user gave.
    pub(super) fn new(
        mut settings: Settings<'a>,
        adopted: Result<Listeners>,
        addresses: &[&str],
        addresses_given: usize,
    ) -> Result<Bound<'a>> {
        open_standard()?;
        if let Some(pool) = settings.pool {
            settings.max_children = pool.max;
        }
        let mut descriptors = Descriptors::new(Listeners::new());
        take_over(&mut settings, &mut descriptors)
            .and_then(|()| settings.check())
            .map_err(|error| descriptors.tell_predecessor(error))?;
        settings.socket.owner = settings.socket.owner.or(settings.privileges.identity.map(|identity| identity.ids()));
        let log = Log::new(settings.log_format, settings.log_time, settings.verbosity);
        let manager = if settings.notify { Manager::from_environment() } else { Ok(Manager::none()) };
        // The server serves clients even if it cannot reach the service manager.
        let (manager, manager_error) = manager.map_or_else(|errno| (Manager::none(), Some(errno)), |it| (it, None));
        let mut bound = Bound { descriptors, rules: None, manager, manager_error, settings, log };
        match bound.prepare(adopted, addresses, addresses_given) {
            Ok(()) => Ok(bound),
            Err(error) => Err(bound.descriptors.tell_predecessor(error)),
        }
    }

    /// Takes the pidfile, listens unless a predecessor has passed its sockets, gives up rights, and reads the rules.
    fn prepare(&mut self, adopted: Result<Listeners>, addresses: &[&str], addresses_given: usize) -> Result<()> {
        if self.descriptors.pidfile.is_none() {
            let pidfile = self.settings.pidfile.map(|path| PidFile::create(path, getpid()));
            self.descriptors.pidfile = pidfile.transpose()?;
        }
        if self.descriptors.predecessor.is_none() {
            self.descriptors.listeners = adopted?;
            self.listen(addresses, addresses_given)?;
        }
        self.give_up_rights()?;
        self.rules = self.settings.rules.map(Rules::load).transpose()?;
        Ok(())
    }

    fn listen(&mut self, addresses: &[&str], addresses_given: usize) -> Result<()> {
        let listeners = &mut self.descriptors.listeners;
        if addresses_given > LISTENERS_MAX {
            let hint = "start a second server for the rest";
            return Err(Error::new(format_args!("{addresses_given} addresses"), Reason::Usage("too many"), hint));
        }
        for address in addresses.iter().take(addresses_given) {
            listeners.bind(address, &self.settings.socket, self.settings.inherited.as_mut())?;
        }
        if listeners.len() == 0 {
            let what = format_args!("no address to listen on");
            return Err(Error::new(what, Reason::Usage("none was named"), "name one"));
        }
        Ok(())
    }

    fn give_up_rights(&self) -> Result<()> {
        if self.settings.sandbox.is_some() {
            restrict_programs().map_err(|errno| Error::cannot_serve("prctl", errno, "leave the sandbox out"))?;
        }
        if self.settings.privileges.chroot.is_some() {
            self.log.keep_connection();
            // Afterwards a `/proc` would be that of the new root directory.
            self.keep_from_programs()?;
        }
        self.settings.privileges.give_up()?;
        self.settings.limits.check()
    }

    /// Returns the address of each socket, with the port that it got.
    ///
    /// # Errors
    /// Each item fails as [`getsockname`](crate::net::getsockname).
    pub fn addresses(&self) -> impl Iterator<Item = errno::Result<SockAddr>> {
        self.descriptors.listeners.iter().map(Listener::address)
    }

    /// Serves each connection by `handler`, in a process of its own, until a signal tells the server to stop.
    /// Also returns when a successor has taken over and the last client has gone: see [`restart`](super::Server::restart).
    ///
    /// The handler runs in a copy of this process: no other process sees the handler's changes. If the handler returns
    /// an error, the log's `end` line shows the text: see [`HandlerError`](super::HandlerError). A process that the
    /// handler forks must end in the handler: if it returned, its error could be logged for a later client.
    ///
    /// The shared memory of the server stays mapped until the process ends. So a process that serves again and again
    /// maps more each time, a mapping or two for each call.
    ///
    /// # Errors
    /// `EDEADLK` when this process has other threads. `ENOMEM` when there is no memory for the table of the children.
    /// `EMFILE` when there is no descriptor for the signals.
    pub fn serve<R: Outcome>(self, handler: impl FnMut(Connection) -> R) -> Result<Stopped> {
        self.serve_with(Function::new(handler))
    }

    /// Serves each connection by a built-in service.
    ///
    /// # Errors
    /// Fails as [`serve`](Bound::serve) does.
    pub fn serve_builtin(mut self, service: Service) -> Result<Stopped> {
        self.settings.sandbox = self.settings.sandbox.map(|_| service.calls());
        let has_one_client = self.settings.pool.is_none();
        // The parent maps this memory once: a child in the sandbox cannot map memory, and a preforked child would do so
        // for each client. Only children write to the memory, so only children have pages of it.
        let buffer = (self.settings.sandbox.is_some() || !has_one_client).then(|| MapVec::zeroed(SERVICE_BUFFER));
        let buffer = buffer.transpose();
        let mut buffer = buffer.map_err(|errno| {
            self.descriptors.tell_predecessor(Error::cannot_serve("mmap", errno, shortage_hint(errno)))
        })?;
        let handler = |connection| {
            let status = service.serve_with(&connection, buffer.as_deref_mut());
            if has_one_client {
                // The end of the process closes the connection.
                core::mem::forget(connection);
            }
            status
        };
        self.serve_with(Function::of_service(handler))
    }

    /// Serves each connection by a program: its name, which is looked up in `PATH` unless it has a slash, and its
    /// arguments.
    ///
    /// The program has the connection as its standard input and output, and the server's standard error. Every signal
    /// has its default action, and none is blocked. The environment names the client: `PROTO=TCP`, `TCPREMOTEIP`,
    /// `TCPREMOTEPORT`, `TCPLOCALIP`, `TCPLOCALPORT`, and `TCPCONNNUM`, the number of connections that the client's
    /// source has. For a Unix socket the variables are `PROTO=IPC`, `IPCREMOTEPID`, `IPCREMOTEEUID`, `IPCREMOTEEGID`.
    ///
    /// A program has the descriptors 0, 1 and 2, and no other: every other descriptor of this process gets
    /// `FD_CLOEXEC`. With [`chroot`](super::Server::chroot), `bind` has set the flag for those that were open then.
    ///
    /// # Errors
    /// Fails as [`serve`](Bound::serve) does. Also fails for a program that does not exist, or may not be run.
    pub fn serve_program<'s>(self, arguments: impl Iterator<Item = &'s CStr> + Clone) -> Result<Stopped> {
        if self.settings.pool.is_some() {
            let what = format_args!("prefork");
            let error = Error::new(what, Reason::Usage("a program serves one client and ends"), "leave it out");
            return Err(self.descriptors.tell_predecessor(error));
        }
        // A process with threads reads no variable, and would not find the program in PATH.
        check_single_threaded().map_err(|error| self.descriptors.tell_predecessor(error))?;
        if self.settings.privileges.chroot.is_none() {
            self.keep_from_programs().map_err(|error| self.descriptors.tell_predecessor(error))?;
        }
        let program =
            Program::new(arguments, &self.settings).map_err(|error| self.descriptors.tell_predecessor(error))?;
        self.serve_with(program)
    }

    fn keep_from_programs(&self) -> Result<()> {
        let hint = "allow it where system calls are filtered";
        keep_from_programs().map_err(|errno| Error::cannot_serve("close_range", errno, hint))
    }

    /// Takes over the signals, serves, and restores the signals.
    fn serve_with(mut self, mut worker: impl Worker) -> Result<Stopped> {
        let must_restore = self.settings.restore_signals;
        // The parent closes no connection of a preforked child.
        let from_children = worker.leaves_processes() && self.settings.pool.is_none();
        let closes_may_wait = from_children || self.descriptors.listeners.closes_may_wait();
        let signals = check_single_threaded()
            .and_then(|()| open_standard())
            .and_then(|()| Signals::take(self.settings.sandbox.is_some(), closes_may_wait));
        let signals = signals.map_err(|error| self.descriptors.tell_predecessor(error))?;
        // Since bind() the caller may have redirected standard error.
        self.log.look_at_stderr();
        let result = self.run(&mut worker, &signals);
        if must_restore {
            // The worker is dropped later. Its drop may run the caller's code, which may change the actions.
            signals.restore();
        }
        drop(worker);
        result
    }

    /// Makes this process the owner of the server's files. If another process has called `bind`, the pidfile names that
    /// process until now. A successor writes its id only when it is ready.
    fn take_ownership(&mut self, pid: Pid) -> Result<()> {
        let binder = core::mem::replace(&mut self.descriptors.owner, pid);
        if binder != pid && self.descriptors.predecessor.is_some() {
            return Err(Error::forked_successor());
        }
        self.descriptors.pidfile.as_ref().filter(|_| binder != pid).map_or(Ok(()), |pidfile| pidfile.name(pid))
    }

    /// Makes the descriptor of the signals. With a sandbox, also sets the action of SIGSYS.
    fn take_signals(&mut self, signals: &Signals) -> Result<()> {
        let fd = SignalFd::new(&signals.obeyed);
        self.descriptors.signals =
            Some(fd.map_err(|errno| Error::cannot_serve("signalfd", errno, shortage_hint(errno)))?);
        if self.settings.sandbox.is_some() {
            let hint = "leave the sandbox out";
            note_violations().map_err(|errno| Error::cannot_serve("sigaction", errno, hint))?;
        }
        Ok(())
    }

    #[inline(never)]
    fn run(mut self, worker: &mut impl Worker, signals: &Signals) -> Result<Stopped> {
        let pid = getpid();
        self.take_ownership(pid).map_err(|error| self.descriptors.tell_predecessor(error))?;
        self.take_signals(signals).map_err(|error| self.descriptors.tell_predecessor(error))?;
        let Bound { descriptors, rules, manager, manager_error, mut settings, log } = self;
        let title = settings.title.take();
        let start = Start {
            settings: &settings,
            log: &log,
            descriptors,
            rules,
            manager,
            title,
            worker,
            pid,
            earlier: &signals.earlier,
        };
        let mut parent = Parent::new(start)?;
        log_listeners(parent.listeners(), &settings, &log).map_err(|error| parent.tell_predecessor(error))?;
        if let Some(errno) = manager_error {
            log.manager_unreachable(errno);
        }
        log.start(pid, settings.max_children, is_root() && settings.privileges.identity.is_none());
        // A successor prints no ports: its predecessor has printed the same ports, and their reader may have gone.
        if settings.announce && !parent.has_predecessor() {
            print_ports(parent.listeners(), parent.signals())?;
        }
        match parent.begin() {
            Ok(()) => Ok(parent.run()),
            Err(error) => Err(parent.tell_predecessor(error)),
        }
    }
}

/// Opens a harmless file as each of descriptors 0, 1 and 2 that is closed.
fn open_standard() -> Result<()> {
    let hint = "start the program with descriptors 0, 1 and 2 open";
    fill_standard().map_err(|errno| Error::cannot_serve("memfd_create", errno, hint))
}

/// Takes the sockets and the pidfile of the predecessor, if this server has one.
fn take_over<'a>(settings: &mut Settings<'a>, descriptors: &mut Descriptors<'a>) -> Result<()> {
    // Without `restart` this server has no successor, and takes no predecessor's place.
    let Some(inherited) = settings.inherited.as_mut().filter(|_| settings.restart.is_some()) else { return Ok(()) };
    let Some(found) = take_restart(inherited).map_err(cannot_inherit)? else { return Ok(()) };
    descriptors.predecessor = Some(found.ready);
    descriptors.earlier = found.earlier;
    let pidfile = settings.pidfile.zip(found.pidfile);
    descriptors.pidfile = pidfile.map(|(path, fd)| PidFile::inherit(path, fd));
    for listener in found.listeners {
        let Socket { fd, is_shared, file } = listener.map_err(cannot_inherit)?;
        descriptors.listeners.inherit(fd, is_shared, file)?;
    }
    Ok(())
}

fn cannot_inherit(errno: Errno) -> Error {
    let hint = "only mpserv sets it, for its successor";
    Error::new(format_args!("{RESTART_VARIABLE}"), Reason::System(errno), hint)
}

/// Refuses to serve in a process with other threads. A child has no copy of such a thread, so a lock that the thread
/// holds would stay locked in the child for ever.
fn check_single_threaded() -> Result<()> {
    if !has_other_threads() {
        return Ok(());
    }
    let hint = "this process has, or had, other threads, whose locks a child would find locked for ever: serve before any is \
                started";
    Err(Error::cannot_serve("fork", Errno::DEADLK, hint))
}

fn address_of(listener: &Listener) -> Result<SockAddr> {
    listener.address().map_err(|errno| Error::cannot_serve("getsockname", errno, ""))
}

fn log_listeners(listeners: &Listeners, settings: &Settings<'_>, log: &Log) -> Result<()> {
    let backlog = settings.socket.backlog;
    let cap = somaxconn().filter(|cap| *cap < backlog);
    listeners.skipped().for_each(|(address, errno)| log.skip(address, errno));
    for listener in listeners.iter() {
        let backlog = listener.is_own().then_some((cap.unwrap_or(backlog), cap.map(|_| backlog)));
        log.listen(address_of(listener)?, backlog);
    }
    Ok(())
}

/// Prints the port of each listener to standard output. A signal to stop ends the wait for a reader that does not read:
/// the signals are blocked, and the server obeys them once it serves.
fn print_ports(listeners: &Listeners, signals: BorrowedFd<'_>) -> Result<()> {
    let fail = |errno| Error::cannot_serve("the port could not be printed", errno, "");
    for listener in listeners.iter() {
        let SockAddr::Inet(address) = address_of(listener)? else { continue };
        let line = Text::<PORT_LINE>::of(format_args!("{}\n", address.port()));
        if !wait_for_reader(signals) {
            return Ok(());
        }
        fd::write_all(STDOUT, line.as_bytes()).map_err(fail)?;
    }
    Ok(())
}

/// Waits until standard output has room. Returns false if a signal to stop has come before.
fn wait_for_reader(signals: BorrowedFd<'_>) -> bool {
    loop {
        let pending = sigpending();
        let has = |signals: &[Signal]| signals.iter().any(|signal| pending.contains(*signal));
        // Another signal stays pending until the server serves, and would end each wait at once.
        let (signals, time) = if has(&[Signal::HUP, Signal::USR1, Signal::USR2, Signal::CHLD]) {
            (BorrowedFd::NONE, Some(RETRY_EVERY))
        } else {
            (signals, None)
        };
        let mut fds = [PollFd::new(STDOUT, PollEvents::OUT), PollFd::new(signals, PollEvents::IN)];
        // If poll() fails, the write is tried anyway.
        let is_asked = retry_on_intr(|| poll(&mut fds, time)).is_ok();
        if !is_asked || fds.first().is_some_and(|stdout| !stdout.revents().is_empty()) {
            return true;
        }
        if has(&[Signal::TERM, Signal::INT, Signal::QUIT]) {
            return false;
        }
    }
}

/// The longest port, and a newline.
const PORT_LINE: usize = 6;

/// Returns the longest backlog that the kernel allows, if the kernel reports it.
fn somaxconn() -> Option<u32> {
    let flags = OpenFlags::RDONLY | OpenFlags::CLOEXEC | OpenFlags::NONBLOCK;
    let file = open(c"/proc/sys/net/core/somaxconn", flags, 0).ok()?;
    let mut digits = [0; NUMBER_MAX];
    let length = fd::read(&file, &mut digits).ok()?;
    core::str::from_utf8(digits.get(..length)?).ok()?.trim_ascii().parse().ok()
}

/// The most digits of a number in /proc/sys, and a newline.
const NUMBER_MAX: usize = 16;

#[cfg(test)]
mod tests;
