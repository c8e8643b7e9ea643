//! The parent: it accepts clients, starts a child for each, and reaps the children.
//!
//! To follow the parent, read its files in this order:
//!
//! | file | what is in it |
//! |---|---|
//! | `state.rs` | [`Parent`] and everything that it knows |
//! | `event_loop.rs` | the loop: timers, accept, wait, signals |
//! | `accept.rs` | from a client that waits to a child that serves it |
//! | `pause.rs` | what keeps the parent from accepting: resource shortages, `--max-children`, `--max-rate` (counted in `rate.rs`) |
//! | `reap.rs` | SIGCHLD: children that have ended |
//! | `timers.rs` | everything that happens at a certain time: when, and what |
//! | `pool.rs`, `pool_size.rs` | preforked children: making and retiring them; how many there should be |
//! | `reload.rs`, `successor.rs` | SIGHUP: the rules are read again; SIGUSR2: a successor is started and takes over |
//! | `stop.rs` | SIGTERM and its like: from the signal to the last child |
//! | `headers.rs` | connections whose PROXY header does not come |
//! | `publisher.rs`, `status.rs` | what the service manager, `ps` and the log are told of the server's state |
//! | `groups.rs` | process groups that have outlived their child |
//! | `children.rs`, `group_table.rs` | tables of a fixed size: children, and their groups |
//! | `map.rs`, `sources.rs`, `rule_counts.rs` | tables of a fixed size: any keys, clients by source, clients by rule |
//! | `rate.rs` | the times of the last connections |
//!
//! The signals that the parent obeys are blocked from the start to the end, and read from a descriptor. So no signal
//! interrupts anything, a signal that comes just before the wait ends the wait, and a child has no handler to put back.

mod accept;
mod children;
mod event_loop;
mod group_table;
mod groups;
mod headers;
mod map;
mod pause;
mod pool;
mod pool_size;
mod publisher;
mod rate;
mod reap;
mod reload;
mod rule_counts;
mod sources;
mod state;
mod status;
mod stop;
mod successor;
mod timers;

pub use state::Stopped;
pub(super) use state::{Parent, Start};
