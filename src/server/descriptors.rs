//! The descriptors that the server has open and its children must not have.

use super::listener::Listeners;
use super::pidfile::PidFile;
use crate::sys::fd::{OwnedFd, close_for_good};
use crate::sys::process::{Pid, getpid};
use crate::sys::signal::SignalFd;

/// The server's descriptors. Dropping them removes the files of Unix sockets and the pidfile, in the server's process
/// alone: a process that its program forks between [`bind`](super::Server::bind) and [`serve`](super::Bound::serve)
/// only closes them.
///
/// A child closes those that it does not need by [`close_in_child`](Descriptors::close_in_child) and ends by `_exit()`:
/// it drops nothing. A child that becomes a program at once shares the parent's memory until then, so it closes none of
/// them itself: each has `FD_CLOEXEC`, and `execve()` closes it.
pub(crate) struct Descriptors<'a> {
    /// The process that has listened, or serves.
    pub(crate) owner: Pid,
    pub(crate) listeners: Listeners,
    pub(crate) signals: Option<SignalFd>,
    pub(crate) pidfile: Option<PidFile<'a>>,
    /// The scoreboard, for `--status`.
    pub(crate) scoreboard: Option<OwnedFd>,
    /// The pipe to the server whose successor this one is, until this one is ready.
    pub(crate) predecessor: Option<OwnedFd>,
    /// The pipe through which a successor answers, while one starts.
    pub(crate) successor: Option<OwnedFd>,
}

impl Descriptors<'_> {
    /// The listeners alone, in the process that has made them.
    pub(crate) fn new(listeners: Listeners) -> Self {
        Descriptors {
            owner: getpid(),
            listeners,
            signals: None,
            pidfile: None,
            scoreboard: None,
            predecessor: None,
            successor: None,
        }
    }

    /// Closes all of them in a child, but for `predecessor`, and the listeners of a preforked child. The parent has
    /// closed `predecessor` already: it starts its first child only after it has told its predecessor that it is ready.
    ///
    /// # Safety
    /// This process is a child, which neither uses nor drops what is closed.
    #[inline]
    pub(crate) unsafe fn close_in_child(&self, keeps_listeners: bool) {
        // SAFETY: by this function's own contract, here and below.
        unsafe { close_for_good(&self.scoreboard) };
        for listener in self.listeners.iter().filter(|_| !keeps_listeners) {
            // SAFETY: as above.
            unsafe { close_for_good(listener) };
        }
        // SAFETY: as above.
        unsafe { close_for_good(&self.signals) };
        // SAFETY: as above.
        unsafe { close_for_good(&self.pidfile) };
        // SAFETY: as above.
        unsafe { close_for_good(&self.successor) };
    }

    /// Closes the listeners and the pidfile, and leaves their files to the other process that has them open.
    pub(crate) fn hand_over(&mut self) {
        self.listeners.close();
        self.pidfile = None;
    }
}

impl Drop for Descriptors<'_> {
    fn drop(&mut self) {
        // A server that ends before it is ready leaves everything to its predecessor, which still serves.
        if let Some(predecessor) = self.predecessor.take() {
            // The predecessor kills a successor that closes the pipe. So the end of the process closes it, and an error
            // can still be printed.
            let _ = predecessor.into_raw();
            return self.hand_over();
        }
        if self.owner != getpid() {
            return self.hand_over();
        }
        self.listeners.stop();
        if let Some(pidfile) = self.pidfile.take() {
            pidfile.remove();
        }
    }
}
