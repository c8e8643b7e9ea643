//! Types that own or borrow a descriptor.

use core::ffi::c_int;
use core::marker::PhantomData;

use crate::ffi;
use crate::sys::conv::{ret, ret_c_int};
use crate::sys::errno::{CReturn, Result};
use crate::sys::sealed::Sealed;

/// An open descriptor that this value owns alone. A drop closes the descriptor.
#[repr(transparent)]
#[derive(Debug)]
pub struct OwnedFd(c_int);

/// A descriptor that its owner keeps open for as long as `'fd`.
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

    /// Returns the number of the descriptor. This value stays the owner.
    #[must_use]
    pub const fn raw(&self) -> c_int {
        self.0
    }

    /// Returns the number of the descriptor, which the caller must close.
    #[must_use]
    pub const fn into_raw(self) -> c_int {
        let fd = self.0;
        core::mem::forget(self);
        fd
    }
}

impl Drop for OwnedFd {
    fn drop(&mut self) {
        // SAFETY: the descriptor is open and only `self` owns it, and no code uses it after this.
        unsafe { ffi::unistd::close(self.0) };
    }
}

impl BorrowedFd<'_> {
    /// The number -1, which C has in place of a descriptor after a failed call. A call with this number fails with
    /// `EBADF`, or with `EINVAL` if another argument is invalid as well. [`poll`](crate::poll::poll) skips it.
    pub const NONE: BorrowedFd<'static> = BorrowedFd(-1, PhantomData);

    /// Borrows the descriptor with this number.
    ///
    /// # Safety
    /// `fd` stays open for as long as the lifetime that the caller gives the result.
    #[must_use]
    pub const unsafe fn from_raw(fd: c_int) -> Self {
        BorrowedFd(fd, PhantomData)
    }

    /// Returns the number of the descriptor.
    #[must_use]
    pub const fn raw(self) -> c_int {
        self.0
    }
}

/// A type that can lend a descriptor.
pub trait AsFd {
    /// Returns the descriptor, for as long as `self` is borrowed.
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

/// Lends the descriptor, or C's -1 if the call that should have made it failed. A program that ignores such a failure,
/// as its C original does, uses this function so that the next call fails.
impl AsFd for Result<OwnedFd> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.as_ref().map_or(BorrowedFd::NONE, OwnedFd::as_fd)
    }
}

/// Converts the result of a function that returns a new descriptor, or -1 with errno set.
///
/// # Safety
/// `returned` came from such a function, and nothing else owns the descriptor.
pub(crate) unsafe fn ret_owned_fd(returned: c_int) -> Result<OwnedFd> {
    // SAFETY: by this function's own contract the descriptor is open and the caller's alone.
    ret_c_int(returned).map(|fd| unsafe { OwnedFd::from_raw(fd) })
}

/// Lends the descriptor, or C's -1 if there is none.
impl<T: AsFd> AsFd for Option<T> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.as_ref().map_or(BorrowedFd::NONE, T::as_fd)
    }
}

/// A descriptor that can be closed: an open one, or C's -1 after a call that failed to make one.
pub trait IntoFd: Sealed {
    /// Returns the number of the descriptor, which the caller now owns.
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
/// Async-signal-safe: yes.
///
/// # Errors
/// `EINTR`, `EIO`, `ENOSPC`. Linux has closed the descriptor even then, so do not try again. `EBADF` when `fd` is an
/// error, C's -1.
///
/// # References
/// close(2), POSIX
pub fn close(fd: impl IntoFd) -> Result<()> {
    // SAFETY: the number is -1, or that of an open descriptor which `into_raw` has put out of reach of a second close.
    ret(unsafe { ffi::unistd::close(fd.into_raw()) })
}

/// `close()`: closes a descriptor, if there is one, in a process that soon ends. Leaves the owner as it is.
///
/// After a fork, a drop of the owner would write to the owner's memory, and so copy a page.
///
/// # Safety
/// This process neither uses nor drops the owner from now on.
pub(crate) unsafe fn close_for_good(owner: &impl AsFd) {
    let fd = owner.as_fd().raw();
    if fd != BorrowedFd::NONE.raw() {
        // SAFETY: by this function's own contract nothing uses the descriptor any more.
        unsafe { ffi::unistd::close(fd) };
    }
}

/// `dup3(…, O_CLOEXEC)`: closes a descriptor, and gives its number to a copy of another one. Leaves the owner as it is.
/// A number that `RLIMIT_NOFILE` no longer allows is only closed.
///
/// Async-signal-safe: yes.
///
/// # Safety
/// This process does not use the file of the owner from now on, and never closes the number by another owner.
///
/// # References
/// dup3(2), Linux
pub(crate) unsafe fn replace_for_good(owner: &impl AsFd, by: BorrowedFd<'_>) {
    // SAFETY: by this function's own contract nothing uses the former file any more.
    let number = unsafe { ffi::unistd::dup3(by.raw(), owner.as_fd().raw(), ffi::fcntl::O_CLOEXEC) };
    if number < 0 {
        // SAFETY: by this function's own contract, as above.
        unsafe { close_for_good(owner) };
    }
}

/// Gives the number of the descriptor.
impl CReturn for OwnedFd {
    fn c_return(&self) -> c_int {
        self.raw()
    }
}

#[cfg(test)]
mod tests;
