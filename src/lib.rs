//! The classic Unix multi-process server, one process per connection, on raw libc and nothing else.
//!
//! | you want to | begin with |
//! |---|---|
//! | write a forking server | [`server::Server`], [the guide](guide::library) |
//! | call C safely: fork, sockets, signals | [`process`], [`net`], [`fd`], [`signal`]: each module shows a whole program |
//! | put a program on a port with `mpserv` | [the guide for operators](guide::server) |
//! | read the textbook programs, or do the exercises | [the guide to them](guide::textbook) |
//! | compare two programs by their system calls | [the guide to `mpserv-audit`](guide::audit) |
//! | know the server's system calls and its speed | [internals](guide::internals), [benchmarks](guide::benchmarks) |
//!
//! A server, whose handler runs in a process of its own for each connection:
//!
//! ```no_run
//! use mpserv::server::Server;
//!
//! Server::new().listen("5000").max_children(100).serve(|connection| {
//!     let mut buffer = [0; 4096];
//!     loop {
//!         match connection.read(&mut buffer)? {
//!             0 => return Ok(()),
//!             length => connection.write_all(&buffer[..length])?,
//!         }
//!     }
//! })?;
//! # Ok::<(), mpserv::server::Error>(())
//! ```
//!
//! The wrappers alone, in the classic order. The program forks, reads a message of the child, waits for the child, and
//! checks its exit status:
//!
//! ```
//! use mpserv::fd::{PipeFlags, pipe2, read_all, write_all};
//! use mpserv::process::{_exit, Fork, fork};
//!
//! let (reader, writer) = pipe2(PipeFlags::CLOEXEC)?;
//! match fork()? {
//!     Fork::Child => {
//!         let status = if write_all(&writer, b"hello").is_ok() { 7 } else { 1 };
//!         _exit(status)
//!     }
//!     Fork::Parent(mut child) => {
//!         // Close the parent's own copy, so that the pipe ends when the child ends.
//!         drop(writer);
//!         let mut buffer = [0; 16];
//!         assert_eq!(read_all(&reader, &mut buffer)?, b"hello");
//!         assert_eq!(child.wait()?.exit_status(), Some(7));
//!     }
//! }
//! # Ok::<(), mpserv::errno::Errno>(())
//! ```
//!
//! # Layers
//! Each layer imports only from the layers below it:
//!
//! | layer | modules | content |
//! |---|---|---|
//! | programs | `src/bin` | `mpserv`, and the textbook programs in `textbook`, each beside its C original |
//! | server | [`server`] | one process per connection, which runs a function or a program |
//! | program | [`program`] | arguments, options and texts |
//! | safe wrappers | [`errno`], [`fd`], [`fs`], [`memory`], [`net`], [`poll`], [`process`], [`signal`], [`stdio`], [`time`] and others | sound for every call from safe code; each makes the system calls of its C function, and states whether it is async-signal-safe |
//! | C | [`ffi`] | the C API, name for name, proved against the system's headers |
//!
//! The library has no allocator, and a wrapper of one call does not retry it. So a program written with this library
//! makes only the system calls that its source names. The C library allocates inside of some functions: `stdio`,
//! `syslog`, and the look-ups of hosts, users, groups and the time zone.
//!
//! # Features
//! `std` adds three things. The wrappers take the descriptors of std's types, so that you can pass a `TcpStream` to
//! [`poll`](poll::poll) or [`setsockopt`](net::setsockopt). Descriptors and connections convert to and from std's
//! types, and errors to `io::Error`. Connections implement std's `Read` and `Write`.
//! [The guide](guide::library#a-handler-with-std) has an example.
#![no_std]

#[cfg(any(feature = "std", test))]
extern crate std;

pub mod ffi;
pub mod program;
pub mod server;
mod sys;

pub use program::{getopt, options, text};
pub use sys::{
    errno, fd, fs, memory, namespace, net, poll, process, pty, seccomp, signal, stdio, syscall, syslog, time, user,
};

/// Guides, each for one kind of reader.
#[cfg(any(doc, doctest))]
pub mod guide {
    #[doc = include_str!("docs/server.md")]
    pub mod server {}
    #[doc = include_str!("docs/library.md")]
    pub mod library {}
    #[doc = include_str!("docs/textbook.md")]
    pub mod textbook {}
    #[doc = include_str!("docs/audit.md")]
    pub mod audit {}
    #[doc = include_str!("docs/internals.md")]
    pub mod internals {}
    #[doc = include_str!("docs/benchmarks.md")]
    pub mod benchmarks {}
}
