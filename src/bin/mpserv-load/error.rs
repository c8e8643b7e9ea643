//! The errors of the program. An error of a connection is counted, and an error of a necessary call ends the program.

use core::fmt;

use mpserv::errno::Errno;

/// The step of a connection that failed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// `socket`, or `bind` to the source address.
    Socket,
    Connect,
    Send,
    Receive,
    /// The server closed the connection before its answer was complete.
    End,
    /// The answer differs from the expected bytes.
    Differs,
    /// The connection took too long.
    Timeout,
    /// The process ended too early.
    Died,
}

/// Every fault, and its name in a report.
pub(crate) const FAULTS: [(Fault, &str); 8] = [
    (Fault::Socket, "socket"),
    (Fault::Connect, "connect"),
    (Fault::Send, "send"),
    (Fault::Receive, "receive"),
    (Fault::End, "end"),
    (Fault::Differs, "differs"),
    (Fault::Timeout, "timeout"),
    (Fault::Died, "died"),
];

/// A failure of a connection.
pub(crate) struct Failure {
    pub(crate) fault: Fault,
    pub(crate) errno: Option<Errno>,
}

/// Makes a [`Failure`] of an errno.
pub(crate) fn at(fault: Fault) -> impl Fn(Errno) -> Failure {
    move |errno| Failure { fault, errno: Some(errno) }
}

/// The failure of a call that the program needs.
pub(crate) struct Error {
    what: &'static str,
    errno: Errno,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.what, self.errno)
    }
}

/// Makes an [`Error`] of an errno.
pub(crate) fn error(what: &'static str) -> impl Fn(Errno) -> Error {
    move |errno| Error { what, errno }
}
