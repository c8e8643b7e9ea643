//! `ChildEnd`: how a child ended.

use core::ffi::c_int;

use crate::server::limits::exit_meaning;
use crate::sys::process::WaitStatus;

/// The end of a child, as far as it is known.
#[derive(Clone, Copy)]
pub(crate) enum ChildEnd {
    /// The exit status, as the child itself reports it.
    Exit(c_int),
    /// The wait status, as the kernel reports it.
    Status(WaitStatus),
    /// The wait status of a program. Only the program knows the meaning of its exit status.
    OfProgram(WaitStatus),
    /// Another part of this process has waited for the child.
    Unknown,
}

impl ChildEnd {
    /// Returns the wait status, if the child was reaped.
    pub(crate) const fn status(self) -> Option<WaitStatus> {
        match self {
            ChildEnd::Status(status) | ChildEnd::OfProgram(status) => Some(status),
            ChildEnd::Exit(_) | ChildEnd::Unknown => None,
        }
    }

    /// Returns the meaning of the exit status, if the server defines it.
    pub(super) fn meaning(self) -> Option<&'static str> {
        match self {
            ChildEnd::Exit(code) => exit_meaning(code),
            ChildEnd::Status(status) => status.exit_status().and_then(exit_meaning),
            ChildEnd::OfProgram(_) | ChildEnd::Unknown => None,
        }
    }
}
