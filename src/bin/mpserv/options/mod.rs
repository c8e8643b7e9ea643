//! The command line of `mpserv`.
//!
//! | file | what is in it |
//! |---|---|
//! | `table.rs` | every option, once: its names, its argument, its line of `--help` |
//! | `parse.rs` | what each option does, and which do not go together |
//! | `value.rs` | the argument of an option: numbers, times, words |
#![allow(clippy::result_large_err, reason = "an error has its text with it, as there is no allocator")]

mod parse;
mod table;
mod value;

pub(crate) use parse::{MESSAGE_MAX, Plan, Task, parse};
pub(crate) use table::Help;
pub(crate) use value::{LINE_MAX, Wrong};
