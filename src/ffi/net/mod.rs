//! `<net/...>`: network interfaces.

#[path = "if.rs"]
pub mod if_;
