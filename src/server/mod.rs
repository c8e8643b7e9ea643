//! The server in earnest: one process per connection, running a function of yours or a program.
//!
//! ```no_run
//! use mpserv::server::{Connection, Server};
//!
//! fn greet(connection: Connection) -> mpserv::errno::Result<()> {
//!     let mut line = [0; 80];
//!     connection.write_all(b"Who are you?\r\n")?;
//!     let length = connection.read(&mut line)?;
//!     connection.write_all(b"Hello, ")?;
//!     connection.write_all(&line[..length])
//! }
//!
//! Server::new().listen("127.0.0.1:5000").max_children(100).serve(greet)?;
//! # Ok::<(), mpserv::server::Error>(())
//! ```
//!
//! `serve` returns when the process gets SIGTERM, SIGINT or SIGQUIT and the children have ended. Each connection is
//! handed to the function in a new process: whatever the function does there, panic, run for ever, write to a null
//! pointer, no other connection notices. The child ends, by `_exit()`, when the function returns: what std's or C's
//! output still holds is to be flushed before.
//!
//! # The process
//! From `serve` on, and until it returns, the signals TERM, INT, QUIT, HUP, USR1, CHLD and PIPE are blocked and belong to the
//! server, SIGCHLD's disposition is the default, and every child of the process is waited for, those that the server
//! has not made included. In a child the signals are as they were before. A process that has other threads cannot
//! serve: [`Error`] says so.
//!
//! | signal | what it does |
//! |---|---|
//! | TERM, INT | stop listening at once, let the children end by themselves for the time of [`grace`](Server::grace), then send them TERM, and after 5 seconds KILL. A second one skips the wait |
//! | QUIT | send the children TERM now |
//! | HUP | read the [rules](Server::rules) again; start the program anew, where [`restart`](Server::restart) says so |
//! | USR1 | log the status |
//!
//! # The log
//! One line an event on standard error, or to syslog, each written with one write: `mpserv: EVENT name=value ...`. What
//! has a `count` stands for as many events of its kind: the same trouble is logged once a second.
//!
//! | event | when, and its fields |
//! |---|---|
//! | `listen` | a socket listens: `address`, `backlog` |
//! | `start` | the server serves: `pid`, `limit` |
//! | `accept` | a child begins to serve: `pid`, `from`, `by` which balancer, `children` with it, `limit` |
//! | `end` | a child has ended: `pid`, `from`, `exit` or `signal`, `seconds` that it lived, `children` without it |
//! | `refuse` | a client was turned away: `from`, `why`, `from_source`, `count` |
//! | `pause`, `resume` | nobody is accepted, `why`: `max-children`, `max-rate`, or the call that failed, with its `error` and a `hint` |
//! | `lifetime` | a child's time is up: `pid`, `from` |
//! | `fail` | a program could not be run, or a call failed that never does: `call`, `error`, `count` |
//! | `status`, `child` | SIGUSR1 came; a line for each child where details are logged |
//! | `stop`, `stopped` | the server was told to stop: `signal`, `sender`, `children`; it has: `drained`, `terminated`, `killed` |
//! | `abort`, `orphan` | details: a connection was gone when it was accepted; a process was waited for that served nobody |
//! | `rules` | they were read again: how many `rules`, or the `error` |
//! | `restart` | another process is to take this one's place: its `pid` and `program`, or the `error` |
//! | `succeeded` | it has, and this one serves the clients that it has: `by`, `children` |
//! | `violation` | a child in the sandbox was ended: `pid`, `from`, the `call` that it made |
//! | `leave` | a child of the pool has ended without a client: `pid`, `status`, `seconds` that it lived, the `pause` before the next is made |
//! | `lost` | so many `lines` before this one could not be written |

#![allow(
    clippy::result_large_err,
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
pub mod inherited;
pub mod limits;
mod listener;
mod log;
mod own_file;
mod parent;
mod pidfile;
mod privileges;
pub mod proxy_protocol;
pub mod rules;
mod sandbox;
mod scoreboard;
mod service;
mod settings;
pub mod status;
#[cfg(feature = "std")]
mod std_impls;
mod systemd;

pub use bound::Bound;
pub use builder::Server;
pub use child::Outcome;
pub use connection::{Connection, Peer};
pub use error::{Error, Result};
pub use inherited::is_successor;
pub use log::{LogFormat, Verbosity};
pub use parent::Stopped;
pub use privileges::Identity;
pub use service::Service;
