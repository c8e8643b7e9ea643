//! The C API as it is: one module per header, at the header's own path.
//!
//! `<sys/socket.h>` is [`sys::socket`], `<unistd.h>` is [`unistd`]: a call is in the module
//! of its header in C, under its C name, with C's types and C's return value, and no logic.
//! Items of the `libc` crate are re-exported; only missing items are declared.
//!
//! Each item's docs begin with its C form, in the words of its man page. These forms are a
//! specification that is checked on every machine that runs the tests: the C compiler refuses a
//! form that its headers have otherwise, rustc refuses an item that is not as its form, and what
//! compilers cannot tell is compared: every constant, size and offset, macros over all statuses
//! that a child can end with, and where in the C library each function is.
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
pub mod wordexp;
