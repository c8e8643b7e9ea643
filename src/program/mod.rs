//! The frame of a program without std: entry, arguments, title, options, text.
//!
//! | file | topic |
//! |---|---|
//! | `start` | [`main!`](crate::main!), and what a panic does |
//! | `args` | [`Args`], `atoi()` |
//! | `title` | [`Title`]: what `ps` shows |
//! | `getopt` | `getopt_long()` |
//! | `options` | [`OptionTable`](options::OptionTable): options and their `--help`, by `getopt_long()` |
//! | `text` | [`Text`](text::Text): formatting without an allocator |

mod args;
pub mod getopt;
pub mod options;
mod start;
pub mod text;
mod title;

pub use args::{Args, Argument, atoi};
pub use start::{end, panicked, run};
pub use title::Title;
