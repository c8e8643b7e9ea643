//! `<stdio.h>`: C's own streams, so that a program writes when its C twin writes: by line on a terminal, in full
//! blocks to a pipe or a file, and once more in a child that inherited what was not written yet.
//!
//! [`printf!`](crate::printf!) calls C's `printf()`. Its format is checked against its arguments when it is compiled.
//!
//! # In a signal handler
//! stdio is not async-signal-safe: a handler that interrupts it finds a stream half changed. The functions here note
//! when they are inside stdio. Called by a handler that interrupted one of them, those that print write their text to
//! the descriptor themselves, at once, and the others do nothing and say so; called by a handler that interrupted
//! anything else, they do what they always do.
//!
//! A process has one such note: while one thread is inside stdio, the functions do in the others as in such a handler.
//! So a program with threads leaves these functions to one of them.
//!
//! | file | topic |
//! |---|---|
//! | `stream` | `stdin`, `stdout`, `stderr`; `fputs()`, `fgets()`, `fflush()`, `perror()` |
//! | `format` | `printf()`, `fprintf()`, `snprintf()` |
//! | `direct` | printing past stdio |
//!
//! # Example
//! ```
//! use mpserv::printf;
//! use mpserv::stdio::{fflush, stdout};
//!
//! printf!("%s has %d lines\n", c"file", 3);
//! assert_eq!(fflush(stdout()), 0);
//! ```

mod direct;
mod format;
mod stream;

pub use direct::Direct;
pub use format::{Argument, Arguments, Format, fprintf, printf, snprintf};
pub(crate) use stream::close_to_handlers;
pub use stream::{EOF, Stream, fflush, fgets, fputc, fputs, perror, stderr, stdin, stdout, until_nul};
