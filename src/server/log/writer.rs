//! Writes to the log: to standard error or syslog, in the format and with the details that the settings name.
//!
//! If the reader of the log does not read, the server waits once, for at most [`LOG_PATIENCE`]. After that wait, lines
//! are dropped and counted until the reader reads again. The processes of a server share this: see `reader_state.rs`.
//!
//! [`LOG_PATIENCE`]: crate::server::limits::LOG_PATIENCE

use core::cell::Cell;
use core::time::Duration;

use super::daemon::{LocalTime, LogDaemon};
use super::line::{Line, Seconds};
use super::reader_state::ReaderState;
use super::timestamp::Timestamp;
use crate::program::text::Text;
use crate::server::in_time::{catch_signal, in_time, is_late, with_timer};
use crate::server::limits::ERROR_MAX;
use crate::sys::errno::{self, Errno, retry_on_intr};
#[cfg(test)]
use crate::sys::fd::OwnedFd;
use crate::sys::fd::{AsFd, STDERR, all_of, isatty, write};
use crate::sys::fs::{Stat, fstat};
use crate::sys::net::{MsgFlags, send};
use crate::sys::poll::{PollEvents, PollFd, ppoll};
use crate::sys::process::{getpid, value};
use crate::sys::signal::{MaskHow, SigSet, Signal, sigprocmask};
use crate::sys::syslog::Priority;
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
    /// A connection's start. The line of its end follows.
    ConnectionStart,
    /// A connection's end, or another event of a connection.
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
    time: LogTime,
    verbosity: Verbosity,
    /// Whether a line of text begins with the time.
    has_time: bool,
    /// Whether standard error is a socket, as under systemd.
    is_socket: bool,
    /// Whether standard error is a terminal. A write to a terminal may wait after a part of a line.
    is_terminal: bool,
    /// Whether standard error may take a part of a line, as a file on a full disk does.
    may_tear: bool,
    /// Whether this process is in the sandbox, and catches the signal of a timer for as long as it lives.
    in_sandbox: Cell<bool>,
    /// The state of the reader, as all processes of the server know it.
    reader: ReaderState,
    /// Whether this process, or the one from which it was forked, did not write its last line as a whole. In that case
    /// it has waited for the reader already.
    is_stuck: Cell<bool>,
    /// The connection to the log daemon, if the log goes to syslog.
    daemon: Option<LogDaemon>,
}

impl Log {
    pub(crate) fn new(format: LogFormat, time: LogTime, verbosity: Verbosity) -> Log {
        let mut log = Log {
            format,
            time,
            verbosity,
            has_time: false,
            is_socket: false,
            is_terminal: false,
            may_tear: false,
            in_sandbox: Cell::new(false),
            reader: ReaderState::new(),
            is_stuck: Cell::new(false),
            daemon: (format == LogFormat::Syslog).then(LogDaemon::new),
        };
        log.look_at_stderr();
        if let Some(daemon) = &log.daemon {
            let _ = daemon.connect().inspect_err(|errno| log.warn_of_daemon(daemon, *errno));
        }
        log
    }

    /// Notes the kind of standard error. The caller may have changed it since the last look, as a daemon does.
    pub(crate) fn look_at_stderr(&mut self) {
        let stderr = fstat(STDERR).ok();
        let is_regular = stderr.as_ref().is_some_and(Stat::is_regular);
        self.is_socket = stderr.as_ref().is_some_and(Stat::is_socket);
        self.is_terminal = isatty(STDERR);
        self.has_time = match self.time {
            LogTime::Auto => !self.is_terminal && !stderr.is_some_and(|stat| is_journal(stat.identity())),
            LogTime::Yes => true,
            LogTime::No => false,
        };
        self.may_tear = self.format != LogFormat::Syslog && (self.is_terminal || is_regular);
    }

    /// Returns a log of every event whose daemon is at the other end of a socket.
    #[cfg(test)]
    pub(crate) fn to(socket: OwnedFd) -> Log {
        let log = Log::new(LogFormat::Text, LogTime::No, Verbosity::Verbose);
        Log { format: LogFormat::Syslog, may_tear: false, daemon: Some(LogDaemon::connected(socket)), ..log }
    }

    /// Prepares the log of a child for the sandbox, in which the child can set no action of a signal.
    pub(crate) fn enter_sandbox(&self) {
        if self.is_terminal {
            if catch_signal().is_err() {
                return;
            }
            sigprocmask(MaskHow::Unblock, &SigSet::from([Signal::ALRM]));
        }
        self.in_sandbox.set(true);
    }

    /// Keeps the present connection to the log daemon from now on: the root directory changes.
    pub(crate) fn keep_connection(&self) {
        if let Some(daemon) = &self.daemon {
            daemon.keep_connection();
        }
    }

    /// Warns on standard error if no log daemon takes the lines, once in a while for all processes of the server.
    fn warn_of_daemon(&self, daemon: &LogDaemon, errno: Errno) {
        let advice = daemon.advice(errno).filter(|_| self.reader.begins_warning(clock_gettime(Clock::MONOTONIC)));
        if let Some(advice) = advice {
            let line = Text::<ERROR_MAX>::of(format_args!("mpserv: nothing is logged: /dev/log: {errno}; {advice}\n"));
            // If standard error is gone as well, there is no other place for the warning.
            let _ = self.write_in_time(None, line.as_bytes(), true);
        }
    }

    /// Whether a line looks at the state that the processes of the server share, even if there is room for the line. The
    /// first look of a process costs a page fault, and most children of one client write the first line of a connection
    /// alone. So that line looks only if there is no room for it, or none was found before.
    fn looks(&self, level: Level) -> bool {
        level != Level::ConnectionStart || self.is_stuck.get()
    }

    /// Logs an event. `fill` adds its fields.
    pub(super) fn event(&self, level: Level, name: &str, fill: impl FnOnce(&mut Line)) {
        let is_wanted = match level {
            Level::Detail => self.verbosity == Verbosity::Verbose,
            Level::ConnectionStart | Level::Connection => self.verbosity != Verbosity::Quiet,
            Level::Notice | Level::Warning => true,
        };
        if !is_wanted {
            return;
        }
        let lost = if self.looks(level) { self.reader.take_lost() } else { 0 };
        if lost > 0 && !self.write(Level::Warning, "lost", |line| line.number("lines", lost)) {
            // While no line can be written, no later line is tried.
            self.reader.add_lost(lost.saturating_add(1));
        } else if !self.write(level, name, fill) {
            self.reader.add_lost(1);
        }
    }

    /// Writes a line. Returns whether the line could be written.
    #[inline(never)]
    fn write(&self, level: Level, name: &str, fill: impl FnOnce(&mut Line)) -> bool {
        let mut line = Line::new(self.format == LogFormat::Json);
        let looks = self.looks(level);
        if self.may_tear && (self.is_stuck.get() || (looks && self.reader.is_stuck())) {
            // This process, or another of the server, may have written a part of the line before.
            line.start(format_args!("\n"));
        }
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
            LogFormat::Syslog => {
                let priority = match level {
                    Level::Detail => Priority::DEBUG,
                    Level::ConnectionStart | Level::Connection => Priority::INFO,
                    Level::Notice => Priority::NOTICE,
                    Level::Warning => Priority::WARNING,
                };
                let (number, now) = (priority.of_daemon(), LocalTime(time_of_day()));
                line.start(format_args!("<{number}>{now}mpserv[{}]: {name}", getpid()));
            }
        }
        fill(&mut line);
        line.end(match self.format {
            LogFormat::Text => "\n",
            LogFormat::Json => "}\n",
            LogFormat::Syslog => "",
        });
        let daemon = self.daemon.as_ref();
        let written = self.write_in_time(daemon, line.as_bytes(), looks);
        if let (Some(daemon), Err(errno)) = (daemon, written) {
            self.warn_of_daemon(daemon, errno);
        }
        written.is_ok()
    }

    /// Sends a line to the log daemon, or writes it to standard error if there is no `daemon`. `looks` is the result of
    /// [`Log::looks`]. If the reader is gone, SIGPIPE does not end this process: see `signals.rs`.
    fn write_in_time(&self, daemon: Option<&LogDaemon>, line: &[u8], looks: bool) -> errno::Result<()> {
        let fd = daemon.map_or(Ok(STDERR.as_fd()), LogDaemon::socket)?;
        let now = clock_gettime(Clock::MONOTONIC);
        let mut reader = [PollFd::new(fd, PollEvents::OUT)];
        let mut asked = retry_on_intr(|| ppoll(&mut reader, Some(Duration::ZERO), None));
        // A write to a terminal may wait although there is some room. If a process may have no descriptor, ppoll() fails.
        let is_bounded = self.is_terminal || (asked.is_err() && !self.in_sandbox.get());
        let is_socket = self.is_socket || daemon.is_some();
        let may_wait = !self.is_stuck.get();
        let mut waits = may_wait && (is_bounded || asked == Ok(0));
        let mut deadline = if waits { self.reader.wait_ends(now) } else { now };
        // A retired child gets a signal every 100 ms. After a signal, the child waits for the rest of the time alone.
        let left = |deadline: Duration| deadline.saturating_sub(clock_gettime(Clock::MONOTONIC));
        let written = loop {
            if asked == Ok(0) && deadline > now {
                asked = retry_on_intr(|| ppoll(&mut reader, Some(left(deadline)), None));
            }
            // If ppoll() fails, the write is tried anyway, but not for long.
            let has_room = asked.is_err() || reader.iter().all(|reader| is_ready(reader.revents(), is_socket));
            let written = match daemon {
                _ if !has_room => Err(Errno::AGAIN),
                Some(daemon) => daemon.send(line),
                None => self.write_for(is_bounded.then(|| left(deadline)), line),
            };
            // Another process of the server may have taken the room for the line.
            let was_taken = written == Err(Errno::AGAIN) && has_room && daemon.is_some() && may_wait;
            if !was_taken || (waits && left(deadline).is_zero()) {
                break written;
            }
            if !waits {
                (waits, deadline) = (true, self.reader.wait_ends(now));
            }
            asked = Ok(0);
        };
        if looks || waits || written.is_err() {
            self.reader.note(written.is_ok(), clock_gettime(Clock::MONOTONIC));
        }
        // A child that has nothing to change does not write, because a write would copy a page.
        if self.is_stuck.get() != written.is_err() {
            self.is_stuck.set(written.is_err());
        }
        written
    }

    /// Writes a line to standard error, which may take a `limit` of time.
    fn write_for(&self, limit: Option<Duration>, line: &[u8]) -> errno::Result<()> {
        // Without a limit, it is a pipe or a file: a pipe that has any room has room for a whole line.
        let Some(limit) = limit else { return self.write_whole(line, false) };
        let limit = limit.max(INTERRUPT_EVERY);
        if self.in_sandbox.get() {
            with_timer(limit, INTERRUPT_EVERY, || self.write_whole(line, true))
        } else {
            in_time(limit, INTERRUPT_EVERY, true, || self.write_whole(line, true))
        }
    }

    /// Writes a line until all of it is written, or until a call fails. If the time `is_bounded`, the end of the time is
    /// a failure, too.
    fn write_whole(&self, line: &[u8], is_bounded: bool) -> errno::Result<()> {
        all_of(line, |rest| {
            let result = if self.is_socket {
                send(STDERR, rest, MsgFlags::DONTWAIT | MsgFlags::NOSIGNAL)
            } else {
                write(STDERR, rest)
            };
            result.map_err(|errno| if errno == Errno::INTR && is_bounded && is_late() { Errno::AGAIN } else { errno })
        })
    }
}

/// Whether a reader of the log has room for a line, by the events of a poll.
pub(super) fn is_ready(events: PollEvents, is_socket: bool) -> bool {
    // A datagram socket has an error until the next call returns it, for example because a reader was away once.
    let ready = if is_socket { PollEvents::OUT | PollEvents::ERR } else { PollEvents::OUT };
    // A device that cannot be polled has room.
    events.contains(PollEvents::NVAL) || (events.contains(PollEvents::OUT) && ready.contains(events))
}

/// The time between two signals that interrupt a write to a terminal, once the write has taken too long.
const INTERRUPT_EVERY: Duration = Duration::from_millis(1);

/// Whether this device and inode are those of the stream to systemd's journal, as `JOURNAL_STREAM` names them: see
/// systemd.exec(5).
fn is_journal((device, inode): (u64, u64)) -> bool {
    // SAFETY: nothing changes the environment while the value is in use.
    let stream = unsafe { value(b"JOURNAL_STREAM") }.and_then(|stream| stream.to_str().ok()?.split_once(':'));
    stream.is_some_and(|(dev, ino)| dev.parse() == Ok(device) && ino.parse() == Ok(inode))
}

/// Returns the time of day, for lines of the log only, because this clock may jump.
fn time_of_day() -> Duration {
    clock_gettime(Clock::REALTIME)
}
