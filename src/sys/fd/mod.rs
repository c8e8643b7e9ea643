//! Descriptors.
//!
//! | file | topic |
//! |---|---|
//! | `owned` | [`OwnedFd`], [`BorrowedFd`], [`AsFd`], `close()` |
//! | `io` | `read()` and `write()` |
//! | `table` | duplicates, pipes, and the flags of a descriptor |

mod io;
mod owned;
mod table;

pub(crate) use io::all_of;
pub use io::{lseek, read, read_all, write, write_all, write_back};
pub(crate) use owned::ret_owned_fd;
pub use owned::{AsFd, BorrowedFd, IntoFd, OwnedFd, STDERR, STDIN, STDOUT, close};
pub use table::{
    PipeFlags, close_range_on_exec, dup, dup2, fcntl_dupfd_cloexec, is_open, isatty, keep_on_exec, pipe, pipe2,
    set_blocking, set_close_on_exec, set_close_on_exec_each, set_nonblocking,
};
