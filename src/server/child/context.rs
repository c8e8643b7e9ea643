//! `ChildContext`: the part of the server that a child knows, and the steps of a child's set-up.
//!
//! A step that fails returns the exit status with which the child ends.

use core::cell::RefCell;
use core::ffi::c_int;
use core::fmt;

use super::error_texts::ErrorTexts;
use crate::server::admission::Admission;
use crate::server::connection::{Connection, Peer};
use crate::server::descriptors::Descriptors;
use crate::server::handler_error::HandlerError;
use crate::server::limits::{EXIT_FAILED, EXIT_REFUSED, EXIT_UNFIT};
use crate::server::log::{Log, LogThrottle, Throttled};
use crate::server::proxy_protocol::{Header, read_header};
use crate::server::sandbox::{self, ChildKind};
use crate::server::scoreboard::{ChildAccess, Slot, State};
use crate::server::settings::Settings;
use crate::server::signals::Earlier;
use crate::server::systemd::Manager;
use crate::sys::errno::Errno;
use crate::sys::net::{SocketOption, setsockopt};
use crate::sys::process::{Pid, getpid, set_pdeathsig, setpgid, setrlimit};
use crate::sys::signal::Signal;
use crate::sys::time::{Clock, clock_gettime};

/// The part of the server that a child knows.
pub(crate) struct ChildContext<'b, 'a> {
    pub(crate) descriptors: &'b Descriptors<'a>,
    pub(crate) log: &'b Log,
    pub(crate) settings: &'b Settings<'a>,
    pub(crate) earlier: &'b Earlier,
    /// The pid to watch with PDEATHSIG, if any.
    pub(crate) parent: Option<Pid>,
    /// The server's pid.
    pub(crate) server: Pid,
    pub(crate) admission: Admission<'b>,
    pub(crate) manager: &'b Manager,
    /// The child's place on the scoreboard.
    pub(crate) slot: Slot<'static>,
    /// The memory for the error of the handler, if each child has one client.
    pub(crate) error_texts: Option<&'b ErrorTexts>,
    /// The log throttle of this child. It holds back lines of a preforked child, which has many clients.
    pub(crate) throttle: RefCell<LogThrottle>,
    /// The number of children, this one included, if each has one client.
    pub(crate) children: Option<u32>,
}

impl ChildContext<'_, '_> {
    /// Makes the child the leader of a process group, and asks the kernel for SIGTERM when the server dies.
    #[inline]
    pub(super) fn leave_parents_group(&self) -> Result<(), c_int> {
        // The call cannot fail, because a new process is no session leader.
        let _ = setpgid(None, None);
        let set = self.parent.map_or(Ok(()), |parent| set_pdeathsig(parent, Signal::TERM));
        set.map_err(|errno| self.set_up_failed("prctl", errno))
    }

    /// Closes the descriptors of the server. A preforked child keeps the listeners. If children use the scoreboard,
    /// makes the rest of it read-only: the child writes only to its own slot.
    #[inline]
    pub(super) fn give_up_server_resources(&self, is_preforked: bool) -> Result<(), c_int> {
        let scoreboard = self.descriptors.scoreboard.as_ref();
        if let Some(fd) = scoreboard.filter(|_| self.settings.child_access() == ChildAccess::Slot) {
            let confined = self.admission.scoreboard.confine(self.slot, fd);
            confined.map_err(|errno| self.set_up_failed("mmap", errno))?;
        }
        // SAFETY: from here on, a preforked child uses only the listeners, and another child uses none of these
        // descriptors. A child drops nothing of the server, because the child ends by `_exit()`, or becomes a program.
        unsafe { self.descriptors.close_in_child(is_preforked) };
        // SAFETY: a child neither uses nor drops the connection to the service manager.
        unsafe { self.manager.close_in_child() };
        Ok(())
    }

    /// Sets the resource limits of the child.
    #[inline]
    pub(super) fn set_resource_limits(&self) -> Result<(), c_int> {
        let mut limits = self.settings.limits.as_slice().iter().copied();
        limits.try_for_each(|(resource, limit)| {
            setrlimit(resource, limit).map_err(|errno| self.set_up_failed("setrlimit", errno))
        })
    }

    /// Reads the PROXY header of a connection, and refuses a client that must not be served. Returns the proxy, if the
    /// header names another client.
    pub(super) fn identify_client(&self, connection: &mut Connection) -> Result<Option<Peer>, c_int> {
        let sender = connection.peer();
        let pid = getpid();
        self.slot.set(pid, State::Header, clock_gettime(Clock::MONOTONIC));
        let header = read_header(&*connection).map_err(|error| {
            self.refuse(connection, &sender, format_args!("{error}"), 0);
            EXIT_REFUSED
        })?;
        let mut proxy = None;
        if let Header::Proxied { source, destination } = header {
            connection.set_client(source, destination);
            proxy = Some(sender);
        }
        self.slot.set_client(connection.number(), &connection.peer());
        self.slot.set(pid, State::Serving, clock_gettime(Clock::MONOTONIC));
        self.admit(connection)?;
        Ok(proxy)
    }

    /// Refuses a client that must not be served.
    pub(super) fn admit(&self, connection: &mut Connection) -> Result<(), c_int> {
        match self.admission.publish_and_decide(self.slot, &connection.peer()) {
            Ok(others) => {
                connection.set_from_source(others + 1);
                Ok(())
            }
            Err(refusal) => {
                // The slot is cleared first: a client that has read the message may connect again at once.
                self.slot.forget_client();
                self.refuse(connection, &connection.peer(), format_args!("{}", refusal.why), refusal.from_source);
                connection.reject(refusal.message);
                Err(EXIT_REFUSED)
            }
        }
    }

    /// Sets how long a read and a write of the connection wait.
    #[inline]
    pub(super) fn set_idle_timeout(&self, connection: &mut Connection) -> Result<(), c_int> {
        let Some(limit) = self.settings.idle_timeout else { return Ok(()) };
        connection.set_idle_timeout(limit).map_err(|_| EXIT_FAILED)
    }

    /// Enters the sandbox, if there is one.
    #[inline]
    pub(super) fn enter_sandbox(&self, kind: &ChildKind<'_>) -> Result<(), c_int> {
        let Some(calls) = self.settings.sandbox else { return Ok(()) };
        if matches!(kind, ChildKind::Pool(_)) {
            self.log.enter_sandbox();
        }
        sandbox::enter(kind, calls, self.slot.note()).map_err(|errno| self.set_up_failed("seccomp", errno))
    }

    /// Logs that the child serves a client. `proxy` is the proxy that has passed the client on.
    #[inline]
    pub(super) fn log_accept(&self, pid: impl FnOnce() -> Pid, peer: &Peer, proxy: Option<&Peer>) {
        let children = self.children.unwrap_or_else(|| self.admission.scoreboard.serving());
        self.log.accept(pid, peer, proxy, children, self.settings.max_children);
    }

    /// Logs that a step failed, and returns the exit status.
    pub(super) fn set_up_failed(&self, call: &str, errno: Errno) -> c_int {
        self.log.set_up_failed(call, errno, getpid());
        EXIT_UNFIT
    }

    /// Leaves the error of the handler to the parent, and returns the exit status.
    pub(super) fn leave_error(&self, error: &HandlerError) -> c_int {
        if let Some(texts) = self.error_texts {
            texts.leave(self.slot.index(), error);
        }
        EXIT_FAILED
    }

    /// Counts and logs a client that is refused, and lets the close of its connection wait for nothing.
    fn refuse(&self, connection: &Connection, peer: &Peer, why: fmt::Arguments<'_>, from_source: u32) {
        if self.descriptors.listeners.closes_may_wait() {
            // The connection may have the option of a listener that was passed. A failure changes nothing.
            let _ = setsockopt(connection, SocketOption::LINGER, None);
        }
        self.slot.count_refused();
        let now = clock_gettime(Clock::MONOTONIC);
        if let Some(count) = self.throttle.borrow_mut().admit(Throttled::Refuse, now) {
            self.log.refuse(peer, why, from_source, count);
        }
    }
}
