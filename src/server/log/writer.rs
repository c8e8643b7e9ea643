//! Writes to the log: to standard error or syslog, in the format and with the details that the settings name.
//!
//! If the reader of the log does not read, the server waits once, for at most [`LOG_PATIENCE`]. After that wait, lines
//! are dropped and counted until the reader reads again.

use core::cell::Cell;
use core::ffi::CStr;
use core::time::Duration;

use super::daemon::LogDaemon;
use super::line::{Line, Seconds};
use super::timestamp::Timestamp;
use crate::program::text::Text;
use crate::server::limits::{ERROR_MAX, LOG_PATIENCE};
use crate::sys::errno::{self, Errno, retry_on_intr};
use crate::sys::fd::{AsFd, STDERR, all_of, isatty, write_all};
use crate::sys::fs::{Stat, fstat};
use crate::sys::net::{MsgFlags, send};
use crate::sys::poll::{PollEvents, PollFd, ppoll};
use crate::sys::process::value;
use crate::sys::syslog::{Priority, openlog, syslog};
use crate::sys::time::{Clock, clock_gettime};

/// The format of the log, and its destination.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum LogFormat {
    /// Lines of `name=value` on standard error.
    Text,
    /// One JSON object per line on standard error.
    Json,
    /// Lines of `name=value` to the system's log.
    Syslog,
}

impl LogFormat {
    /// Returns the format of this name: `text`, `json` or `syslog`.
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

/// Whether a line of text on standard error begins with the time, in UTC as RFC 3339 writes it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum LogTime {
    /// A time, unless standard error is a terminal or the journal of systemd, which adds its own time.
    Auto,
    /// A time in each line.
    Yes,
    /// Lines without the time.
    No,
}

impl LogTime {
    /// Returns the setting of this name: `auto`, `yes` or `no`.
    #[must_use]
    pub fn from_name(name: &str) -> Option<LogTime> {
        match name {
            "auto" => Some(LogTime::Auto),
            "yes" => Some(LogTime::Yes),
            "no" => Some(LogTime::No),
            _ => None,
        }
    }
}

/// The events that are logged.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Verbosity {
    /// Every event except the start and the end of a connection.
    Quiet,
    /// Every event.
    Normal,
    /// Every event, and details.
    Verbose,
}

/// The importance of an event.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Level {
    /// A detail, which only [`Verbose`](Verbosity::Verbose) logs have.
    Detail,
    /// A connection's start or end.
    Connection,
    /// An event of the server itself.
    Notice,
    /// Trouble that needs the operator's attention.
    Warning,
}

/// The log.
#[derive(Debug)]
pub(crate) struct Log {
    format: LogFormat,
    verbosity: Verbosity,
    /// Whether a line of text begins with the time.
    has_time: bool,
    /// Whether standard error is a socket, as under systemd.
    is_socket: bool,
    /// The number of lines that could not be written.
    lost: Cell<u64>,
    daemon: LogDaemon,
}

impl Log {
    pub(crate) fn new(format: LogFormat, time: LogTime, verbosity: Verbosity) -> Log {
        if format == LogFormat::Syslog {
            openlog(c"mpserv");
        }
        let stderr = fstat(STDERR).ok();
        let is_socket = stderr.as_ref().is_some_and(Stat::is_socket);
        let has_time = match time {
            LogTime::Auto => !isatty(STDERR) && !stderr.is_some_and(|stat| is_journal(stat.identity())),
            LogTime::Yes => true,
            LogTime::No => false,
        };
        let daemon = if format == LogFormat::Syslog { LogDaemon::new() } else { LogDaemon::none() };
        let log = Log { format, verbosity, has_time, is_socket, lost: Cell::new(0), daemon };
        log.look_for_daemon();
        log
    }

    /// Leaves the log daemon alone from now on: in a child, and in another root directory.
    pub(crate) fn stop_looking_for_daemon(&self) {
        self.daemon.stop_looking();
    }

    /// Warns on standard error, once in a while, if the log goes to syslog and no daemon takes it.
    fn look_for_daemon(&self) {
        if self.format != LogFormat::Syslog {
            return;
        }
        if let Some(errno) = self.daemon.look() {
            let line = Text::<ERROR_MAX>::of(format_args!(
                "mpserv: nothing is logged: /dev/log: {errno}; start a log daemon, or leave out --log syslog\n"
            ));
            // If standard error is gone as well, there is no other place for the warning.
            let _ = self.write_in_time(line.as_bytes());
        }
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
        // While no line can be written, no later line is tried.
        if self.lost.get() > 0 || !self.write(level, name, fill) {
            self.lost.set(self.lost.get() + 1);
        }
    }

    /// Writes a line. Returns whether the line could be written.
    #[inline(never)]
    fn write(&self, level: Level, name: &str, fill: impl FnOnce(&mut Line)) -> bool {
        let mut line = Line::new(self.format == LogFormat::Json);
        match self.format {
            LogFormat::Text if self.has_time => {
                let now = Timestamp(time_of_day());
                line.start(format_args!("{now} mpserv: {name}"));
            }
            LogFormat::Text => line.start(format_args!("mpserv: {name}")),
            LogFormat::Json => {
                let now = Seconds(time_of_day());
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
            self.look_for_daemon();
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

    /// Writes a line to standard error. If the reader is gone, SIGPIPE does not end this process: see `signals.rs`.
    fn write_in_time(&self, line: &[u8]) -> errno::Result<()> {
        let patience = if self.lost.get() > 0 { Duration::ZERO } else { LOG_PATIENCE };
        let mut stderr = [PollFd::new(STDERR.as_fd(), PollEvents::OUT)];
        let asked = retry_on_intr(|| ppoll(&mut stderr, Some(patience), None));
        // If ppoll() fails, the write is tried anyway.
        if asked.is_ok() && stderr.iter().any(|stderr| stderr.revents() != PollEvents::OUT) {
            return Err(Errno::AGAIN);
        }
        // A pipe that has any room has room for a whole line.
        if self.is_socket {
            all_of(line, |rest| send(STDERR, rest, MsgFlags::DONTWAIT | MsgFlags::NOSIGNAL))
        } else {
            write_all(STDERR, line)
        }
    }
}

/// Whether this device and inode are those of the stream to systemd's journal, as `JOURNAL_STREAM` names them: see
/// systemd.exec(5).
fn is_journal((device, inode): (u64, u64)) -> bool {
    // SAFETY: nothing changes the environment while the value is in use.
    let stream = unsafe { value(c"JOURNAL_STREAM") }.and_then(|stream| stream.to_str().ok()?.split_once(':'));
    stream.is_some_and(|(dev, ino)| dev.parse() == Ok(device) && ino.parse() == Ok(inode))
}

/// Returns the time of day, for lines of the log only, because this clock may jump.
fn time_of_day() -> Duration {
    clock_gettime(Clock::REALTIME)
}
