//! The ways in which the server serves in a fault injection, and the processes whose calls meet a fault.

use std::path::Path;
use std::time::Duration;

use crate::run::strace::Strace;

/// The name of the server among the programs.
pub const NAME: &str = "mpserv";

/// The number of slots, and of clients at the same time. The numbers are equal, so that a lost slot shows.
pub(super) const SLOTS: usize = 2;

/// A way in which the server serves.
#[derive(Clone, Copy, Debug)]
pub struct Mode {
    pub name: &'static str,
    pub(super) options: &'static [&'static str],
    pub(super) program: &'static [&'static str],
    /// The number of children while no client is connected.
    pub(super) idle: usize,
    /// Whether the server listens on a Unix socket.
    pub(super) is_unix: bool,
    /// The number of sockets.
    pub(super) sockets: usize,
    /// Whether the mode starts as another mode does. If so, faults are injected only once the server waits for clients.
    pub(super) begins_alike: bool,
    /// Whether SIGUSR2 makes the server hand over to a successor before a client comes.
    pub(super) restarts: bool,
}

const SERVICE: Mode = Mode {
    name: "mpserv, a service",
    options: &[],
    program: &[],
    idle: 0,
    is_unix: false,
    sockets: 1,
    begins_alike: false,
    restarts: false,
};
const PROGRAM: Mode = Mode { name: "mpserv, a program", program: &["/bin/cat"], ..SERVICE };
const PREFORK: Mode = Mode { name: "mpserv, prefork", options: &["--prefork", "2"], idle: 2, ..SERVICE };

/// All modes.
pub const MODES: [Mode; 8] = [
    SERVICE,
    PROGRAM,
    PREFORK,
    // This mode has a child for each client, so that some children are born while there are faults.
    Mode {
        name: "mpserv, prefork for one client",
        options: &["--prefork", "2", "--max-requests", "1"],
        begins_alike: true,
        ..PREFORK
    },
    Mode { name: "mpserv, prefork on two sockets", sockets: 2, begins_alike: true, ..PREFORK },
    Mode { name: "mpserv, a restart", sockets: 2, begins_alike: true, restarts: true, ..SERVICE },
    Mode { name: "mpserv, a sandbox", options: &["--sandbox"], ..SERVICE },
    Mode { name: "mpserv, a Unix socket", is_unix: true, ..PROGRAM },
];

/// The process whose calls meet a fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Whose {
    /// The server, from its main on.
    Parent,
    /// The children, until they execute another program, and the server once it listens.
    Children,
}

impl Whose {
    pub const ALL: [Whose; 2] = [Whose::Parent, Whose::Children];

    pub fn name(self) -> &'static str {
        match self {
            Whose::Parent => "parent",
            Whose::Children => "children",
        }
    }
}

/// A server under test.
#[derive(Clone, Copy, Debug)]
pub struct Subject<'s> {
    pub program: &'s Path,
    pub mode: Mode,
    pub whose: Whose,
    pub strace: &'s Strace,
    /// The time after which a server that does nothing counts as hung.
    pub watchdog: Duration,
}
