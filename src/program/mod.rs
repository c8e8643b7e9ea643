//! The frame of a program without std: entry, arguments, title, options, text.
//!
//! | file | content |
//! |---|---|
//! | `start` | [`main!`](crate::main!), and the panic handler |
//! | `args` | [`Args`], `atoi()` |
//! | `title` | [`Title`]: the title that `ps` shows |
//! | `getopt` | `getopt_long()` |
//! | `options` | [`OptionTable`](options::OptionTable): options and their `--help`, by `getopt_long()` |
//! | `text` | [`Text`](text::Text): formatting without an allocator |
//!
//! # Example
//! ```no_run
//! # /* The panic handler and the entry point of a program without std, which a doc test is not.
//! #![no_std]
//! #![no_main]
//!
//! mpserv::main!(print_own_name);
//! # */
//! use core::ffi::c_int;
//! use mpserv::fd::{STDOUT, write_all};
//! use mpserv::program::Args;
//!
//! fn print_own_name(args: Args) -> c_int {
//!     c_int::from(write_all(STDOUT, args.program().to_bytes()).is_err())
//! }
//! ```

mod args;
pub mod getopt;
pub mod options;
mod start;
pub mod text;
mod title;

pub use args::{Args, Argument, atoi};
pub use start::{end, panicked, run};
pub use title::Title;
