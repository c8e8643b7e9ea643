//! The C API as it is: one module per header, at the header's own path.
//!
//! `<sys/socket.h>` is [`sys::socket`], and `<unistd.h>` is [`unistd`]. Each call is in the module of its header, under
//! its C name, with C's types and C's return value. There is no logic. Items of the `libc` crate are re-exported. Only
//! missing items are declared.
//!
//! Each item's docs begin with its C form, in the words of its man page. These forms are a specification, which the
//! tests check on each machine. The C compiler refuses a form that disagrees with its headers, and rustc refuses an
//! item that disagrees with its form. Facts that compilers cannot check are compared. These facts are every constant,
//! size and offset, macros over all statuses of a child, and the place of each function in the C library.
//!
//! # Example
//! ```
//! use mpserv::ffi::unistd::getpid;
//!
//! // SAFETY: the call has no precondition.
//! assert!(unsafe { getpid() } > 0);
//! ```

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
