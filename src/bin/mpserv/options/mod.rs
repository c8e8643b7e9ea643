//! The command line of `mpserv`.
//!
//! | file | content |
//! |---|---|
//! | `table.rs` | every option: its names, its argument, its line of `--help` |
//! | `parse.rs` | the effect of each option, and the options that exclude each other |
//! | `value.rs` | the argument of an option: numbers, times, words |
#![allow(clippy::result_large_err, reason = "an error has its text with it, as there is no allocator")]

mod parse;
mod table;
mod value;

pub(crate) use parse::{MESSAGE_MAX, Plan, Task, parse};
pub(crate) use table::Help;
pub(crate) use value::{LINE_MAX, Wrong};
