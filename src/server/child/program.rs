//! `Program`: a program that serves connections, each in a process made as `vfork()` makes it.
//!
//! The child shares the parent's memory until it becomes the program, so nothing is copied. The parent waits until then.
//! The child is forked instead where it needs memory of its own to read a PROXY header first, and where the program may be
//! anybody's, in a new root directory: its owner can delay `execve()`, for example by a lease.

use core::ffi::{CStr, c_int};

use super::context::ChildContext;
use super::environment::Environment;
use super::executable::find_executable;
use super::function::end_with;
use super::worker::{NotStarted, Worker};
use crate::server::connection::Connection;
use crate::server::error::{Error, Reason, Result as ServerResult};
use crate::server::limits::{PATH_MAX, SPAWN_STACK};
use crate::server::settings::Settings;
use crate::server::signals::InPrograms;
use crate::sys::errno::Errno;
use crate::sys::fd::AsFd;
use crate::sys::memory::{CStrArray, Stack};
use crate::sys::process::{Fork, Pid, Spawn, SpawnError, become_program, fork, getpid, spawn};
use crate::sys::signal::{MaskHow, SigSet, Signal, sigprocmask};

/// A program that serves connections.
pub(crate) struct Program {
    path: [u8; PATH_MAX],
    argv: CStrArray,
    environment: Environment,
    signals: InPrograms,
    stack: Stack,
}

impl Program {
    /// Returns the program with these arguments, its name first.
    pub(crate) fn new<'s>(
        arguments: impl Iterator<Item = &'s CStr> + Clone,
        settings: &Settings<'_>,
    ) -> ServerResult<Program> {
        let Some(name) = arguments.clone().next().filter(|name| !name.is_empty()) else {
            return Err(Error::new(format_args!("the program"), Reason::Usage("it has no name"), "name one"));
        };
        let path = find_executable(name).map_err(|errno| {
            let hint = match errno {
                Errno::NOENT => "give its path, or put its directory into PATH",
                Errno::ACCES => "the server's user must be able to run it (chmod +x), and to enter its directories",
                _ => "",
            };
            Error::new(format_args!("cannot run {}", name.to_bytes().escape_ascii()), Reason::System(errno), hint)
        })?;
        let fail = |errno| Error::new(format_args!("cannot keep the program's arguments"), Reason::System(errno), "");
        let environment = Environment::new(settings.privileges.identity).map_err(fail)?;
        let argv = CStrArray::copy(arguments).map_err(fail)?;
        let signals = InPrograms::find().map_err(fail)?;
        Ok(Program { path, argv, environment, signals, stack: Stack::new(SPAWN_STACK).map_err(fail)? })
    }

    /// Starts a process with memory of its own that becomes the program.
    fn start_forked(
        &mut self,
        connection: Connection,
        context: ChildContext<'_, '_>,
    ) -> Result<(Pid, Connection), NotStarted> {
        match fork() {
            Ok(Fork::Parent(child)) => Ok((child.pid(), connection)),
            Ok(Fork::Child) => end_with(|| self.run_forked(connection, context)),
            Err(errno) => Err(NotStarted { connection, call: "fork", errno, is_temporary: true }),
        }
    }

    /// Reads the PROXY header, if there is to be one, and becomes the program. Returns only if a step fails, with the exit
    /// status.
    fn run_forked(&mut self, mut connection: Connection, context: ChildContext<'_, '_>) -> Result<c_int, c_int> {
        context.leave_parents_group()?;
        context.give_up_server_resources(false)?;
        // Unblock all signals before the header is read: the parent sends SIGTERM to a child whose header does not
        // come.
        sigprocmask(MaskHow::Set, &SigSet::empty());
        let proxy = if context.settings.proxy_protocol { context.identify_client(&mut connection)? } else { None };
        let environment = self.environment.set_client(&connection);
        environment.map_err(|errno| context.set_up_failed("getsockname", errno))?;
        context.log_accept(getpid, &connection.peer(), proxy.as_ref());
        // The plan also sets the limits, the descriptors and the signals.
        let plan = plan(&self.path, &self.argv, &self.environment, &self.signals.default, &connection, &context);
        // SAFETY: this process has only the connection and the log, which is descriptor 2.
        let Err(errno) = unsafe { become_program(&plan) };
        Err(context.set_up_failed("execve", errno))
    }
}

impl Worker for Program {
    fn runs_program(&self) -> bool {
        true
    }

    fn leaves_processes(&self) -> bool {
        true
    }

    fn leaves_error_texts(&self) -> bool {
        false
    }

    fn start(
        &mut self,
        connection: Connection,
        context: ChildContext<'_, '_>,
    ) -> Result<(Pid, Connection), NotStarted> {
        if context.settings.proxy_protocol || context.settings.privileges.chroot.is_some() {
            return self.start_forked(connection, context);
        }
        if let Err(errno) = self.environment.set_client(&connection) {
            return Err(NotStarted { connection, call: "getsockname", errno, is_temporary: false });
        }
        let mut plan = plan(&self.path, &self.argv, &self.environment, &self.signals.default, &connection, &context);
        plan.handled = self.signals.handled;
        // SAFETY: since the handlers were found, only the server has installed handlers. Its own raise a flag, or end
        // the process.
        match unsafe { spawn(&mut self.stack, &plan) } {
            Ok(pid) => {
                context.log_accept(|| pid, &connection.peer(), None);
                Ok((pid, connection))
            }
            Err(SpawnError::Clone(errno)) => Err(NotStarted { connection, call: "clone", errno, is_temporary: true }),
            Err(SpawnError::Exec(errno)) => {
                // These errors are temporary: a resource is short, a signal came, or the file is being replaced.
                let is_temporary = matches!(
                    errno,
                    Errno::AGAIN | Errno::NOMEM | Errno::MFILE | Errno::NFILE | Errno::TXTBSY | Errno::INTR
                );
                Err(NotStarted { connection, call: "execve", errno, is_temporary })
            }
        }
    }

    fn start_pool(&mut self, _context: ChildContext<'_, '_>) -> Result<Pid, Errno> {
        // `Bound::serve_program` refuses --prefork.
        Err(Errno::NOSYS)
    }
}

/// Returns the plan of a child's last steps before it is the program: limits, descriptors, signal mask, execve().
fn plan<'p>(
    path: &'p [u8],
    argv: &'p CStrArray,
    environment: &'p Environment,
    default: &'p [Signal],
    connection: &'p Connection,
    context: &'p ChildContext<'_, '_>,
) -> Spawn<'p> {
    Spawn {
        path: CStr::from_bytes_until_nul(path).unwrap_or_default(),
        argv,
        envp: environment.as_array(),
        connection: connection.as_fd(),
        mask: SigSet::empty(),
        default,
        handled: None,
        parent: context.parent,
        limits: context.settings.limits.as_slice(),
    }
}

#[cfg(test)]
mod tests;
