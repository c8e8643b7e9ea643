//! The table of descriptors: duplicates, pipes, and the flags of a descriptor.

use core::ffi::{c_int, c_uint};

use crate::ffi;
use crate::ffi::fcntl as c;
use crate::sys::conv::{ret, ret_c_int};
use crate::sys::errno::Result;
use crate::sys::fd::owned::{AsFd, BorrowedFd, OwnedFd, ret_owned_fd};
use crate::sys::flags::flags;

/// `fcntl(fd, F_DUPFD_CLOEXEC, least)`: another descriptor of the same, the first that is free from this number on,
/// which no program inherits.
///
/// Async-signal-safe: yes.
///
/// # Errors
/// `EMFILE` when none is left; `EINVAL` when the number is negative, or above what the process may have open.
///
/// # References
/// fcntl(2), POSIX
pub fn fcntl_dupfd_cloexec(fd: impl AsFd, least: c_int) -> Result<OwnedFd> {
    // SAFETY: the call has no precondition on memory.
    let new = unsafe { c::fcntl(fd.as_fd().raw(), c::F_DUPFD_CLOEXEC, least) };
    // SAFETY: the descriptor was made just now.
    unsafe { ret_owned_fd(new) }
}

/// `dup()`: another descriptor of the same open file, the lowest number that is free. A program inherits it.
///
/// Async-signal-safe: yes.
///
/// # Errors
/// `EMFILE` when no descriptor is left, `EBADF`.
///
/// # References
/// dup(2), POSIX
pub fn dup(fd: impl AsFd) -> Result<OwnedFd> {
    // SAFETY: the call has no precondition on memory.
    let new = unsafe { ffi::unistd::dup(fd.as_fd().raw()) };
    // SAFETY: the descriptor was made just now.
    unsafe { ret_owned_fd(new) }
}

/// `dup2()`: makes `onto` another descriptor of the same open file as `fd`. What it referred to before is closed. A
/// program inherits it.
///
/// The owner of `onto` keeps it, so the call cannot take a descriptor away from another owner.
///
/// Async-signal-safe: yes.
///
/// # Errors
/// `EBADF` when `fd` is not open; `onto` is as before.
///
/// # References
/// dup2(2), POSIX
pub fn dup2(fd: impl AsFd, onto: &mut OwnedFd) -> Result<()> {
    // SAFETY: the caller owns the descriptor that is replaced.
    ret_c_int(unsafe { ffi::unistd::dup2(fd.as_fd().raw(), onto.raw()) }).map(|_| ())
}

flags! {
    /// `O_…`: what both ends of a new pipe are given by [`pipe2`].
    PipeFlags(c_int) from c {
        /// `O_CLOEXEC`: the descriptors are closed when the process runs another program.
        CLOEXEC = O_CLOEXEC,
        /// `O_NONBLOCK`: calls fail with `EAGAIN` instead of waiting.
        NONBLOCK = O_NONBLOCK,
    }
}

/// `pipe()`: makes a pipe. What is written to the second descriptor is read from the first.
///
/// Async-signal-safe: yes.
///
/// # Errors
/// `EMFILE`, `ENFILE` when no descriptor is left.
///
/// # References
/// pipe(2), POSIX
pub fn pipe() -> Result<(OwnedFd, OwnedFd)> {
    // SAFETY: the pointer is to room for two descriptors.
    pipe_with(|fds| unsafe { ffi::unistd::pipe(fds) })
}

/// `pipe2()`: [`pipe`] with flags for both descriptors.
///
/// Async-signal-safe: yes.
///
/// # Errors
/// As [`pipe`].
///
/// # References
/// pipe2(2), POSIX 2024
pub fn pipe2(flags: PipeFlags) -> Result<(OwnedFd, OwnedFd)> {
    // SAFETY: the pointer is to room for two descriptors.
    pipe_with(|fds| unsafe { ffi::unistd::pipe2(fds, flags.raw()) })
}

/// The descriptors that `make` fills in.
fn pipe_with(make: impl FnOnce(*mut c_int) -> c_int) -> Result<(OwnedFd, OwnedFd)> {
    let mut fds = [-1; 2];
    ret(make(fds.as_mut_ptr()))?;
    // SAFETY: the call has made them just now.
    Ok(fds.map(|fd| unsafe { OwnedFd::from_raw(fd) }).into())
}

/// `isatty()`: whether a descriptor is a terminal.
///
/// Async-signal-safe: yes.
///
/// # References
/// isatty(3), POSIX
#[must_use]
pub fn isatty(fd: impl AsFd) -> bool {
    // SAFETY: the call has no precondition on memory.
    unsafe { ffi::unistd::isatty(fd.as_fd().raw()) == 1 }
}

/// `fcntl(fd, F_GETFD)`: whether a descriptor of this number is open.
///
/// Async-signal-safe: yes.
///
/// # References
/// fcntl(2), POSIX
#[must_use]
pub fn is_open(fd: BorrowedFd<'_>) -> bool {
    // SAFETY: the call has no precondition on memory.
    unsafe { c::fcntl(fd.raw(), c::F_GETFD) != -1 }
}

/// `fcntl(fd, F_SETFL, … | O_NONBLOCK)`: makes calls fail with `EAGAIN` instead of waiting, in every process that has
/// the open file.
///
/// Async-signal-safe: yes.
///
/// # Errors
/// `EBADF`.
///
/// # References
/// fcntl(2), POSIX
pub fn set_nonblocking(fd: impl AsFd) -> Result<()> {
    change_flags(fd, |flags| flags | c::O_NONBLOCK)
}

/// `fcntl(fd, F_SETFL, … & ~O_NONBLOCK)`: makes calls wait again, in every process that has the open file.
///
/// Async-signal-safe: yes.
///
/// # Errors
/// `EBADF`.
///
/// # References
/// fcntl(2), POSIX
pub fn set_blocking(fd: impl AsFd) -> Result<()> {
    change_flags(fd, |flags| flags & !c::O_NONBLOCK)
}

fn change_flags(fd: impl AsFd, change: impl FnOnce(c_int) -> c_int) -> Result<()> {
    // SAFETY: the call has no precondition on memory.
    let flags = ret_c_int(unsafe { c::fcntl(fd.as_fd().raw(), c::F_GETFL) })?;
    // SAFETY: as above.
    ret(unsafe { c::fcntl(fd.as_fd().raw(), c::F_SETFL, change(flags)) })
}

/// `fcntl(fd, F_SETFD, FD_CLOEXEC)`: closes the descriptor when this process runs another program.
///
/// Async-signal-safe: yes.
///
/// # Errors
/// `EBADF`.
///
/// # References
/// fcntl(2), POSIX
pub fn set_close_on_exec(fd: impl AsFd) -> Result<()> {
    // SAFETY: the call has no precondition on memory.
    ret(unsafe { c::fcntl(fd.as_fd().raw(), c::F_SETFD, c::FD_CLOEXEC) })
}

/// `fcntl(fd, F_SETFD, 0)`: leaves the descriptor open when this process runs another program.
///
/// Async-signal-safe: yes.
///
/// # Errors
/// `EBADF`.
///
/// # References
/// fcntl(2), POSIX
pub fn keep_on_exec(fd: impl AsFd) -> Result<()> {
    // SAFETY: the call has no precondition on memory.
    ret(unsafe { c::fcntl(fd.as_fd().raw(), c::F_SETFD, 0) })
}

/// `close_range(first, ~0, CLOSE_RANGE_CLOEXEC)`: has every descriptor from `first` on closed when this process runs
/// another program; until then they stay open.
///
/// Async-signal-safe: yes.
///
/// # Errors
/// `ENOSYS`, `EINVAL` on a kernel before 5.11; `ENOSYS`, `EPERM` where a filter of system calls does not know it.
///
/// # References
/// close_range(2)
pub fn close_range_on_exec(first: c_uint) -> Result<()> {
    // SAFETY: the call closes nothing now, and what another program has open is no business of this one's owners.
    ret(unsafe { ffi::unistd::close_range(first, c_uint::MAX, ffi::unistd::CLOSE_RANGE_CLOEXEC as c_int) })
}

/// `fcntl(fd, F_SETFD, FD_CLOEXEC)` of every number from `first` on that is below `end` and is an open descriptor's.
///
/// Async-signal-safe: yes.
///
/// # References
/// fcntl(2), POSIX
pub fn set_close_on_exec_each(first: c_uint, end: c_uint) {
    for number in first..end {
        let Ok(number) = c_int::try_from(number) else { break };
        // The call fails only for a number that is not open.
        // SAFETY: the call has no precondition on memory, and what another program has open is no business of this
        // one's owners.
        unsafe { ffi::fcntl::fcntl(number, ffi::fcntl::F_SETFD, ffi::fcntl::FD_CLOEXEC) };
    }
}
