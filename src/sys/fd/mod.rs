//! Descriptors.
//!
//! | file | content |
//! |---|---|
//! | `owned` | [`OwnedFd`], [`BorrowedFd`], [`AsFd`], `close()` |
//! | `io` | `read()` and `write()` |
//! | `table` | duplicates, pipes, and the flags of a descriptor |
//!
//! # A whole program
//! ```
//! use mpserv::fd::{PipeFlags, STDOUT, dup, isatty, pipe2, read_all, write_all};
//!
//! /// Sends a line through a pipe to a copy of standard output. Each descriptor is closed at the end of its scope.
//! fn main() -> mpserv::errno::Result<()> {
//!     let (reader, writer) = pipe2(PipeFlags::CLOEXEC)?;
//!     write_all(&writer, b"through a pipe\n")?;
//!     // Close the last writer, so that the reader finds the end of the pipe.
//!     drop(writer);
//!     let mut buffer = [0; 64];
//!     let text = read_all(&reader, &mut buffer)?;
//!     let output = dup(STDOUT)?;
//!     if isatty(&output) {
//!         write_all(&output, b"on a terminal: ")?;
//!     }
//!     write_all(&output, text)
//! }
//! ```

mod io;
mod owned;
mod table;

pub(crate) use io::all_of;
pub use io::{lseek, read, read_all, write, write_all, write_back};
pub use owned::{AsFd, BorrowedFd, IntoFd, OwnedFd, STDERR, STDIN, STDOUT, close};
pub(crate) use owned::{close_for_good, replace_for_good, ret_owned_fd};
pub(crate) use table::free_numbers;
pub use table::{
    PipeFlags, close_range_on_exec, dup, dup2, fcntl_dupfd_cloexec, is_open, isatty, keep_on_exec, pipe, pipe2,
    set_blocking, set_close_on_exec, set_close_on_exec_each, set_nonblocking,
};
