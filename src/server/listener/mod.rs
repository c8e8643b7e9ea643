//! The sockets on which a server listens.
//!
//! | file | what is in it |
//! |---|---|
//! | `listeners.rs` | [`Listeners`]: all of them, bound to addresses or inherited |
//! | `socket.rs` | [`Listener`]: one of them, and its options |
//! | `unix.rs` | the path of a Unix socket: its lock, and a stale file |

mod listeners;
mod socket;
mod unix;

pub(super) use listeners::Listeners;
pub(super) use socket::{Listener, Shown, SocketSettings, is_connection_error};
