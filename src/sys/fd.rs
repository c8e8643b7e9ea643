//! Descriptors: who owns one, who borrows it, and what can be done with any of them.

use core::ffi::{c_int, c_uint};
use core::marker::PhantomData;

use crate::ffi;
use crate::sys::conv::{ret, ret_c_int, ret_usize};
use crate::sys::errno::{CReturn, Errno, Result, retry_on_intr};
use crate::sys::sealed::Sealed;

/// An open descriptor that is ours alone; dropping it closes it.
#[repr(transparent)]
#[derive(Debug)]
pub struct OwnedFd(c_int);

/// A descriptor that something else keeps open for as long as `'fd`.
#[repr(transparent)]
#[derive(Clone, Copy, Debug)]
pub struct BorrowedFd<'fd>(c_int, PhantomData<&'fd OwnedFd>);

/// Standard input, descriptor 0.
pub const STDIN: BorrowedFd<'static> = BorrowedFd(ffi::unistd::STDIN_FILENO, PhantomData);
/// Standard output, descriptor 1.
pub const STDOUT: BorrowedFd<'static> = BorrowedFd(ffi::unistd::STDOUT_FILENO, PhantomData);
/// Standard error, descriptor 2.
pub const STDERR: BorrowedFd<'static> = BorrowedFd(ffi::unistd::STDERR_FILENO, PhantomData);

impl OwnedFd {
    /// Takes a descriptor that came from elsewhere.
    ///
    /// # Safety
    /// `fd` is open, and nothing else owns it.
    #[must_use]
    pub const unsafe fn from_raw(fd: c_int) -> OwnedFd {
        OwnedFd(fd)
    }

    /// The number of the descriptor, which stays open and ours.
    #[must_use]
    pub const fn raw(&self) -> c_int {
        self.0
    }

    /// The number of the descriptor, which whoever takes it has to close.
    #[must_use]
    pub const fn into_raw(self) -> c_int {
        let fd = self.0;
        core::mem::forget(self);
        fd
    }
}

impl Drop for OwnedFd {
    fn drop(&mut self) {
        // SAFETY: the descriptor is open and ours alone, and nobody sees it after this.
        unsafe { ffi::unistd::close(self.0) };
    }
}

impl BorrowedFd<'_> {
    /// -1, what C holds in place of a descriptor after a call that failed. Every call answers `EBADF` to it.
    pub const NONE: BorrowedFd<'static> = BorrowedFd(-1, PhantomData);

    /// Borrows a descriptor that is known by its number.
    ///
    /// # Safety
    /// `fd` stays open for as long as the lifetime that the caller gives the result.
    #[must_use]
    pub const unsafe fn from_raw(fd: c_int) -> Self {
        BorrowedFd(fd, PhantomData)
    }

    /// The number of the descriptor.
    #[must_use]
    pub const fn raw(self) -> c_int {
        self.0
    }
}

/// Whatever has a descriptor to lend.
pub trait AsFd {
    /// The descriptor, for as long as `self` is borrowed.
    fn as_fd(&self) -> BorrowedFd<'_>;
}

impl AsFd for OwnedFd {
    fn as_fd(&self) -> BorrowedFd<'_> {
        BorrowedFd(self.0, PhantomData)
    }
}

impl AsFd for BorrowedFd<'_> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        *self
    }
}

impl<T: AsFd> AsFd for &T {
    fn as_fd(&self) -> BorrowedFd<'_> {
        (**self).as_fd()
    }
}

/// The descriptor, or C's -1 where the call that should have made it failed: for a program that, as its C original
/// does, lets the next call be the one to fail.
impl AsFd for Result<OwnedFd> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.as_ref().map_or(BorrowedFd::NONE, OwnedFd::as_fd)
    }
}

/// For a function that returns a new descriptor, or -1 with errno set.
///
/// # Safety
/// `returned` came from such a function, and nothing else owns the descriptor.
pub(crate) unsafe fn ret_owned_fd(returned: c_int) -> Result<OwnedFd> {
    // SAFETY: by this function's own contract the descriptor is open and the caller's alone.
    ret_c_int(returned).map(|fd| unsafe { OwnedFd::from_raw(fd) })
}

/// The descriptor, or C's -1 where there is none.
impl<T: AsFd> AsFd for Option<T> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.as_ref().map_or(BorrowedFd::NONE, T::as_fd)
    }
}

/// `read()`: reads what is there, up to the length of `buffer`. 0 is the end.
///
/// # Errors
/// `EINTR` when a signal came first, `EAGAIN` when the descriptor is non-blocking and nothing is there, `ECONNRESET`
/// when the peer reset the connection, `EBADF`, `EISDIR`, `EIO`.
///
/// # References
/// read(2), POSIX
pub fn read(fd: impl AsFd, buffer: &mut [u8]) -> Result<usize> {
    // SAFETY: the buffer is valid for writes of the length that is passed with it.
    ret_usize(unsafe { ffi::unistd::read(fd.as_fd().raw(), buffer.as_mut_ptr().cast(), buffer.len()) })
}

/// `read()`, as often as it takes to read all that there is; again where a signal came first. What of `buffer` was filled
/// is returned: all of it when there may be more than it has room for.
///
/// # Errors
/// As [`read()`], but `EINTR`; some may have been read.
pub fn read_all(fd: impl AsFd, buffer: &mut [u8]) -> Result<&mut [u8]> {
    let mut length = 0;
    while let Some(room @ [_, ..]) = buffer.get_mut(length..) {
        match retry_on_intr(|| read(&fd, room))? {
            0 => break,
            more => length += more,
        }
    }
    Ok(buffer.get_mut(..length).unwrap_or_default())
}

/// `write()`: writes `bytes`, or as many of them as fit; how many is returned.
///
/// # Errors
/// `EINTR` when a signal came first, `EAGAIN` when the descriptor is non-blocking and nothing fits, `EPIPE` (and
/// SIGPIPE) when nobody reads any more, `ECONNRESET`, `ENOSPC`, `EFBIG` (and SIGXFSZ) beyond `RLIMIT_FSIZE`, `EBADF`.
///
/// # References
/// write(2), POSIX
pub fn write(fd: impl AsFd, bytes: &[u8]) -> Result<usize> {
    // SAFETY: the bytes are valid for reads of the length that is passed with them.
    ret_usize(unsafe { ffi::unistd::write(fd.as_fd().raw(), bytes.as_ptr().cast(), bytes.len()) })
}

/// `write()` of as many bytes of `buffer` as a `read()` returned, its -1 included, as the textbook echo loop does it.
///
/// For -1 the length is `SIZE_MAX`, as it is in C, and the kernel refuses it.
///
/// # Errors
/// As [`write()`]; `EFAULT` when the read had failed, and, without a call, when it returned more bytes than `buffer` has
/// and so was of another buffer.
pub fn write_back(fd: impl AsFd, buffer: &[u8], read: Result<usize>) -> Result<usize> {
    match read {
        Ok(length) => write(fd, buffer.get(..length).ok_or(Errno::FAULT)?),
        // SAFETY: no address space has room for SIZE_MAX bytes from anywhere in it, so the kernel reads none.
        Err(_) => ret_usize(unsafe { ffi::unistd::write(fd.as_fd().raw(), buffer.as_ptr().cast(), usize::MAX) }),
    }
}

/// `write()`, as often as it takes to write all of `bytes`; again where a signal came first.
///
/// # Errors
/// As [`write()`], but `EINTR`; some of the bytes may have been written.
pub fn write_all(fd: impl AsFd, bytes: &[u8]) -> Result<()> {
    all_of(bytes, |rest| write(&fd, rest))
}

/// Calls `put` with what is left of `bytes` until nothing is.
pub(crate) fn all_of(mut bytes: &[u8], mut put: impl FnMut(&[u8]) -> Result<usize>) -> Result<()> {
    while !bytes.is_empty() {
        let written = retry_on_intr(|| put(bytes))?;
        bytes = bytes.get(written..).unwrap_or_default();
    }
    Ok(())
}

/// `isatty()`: whether a descriptor is a terminal.
///
/// # References
/// isatty(3), POSIX
#[must_use]
pub fn isatty(fd: impl AsFd) -> bool {
    // SAFETY: the call has no precondition on memory.
    unsafe { ffi::unistd::isatty(fd.as_fd().raw()) == 1 }
}

/// `lseek(fd, offset, SEEK_SET)`: where in a file is read and written next.
///
/// # Errors
/// `ESPIPE` for what is no file, `EINVAL`, `EBADF`.
///
/// # References
/// lseek(2), POSIX
pub fn lseek(fd: impl AsFd, offset: i64) -> Result<()> {
    // SAFETY: the call has no precondition on memory.
    let position = unsafe { ffi::unistd::lseek(fd.as_fd().raw(), offset, ffi::unistd::SEEK_SET) };
    if position == -1 { Err(Errno::last()) } else { Ok(()) }
}

/// `fcntl(fd, F_GETFD)`: whether a descriptor of this number is open.
///
/// # References
/// fcntl(2), POSIX
#[must_use]
pub fn is_open(fd: BorrowedFd<'_>) -> bool {
    // SAFETY: the call has no precondition on memory.
    unsafe { ffi::fcntl::fcntl(fd.raw(), ffi::fcntl::F_GETFD) != -1 }
}

/// `fcntl(fd, F_DUPFD_CLOEXEC, least)`: another descriptor of the same, the first that is free from this number on,
/// which no program inherits.
///
/// # Errors
/// `EMFILE` when none is left; `EINVAL` when the number is negative, or above what the process may have open.
///
/// # References
/// fcntl(2), POSIX
pub fn fcntl_dupfd_cloexec(fd: impl AsFd, least: c_int) -> Result<OwnedFd> {
    // SAFETY: the call has no precondition on memory.
    let new = unsafe { ffi::fcntl::fcntl(fd.as_fd().raw(), ffi::fcntl::F_DUPFD_CLOEXEC, least) };
    // SAFETY: the descriptor was made just now.
    unsafe { ret_owned_fd(new) }
}

/// `fcntl(fd, F_SETFL, … | O_NONBLOCK)`: has calls fail with `EAGAIN` instead of waiting, in every process that has it.
///
/// # Errors
/// `EBADF`.
///
/// # References
/// fcntl(2), POSIX
pub fn set_nonblocking(fd: impl AsFd) -> Result<()> {
    change_flags(fd, |flags| flags | ffi::fcntl::O_NONBLOCK)
}

/// `fcntl(fd, F_SETFL, … & ~O_NONBLOCK)`: has calls wait, in every process that has it.
///
/// # Errors
/// `EBADF`.
///
/// # References
/// fcntl(2), POSIX
pub fn set_blocking(fd: impl AsFd) -> Result<()> {
    change_flags(fd, |flags| flags & !ffi::fcntl::O_NONBLOCK)
}

fn change_flags(fd: impl AsFd, change: impl FnOnce(c_int) -> c_int) -> Result<()> {
    // SAFETY: the call has no precondition on memory.
    let flags = ret_c_int(unsafe { ffi::fcntl::fcntl(fd.as_fd().raw(), ffi::fcntl::F_GETFL) })?;
    // SAFETY: as above.
    ret(unsafe { ffi::fcntl::fcntl(fd.as_fd().raw(), ffi::fcntl::F_SETFL, change(flags)) })
}

/// `fcntl(fd, F_SETFD, FD_CLOEXEC)`: has the descriptor closed when this process runs another program.
///
/// # Errors
/// `EBADF`.
///
/// # References
/// fcntl(2), POSIX
pub fn set_close_on_exec(fd: impl AsFd) -> Result<()> {
    // SAFETY: the call has no precondition on memory.
    ret(unsafe { ffi::fcntl::fcntl(fd.as_fd().raw(), ffi::fcntl::F_SETFD, ffi::fcntl::FD_CLOEXEC) })
}

/// `fcntl(fd, F_SETFD, 0)`: leaves the descriptor open when this process runs another program.
///
/// # Errors
/// `EBADF`.
///
/// # References
/// fcntl(2), POSIX
pub fn keep_on_exec(fd: impl AsFd) -> Result<()> {
    // SAFETY: the call has no precondition on memory.
    ret(unsafe { ffi::fcntl::fcntl(fd.as_fd().raw(), ffi::fcntl::F_SETFD, 0) })
}

/// `pipe2(…, O_CLOEXEC)`: what is written to the second comes out of the first.
///
/// # Errors
/// `EMFILE`, `ENFILE` when no descriptor is left.
///
/// # References
/// pipe2(2), POSIX 2024
pub fn pipe() -> Result<(OwnedFd, OwnedFd)> {
    let mut fds = [-1; 2];
    // SAFETY: the pointer is to room for two.
    ret(unsafe { ffi::unistd::pipe2(fds.as_mut_ptr(), ffi::fcntl::O_CLOEXEC) })?;
    // SAFETY: the call has made them just now.
    Ok(fds.map(|fd| unsafe { OwnedFd::from_raw(fd) }).into())
}

/// `close_range(first, ~0, CLOSE_RANGE_CLOEXEC)`: has every descriptor from `first` on closed when this process runs
/// another program; until then they stay open.
///
/// # Errors
/// `ENOSYS`, `EINVAL` on a kernel before 5.11.
///
/// # References
/// close_range(2)
pub fn close_range_on_exec(first: c_uint) -> Result<()> {
    // SAFETY: the call closes nothing now, and what another program has open is no business of this one's owners.
    ret(unsafe { ffi::unistd::close_range(first, c_uint::MAX, ffi::unistd::CLOSE_RANGE_CLOEXEC.cast_signed()) })
}

/// A descriptor that can be closed: an open one, or C's -1 where the call that should have made it failed.
pub trait IntoFd: Sealed {
    /// The number of the descriptor, which the caller now owns.
    fn into_raw(self) -> c_int;
}

impl Sealed for OwnedFd {}
impl IntoFd for OwnedFd {
    fn into_raw(self) -> c_int {
        OwnedFd::into_raw(self)
    }
}

impl Sealed for Result<OwnedFd> {}
impl IntoFd for Result<OwnedFd> {
    fn into_raw(self) -> c_int {
        self.map_or(BorrowedFd::NONE.raw(), OwnedFd::into_raw)
    }
}

/// `close()`: gives the descriptor back.
///
/// # Errors
/// `EINTR`, `EIO`, `ENOSPC`; the descriptor is closed all the same (Linux), so there is nothing to try again. `EBADF`
/// when `fd` is an error, C's -1.
///
/// # References
/// close(2), POSIX
pub fn close(fd: impl IntoFd) -> Result<()> {
    // SAFETY: the number is -1, or that of an open descriptor which `into_raw` has put out of reach of a second close.
    ret(unsafe { ffi::unistd::close(fd.into_raw()) })
}

/// The number of the descriptor.
impl CReturn for OwnedFd {
    fn c_return(&self) -> c_int {
        self.raw()
    }
}

impl CReturn for usize {
    fn c_return(&self) -> c_int {
        c_int::try_from(*self).unwrap_or(c_int::MAX)
    }
}
