//! The log: one line an event, written with one write.
//!
//! A line is the event's name and its fields: `mpserv: accept pid=12 from=127.0.0.1:40000 children=3 limit=64`. A value
//! with anything in it that could be mistaken stands in quotes, with `\"`, `\\` and `\u{a}` for what cannot stand there.
//! As JSON it is an object with `time`, in seconds since 1970, `event` and the same fields.
//!
//! Nobody waits for long for whoever reads the log, and then not again until it is read: what cannot be written is lost,
//! and counted.

use core::cell::Cell;
use core::ffi::CStr;
use core::fmt::{self, Display, Write as _};
use core::time::Duration;

use super::limits::{FLOOD_PERIOD, LINE_MAX, LOG_PATIENCE, RETRY_EVERY};
use crate::program::text::Text;
use crate::sys::errno::{self, Errno, retry_on_intr};
use crate::sys::fd::{AsFd, STDERR, all_of, write_all};
use crate::sys::fs::fstat;
use crate::sys::net::{MsgFlags, send};
use crate::sys::poll::{PollEvents, PollFd, ppoll};
use crate::sys::process::Pid;
use crate::sys::syslog::{Priority, openlog, syslog};
use crate::sys::time::{Clock, clock_gettime, nanosleep};

/// Where the log goes, and in which form.
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

/// How much is logged.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Verbosity {
    /// Not the start and end of each connection.
    Quiet,
    /// Every event.
    Normal,
    /// Details, too.
    Verbose,
}

/// What kind of event it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Level {
    /// Logged only where details are asked for.
    Detail,
    /// A connection's start or end.
    Connection,
    /// The server's own affairs.
    Notice,
    /// Something that is not as it should be.
    Warning,
}

/// The log.
#[derive(Debug)]
pub(super) struct Log {
    format: LogFormat,
    verbosity: Verbosity,
    /// Whether standard error is a socket, as a service manager makes it.
    is_socket: bool,
    /// How many lines could not be written.
    lost: Cell<u64>,
}

impl Log {
    pub(super) fn new(format: LogFormat, verbosity: Verbosity) -> Log {
        if format == LogFormat::Syslog {
            openlog(c"mpserv");
        }
        let is_socket = fstat(STDERR).is_ok_and(|stat| stat.is_socket());
        Log { format, verbosity, is_socket, lost: Cell::new(0) }
    }

    /// Logs an event, whose fields `fill` adds.
    pub(super) fn event(&self, level: Level, name: &str, fill: impl FnOnce(&mut Line)) {
        let wanted = match level {
            Level::Detail => self.verbosity == Verbosity::Verbose,
            Level::Connection => self.verbosity != Verbosity::Quiet,
            Level::Notice | Level::Warning => true,
        };
        if wanted {
            self.put(level, name, fill);
        }
    }

    fn put(&self, level: Level, name: &str, fill: impl FnOnce(&mut Line)) {
        let lost = self.lost.get();
        if lost > 0 && self.write(Level::Warning, "lost", |line| line.number("lines", lost)) {
            self.lost.set(0);
        }
        // While nothing can be written nothing is tried after that.
        if self.lost.get() > 0 || !self.write(level, name, fill) {
            self.lost.set(self.lost.get() + 1);
        }
    }

    /// Whether the line could be written.
    fn write(&self, level: Level, name: &str, fill: impl FnOnce(&mut Line)) -> bool {
        let mut line = Line { text: Text::new(), json: self.format == LogFormat::Json };
        // The start of a line always fits.
        let _ = match self.format {
            LogFormat::Text => write!(line.text, "mpserv: {name}"),
            LogFormat::Json => {
                write!(line.text, "{{\"time\":{},\"event\":\"{name}\"", Seconds(clock_gettime(Clock::REALTIME)))
            }
            LogFormat::Syslog => write!(line.text, "{name}"),
        };
        fill(&mut line);
        // A field leaves room for the end.
        let _ = line.text.write_str(match self.format {
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
            syslog(priority, CStr::from_bytes_until_nul(line.text.as_bytes()).unwrap_or_default());
            return true;
        }
        self.write_in_time(line.text.as_bytes()).is_ok()
    }

    /// Writes a line to standard error, and makes no SIGPIPE where its reader is gone.
    fn write_in_time(&self, line: &[u8]) -> errno::Result<()> {
        let patience = if self.lost.get() > 0 { Duration::ZERO } else { LOG_PATIENCE };
        let mut stderr = [PollFd::new(STDERR.as_fd(), PollEvents::OUT)];
        let asked = retry_on_intr(|| ppoll(&mut stderr, Some(patience), None));
        // Where nobody can say whether it can be written, it is tried.
        if asked.is_ok() && stderr.iter().any(|stderr| stderr.revents() != PollEvents::OUT) {
            return Err(Errno::AGAIN);
        }
        // A pipe that takes anything takes a line whole.
        if self.is_socket {
            all_of(line, |rest| send(STDERR, rest, MsgFlags::DONTWAIT | MsgFlags::NOSIGNAL))
        } else {
            write_all(STDERR, line)
        }
    }
}

/// A line on its way to the log.
pub(super) struct Line {
    text: Text<LINE_MAX>,
    json: bool,
}

/// The longest end of a line.
const LINE_END: usize = 2;

impl Line {
    /// Adds a field that is a number.
    pub(super) fn number(&mut self, name: &str, value: impl Display) {
        self.field(name, |text, _| write!(text, "{value}"));
    }

    /// Adds a field that is a text.
    pub(super) fn text(&mut self, name: &str, value: impl Display) {
        self.field(name, |text, json| {
            let mut plain = IsPlain(true);
            // Looking never fails.
            let _ = write!(plain, "{value}");
            if plain.0 && !json {
                return write!(text, "{value}");
            }
            text.write_char('"')?;
            write!(Escaped { text, json }, "{value}")?;
            text.write_char('"')
        });
    }

    /// Adds a field, or nothing where it does not fit.
    fn field(&mut self, name: &str, fill: impl FnOnce(&mut Text<LINE_MAX>, bool) -> fmt::Result) {
        let before = self.text.len();
        let name = if self.json { write!(self.text, ",\"{name}\":") } else { write!(self.text, " {name}=") };
        let written = name.and_then(|()| fill(&mut self.text, self.json));
        if written.is_err() || self.text.len() > LINE_MAX - LINE_END {
            self.text.truncate(before);
        }
    }
}

/// Whether a value can stand without quotes.
struct IsPlain(bool);

impl fmt::Write for IsPlain {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0 &= text.bytes().all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'"' | b'\\' | b'='));
        Ok(())
    }
}

/// A value between quotes.
struct Escaped<'a> {
    text: &'a mut Text<LINE_MAX>,
    json: bool,
}

impl fmt::Write for Escaped<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        text.chars().try_for_each(|character| match character {
            '"' | '\\' => write!(self.text, "\\{character}"),
            ' '.. if !character.is_control() => self.text.write_char(character),
            _ if self.json => write!(self.text, "\\u{:04x}", u32::from(character)),
            _ => write!(self.text, "{}", character.escape_unicode()),
        })
    }
}

/// A time in seconds, to the millisecond.
pub(super) struct Seconds(pub(super) Duration);

impl Display for Seconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:03}", self.0.as_secs(), self.0.subsec_millis())
    }
}

/// What can happen very often.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Flood {
    /// A client was turned away.
    Refuse,
    /// A connection was gone when it was accepted.
    Abort,
    /// There is no room for one more child.
    Full,
    /// There were as many connections as the rate allows.
    Rate,
    /// Something that is needed for a connection is lacking.
    Lack,
    /// A program could not be run.
    Exec,
    /// A call failed that never does.
    Call,
}

impl Flood {
    const ALL: [Flood; 7] =
        [Flood::Refuse, Flood::Abort, Flood::Full, Flood::Rate, Flood::Lack, Flood::Exec, Flood::Call];

    /// The kind of event, its name, and the value of its field `why`, where it is logged for those that were held back.
    const fn event(self) -> (Level, &'static str, &'static str) {
        match self {
            Flood::Refuse => (Level::Warning, "refuse", "as before"),
            Flood::Abort => (Level::Detail, "abort", "as before"),
            Flood::Full => (Level::Notice, "pause", "max-children"),
            Flood::Rate => (Level::Notice, "pause", "max-rate"),
            Flood::Lack => (Level::Warning, "pause", "as before"),
            Flood::Exec => (Level::Warning, "fail", "execve"),
            Flood::Call => (Level::Warning, "fail", "as before"),
        }
    }
}

/// What was logged when, so that each kind of trouble is logged once a second, with how often it came.
#[derive(Default)]
pub(super) struct Floods([Held; Flood::ALL.len()]);

/// What is known of one kind.
#[derive(Clone, Copy, Default)]
struct Held {
    /// When it may be logged again.
    opens: Option<Duration>,
    /// How often it came and was not logged.
    count: u64,
}

impl Floods {
    /// Notes that it came. Returns how often it is to be logged for, if it is to be logged now.
    pub(super) fn admit(&mut self, flood: Flood, now: Duration) -> Option<u64> {
        let held = self.0.get_mut(flood as usize)?;
        held.count += 1;
        if held.opens.is_some_and(|opens| now < opens) {
            return None;
        }
        held.opens = Some(now + FLOOD_PERIOD);
        Some(core::mem::take(&mut held.count))
    }

    /// Logs that a call failed, in a child where that has an id, and waits a little, so that it does not fail very often.
    pub(super) fn back_off(&mut self, log: &Log, now: Duration, call: &str, errno: Errno, child: Option<Pid>) {
        if let Some(count) = self.admit(Flood::Call, now) {
            log.event(Level::Warning, "fail", |line| {
                line.text("call", call);
                line.text("error", errno);
                if let Some(pid) = child {
                    line.number("pid", pid);
                }
                line.number("count", count);
            });
        }
        nanosleep(RETRY_EVERY);
    }

    /// When there is something to log that was held back.
    pub(super) fn due(&self) -> Option<Duration> {
        self.0.iter().filter(|held| held.count > 0).filter_map(|held| held.opens).min()
    }

    /// Logs what was held back, if the time for it has come.
    pub(super) fn release(&mut self, log: &Log, now: Duration) {
        for (held, flood) in self.0.iter_mut().zip(Flood::ALL) {
            if held.count > 0 && held.opens.is_none_or(|opens| now >= opens) {
                held.opens = Some(now + FLOOD_PERIOD);
                let count = core::mem::take(&mut held.count);
                let (level, event, why) = flood.event();
                log.event(level, event, |line| {
                    line.text("why", why);
                    line.number("count", count);
                });
            }
        }
    }
}

#[cfg(test)]
mod tests;
