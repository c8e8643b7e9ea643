//! `Worker`: starts children.

use super::context::ChildContext;
use crate::server::connection::Connection;
use crate::sys::errno::Errno;
use crate::sys::process::Pid;

/// Starts children.
pub(crate) trait Worker {
    /// Whether a child runs a program, which has exit statuses of its own.
    fn runs_program(&self) -> bool;

    /// Whether a child may start processes that outlive it.
    fn leaves_processes(&self) -> bool;

    /// Whether a child may end with an error of its handler.
    fn leaves_error_texts(&self) -> bool;

    /// Starts a child that serves one connection. Returns the parent's copy of the connection, which the parent must
    /// close.
    fn start(&mut self, connection: Connection, context: ChildContext<'_, '_>)
    -> Result<(Pid, Connection), NotStarted>;

    /// Starts a preforked child, which serves one connection after another.
    fn start_pool(&mut self, context: ChildContext<'_, '_>) -> Result<Pid, Errno>;
}

/// A connection for which no child could be started, and the call that failed.
pub(crate) struct NotStarted {
    pub(crate) connection: Connection,
    pub(crate) call: &'static str,
    pub(crate) errno: Errno,
    /// Whether another try may succeed.
    pub(crate) is_temporary: bool,
}
