//! `Function`: a function that serves connections, each in a process made by `fork()`.

use core::ffi::c_int;

use super::context::ChildContext;
use super::outcome::Outcome;
use super::pool::serve_pool;
use super::worker::{NotStarted, Worker};
use crate::server::connection::Connection;
use crate::server::limits::EXIT_PANICKED;
use crate::server::sandbox::ChildKind;
use crate::sys::errno::Errno;
use crate::sys::fd::AsFd;
use crate::sys::process::{_exit, Fork, Pid, fork, getpid};
use crate::sys::signal::{MaskHow, pthread_sigmask};

/// A function that serves connections.
pub(crate) struct Function<H> {
    handler: H,
    /// Whether the function is a built-in service. A service starts no processes, and its exit status says how it
    /// ended.
    is_service: bool,
}

impl<H> Function<H> {
    pub(crate) const fn new(handler: H) -> Function<H> {
        Function { handler, is_service: false }
    }

    /// Returns a built-in service.
    pub(crate) const fn of_service(handler: H) -> Function<H> {
        Function { handler, is_service: true }
    }
}

impl<H: FnMut(Connection) -> R, R: Outcome> Worker for Function<H> {
    fn runs_program(&self) -> bool {
        false
    }

    fn leaves_processes(&self) -> bool {
        !self.is_service
    }

    fn leaves_error_texts(&self) -> bool {
        !self.is_service
    }

    fn start(
        &mut self,
        connection: Connection,
        context: ChildContext<'_, '_>,
    ) -> Result<(Pid, Connection), NotStarted> {
        match fork() {
            Ok(Fork::Parent(child)) => Ok((child.pid(), connection)),
            Ok(Fork::Child) => end_with(|| self.serve(connection, &context)),
            Err(errno) => Err(NotStarted { connection, call: "fork", errno, is_temporary: true }),
        }
    }

    fn start_pool(&mut self, context: ChildContext<'_, '_>) -> Result<Pid, Errno> {
        match fork()? {
            Fork::Parent(child) => Ok(child.pid()),
            Fork::Child => end_with(|| serve_pool(&mut self.handler, context)),
        }
    }
}

impl<H: FnMut(Connection) -> R, R: Outcome> Function<H> {
    /// Sets up a child, serves its client, and returns the exit status.
    fn serve(&mut self, mut connection: Connection, context: &ChildContext<'_, '_>) -> Result<c_int, c_int> {
        context.leave_parents_group()?;
        context.give_up_server_resources(false)?;
        context.earlier.restore_in_child();
        pthread_sigmask(MaskHow::Set, &context.earlier.mask_in_child);
        context.set_resource_limits()?;
        let proxy = if context.settings.proxy_protocol { context.identify_client(&mut connection)? } else { None };
        context.log_accept(getpid, &connection.peer(), proxy.as_ref());
        context.set_idle_timeout(&mut connection)?;
        context.enter_sandbox(&ChildKind::OneClient(connection.as_fd()))?;
        (self.handler)(connection).status().map_err(|error| context.leave_error(&error))
    }
}

/// Runs the life of a child, and ends the process with the exit status.
pub(super) fn end_with(life: impl FnOnce() -> Result<c_int, c_int>) -> ! {
    let _guard = ExitOnUnwind;
    let (Ok(status) | Err(status)) = life();
    _exit(status)
}

/// Ends the process when it is dropped. A handler that panics and unwinds must not get back to the server's code.
struct ExitOnUnwind;

impl Drop for ExitOnUnwind {
    fn drop(&mut self) {
        _exit(EXIT_PANICKED)
    }
}
