//! The log: one line an event, written with one write.
//!
//! A line is the event's name and its fields: `mpserv: accept pid=12 from=127.0.0.1:40000 children=3 limit=64`. The
//! time stands before the event, unless standard error is a terminal or systemd's journal: see [`LogTime`]. A value
//! that could be mistaken for something else, or is empty, stands in quotes. A value that is too long is cut, and ends
//! in `...`. In quotes, special characters are escaped as `\"`, `\\` and `\u{a}`. In JSON, a line is an object with
//! `time`, in seconds since 1970, `event` and the same fields.
//!
//! | file | content |
//! |---|---|
//! | `writer.rs` | [`Log`]: format, verbosity, writing without waiting for long |
//! | `reader_state.rs` | the state of the log's reader, which the processes of a server share |
//! | `daemon.rs` | the connection to the daemon of the system's log |
//! | `line.rs` | a line: its fields, and their quotes |
//! | `child_end.rs` | how a child ended |
//! | `events.rs` | every event with its fields, one function each |
//! | `timestamp.rs` | the time of a line of text |
//! | `throttle.rs` | repeated trouble is logged once a second |
//! | `reader.rs` | reads the lines, in tests |

mod child_end;
mod daemon;
mod events;
mod line;
mod reader_state;
mod throttle;
mod timestamp;
mod writer;

#[cfg(test)]
pub(super) mod reader;
#[cfg(test)]
mod tests;

pub(super) use child_end::ChildEnd;
pub(super) use events::ServerStatus;
pub(super) use line::Seconds;
pub(super) use throttle::{LogThrottle, Throttled};
pub(super) use writer::Log;
pub use writer::{LogFormat, LogTime, Verbosity};
