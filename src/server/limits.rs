//! The numbers of the server, all in one place.
//!
//! # Example
//! ```
//! use mpserv::server::limits::{EXIT_FAILED, MAX_CHILDREN_DEFAULT};
//!
//! assert_eq!((MAX_CHILDREN_DEFAULT, EXIT_FAILED), (64, 1));
//! ```

use core::ffi::c_int;
use core::time::Duration;

/// The default of the highest number of children.
pub const MAX_CHILDREN_DEFAULT: u32 = 64;
/// The highest number of children that can be set: Linux has no more processes.
pub const MAX_CHILDREN_LIMIT: u32 = 4_194_304;
/// The default of the number of clients that the kernel holds until they are accepted.
pub const BACKLOG_DEFAULT: u32 = 511;
/// The longest wait for the lock of a Unix socket's path, while another server begins to listen there.
pub const LOCK_WITHIN: Duration = Duration::from_secs(5);
/// The time between two tries to get the lock of a Unix socket's path.
pub const LOCK_RETRY: Duration = Duration::from_millis(10);
/// Every permission of a file, for its owner, its group and all others.
pub const MODE_MAX: u32 = 0o777;
/// The highest number of sockets on which a server listens.
pub const LISTENERS_MAX: usize = 32;
/// The number of connections that a preforked child in the sandbox can have at once, and other descriptors that it has
/// made itself.
pub const SANDBOX_CONNECTIONS: usize = 8;
/// The highest number of connections of a rate. Each connection takes 16 bytes.
pub const RATE_LIMIT: u32 = 1_000_000;
/// The default length of an IPv4 network that counts as one source: a single address.
pub const SOURCE_PREFIX_V4: u32 = 32;
/// The default length of an IPv6 network that counts as one source. A host usually has a whole network of this length,
/// and can connect from any address in it.
pub const SOURCE_PREFIX_V6: u32 = 64;
/// The longest time that can be set: a little more than a year.
pub const SECONDS_LIMIT: u64 = 40_000_000;

/// The default of the time that children have to end by themselves when the server stops.
pub const GRACE_DEFAULT: Duration = Duration::from_secs(30);
/// The time between SIGTERM and SIGKILL for a child.
pub const KILL_AFTER: Duration = Duration::from_secs(5);
/// The time after which a child that still exists in spite of SIGKILL gets SIGKILL again, together with its group.
pub const KILL_AGAIN_EVERY: Duration = Duration::from_secs(1);
/// The period at which the parent looks at process groups that have outlived their child.
pub const GROUPS_LOOK: Duration = Duration::from_secs(1);
/// The period at which the parent looks at process groups that have outlived their child, once the server stops.
pub const GROUPS_LOOK_AT_STOP: Duration = Duration::from_millis(100);
/// The time for which a connection without a PROXY header may hold a child while other connections wait for a child.
pub const HEADER_PATIENCE: Duration = Duration::from_millis(500);
/// The time that a client is kept waiting if no process can be started for the client.
pub const CLIENT_KEPT: Duration = Duration::from_secs(5);
/// The longest wait of the parent for the close of a connection.
pub const CLOSE_WITHIN: Duration = Duration::from_millis(5);
/// The time between two tries of a call that fails because a resource is short.
pub const RETRY_EVERY: Duration = Duration::from_millis(100);
/// The shortest time between two lines about the same kind of trouble.
pub const THROTTLE_PERIOD: Duration = Duration::from_secs(1);
/// The lowest number of children at which the parent does not check every child on SIGCHLD.
pub const MANY_CHILDREN: u32 = 512;
/// The number of youngest children that the parent checks on SIGCHLD if there are many, and reaps if they have ended.
pub const YOUNGEST: usize = 16;
/// The longest time until other ended children are reaped. Until then the children hold their slots, unless the parent
/// needs a slot.
pub const REAP_WITHIN: Duration = Duration::from_millis(10);
/// The longest wait for a reader of the log that does not read. After one such wait, later lines are dropped at once.
pub const LOG_PATIENCE: Duration = Duration::from_secs(1);
/// The shortest time between two warnings that no log daemon takes the lines.
pub const SYSLOG_WARN: Duration = Duration::from_secs(60);

/// The number of clients that the parent accepts before it checks signals and timers.
pub const ACCEPTS_IN_A_ROW: u32 = 32;
/// The number of connections in a row that may be gone before they are accepted. After that number, the parent pauses.
pub const ABORTS_IN_A_ROW: u32 = 64;

/// The number of earlier servers that `--status` shows, and that stop together with the newest server. These are the
/// newest of them. An earlier server still has clients after a restart.
pub const EARLIER_MAX: usize = 8;
/// The time that an earlier server has to end after its last child should have got SIGKILL. Then the newest server ends
/// without it.
pub const EARLIER_ENDS_WITHIN: Duration = Duration::from_secs(2);
/// The time that a successor has to become ready.
pub const READY_WITHIN: Duration = Duration::from_secs(30);
/// The time in which a successor must end after it has closed its end of the pipe without an answer.
pub const ENDS_WITHIN: Duration = Duration::from_secs(1);
/// The time between two looks at the size of the pool.
pub const POOL_TICK: Duration = Duration::from_secs(1);
/// The pause after a preforked child that has crashed before it had a client. The pause doubles with each further
/// crash.
pub const CRASH_PAUSE: Duration = Duration::from_millis(100);
/// The longest pause after a crash.
pub const CRASH_PAUSE_MAX: Duration = Duration::from_secs(5);
/// The shortest time between two updates of the number of children in the title and at the service manager.
pub const STATUS_EVERY: Duration = Duration::from_secs(1);

/// The longest line of the log. A pipe takes a line of up to 4096 bytes as a whole (`PIPE_BUF`).
pub const LINE_MAX: usize = 1024;
/// The longest text of a field of the log. All other fields of the same line fit beside it.
pub const VALUE_MAX: usize = 768;
/// The longest text of an error.
pub const ERROR_MAX: usize = 256;
/// The longest text of a handler's error, in bytes. Even if every byte is escaped, the text fits into a line of the
/// log.
pub const HANDLER_ERROR_MAX: usize = 112;
/// The longest name of a host in DNS, with its NUL.
pub const HOST_MAX: usize = 256;
/// The longest path of a file, with its NUL (`PATH_MAX`).
pub const PATH_MAX: usize = 4096;

/// The buffer of a built-in service, once a client has sent more than [`SERVICE_BUFFER_FIRST`] at once.
pub const SERVICE_BUFFER: usize = 65_536;
/// The first buffer of a built-in service. The buffer is on the stack, so no memory need be mapped for most
/// clients, which send little.
pub const SERVICE_BUFFER_FIRST: usize = 256;
/// The stack of a new process until it becomes a program.
pub const SPAWN_STACK: usize = 65_536;
/// The number of variables that a program's environment has in addition to the server's own.
pub const VARIABLES_MAX: usize = 12;
/// The number of bytes of the additional variables of a program, with the longest home directory and shell.
pub const VARIABLES_BYTES: usize = 4096;

/// The message to a client for which no process could be started within [`CLIENT_KEPT`].
pub const BUSY_MESSAGE: &str = "The server is busy. Try again later.\r\n";

/// The status of a child whose handler returned nothing, or `Ok`.
pub const EXIT_DONE: c_int = 0;
/// The status of a child whose handler returned an error, or of a built-in service whose connection failed.
pub const EXIT_FAILED: c_int = 1;
/// The status of a child of a built-in service whose client was silent for too long.
pub const EXIT_IDLE: c_int = 2;
/// The status of a child that has refused its client.
pub const EXIT_REFUSED: c_int = 3;
/// The status of a child whose set-up failed.
pub const EXIT_UNFIT: c_int = 4;
/// The status of a child whose handler panicked and unwound: that of a Rust program.
pub const EXIT_PANICKED: c_int = 101;

/// Returns the meaning of the exit status of a child that runs a function, if the server defines that status.
pub(super) const fn exit_meaning(status: c_int) -> Option<&'static str> {
    match status {
        EXIT_FAILED => Some("failed"),
        EXIT_IDLE => Some("idle"),
        EXIT_REFUSED => Some("refused"),
        EXIT_UNFIT => Some("unfit"),
        EXIT_PANICKED => Some("panicked"),
        _ => None,
    }
}
