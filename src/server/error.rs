//! Why a server cannot serve.

use core::fmt;

use super::limits::ERROR_MAX;
use crate::program::text::Text;
use crate::sys::errno::Errno;
use crate::sys::net::GaiError;

/// Why a server could not be made, or not go on: what failed, why, and what to do.
#[derive(Clone, Copy)]
pub struct Error {
    what: Text<ERROR_MAX>,
    reason: Reason,
    hint: &'static str,
}

/// What to do where something is lacking.
pub(super) const fn hint_of_lack(errno: Errno) -> &'static str {
    match errno {
        Errno::MFILE => "allow more open files: ulimit -n, LimitNOFILE=",
        Errno::NFILE => "allow more open files on this machine: sysctl fs.file-max",
        Errno::AGAIN => "allow more processes: ulimit -u, TasksMax=",
        Errno::NOMEM | Errno::NOBUFS => "give the machine more memory, or lower --max-children",
        _ => "",
    }
}

/// What was said about it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Reason {
    /// The system refused.
    System(Errno),
    /// The host has no address.
    Resolver(GaiError),
    /// What was asked for makes no sense.
    Usage(&'static str),
    /// Things are not as they would have to be.
    State(&'static str),
}

/// The result of making a server, or of serving.
pub type Result<T> = core::result::Result<T, Error>;

impl Error {
    pub(super) fn new(what: fmt::Arguments<'_>, reason: Reason, hint: &'static str) -> Error {
        Error { what: Text::of(what), reason, hint }
    }

    /// The errno of the call that failed, if one did.
    #[must_use]
    pub const fn errno(&self) -> Option<Errno> {
        match self.reason {
            Reason::System(errno) => Some(errno),
            _ => None,
        }
    }

    /// Whether what was asked for makes no sense, on any system at any time.
    #[must_use]
    pub const fn is_usage(&self) -> bool {
        matches!(self.reason, Reason::Usage(_))
    }
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
