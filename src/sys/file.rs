//! Files: opened, asked about, locked and removed.

use core::ffi::{CStr, c_int, c_uint};
use core::mem::MaybeUninit;

use crate::ffi::{fcntl as c, sys, unistd};
use crate::sys::conv::{ret, ret_usize};
use crate::sys::errno::Result;
use crate::sys::fd::{AsFd, OwnedFd, ret_owned_fd};

/// How a file is opened: `O_…`. Combined with [`with`](OpenFlags::with).
#[repr(transparent)]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct OpenFlags(c_int);

impl OpenFlags {
    /// `O_RDONLY`
    pub const RDONLY: OpenFlags = OpenFlags(c::O_RDONLY);
    /// `O_RDWR`
    pub const RDWR: OpenFlags = OpenFlags(c::O_RDWR);
    /// `O_CREAT`: made where there is none.
    pub const CREAT: OpenFlags = OpenFlags(c::O_CREAT);
    /// `O_CLOEXEC`: closed when the process runs another program.
    pub const CLOEXEC: OpenFlags = OpenFlags(c::O_CLOEXEC);
    /// `O_NOFOLLOW`: not through a symbolic link at the end of the path.
    pub const NOFOLLOW: OpenFlags = OpenFlags(c::O_NOFOLLOW);
    /// `O_NONBLOCK`: without waiting for a peer, as a FIFO does.
    pub const NONBLOCK: OpenFlags = OpenFlags(c::O_NONBLOCK);

    /// Both.
    #[must_use]
    pub const fn with(self, other: OpenFlags) -> OpenFlags {
        OpenFlags(self.0 | other.0)
    }
}

/// `open()`: opens a file. `mode` is what a new one may be used for, less the umask.
///
/// # Errors
/// `ENOENT`, `EACCES`, `EISDIR`, `ENOTDIR`, `ELOOP`, `EMFILE`, `ENFILE`, `ENOSPC`, `EROFS`, `ENAMETOOLONG`; `ENXIO` for
/// a Unix socket, `ETXTBSY` to write to a program that runs, `EINTR` when a signal came before a FIFO's other end.
///
/// # References
/// open(2), POSIX
pub fn open(path: &CStr, flags: OpenFlags, mode: c_uint) -> Result<OwnedFd> {
    // SAFETY: the path ends in a NUL.
    let fd = unsafe { c::open(path.as_ptr(), flags.0, mode) };
    // SAFETY: the descriptor was made just now.
    unsafe { ret_owned_fd(fd) }
}

/// `unlink()`: removes a name.
///
/// # Errors
/// `ENOENT`, `EACCES`, `EPERM` in a sticky directory, `EISDIR`, `EROFS`, `EBUSY` when something is mounted on it, `ENOTDIR`,
/// `ELOOP`, `ENAMETOOLONG`.
///
/// # References
/// unlink(2), POSIX
pub fn unlink(path: &CStr) -> Result<()> {
    // SAFETY: the path ends in a NUL.
    ret(unsafe { unistd::unlink(path.as_ptr()) })
}

/// `readlink()`: where a symbolic link leads, in the caller's buffer, and cut off where that is too short.
///
/// # Errors
/// `ENOENT`, `EACCES`, `EINVAL` when it is no symbolic link, `ENOTDIR`, `ELOOP`, `ENAMETOOLONG`.
///
/// # References
/// readlink(2), POSIX
pub fn readlink<'b>(path: &CStr, buffer: &'b mut [u8]) -> Result<&'b [u8]> {
    // SAFETY: the path ends in a NUL, and the buffer is valid for writes of the length that is passed with it.
    let length = unsafe { unistd::readlink(path.as_ptr(), buffer.as_mut_ptr().cast(), buffer.len()) };
    let length = ret_usize(length)?;
    Ok(buffer.get(..length).unwrap_or_default())
}

/// `access(path, X_OK)`: whether the real user may run a file, or search a directory.
///
/// # Errors
/// `ENOENT`, `EACCES` when not, `ENOTDIR`, `ELOOP`, `ENAMETOOLONG`.
///
/// # References
/// access(2), POSIX
pub fn access_x(path: &CStr) -> Result<()> {
    // SAFETY: the path ends in a NUL.
    ret(unsafe { unistd::access(path.as_ptr(), unistd::X_OK) })
}

/// `ftruncate()`: sets the length of a file.
///
/// # Errors
/// `EINVAL` for a length below 0 and for what is no file, `EFBIG` (and SIGXFSZ) beyond `RLIMIT_FSIZE`, `EPERM` when it is
/// sealed, `EIO`, `EBADF`.
///
/// # References
/// ftruncate(2), POSIX
pub fn ftruncate(fd: impl AsFd, length: i64) -> Result<()> {
    // SAFETY: the call has no precondition on memory.
    ret(unsafe { unistd::ftruncate(fd.as_fd().raw(), length) })
}

/// `flock(fd, LOCK_EX | LOCK_NB)`: locks a file, for as long as this descriptor, or one that a fork has made of it, is
/// open.
///
/// # Errors
/// `EWOULDBLOCK` when somebody else has locked it, `ENOLCK`, `EBADF`.
///
/// # References
/// flock(2)
pub fn flock_exclusive(fd: impl AsFd) -> Result<()> {
    // SAFETY: the call has no precondition on memory.
    ret(unsafe { sys::file::flock(fd.as_fd().raw(), sys::file::LOCK_EX | sys::file::LOCK_NB) })
}

/// What is known of a file.
#[derive(Clone, Copy)]
pub struct Stat(sys::stat::stat);

impl core::fmt::Debug for Stat {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Stat").field("st_dev", &self.0.st_dev).field("st_ino", &self.0.st_ino).finish_non_exhaustive()
    }
}

impl Stat {
    /// `S_ISSOCK()`: whether it is a Unix socket.
    #[must_use]
    pub const fn is_socket(&self) -> bool {
        self.0.st_mode & sys::stat::S_IFMT == sys::stat::S_IFSOCK
    }

    /// `S_ISREG()`: whether it is a regular file.
    #[must_use]
    pub const fn is_regular(&self) -> bool {
        self.0.st_mode & sys::stat::S_IFMT == sys::stat::S_IFREG
    }

    /// `st_dev` and `st_ino`: which file of which file system it is.
    #[must_use]
    pub const fn identity(&self) -> (u64, u64) {
        (self.0.st_dev, self.0.st_ino)
    }
}

fn stat_with(call: impl FnOnce(*mut sys::stat::stat) -> c_int) -> Result<Stat> {
    let mut stat = MaybeUninit::uninit();
    ret(call(stat.as_mut_ptr()))?;
    // SAFETY: the call did not fail, so it has filled in the struct.
    Ok(Stat(unsafe { stat.assume_init() }))
}

/// `stat()`: asks about the file that a path leads to.
///
/// # Errors
/// `ENOENT`, `EACCES`, `ENOTDIR`, `ELOOP`, `ENAMETOOLONG`.
///
/// # References
/// stat(2), POSIX
pub fn stat(path: &CStr) -> Result<Stat> {
    // SAFETY: the path ends in a NUL, and the other pointer is to room for a struct.
    stat_with(|stat| unsafe { sys::stat::stat(path.as_ptr(), stat) })
}

/// `lstat()`: asks about a name, and does not follow it where it is a symbolic link.
///
/// # Errors
/// As [`stat`].
///
/// # References
/// lstat(2), POSIX
pub fn lstat(path: &CStr) -> Result<Stat> {
    // SAFETY: the path ends in a NUL, and the other pointer is to room for a struct.
    stat_with(|stat| unsafe { sys::stat::lstat(path.as_ptr(), stat) })
}

/// `fstat()`: asks about an open file.
///
/// # Errors
/// `EBADF`, `EIO`.
///
/// # References
/// fstat(2), POSIX
pub fn fstat(fd: impl AsFd) -> Result<Stat> {
    // SAFETY: the pointer is to room for a struct.
    stat_with(|stat| unsafe { sys::stat::fstat(fd.as_fd().raw(), stat) })
}
