//! Safe wrappers of C functions, one topic a file. The crate's root exports each of these modules under its own name.

mod conv;
pub mod errno;
pub mod fd;
mod flags;
pub mod fs;
pub mod memory;
pub mod namespace;
pub mod net;
mod pid;
pub mod poll;
pub mod process;
pub mod pty;
mod sealed;
pub mod seccomp;
pub mod signal;
#[cfg(feature = "std")]
pub(crate) mod std_impls;
pub mod stdio;
pub mod syscall;
pub mod syslog;
mod threads;
pub mod time;
pub mod user;
