//! Writing to the log: to standard error or syslog, in the format and with the details that were asked for.
//!
//! The server waits at most [`LOG_PATIENCE`] for a reader of the log that does not read, and after that not again until
//! it reads. Lines that cannot be written are lost, and counted.

use core::cell::Cell;
use core::ffi::CStr;
use core::time::Duration;

use super::line::{Line, Seconds};
use crate::server::limits::LOG_PATIENCE;
use crate::sys::errno::{self, Errno, retry_on_intr};
use crate::sys::fd::{AsFd, STDERR, all_of, write_all};
use crate::sys::fs::fstat;
use crate::sys::net::{MsgFlags, send};
use crate::sys::poll::{PollEvents, PollFd, ppoll};
use crate::sys::syslog::{Priority, openlog, syslog};
use crate::sys::time::{Clock, clock_gettime};

/// The format of the log, and its destination.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum LogFormat {
    /// Lines of `name=value` on standard error.
    Text,
    /// A JSON object a line on standard error.
    Json,
    /// Lines of `name=value` to the system's log.
    Syslog,
}

impl LogFormat {
    /// The format of this name: `text`, `json` or `syslog`.
    #[must_use]
    pub fn from_name(name: &str) -> Option<LogFormat> {
        match name {
            "text" => Some(LogFormat::Text),
            "json" => Some(LogFormat::Json),
            "syslog" => Some(LogFormat::Syslog),
            _ => None,
        }
    }
}

/// The events that are logged.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Verbosity {
    /// No start and end of a connection.
    Quiet,
    /// Every event.
    Normal,
    /// Every event, and details.
    Verbose,
}

/// The importance of an event.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Level {
    /// Logged only where details are asked for.
    Detail,
    /// A connection's start or end.
    Connection,
    /// The server's own affairs.
    Notice,
    /// Trouble.
    Warning,
}

/// The log.
#[derive(Debug)]
pub(crate) struct Log {
    format: LogFormat,
    verbosity: Verbosity,
    /// Whether standard error is a socket: systemd makes it one.
    is_socket: bool,
    /// The number of lines that could not be written.
    lost: Cell<u64>,
}

impl Log {
    pub(crate) fn new(format: LogFormat, verbosity: Verbosity) -> Log {
        if format == LogFormat::Syslog {
            openlog(c"mpserv");
        }
        let is_socket = fstat(STDERR).is_ok_and(|stat| stat.is_socket());
        Log { format, verbosity, is_socket, lost: Cell::new(0) }
    }

    /// Logs an event. `fill` adds its fields.
    pub(super) fn event(&self, level: Level, name: &str, fill: impl FnOnce(&mut Line)) {
        let is_wanted = match level {
            Level::Detail => self.verbosity == Verbosity::Verbose,
            Level::Connection => self.verbosity != Verbosity::Quiet,
            Level::Notice | Level::Warning => true,
        };
        if !is_wanted {
            return;
        }
        let lost = self.lost.get();
        if lost > 0 && self.write(Level::Warning, "lost", |line| line.number("lines", lost)) {
            self.lost.set(0);
        }
        // While no line can be written, later ones are not tried.
        if self.lost.get() > 0 || !self.write(level, name, fill) {
            self.lost.set(self.lost.get() + 1);
        }
    }

    /// Writes a line. Returns whether it could be written.
    fn write(&self, level: Level, name: &str, fill: impl FnOnce(&mut Line)) -> bool {
        let mut line = Line::new(self.format == LogFormat::Json);
        match self.format {
            LogFormat::Text => line.start(format_args!("mpserv: {name}")),
            LogFormat::Json => {
                let now = Seconds(clock_gettime(Clock::REALTIME));
                line.start(format_args!("{{\"time\":{now},\"event\":\"{name}\""));
            }
            LogFormat::Syslog => line.start(format_args!("{name}")),
        }
        fill(&mut line);
        line.end(match self.format {
            LogFormat::Text => "\n",
            LogFormat::Json => "}\n",
            LogFormat::Syslog => "\0",
        });
        if self.format == LogFormat::Syslog {
            let priority = match level {
                Level::Detail => Priority::DEBUG,
                Level::Connection => Priority::INFO,
                Level::Notice => Priority::NOTICE,
                Level::Warning => Priority::WARNING,
            };
            syslog(priority, CStr::from_bytes_until_nul(line.as_bytes()).unwrap_or_default());
            return true;
        }
        self.write_in_time(line.as_bytes()).is_ok()
    }

    /// Writes a line to standard error, without SIGPIPE if its reader is gone.
    fn write_in_time(&self, line: &[u8]) -> errno::Result<()> {
        let patience = if self.lost.get() > 0 { Duration::ZERO } else { LOG_PATIENCE };
        let mut stderr = [PollFd::new(STDERR.as_fd(), PollEvents::OUT)];
        let asked = retry_on_intr(|| ppoll(&mut stderr, Some(patience), None));
        // If ppoll() fails, the write is tried.
        if asked.is_ok() && stderr.iter().any(|stderr| stderr.revents() != PollEvents::OUT) {
            return Err(Errno::AGAIN);
        }
        // A pipe that takes anything takes a whole line.
        if self.is_socket {
            all_of(line, |rest| send(STDERR, rest, MsgFlags::DONTWAIT | MsgFlags::NOSIGNAL))
        } else {
            write_all(STDERR, line)
        }
    }
}
