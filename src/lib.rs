//! The classic Unix multi-process server, one process per connection, on raw libc and nothing else.
//!
//! Three layers, each of which imports only from those below it:
//!
//! | layer | modules | what it is |
//! |---|---|---|
//! | programs | `src/bin` | the textbook programs, each beside the C program it is compared with |
//! | safe wrappers | [`errno`], [`fd`], [`net`], [`process`], [`signal`], [`stdio`], [`time`], [`program`] | sound whatever safe code calls them with; each makes the one system call of its C function |
//! | C | [`ffi`] | the C API, name for name, proved against the system's headers |
//!
//! Nothing here allocates, and nothing retries a call behind the caller's back: a program written with this library
//! makes the system calls that its source names, and no others.
#![no_std]

pub mod capability;
mod conv;
pub mod errno;
pub mod fd;
pub mod ffi;
pub mod file;
pub mod getopt;
pub mod memory;
pub mod net;
pub mod netdb;
mod open_set;
pub mod poll;
pub mod prctl;
pub mod process;
pub mod program;
pub mod resource;
pub mod seccomp;
pub mod server;
pub mod signal;
pub mod stdio;
pub mod syscall;
pub mod syslog;
pub mod text;
pub mod time;
pub mod user;
