//! The server: one process per connection, which runs a function or a program.
//!
//! ```no_run
//! use mpserv::server::{Connection, HandlerError, Server};
//!
//! fn greet(connection: Connection) -> Result<(), HandlerError> {
//!     let mut line = [0; 80];
//!     connection.write_all(b"Who are you?\r\n")?;
//!     let length = connection.read(&mut line)?;
//!     connection.write_all(b"Hello, ")?;
//!     connection.write_all(&line[..length])?;
//!     Ok(())
//! }
//!
//! Server::new().listen("127.0.0.1:5000").max_children(100).serve(greet)?;
//! # Ok::<(), mpserv::server::Error>(())
//! ```
//!
//! `serve` returns when the process gets SIGTERM, SIGINT or SIGQUIT and the children have ended. The function runs in a
//! new process for each connection. The function may panic, never end, or write to a null pointer there: no other
//! connection is affected. When the function returns, the child ends by `_exit()`, so flush the output of std or C in
//! the function.
//!
//! # The process
//! While `serve` runs, the signals TERM, INT, QUIT, HUP, USR1, USR2 and CHLD are blocked and belong to the server. If
//! SIGHUP was ignored, it stays ignored. SIGPIPE, SIGXFSZ and SIGTTOU are ignored, and SIGCHLD has its default action,
//! also in children that run a function. These children have the signal mask from before `serve`. A preforked child
//! also has a handler for SIGUSR2, which is not blocked there, and a child in the sandbox has a handler for SIGSYS.
//! If a close may wait, SIGALRM and the timer of `alarm()` and `setitimer()` belong to the server as well. A close may
//! wait if a function or a program serves, but not in preforked children, and with a Unix socket. An earlier timer
//! stands still meanwhile. Also for a write to a terminal, the server uses SIGALRM and that timer. Afterwards the
//! action, the timer and a pending SIGALRM are as before. A SIGALRM that a process sends meanwhile is lost.
//! Every child of the process is reaped, even a child that the server has not made, and each process that the process
//! traces is killed when it stops. A process that has other threads cannot serve: [`Error`] says so.
//!
//! | signal | the server's action |
//! |---|---|
//! | TERM, INT | stops listening at once, and lets the children end for the time of [`grace`](Server::grace). Then the server sends the children TERM, and after 5 seconds KILL. A second signal skips the wait |
//! | QUIT | sends the children TERM now |
//! | HUP | reads the [rules](Server::rules) again |
//! | USR2 | starts the program anew and hands over to it, if [`restart`](Server::restart) is set, [`chroot`](Server::chroot) is not, and the server is not PID 1 |
//! | USR1 | logs the status |
//!
//! # The log
//! Each event is one line on standard error, or in syslog: `mpserv: EVENT name=value ...`. Each kind of trouble is
//! logged at most once a second. A line with a `count` stands for this many events. A last line, with `why` and `count`
//! alone, stands for the events that came after the previous line. A preforked child counts the clients that it refuses
//! for itself. With [`proxy_protocol`](Server::proxy_protocol) alone each refused client is a line.
//!
//! | event | when, and its fields |
//! |---|---|
//! | `listen` | a socket listens: `address`; the `backlog`, unless the socket was passed to this process; if the kernel allows less, the backlog that the user `asked` for, with a `hint` |
//! | `skip` | an address of a host is left out, because the system does not have it: `address`, `error`, `hint` |
//! | `start` | the server serves: `pid`, `limit`, a `warning` if the server runs as root |
//! | `accept` | a child begins to serve: `pid`, `from`, the proxy (`by`), `children` with this child, `limit` |
//! | `end` | a child has ended: `pid`, `from`, `exit` and its `meaning`, or `signal`, the `error` of a handler, the `seconds` of its life, `children` that are left |
//! | `refuse` | a client was refused: `from`, `why`, `from_source`, `count` |
//! | `pause` | the server stops accepting: `why` is a limit, with the `children`, or the call that failed, with its `error` and a `hint`; `count` |
//! | `resume` | the server accepts again: `why` it did not, and the `seconds` of the pause |
//! | `lifetime` | a child has lived for as long as it may: `pid`, `from` |
//! | `group` | processes that a child has left in its process group have lived for too long: the `group`, `from`, the `signal` that they get |
//! | `fail` | a program could not be run, a call failed unexpectedly, or a successor has failed after the handover: `call`, `error`, `hint`, `pid`, `from`, `count` |
//! | `status` | SIGUSR1 came: `children`, `limit`, `serving`, `accepted`, `refused`, `ended`, `uptime`, `paused`, `stopping` |
//! | `child` | SIGUSR1 came, and details are logged. There is a line for each child: `pid`, `state`, `from`, `served`, `seconds` |
//! | `stop` | the server was told to stop: `signal`, `sender`, `uid`, `children`, `grace` |
//! | `stopped` | the server has stopped: `drained`, `terminated`, `killed`, `accepted`, `seconds` |
//! | `abort` | a detail: a connection was gone before it was accepted: `error`, `count` |
//! | `orphan` | a detail: a process was reaped that was no child of the server: `pid` |
//! | `reload` | SIGHUP came and changed nothing: `why` |
//! | `rules` | the rules were read again: the number of `rules`, or the `error` and a `hint` |
//! | `restart` | a successor was started: its `pid` and `program`; or the successor has failed: `error`, `hint`; or the reason why SIGUSR2 was `refused` |
//! | `handover` | the successor (`by`) is ready. This server serves the clients that it has: `children` |
//! | `violation` | the sandbox has ended a child: `pid`, `from`, the `call` that it made |
//! | `traced` | a child has made the server its tracer, which would keep signals from the child, and gets SIGKILL: `pid` |
//! | `leave` | a preforked child has ended without a client: `pid`, `status`, `meaning`, the `seconds` of its life, the `pause` before the next child is made |
//! | `lost` | the number of `lines` of the server and its children before this line that could not be written |
//!
//! # The source
//! | file | content |
//! |---|---|
//! | `builder.rs`, `settings.rs` | [`Server`]: the settings, their defaults, their conflicts |
//! | `bound.rs` | [`Bound`]: listens, announces, serves |
//! | `parent/` | the parent: its loop, which accepts, reaps, keeps time and stops |
//! | `child/` | the children: a function, a preforked process, a program |
//! | `listener/`, `address.rs`, `descriptors.rs` | sockets that listen, and the other descriptors of the server |
//! | `connection.rs`, `service.rs` | a connection and its client; the built-in services |
//! | `admission.rs`, `source.rs`, `rules.rs`, `proxy_protocol.rs` | which clients are served |
//! | `scoreboard.rs`, `status.rs` | the state of each child, and `--status` |
//! | `log/` | the log: every event, its format, its throttle |
//! | `privileges.rs`, `sandbox.rs` | rights that are given up |
//! | `signals.rs` | the signals of the process while it serves |
//! | `systemd.rs`, `inherited.rs` | the service manager; sockets that are passed on |
//! | `pidfile.rs`, `own_file.rs`, `path.rs` | files of the server, and their paths |
//! | `limits.rs`, `error.rs`, `handler_error.rs` | numbers; errors of the server; errors of a handler |
//! | `in_time.rs` | bounds the time of a call that may wait |

#![allow(
    clippy::result_large_err,
    clippy::large_enum_variant,
    reason = "an error has its text with it, as there is no allocator; none is on a hot path"
)]

mod address;
mod admission;
mod bound;
mod builder;
mod child;
mod connection;
mod descriptors;
mod error;
mod handler_error;
mod in_time;
mod inherited;
mod keep_from_programs;
pub mod limits;
mod listener;
mod log;
mod orders;
mod own_file;
mod parent;
mod path;
mod pidfile;
mod privileges;
pub mod proxy_protocol;
pub mod rules;
mod sandbox;
mod scoreboard;
mod service;
mod settings;
mod signals;
mod source;
mod start;
pub mod status;
#[cfg(feature = "std")]
mod std_impls;
mod systemd;

pub use bound::Bound;
pub use builder::Server;
pub use child::Outcome;
pub use connection::{Connection, Peer};
pub use error::{Error, Result};
pub use handler_error::HandlerError;
pub use inherited::{Inherited, is_successor};
pub use keep_from_programs::keep_from_programs;
pub use log::{LogFormat, LogTime, Verbosity};
pub use parent::Stopped;
pub use privileges::Identity;
pub use service::Service;
