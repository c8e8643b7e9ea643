//! `Error`: names the failed step, the reason, and a hint.

use core::fmt::{self, Write as _};

use super::limits::ERROR_MAX;
use crate::program::text::{CUT, Text};
use crate::sys::errno::Errno;
use crate::sys::net::GaiError;

/// The error of a server that could not be made, or cannot serve. Its text names the failed step, the reason, and what
/// to do.
#[derive(Clone, Copy)]
pub struct Error {
    what: Text<ERROR_MAX>,
    reason: Reason,
    hint: &'static str,
}

/// Returns a hint for the operator about a resource shortage.
pub(crate) const fn shortage_hint(errno: Errno) -> &'static str {
    match errno {
        Errno::MFILE => "allow more open files: ulimit -n, LimitNOFILE=",
        Errno::NFILE => "allow more open files on this machine: sysctl fs.file-max",
        Errno::FBIG => "allow larger files: ulimit -f, LimitFSIZE=",
        Errno::AGAIN => "allow more processes: ulimit -u, TasksMax=",
        Errno::NOMEM | Errno::NOBUFS => "give the machine more memory, or lower --max-children",
        _ => "",
    }
}

/// The reason of an error.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Reason {
    /// A system call failed.
    System(Errno),
    /// The host has no address.
    Resolver(GaiError),
    /// The request makes no sense.
    Usage(&'static str),
    /// Files, sockets or rights are not as the request needs them.
    State(&'static str),
}

/// The result of making a server, or of serving.
pub type Result<T> = core::result::Result<T, Error>;

impl Error {
    pub(super) fn new(what: fmt::Arguments<'_>, reason: Reason, hint: &'static str) -> Error {
        Error { what: shortened(what), reason, hint }
    }

    /// Returns the error of a server that cannot serve because a call failed.
    pub(super) fn cannot_serve(call: &str, errno: Errno, hint: &'static str) -> Error {
        Error::new(format_args!("cannot serve: {call}"), Reason::System(errno), hint)
    }

    /// Returns the error of a successor that was forked after `bind`. Its predecessor takes the end of the process that
    /// it has started for the end of the successor.
    pub(super) fn forked_successor() -> Error {
        let reason = Reason::Usage("a successor serves in the process that its predecessor has started");
        Error::new(format_args!("cannot serve"), reason, "if is_successor(), do not fork before serve()")
    }

    /// Returns the errno of the call that failed, if a call did.
    #[must_use]
    pub const fn errno(&self) -> Option<Errno> {
        match self.reason {
            Reason::System(errno) => Some(errno),
            _ => None,
        }
    }

    /// Whether the request itself makes no sense, on any system at any time.
    #[must_use]
    pub const fn is_usage(&self) -> bool {
        matches!(self.reason, Reason::Usage(_))
    }
}

/// Formats a text. A text that is too long is cut, and ends in [`CUT`].
fn shortened(arguments: fmt::Arguments<'_>) -> Text<ERROR_MAX> {
    let mut text = Text::new();
    if text.write_fmt(arguments).is_ok() {
        return text;
    }
    Text::of(format_args!("{}{CUT}", Text::<{ ERROR_MAX - CUT.len() }>::of(arguments)))
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.what.as_str())?;
        match self.reason {
            Reason::System(errno) => write!(f, ": {errno}")?,
            Reason::Resolver(error) => write!(f, ": {error}")?,
            Reason::Usage(text) | Reason::State(text) => write!(f, ": {text}")?,
        }
        if self.hint.is_empty() { Ok(()) } else { write!(f, "; {}", self.hint) }
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl core::error::Error for Error {}

#[cfg(test)]
mod tests;
