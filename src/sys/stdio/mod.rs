//! `<stdio.h>`: C's own streams, so that a program makes the same writes as its C twin. On a terminal, each line is
//! written at once. To a pipe or a file, full blocks are written. A child that inherits text in a buffer writes this
//! text a second time.
//!
//! [`printf!`](crate::printf!) calls C's `printf()`. The compiler checks its format against its arguments.
//!
//! # In a signal handler
//! stdio is not async-signal-safe: a handler that interrupts stdio finds a stream half changed. The functions here note
//! when they are inside stdio. If a handler has interrupted one of them, the functions that print write the text
//! directly to the descriptor. The other functions do nothing and return an error. If a handler has interrupted
//! anything else, all functions work as usual.
//!
//! A process has one such note. While one thread is inside stdio, the functions work in other threads as in such a
//! handler. So a program with threads must call these functions in one thread only.
//!
//! | file | content |
//! |---|---|
//! | `stream` | `stdin`, `stdout`, `stderr`; `fputs()`, `fgets()`, `fflush()`, `perror()` |
//! | `format` | `printf()`, `fprintf()`, `snprintf()` |
//! | `direct` | prints without stdio |
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
