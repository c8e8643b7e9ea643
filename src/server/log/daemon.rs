//! `LogDaemon`: checks for the daemon behind `syslog()`, because `syslog()` does not say whether a daemon takes a line.

use core::cell::Cell;
use core::time::Duration;

use crate::server::limits::SYSLOG_LOOK;
use crate::sys::errno::{Errno, Result};
use crate::sys::net::{AddressFamily, Protocol, SocketFlags, SocketType, UnixAddr, connect, socket};
use crate::sys::time::{Clock, clock_gettime};

/// Looks now and then whether a log daemon can be reached.
#[derive(Debug)]
pub(super) struct LogDaemon {
    /// The time of the next look. `None` if there is no further look.
    next: Cell<Option<Duration>>,
}

impl LogDaemon {
    /// Returns the state without a daemon: the log goes elsewhere.
    pub(super) const fn none() -> LogDaemon {
        LogDaemon { next: Cell::new(None) }
    }

    /// Returns the state in which the first line makes the log look for the daemon.
    pub(super) const fn new() -> LogDaemon {
        LogDaemon { next: Cell::new(Some(Duration::ZERO)) }
    }

    /// Ends the search for the log daemon. In another root directory the path of the daemon's socket may mean nothing,
    /// but the C library keeps its connection. A child in the sandbox must make no socket.
    pub(super) fn stop_looking(&self) {
        // Each child calls this function. A child that has nothing to change does not write, because a write would copy
        // a page.
        if self.next.get().is_some() {
            self.next.set(None);
        }
    }

    /// Looks for the daemon, if the next look is due. Returns the error if no daemon can be reached.
    pub(super) fn look(&self) -> Option<Errno> {
        let now = clock_gettime(Clock::MONOTONIC);
        if self.next.get().is_none_or(|next| now < next) {
            return None;
        }
        self.next.set(Some(now + SYSLOG_LOOK));
        let reached = match reach(SocketType::DGRAM) {
            Err(Errno::PROTOTYPE) => reach(SocketType::STREAM),
            reached => reached,
        };
        // Other errors say nothing about the connection that the C library has.
        reached.err().filter(|errno| matches!(*errno, Errno::NOENT | Errno::CONNREFUSED))
    }
}

fn reach(kind: SocketType) -> Result<()> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    connect(&socket(AddressFamily::UNIX, kind | flags, Protocol::DEFAULT)?, &UnixAddr::new(c"/dev/log")?)
}
