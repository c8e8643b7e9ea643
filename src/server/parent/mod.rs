//! The parent: it accepts clients, starts a child for each, and reaps the children.
//!
//! To follow the parent, read its files in this order:
//!
//! | file | content |
//! |---|---|
//! | `state.rs` | [`Parent`]: the state of the parent |
//! | `event_loop.rs` | the main loop: timers, accept, wait, signals |
//! | `accept.rs` | from a client that waits to a child that serves the client |
//! | `pause.rs` | the reasons for which the parent does not accept: resource shortages, `--max-children`, `--max-rate` (counted in `rate.rs`) |
//! | `reap.rs` | SIGCHLD: children that have ended |
//! | `timers.rs` | everything that happens at a certain time |
//! | `pool.rs`, `pool_size.rs` | preforked children: makes and retires them; computes their number |
//! | `reload.rs`, `successor.rs` | SIGHUP: the rules are read again; SIGUSR2: a successor is started and takes over |
//! | `stop.rs` | SIGTERM, SIGINT and SIGQUIT: from the signal to the last child |
//! | `closing.rs` | closes connections without waiting |
//! | `headers.rs` | connections whose PROXY header does not come |
//! | `publisher.rs`, `status.rs` | reports of the server's state to the service manager, `ps` and the log |
//! | `groups.rs` | process groups that have outlived their child |
//! | `children.rs`, `group_table.rs` | tables of a fixed size: children, and their groups |
//! | `map.rs`, `sources.rs`, `rule_counts.rs` | tables of a fixed size: any keys, clients by source, clients by rule |
//! | `rate.rs` | the times of the last connections |
//!
//! The signals that the parent obeys are always blocked, and read from a descriptor. So no signal interrupts a call,
//! and a signal that comes just before the wait ends the wait. A child need not remove any handler.

mod accept;
mod children;
mod closing;
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

#[cfg(test)]
mod tests;

pub use state::Stopped;
pub(super) use state::{Parent, Start};
