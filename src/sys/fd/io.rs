//! Reads from descriptors and writes to them.

use core::ffi::c_int;

use crate::ffi;
use crate::sys::conv::ret_usize;
use crate::sys::errno::{CReturn, Errno, Result, retry_on_intr};
use crate::sys::fd::owned::AsFd;

/// `read()`: reads the bytes that are there, up to the length of `buffer`. A result of 0 is the end of the input.
///
/// Async-signal-safe: yes.
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

/// `read()`: reads until the end of the input or of `buffer`, also after an interruption by a signal. Returns the part
/// of `buffer` that was filled. If the whole buffer was filled, there may be more to read.
///
/// Async-signal-safe: yes.
///
/// # Errors
/// Fails as [`read()`] does, except `EINTR`. Some of the bytes may have been read.
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

/// `write()`: writes `bytes`, or as many of them as fit, and returns their number.
///
/// Async-signal-safe: yes.
///
/// # Errors
/// `EINTR` when a signal came first, `EAGAIN` when the descriptor is non-blocking and nothing fits, `EPIPE` (and
/// SIGPIPE) when the other end is closed, `ECONNRESET`, `ENOSPC`, `EFBIG` (and SIGXFSZ) beyond `RLIMIT_FSIZE`, `EBADF`.
///
/// # References
/// write(2), POSIX
pub fn write(fd: impl AsFd, bytes: &[u8]) -> Result<usize> {
    // SAFETY: the bytes are valid for reads of the length that is passed with them.
    ret_usize(unsafe { ffi::unistd::write(fd.as_fd().raw(), bytes.as_ptr().cast(), bytes.len()) })
}

/// `write()`: writes as many bytes of `buffer` as a `read()` returned, as the textbook echo loop does. A -1 of the read
/// is passed on.
///
/// For -1 the length is `SIZE_MAX`, as in C, and the kernel refuses that length.
///
/// Async-signal-safe: yes.
///
/// # Errors
/// Fails as [`write()`] does. `EFAULT` when the read had failed. Also `EFAULT`, without a call, when the read returned
/// more bytes than `buffer` has, because the read then filled another buffer.
pub fn write_back(fd: impl AsFd, buffer: &[u8], read: Result<usize>) -> Result<usize> {
    match read {
        Ok(length) => write(fd, buffer.get(..length).ok_or(Errno::FAULT)?),
        // SAFETY: no address space has room for SIZE_MAX bytes from any address on, so the kernel reads no byte.
        Err(_) => ret_usize(unsafe { ffi::unistd::write(fd.as_fd().raw(), buffer.as_ptr().cast(), usize::MAX) }),
    }
}

/// `write()`: writes until all of `bytes` is written, also after an interruption by a signal.
///
/// Async-signal-safe: yes.
///
/// # Errors
/// Fails as [`write()`] does, except `EINTR`. `EIO` when a call writes nothing. Some of the bytes may have been
/// written.
pub fn write_all(fd: impl AsFd, bytes: &[u8]) -> Result<()> {
    all_of(bytes, |rest| write(&fd, rest))
}

/// Calls `put` with the rest of `bytes` until no byte is left.
pub(crate) fn all_of(mut bytes: &[u8], mut put: impl FnMut(&[u8]) -> Result<usize>) -> Result<()> {
    while !bytes.is_empty() {
        let written = retry_on_intr(|| put(bytes))?;
        if written == 0 {
            return Err(Errno::IO);
        }
        bytes = bytes.get(written..).unwrap_or_default();
    }
    Ok(())
}

/// `lseek(fd, offset, SEEK_SET)`: sets the position of the next read or write in a file.
///
/// Async-signal-safe: yes.
///
/// # Errors
/// `ESPIPE` for a pipe or a socket, `EINVAL`, `EBADF`.
///
/// # References
/// lseek(2), POSIX
pub fn lseek(fd: impl AsFd, offset: i64) -> Result<()> {
    // SAFETY: the call has no precondition on memory.
    let position = unsafe { ffi::unistd::lseek(fd.as_fd().raw(), offset, ffi::unistd::SEEK_SET) };
    if position == -1 { Err(Errno::last()) } else { Ok(()) }
}

impl CReturn for usize {
    fn c_return(&self) -> c_int {
        c_int::try_from(*self).unwrap_or(c_int::MAX)
    }
}

#[cfg(test)]
mod tests;
