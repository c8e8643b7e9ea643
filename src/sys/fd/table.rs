//! The table of descriptors: duplicates, pipes, and the flags of a descriptor.

use core::ffi::{c_int, c_uint};

use crate::ffi;
use crate::ffi::fcntl as c;
use crate::sys::conv::{ret, ret_c_int};
use crate::sys::errno::{Errno, Result};
use crate::sys::fd::owned::{AsFd, BorrowedFd, OwnedFd, ret_owned_fd};
use crate::sys::flags::flags;

/// `fcntl(fd, F_DUPFD_CLOEXEC, least)`: makes another descriptor of the same open file, with the lowest free number
/// from `least` on. A program does not inherit the new descriptor.
///
/// Async-signal-safe: yes.
///
/// # Errors
/// `EMFILE` when no descriptor is left. `EINVAL` when `least` is negative, or above the limit of the process.
///
/// # References
/// fcntl(2), POSIX
pub fn fcntl_dupfd_cloexec(fd: impl AsFd, least: c_int) -> Result<OwnedFd> {
    // SAFETY: the call has no precondition on memory.
    let new = unsafe { c::fcntl(fd.as_fd().raw(), c::F_DUPFD_CLOEXEC, least) };
    // SAFETY: the descriptor was made just now.
    unsafe { ret_owned_fd(new) }
}

/// `dup()`: makes another descriptor of the same open file, with the lowest free number. A program inherits the new
/// descriptor.
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

/// `dup2()`: makes `onto` another descriptor of the same open file as `fd`. The file to which `onto` referred before is
/// closed. A program inherits `onto`.
///
/// The call needs the owner of `onto`, so it cannot take a descriptor away from another owner.
///
/// Async-signal-safe: yes.
///
/// # Errors
/// `EBADF` when `fd` is not open. Then `onto` is unchanged.
///
/// # References
/// dup2(2), POSIX
pub fn dup2(fd: impl AsFd, onto: &mut OwnedFd) -> Result<()> {
    // SAFETY: the caller owns the descriptor that is replaced.
    ret_c_int(unsafe { ffi::unistd::dup2(fd.as_fd().raw(), onto.raw()) }).map(|_| ())
}

flags! {
    /// `O_…`: flags for both ends of a new pipe, for [`pipe2`].
    PipeFlags(c_int) from c {
        /// `O_CLOEXEC`: the descriptors are closed when the process runs another program.
        CLOEXEC = O_CLOEXEC,
        /// `O_NONBLOCK`: calls fail with `EAGAIN` instead of waiting.
        NONBLOCK = O_NONBLOCK,
    }
}

/// `pipe()`: makes a pipe. The first descriptor reads the bytes that are written to the second descriptor.
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

/// `pipe2()`: makes a pipe as [`pipe`] does, with flags for both descriptors.
///
/// Async-signal-safe: yes.
///
/// # Errors
/// Fails as [`pipe`] does.
///
/// # References
/// pipe2(2), POSIX 2024
pub fn pipe2(flags: PipeFlags) -> Result<(OwnedFd, OwnedFd)> {
    // SAFETY: the pointer is to room for two descriptors.
    pipe_with(|fds| unsafe { ffi::unistd::pipe2(fds, flags.raw()) })
}

/// Returns the descriptors that `make` fills in.
fn pipe_with(make: impl FnOnce(*mut c_int) -> c_int) -> Result<(OwnedFd, OwnedFd)> {
    let mut fds = [-1; 2];
    ret(make(fds.as_mut_ptr()))?;
    // SAFETY: the call has just made these descriptors.
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

/// `fcntl(number, F_GETFD)`: returns the lowest numbers from `least` on that no descriptor has. A call that makes a
/// descriptor takes the lowest number of all that is free.
///
/// Async-signal-safe: yes.
///
/// # Errors
/// None on Linux. Where a filter of system calls does not allow the call, the filter's error.
///
/// # References
/// fcntl(2), POSIX
pub(crate) fn free_numbers<const N: usize>(least: c_int) -> Result<[c_int; N]> {
    let mut free = [-1; N];
    let mut number = least;
    for place in &mut free {
        loop {
            // SAFETY: the call has no precondition on memory.
            match ret_c_int(unsafe { c::fcntl(number, c::F_GETFD) }) {
                Ok(_) => number = number.saturating_add(1),
                Err(Errno::BADF) => break,
                Err(errno) => return Err(errno),
            }
        }
        *place = number;
        number = number.saturating_add(1);
    }
    Ok(free)
}

/// `fcntl(fd, F_SETFL, … | O_NONBLOCK)`: makes calls fail with `EAGAIN` instead of waiting, for every process that has
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

/// `fcntl(fd, F_SETFL, … & ~O_NONBLOCK)`: makes calls wait again, for every process that has the open file.
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
    // SAFETY: the reason above holds here as well.
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

/// `close_range(first, ~0, CLOSE_RANGE_CLOEXEC)`: makes the kernel close every descriptor from `first` on when this
/// process runs another program. Until then the descriptors stay open.
///
/// Async-signal-safe: yes.
///
/// # Errors
/// `ENOSYS`, `EINVAL` on a kernel before 5.11. `ENOSYS`, `EPERM` where a filter of system calls does not allow the
/// call.
///
/// # References
/// close_range(2)
pub fn close_range_on_exec(first: c_uint) -> Result<()> {
    // SAFETY: the call closes nothing now. When another program runs, the owners of these descriptors no longer exist.
    ret(unsafe { ffi::unistd::close_range(first, c_uint::MAX, ffi::unistd::CLOSE_RANGE_CLOEXEC as c_int) })
}

/// `fcntl(fd, F_SETFD, FD_CLOEXEC)`: sets the flag of every open descriptor from `first` on, below `end`.
///
/// Async-signal-safe: yes.
///
/// # References
/// fcntl(2), POSIX
pub fn set_close_on_exec_each(first: c_uint, end: c_uint) {
    for number in first..end {
        let Ok(number) = c_int::try_from(number) else { break };
        // The call fails only for a number that is not open. SAFETY: the call has no precondition on memory. When
        // another program runs, the owners of these descriptors no longer exist.
        unsafe { ffi::fcntl::fcntl(number, ffi::fcntl::F_SETFD, ffi::fcntl::FD_CLOEXEC) };
    }
}

#[cfg(test)]
mod tests;
