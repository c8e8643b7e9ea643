//! The descriptors that the server has open and its children must not have.

use super::error::Error;
use super::inherited::say_failed;
use super::listener::Listeners;
use super::orders::EarlierServers;
use super::pidfile::PidFile;
use crate::sys::fd::{OwnedFd, close_for_good};
use crate::sys::process::{Pid, getpid};
use crate::sys::signal::SignalFd;

/// The server's descriptors. In the server's process, a drop removes the files of Unix sockets and the pidfile. In a
/// process that the program forks between [`bind`](super::Server::bind) and [`serve`](super::Bound::serve), a drop only
/// closes the descriptors.
///
/// A child calls [`close_in_child`](Descriptors::close_in_child), which closes the descriptors that the child does not
/// need. The child then ends by `_exit()`, and so drops nothing. A child that becomes a program at once shares the
/// parent's memory until then, so it closes no descriptor itself. Each descriptor has `FD_CLOEXEC`, so `execve()`
/// closes it.
pub(crate) struct Descriptors<'a> {
    /// The process that called `bind` or `serve`.
    pub(crate) owner: Pid,
    pub(crate) listeners: Listeners,
    pub(crate) signals: Option<SignalFd>,
    pub(crate) pidfile: Option<PidFile<'a>>,
    /// The scoreboard, for `--status`.
    pub(crate) scoreboard: Option<OwnedFd>,
    /// The pipe to the predecessor, until this server is ready.
    pub(crate) predecessor: Option<OwnedFd>,
    /// The same pipe, from then on until the predecessor has let go: the predecessor closes its end.
    pub(crate) letting_go: Option<OwnedFd>,
    /// The pipe through which a successor answers, until this server lets go.
    pub(crate) successor: Option<OwnedFd>,
    /// The pipe by which the successor and later servers tell this server to stop.
    pub(crate) orders: Option<OwnedFd>,
    /// The earlier servers, with the pipes by which this server tells them to stop.
    pub(crate) earlier: EarlierServers,
}

impl Descriptors<'_> {
    /// Returns descriptors that are the listeners alone. This process is their owner.
    pub(crate) fn new(listeners: Listeners) -> Self {
        Descriptors {
            owner: getpid(),
            listeners,
            signals: None,
            pidfile: None,
            scoreboard: None,
            predecessor: None,
            letting_go: None,
            successor: None,
            orders: None,
            earlier: EarlierServers::default(),
        }
    }

    /// Tells the predecessor, if there is one, why this server does not serve.
    pub(crate) fn tell_predecessor(&self, error: Error) -> Error {
        if let Some(predecessor) = &self.predecessor {
            say_failed(predecessor, format_args!("{error}"));
        }
        error
    }

    /// Closes the descriptors in a child, except `predecessor`, and except the listeners if the child is preforked. The
    /// parent has closed `predecessor` already: the parent starts its first child only after it has told the
    /// predecessor that this server is ready.
    ///
    /// # Safety
    /// This process is a child, which neither uses nor drops the closed descriptors.
    #[inline]
    pub(crate) unsafe fn close_in_child(&self, keeps_listeners: bool) {
        // SAFETY: by this function's own contract, here and below.
        unsafe { close_for_good(&self.scoreboard) };
        for listener in self.listeners.iter().filter(|_| !keeps_listeners) {
            // SAFETY: the reason above holds here as well.
            unsafe { close_for_good(listener) };
        }
        // SAFETY: the reason above holds here as well.
        unsafe { close_for_good(&self.signals) };
        // SAFETY: the reason above holds here as well.
        unsafe { close_for_good(&self.pidfile) };
        // SAFETY: the reason above holds here as well.
        unsafe { close_for_good(&self.successor) };
        // SAFETY: the reason above holds here as well.
        unsafe { close_for_good(&self.letting_go) };
        // SAFETY: the reason above holds here as well.
        unsafe { close_for_good(&self.orders) };
        for pipe in self.earlier.pipes() {
            // SAFETY: the reason above holds here as well.
            unsafe { close_for_good(pipe) };
        }
    }

    /// Closes the listeners and the pidfile, and leaves their files to the successor, which has them open as well. Also
    /// leaves it to the successor to tell earlier servers to stop.
    pub(crate) fn hand_over(&mut self) {
        self.listeners.close();
        self.pidfile = None;
        self.earlier = EarlierServers::default();
    }
}

impl Drop for Descriptors<'_> {
    fn drop(&mut self) {
        // A server that ends before it is ready leaves everything to its predecessor, which still serves.
        if let Some(predecessor) = self.predecessor.take() {
            // The predecessor kills a successor that closes the pipe. So only the end of the process closes the pipe,
            // and an error can still be printed.
            let _ = predecessor.into_raw();
            return self.hand_over();
        }
        if self.owner != getpid() {
            return self.hand_over();
        }
        if let Some(orders) = self.orders.take() {
            // A later server waits for the end of this process. So only that end closes the pipe.
            let _ = orders.into_raw();
        }
        self.listeners.stop();
        if let Some(pidfile) = self.pidfile.take() {
            pidfile.remove();
        }
    }
}

#[cfg(test)]
mod tests;
