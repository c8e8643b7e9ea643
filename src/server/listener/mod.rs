//! The sockets on which a server listens.
//!
//! | file | content |
//! |---|---|
//! | `listeners.rs` | [`Listeners`]: all sockets, bound to addresses or inherited |
//! | `socket.rs` | [`Listener`]: one socket, and its options |
//! | `unix.rs` | the path of a Unix socket: its lock, and a stale file |

mod listeners;
mod socket;
mod unix;

pub(super) use listeners::Listeners;
pub(super) use socket::{Listener, SocketSettings, is_connection_error};
