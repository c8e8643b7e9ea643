//! The server's numbers, all of them.

use core::ffi::c_int;
use core::time::Duration;

/// How many children there are at most, unless the server is told otherwise.
pub const MAX_CHILDREN_DEFAULT: u32 = 64;
/// The most that may be asked for: as many processes as Linux can have.
pub const MAX_CHILDREN_LIMIT: u32 = 4_194_304;
/// How many clients the kernel holds until they are accepted, unless the server is told otherwise.
pub const BACKLOG_DEFAULT: u32 = 511;
/// How long a server waits for the lock of a Unix socket's path, which another one has that begins there.
pub const LOCK_WITHIN: Duration = Duration::from_secs(5);
/// How often it tries.
pub const LOCK_RETRY: Duration = Duration::from_millis(10);
/// How many sockets one server listens on.
pub const LISTENERS_MAX: usize = 32;
/// The most connections that a rate may be counted in: each takes 16 bytes.
pub const RATE_LIMIT: u32 = 1_000_000;
/// The longest time that may be asked for: a year and a bit.
pub const SECONDS_LIMIT: u64 = 40_000_000;

/// How long children may go on when the server is told to stop, unless it is told otherwise.
pub const GRACE_DEFAULT: Duration = Duration::from_secs(30);
/// How long a child that got SIGTERM may take to end, before it gets SIGKILL.
pub const KILL_AFTER: Duration = Duration::from_secs(5);
/// How long a client is kept for which there is no process.
pub const CLIENT_KEPT: Duration = Duration::from_secs(5);
/// How often something that failed for lack of something is tried again.
pub const RETRY_EVERY: Duration = Duration::from_millis(100);
/// The same kind of trouble is logged at most once in this time.
pub const THROTTLE_PERIOD: Duration = Duration::from_secs(1);
/// With so many children those that have ended are not all sought at once.
pub const MANY_CHILDREN: u32 = 512;
/// How many of the youngest are asked then whether they have.
pub const YOUNGEST: usize = 16;
/// When all are, at the latest: they hold their slots until then, unless somebody needs one.
pub const REAP_WITHIN: Duration = Duration::from_millis(10);
/// How long a line of the log waits for whoever reads it. Once one has done so in vain, the next ones do not.
pub const LOG_PATIENCE: Duration = Duration::from_secs(1);

/// How many connections are accepted in a row before signals and other listeners are looked at.
pub const ACCEPTS_IN_A_ROW: u32 = 32;
/// How many connections in a row may be gone again when they are accepted, before the server takes a break.
pub const ABORTS_IN_A_ROW: u32 = 64;

/// How long a program may take to get ready that takes this one's place.
pub const READY_WITHIN: Duration = Duration::from_secs(30);
/// How often it is looked at whether there are enough processes ahead of time, and not too many.
pub const POOL_TICK: Duration = Duration::from_secs(1);
/// How long no process is made after one has crashed before it had served anybody; twice as long after the next one.
pub const CRASH_PAUSE: Duration = Duration::from_millis(100);
/// How long at most.
pub const CRASH_PAUSE_MAX: Duration = Duration::from_secs(5);
/// How often at most the service manager is told, and the title shows, how many children there are.
pub const STATUS_EVERY: Duration = Duration::from_secs(1);

/// The longest line of the log. No pipe splits one of up to 4096 bytes (`PIPE_BUF`).
pub const LINE_MAX: usize = 1024;
/// The longest text of an error.
pub const ERROR_MAX: usize = 256;
/// The longest name of a host, as DNS has it, with its NUL.
pub const HOST_MAX: usize = 256;
/// The longest path of a file, with its NUL (`PATH_MAX`).
pub const PATH_MAX: usize = 4096;

/// How much a built-in service reads at once, once a client has said more than [`SERVICE_BUFFER_FIRST`] at once.
pub const SERVICE_BUFFER: usize = 65_536;
/// How much it reads at once before that. It is on the stack, of which a page is in use in any case.
pub const SERVICE_BUFFER_FIRST: usize = 256;
/// The stack on which a new process runs until it becomes a program.
pub const SPAWN_STACK: usize = 65_536;
/// How many variables a program's environment has besides the server's own.
pub const VARIABLES_MAX: usize = 8;
/// How many bytes they have, the longest path of a Unix socket included.
pub const VARIABLES_BYTES: usize = 1024;

/// What a client is told for which there was no process in [`CLIENT_KEPT`].
pub const BUSY_MESSAGE: &str = "The server is busy. Try again later.\r\n";

/// The status of a child whose handler returned nothing, or `Ok`.
pub const EXIT_DONE: c_int = 0;
/// The status of a child whose handler returned an error; of a built-in service: the connection failed.
pub const EXIT_FAILED: c_int = 1;
/// The status of a child of a built-in service whose client was silent for too long.
pub const EXIT_IDLE: c_int = 2;
/// The status of a child that has turned its client away.
pub const EXIT_REFUSED: c_int = 3;
/// The status of a child that could not be set up as it is to be.
pub const EXIT_UNFIT: c_int = 4;
/// The status of a child whose handler panicked and unwound: that of a Rust program.
pub const EXIT_PANICKED: c_int = 101;
