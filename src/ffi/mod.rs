//! The C API as it is: one module per header, at the header's own path.
//!
//! `<sys/socket.h>` is [`sys::socket`], `<unistd.h>` is [`unistd`]: whoever knows where a call
//! lives in C finds it here, under its C name, with C's types and C's return value, and no logic.
//! What the `libc` crate has is re-exported; only what it lacks is declared.
//!
//! Each item's docs begin with its C form, in the words of its man page. These forms are the
//! specification: from them the build makes a C file and a Rust file, so that the system's headers
//! check every one of them, and the tests compare every signature, constant, size and offset with
//! what C says.

#![allow(non_camel_case_types, non_upper_case_globals)]

pub mod arpa;
pub mod errno;
pub mod fcntl;
pub mod getopt;
pub mod grp;
pub mod linux;
pub mod net;
pub mod netdb;
pub mod netinet;
pub mod poll;
pub mod pwd;
pub mod sched;
pub mod signal;
pub mod stdio;
pub mod stdlib;
pub mod string;
pub mod sys;
pub mod syslog;
pub mod time;
pub mod unistd;
pub mod wordexp;
