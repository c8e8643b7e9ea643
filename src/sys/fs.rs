//! Opens, describes, locks and removes files and directories. Changes the root and the working directory.
//!
//! # Example
//! ```
//! use mpserv::fs::{OpenFlags, fstat, open, stat};
//!
//! let null = open(c"/dev/null", OpenFlags::RDWR | OpenFlags::CLOEXEC, 0)?;
//! assert_eq!(fstat(&null)?.identity(), stat(c"/dev/null")?.identity());
//! # Ok::<(), mpserv::errno::Errno>(())
//! ```

use core::ffi::{CStr, c_char, c_int, c_uint};
use core::mem::MaybeUninit;

use crate::ffi::sys::file as lock;
use crate::ffi::sys::types::{gid_t, uid_t};
use crate::ffi::{fcntl as c, sys, unistd};
use crate::sys::conv::{ret, ret_usize};
use crate::sys::errno::Result;
use crate::sys::fd::{AsFd, OwnedFd, ret_owned_fd};
use crate::sys::flags::flags;

flags! {
    /// `O_…`: flags of `open()`. [`RDONLY`](OpenFlags::RDONLY) is 0, and so part of every value.
    OpenFlags(c_int) from c {
        /// `O_RDONLY`: opens for reading.
        #[doc(alias = "O_RDONLY")]
        RDONLY = O_RDONLY,
        /// `O_WRONLY`: opens for writing.
        #[doc(alias = "O_WRONLY")]
        WRONLY = O_WRONLY,
        /// `O_RDWR`: opens for reading and writing.
        #[doc(alias = "O_RDWR")]
        RDWR = O_RDWR,
        /// `O_CREAT`: makes the file if there is none.
        #[doc(alias = "O_CREAT")]
        CREAT = O_CREAT,
        /// `O_EXCL`: with `O_CREAT`, fails if there is a file.
        #[doc(alias = "O_EXCL")]
        EXCL = O_EXCL,
        /// `O_APPEND`: each write goes to the end of the file.
        #[doc(alias = "O_APPEND")]
        APPEND = O_APPEND,
        /// `O_TRUNC`: the file loses its content.
        #[doc(alias = "O_TRUNC")]
        TRUNC = O_TRUNC,
        /// `O_CLOEXEC`: the descriptor is closed when the process runs another program.
        #[doc(alias = "O_CLOEXEC")]
        CLOEXEC = O_CLOEXEC,
        /// `O_NOFOLLOW`: fails with `ELOOP` if the path ends in a symbolic link.
        #[doc(alias = "O_NOFOLLOW")]
        NOFOLLOW = O_NOFOLLOW,
        /// `O_PATH`: gives a descriptor that only names the file. The open waits for nothing.
        #[doc(alias = "O_PATH")]
        PATH = O_PATH,
        /// `O_NONBLOCK`: does not wait for a peer, as the open of a FIFO otherwise does.
        #[doc(alias = "O_NONBLOCK")]
        NONBLOCK = O_NONBLOCK,
    }
}

/// `open()`: opens a file. A new file gets the permissions `mode` without those in the umask.
///
/// Async-signal-safe: yes.
///
/// # Errors
/// `ENOENT`, `EACCES`, `EISDIR`, `ENOTDIR`, `ELOOP`, `EMFILE`, `ENFILE`, `ENOSPC`, `EROFS`, `ENAMETOOLONG`. `ENXIO` for
/// a Unix socket, `ETXTBSY` to write to a program that runs, `EINTR` when a signal came before a FIFO's other end.
///
/// # References
/// open(2), POSIX
pub fn open(path: &CStr, flags: OpenFlags, mode: c_uint) -> Result<OwnedFd> {
    // SAFETY: the path ends in a NUL.
    let fd = unsafe { c::open(path.as_ptr(), flags.raw(), mode) };
    // SAFETY: the descriptor was made just now.
    unsafe { ret_owned_fd(fd) }
}

/// `umask()`: sets the permissions that new files of this process do not get. Returns the mask from before.
///
/// Async-signal-safe: yes.
///
/// # References
/// umask(2), POSIX
pub fn umask(mask: c_uint) -> c_uint {
    // SAFETY: the call takes a number.
    unsafe { sys::stat::umask(mask) }
}

/// `fchmod()`: sets the permissions of an open file.
///
/// Async-signal-safe: yes.
///
/// # Errors
/// `EPERM` when the file belongs to another user, `EROFS`, `EBADF`.
///
/// # References
/// chmod(2), POSIX
pub fn fchmod(fd: impl AsFd, mode: c_uint) -> Result<()> {
    // SAFETY: the call has no precondition on memory.
    ret(unsafe { sys::stat::fchmod(fd.as_fd().raw(), mode) })
}

/// `fchownat(fd, "", uid, gid, AT_EMPTY_PATH)`: gives an open file, even one opened by [`PATH`](OpenFlags::PATH), to a
/// user and a group.
///
/// Async-signal-safe: yes.
///
/// # Errors
/// `EPERM` without the privilege, `EBADF`.
///
/// # References
/// chown(2)
pub fn fchownat_fd(fd: impl AsFd, uid: uid_t, gid: gid_t) -> Result<()> {
    // SAFETY: the path ends in a NUL.
    ret(unsafe { unistd::fchownat(fd.as_fd().raw(), c"".as_ptr(), uid, gid, c::AT_EMPTY_PATH) })
}

/// `unlink()`: removes a name.
///
/// Async-signal-safe: yes.
///
/// # Errors
/// `ENOENT`, `EACCES`, `EPERM` in a sticky directory, `EISDIR`, `EROFS`, `EBUSY` when a file system is mounted there,
/// `ENOTDIR`, `ELOOP`, `ENAMETOOLONG`.
///
/// # References
/// unlink(2), POSIX
pub fn unlink(path: &CStr) -> Result<()> {
    // SAFETY: the path ends in a NUL.
    ret(unsafe { unistd::unlink(path.as_ptr()) })
}

/// `readlink()`: reads the target of a symbolic link into the caller's buffer. A target that is too long is cut off.
///
/// Async-signal-safe: yes.
///
/// # Errors
/// `ENOENT`, `EACCES`, `EINVAL` when the path names no symbolic link, or for an empty buffer, `ENOTDIR`, `ELOOP`,
/// `ENAMETOOLONG`.
///
/// # References
/// readlink(2), POSIX
pub fn readlink<'b>(path: &CStr, buffer: &'b mut [u8]) -> Result<&'b [u8]> {
    // The kernel takes the length for an `int`.
    let room = buffer.len().min(c_int::MAX as usize);
    // SAFETY: the path ends in a NUL, and the buffer is valid for writes of the length that is passed with it.
    let length = unsafe { unistd::readlink(path.as_ptr(), buffer.as_mut_ptr().cast(), room) };
    let length = ret_usize(length)?;
    Ok(buffer.get(..length).unwrap_or_default())
}

/// `access(path, R_OK)`: whether the real user may read a file.
///
/// Async-signal-safe: yes.
///
/// # Errors
/// `ENOENT`, `EACCES` when the user may not, `ENOTDIR`, `ELOOP`, `ENAMETOOLONG`.
///
/// # References
/// access(2), POSIX
pub fn access_r(path: &CStr) -> Result<()> {
    // SAFETY: the path ends in a NUL.
    ret(unsafe { unistd::access(path.as_ptr(), unistd::R_OK) })
}

/// `access(path, X_OK)`: whether the real user may run a file, or search a directory.
///
/// Async-signal-safe: yes.
///
/// # Errors
/// `ENOENT`, `EACCES` when the user may not, `ENOTDIR`, `ELOOP`, `ENAMETOOLONG`.
///
/// # References
/// access(2), POSIX
pub fn access_x(path: &CStr) -> Result<()> {
    // SAFETY: the path ends in a NUL.
    ret(unsafe { unistd::access(path.as_ptr(), unistd::X_OK) })
}

/// `ftruncate()`: sets the length of a file.
///
/// Async-signal-safe: yes.
///
/// # Errors
/// `EINVAL` for a length below 0, and for a pipe or a socket, `EFBIG` (and SIGXFSZ) beyond `RLIMIT_FSIZE`, `EPERM` when
/// the file is sealed, `EIO`, `EBADF`.
///
/// # References
/// ftruncate(2), POSIX
pub fn ftruncate(fd: impl AsFd, length: i64) -> Result<()> {
    // SAFETY: the call has no precondition on memory.
    ret(unsafe { unistd::ftruncate(fd.as_fd().raw(), length) })
}

flags! {
    /// `LOCK_…`: the operations of `flock()`.
    FlockFlags(c_int) from lock {
        /// `LOCK_SH`: takes a shared lock.
        #[doc(alias = "LOCK_SH")]
        SH = LOCK_SH,
        /// `LOCK_EX`: takes an exclusive lock.
        #[doc(alias = "LOCK_EX")]
        EX = LOCK_EX,
        /// `LOCK_UN`: releases the lock.
        #[doc(alias = "LOCK_UN")]
        UN = LOCK_UN,
        /// `LOCK_NB`: fails instead of waiting.
        #[doc(alias = "LOCK_NB")]
        NB = LOCK_NB,
    }
}

/// `flock()`: locks a file for as long as this descriptor, or a duplicate of it, is open in any process.
///
/// Async-signal-safe: yes.
///
/// # Errors
/// `EWOULDBLOCK` when another open file has the lock and the flags have [`NB`](FlockFlags::NB), `EINTR` when a signal
/// came first, `EINVAL` for flags that contradict each other, `ENOLCK`, `EBADF`.
///
/// # References
/// flock(2), BSD
pub fn flock(fd: impl AsFd, flags: FlockFlags) -> Result<()> {
    // SAFETY: the call has no precondition on memory.
    ret(unsafe { lock::flock(fd.as_fd().raw(), flags.raw()) })
}

/// Facts about a file.
#[derive(Clone, Copy)]
pub struct Stat(sys::stat::stat);

impl core::fmt::Debug for Stat {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Stat").field("st_dev", &self.0.st_dev).field("st_ino", &self.0.st_ino).finish_non_exhaustive()
    }
}

impl Stat {
    /// `S_ISSOCK()`: whether the file is a Unix socket.
    #[must_use]
    pub const fn is_socket(&self) -> bool {
        self.0.st_mode & sys::stat::S_IFMT == sys::stat::S_IFSOCK
    }

    /// `S_ISREG()`: whether the file is a regular file.
    #[must_use]
    pub const fn is_regular(&self) -> bool {
        self.0.st_mode & sys::stat::S_IFMT == sys::stat::S_IFREG
    }

    /// `st_mode`: returns the permissions of the file, without its type.
    #[must_use]
    pub const fn permissions(&self) -> u32 {
        self.0.st_mode & !sys::stat::S_IFMT
    }

    /// `st_uid`: returns the user that owns the file.
    #[must_use]
    pub const fn uid(&self) -> u32 {
        self.0.st_uid
    }

    /// `st_gid`: returns the group of the file.
    #[must_use]
    pub const fn gid(&self) -> u32 {
        self.0.st_gid
    }

    /// `st_nlink`: returns the number of the file's names.
    #[must_use]
    #[allow(clippy::unnecessary_cast, reason = "it is shorter on aarch64 and riscv64")]
    pub const fn links(&self) -> u64 {
        self.0.st_nlink as u64
    }

    /// `st_dev` and `st_ino`: returns the numbers of the file system and of the file in it.
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

/// `stat()`: asks about the file to which a path leads.
///
/// Async-signal-safe: yes.
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

/// `lstat()`: asks about a name, and does not follow a symbolic link.
///
/// Async-signal-safe: yes.
///
/// # Errors
/// Fails as [`stat`] does.
///
/// # References
/// lstat(2), POSIX
pub fn lstat(path: &CStr) -> Result<Stat> {
    // SAFETY: the path ends in a NUL, and the other pointer is to room for a struct.
    stat_with(|stat| unsafe { sys::stat::lstat(path.as_ptr(), stat) })
}

/// `fstat()`: asks about an open file.
///
/// Async-signal-safe: yes.
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

fn with_path(path: &CStr, call: unsafe extern "C" fn(*const c_char) -> c_int) -> Result<()> {
    // SAFETY: the path ends in a NUL, and both functions that are passed here require nothing more.
    ret(unsafe { call(path.as_ptr()) })
}

/// `chroot()`: makes a directory the root of this process. Call [`chdir`] next.
///
/// Async-signal-safe: yes.
///
/// # Errors
/// `EPERM` without the privilege, `ENOENT`, `ENOTDIR`, `EACCES`, `ELOOP`, `ENAMETOOLONG`.
///
/// # References
/// chroot(2)
pub fn chroot(path: &CStr) -> Result<()> {
    with_path(path, unistd::chroot)
}

/// `chdir()`: makes a directory the start of relative paths.
///
/// Async-signal-safe: yes.
///
/// # Errors
/// `ENOENT`, `ENOTDIR`, `EACCES`, `ELOOP`, `ENAMETOOLONG`.
///
/// # References
/// chdir(2), POSIX
pub fn chdir(path: &CStr) -> Result<()> {
    with_path(path, unistd::chdir)
}
