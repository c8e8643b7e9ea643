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
/// The time between two tries to get that lock.
pub const LOCK_RETRY: Duration = Duration::from_millis(10);
/// Every permission of a file, for its owner, its group and all others.
pub const MODE_MAX: u32 = 0o777;
/// The highest number of sockets on which a server listens.
pub const LISTENERS_MAX: usize = 32;
/// The highest number of connections of a rate. Each takes 16 bytes.
pub const RATE_LIMIT: u32 = 1_000_000;
/// The default of the length of an IPv4 network whose connections count as those of one source: a single address.
pub const SOURCE_PREFIX_V4: u32 = 32;
/// The same for IPv6. A host usually has a network of this length for itself, and can connect from any address in it.
pub const SOURCE_PREFIX_V6: u32 = 64;
/// The longest time that can be set: a year and a bit.
pub const SECONDS_LIMIT: u64 = 40_000_000;

/// The default of the time that children have to end by themselves when the server stops.
pub const GRACE_DEFAULT: Duration = Duration::from_secs(30);
/// The time between SIGTERM and SIGKILL for a child.
pub const KILL_AFTER: Duration = Duration::from_secs(5);
/// The period at which a child that got SIGKILL, and is still there, gets it again, with its group.
pub const KILL_AGAIN_EVERY: Duration = Duration::from_secs(1);
/// The period at which the parent looks at process groups that have outlived their child.
pub const GROUPS_LOOK: Duration = Duration::from_secs(1);
/// The same once the server stops.
pub const GROUPS_LOOK_AT_STOP: Duration = Duration::from_millis(100);
/// The time for which a connection without a PROXY header is left alone while others wait for a child.
pub const HEADER_PATIENCE: Duration = Duration::from_millis(500);
/// The time for which a client is kept if no process can be started for it.
pub const CLIENT_KEPT: Duration = Duration::from_secs(5);
/// The time between two tries of a call that fails for lack of a resource.
pub const RETRY_EVERY: Duration = Duration::from_millis(100);
/// The same kind of trouble is logged at most once in this time.
pub const THROTTLE_PERIOD: Duration = Duration::from_secs(1);
/// From this number of children on, SIGCHLD does not make the parent look for every child that has ended.
pub const MANY_CHILDREN: u32 = 512;
/// The number of the youngest children that are reaped then, if they have ended.
pub const YOUNGEST: usize = 16;
/// The other children are reaped after this time at the latest. Until then they hold their slots, unless the parent
/// needs one.
pub const REAP_WITHIN: Duration = Duration::from_millis(10);
/// The longest wait for a reader of the log that does not read. After one such wait, later lines are lost at once.
pub const LOG_PATIENCE: Duration = Duration::from_secs(1);
/// The time between two looks whether a log daemon can be reached.
pub const SYSLOG_LOOK: Duration = Duration::from_secs(60);

/// The number of clients that are accepted before signals and timers are looked at.
pub const ACCEPTS_IN_A_ROW: u32 = 32;
/// The number of connections in a row that may be gone before they are accepted. After that, the parent pauses.
pub const ABORTS_IN_A_ROW: u32 = 64;

/// The number of earlier servers, which still have clients after a restart, that `--status` shows.
pub const EARLIER_MAX: usize = 8;
/// The time that a successor has to become ready.
pub const READY_WITHIN: Duration = Duration::from_secs(30);
/// The time in which a successor that has closed its end of the pipe without an answer is to end.
pub const ENDS_WITHIN: Duration = Duration::from_secs(1);
/// The time between two looks at the size of the pool.
pub const POOL_TICK: Duration = Duration::from_secs(1);
/// The pause after a preforked child that has crashed before it served a client. It doubles with each further one.
pub const CRASH_PAUSE: Duration = Duration::from_millis(100);
/// The longest such pause.
pub const CRASH_PAUSE_MAX: Duration = Duration::from_secs(5);
/// The number of children is shown to the service manager and in the title at most once in this time.
pub const STATUS_EVERY: Duration = Duration::from_secs(1);

/// The longest line of the log. A pipe takes a line of up to 4096 bytes as a whole (`PIPE_BUF`).
pub const LINE_MAX: usize = 1024;
/// The longest text of an error.
pub const ERROR_MAX: usize = 256;
/// The longest text of a handler's error, in bytes. As escapes it still fits into a line of the log.
pub const HANDLER_ERROR_MAX: usize = 112;
/// The longest name of a host in DNS, with its NUL.
pub const HOST_MAX: usize = 256;
/// The longest path of a file, with its NUL (`PATH_MAX`).
pub const PATH_MAX: usize = 4096;

/// The buffer of a built-in service, once a client has sent more than [`SERVICE_BUFFER_FIRST`] at once.
pub const SERVICE_BUFFER: usize = 65_536;
/// The buffer of a built-in service before that. It is on the stack: most clients send little, and for them no memory
/// need be mapped.
pub const SERVICE_BUFFER_FIRST: usize = 256;
/// The stack of a new process until it becomes a program.
pub const SPAWN_STACK: usize = 65_536;
/// The number of variables that a program's environment has besides the server's own.
pub const VARIABLES_MAX: usize = 12;
/// The bytes of these variables, with the longest home directory and shell.
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

/// The meaning of the exit status of a child that runs a function, where the server defines it.
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
