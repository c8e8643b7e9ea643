//! `Manager`: tells the service manager the state of the server.
//!
//! The protocol is that of `sd_notify(3)`: a datagram with lines of `NAME=value` to the socket of `NOTIFY_SOCKET`.

use core::fmt;
use core::time::Duration;

use super::inherited::is_successor;
use crate::program::text::Text;
use crate::sys::errno::{Errno, Result};
use crate::sys::fd::{OwnedFd, close_for_good};
use crate::sys::net::{AddressFamily, MsgFlags, Protocol, SocketFlags, SocketType, UnixAddr, connect, send, socket};
use crate::sys::process::{Pid, getpid, value};
use crate::sys::time::{Clock, clock_gettime};

/// The longest message.
const MESSAGE_MAX: usize = 256;

/// The variables that a service manager sets about this process and its connection, not about the programs that this
/// process runs: see systemd.exec(5).
pub(super) const VARIABLES: [&str; 19] = [
    "LISTEN_PID",
    "LISTEN_PIDFDID",
    "LISTEN_FDS",
    "LISTEN_FDNAMES",
    "NOTIFY_SOCKET",
    "WATCHDOG_PID",
    "WATCHDOG_USEC",
    "FDSTORE",
    "MAINPID",
    "MAINPIDFDID",
    "MANAGERPID",
    "MANAGERPIDFDID",
    "SYSTEMD_EXEC_PID",
    "INVOCATION_ID",
    "PIDFILE",
    "REMOTE_ADDR",
    "REMOTE_PORT",
    "TRIGGER_UNIT",
    "TRIGGER_PATH",
];

/// The connection to the service manager, if the manager wants to be told the state.
#[derive(Debug)]
pub(super) struct Manager {
    socket: Option<OwnedFd>,
    /// The time between two messages to the watchdog, which ends a server that sends none for too long.
    pub(super) watchdog: Option<Duration>,
}

impl Manager {
    /// Returns a `Manager` that tells no service manager anything.
    pub(super) const fn none() -> Manager {
        Manager { socket: None, watchdog: None }
    }

    /// Returns a `Manager` for a service manager that listens at the other end of a socket.
    #[cfg(test)]
    pub(super) const fn connected(socket: OwnedFd, watchdog: Option<Duration>) -> Manager {
        Manager { socket: Some(socket), watchdog }
    }

    /// Connects to the service manager that `NOTIFY_SOCKET`, `WATCHDOG_USEC` and `WATCHDOG_PID` name. Call this
    /// function before the server changes its root directory and its user.
    pub(super) fn from_environment() -> Result<Manager> {
        // SAFETY: nothing changes the environment while the value is in use.
        let Some(path) = unsafe { value(b"NOTIFY_SOCKET") }.filter(|path| !path.is_empty()) else {
            return Ok(Manager::none());
        };
        let address = match path.to_bytes() {
            [b'@', name @ ..] => UnixAddr::from_abstract(name)?,
            [b'/', ..] => UnixAddr::new(path)?,
            // Another kind of address, such as the vsock of a virtual machine, is not supported.
            _ => return Err(Errno::AFNOSUPPORT),
        };
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let socket = socket(AddressFamily::UNIX, SocketType::DGRAM | flags, Protocol::DEFAULT)?;
        connect(&socket, &address)?;
        // SAFETY: the reason above holds here as well.
        let parse = |name: &[u8]| unsafe { value(name) }?.to_str().ok()?.parse::<u64>().ok();
        // A successor has the variables of its predecessor.
        let is_ours = parse(b"WATCHDOG_PID").is_none_or(|pid| pid == getpid().raw() as u64) || is_successor();
        let watchdog = parse(b"WATCHDOG_USEC").filter(|micros| is_ours && *micros > 0).map(Duration::from_micros);
        // The server reports twice as often as necessary, as sd_watchdog_enabled(3) recommends.
        Ok(Manager { socket: Some(socket), watchdog: watchdog.map(|limit| limit / 2) })
    }

    /// Closes the socket, in a child.
    ///
    /// # Safety
    /// This process is a child, which neither uses nor drops `self` afterwards.
    #[inline]
    pub(super) unsafe fn close_in_child(&self) {
        // SAFETY: by this function's own contract.
        unsafe { close_for_good(&self.socket) };
    }

    /// Whether there is a service manager.
    pub(super) const fn is_there(&self) -> bool {
        self.socket.is_some()
    }

    /// Sends a message, and never waits. Returns whether the manager reads too slowly, so that the message is lost.
    fn is_too_slow_for(&self, message: fmt::Arguments<'_>) -> bool {
        let Some(socket) = &self.socket else { return false };
        let text = Text::<MESSAGE_MAX>::of(message);
        let sent = send(socket, text.as_bytes(), MsgFlags::NOSIGNAL | MsgFlags::DONTWAIT);
        matches!(sent, Err(Errno::AGAIN | Errno::NOBUFS))
    }

    /// Sends a message that may be lost.
    fn tell(&self, message: fmt::Arguments<'_>) {
        let _ = self.is_too_slow_for(message);
    }

    /// Names the main process, this one or its successor, which is ready. Returns whether the message must be sent again.
    pub(super) fn ready(&self, main: Pid) -> bool {
        self.is_too_slow_for(format_args!("READY=1\nMAINPID={main}"))
    }

    pub(super) fn reloading(&self) {
        self.tell(format_args!("RELOADING=1\nMONOTONIC_USEC={}", clock_gettime(Clock::MONOTONIC).as_micros()));
    }

    pub(super) fn stopping(&self) {
        self.tell(format_args!("STOPPING=1"));
    }

    pub(super) fn status(&self, status: fmt::Arguments<'_>) {
        self.tell(format_args!("STATUS={status}"));
    }

    pub(super) fn alive(&self) {
        self.tell(format_args!("WATCHDOG=1"));
    }
}
