//! `<sys/stat.h>`: facts about files.

/// `int stat(const char *restrict pathname, struct stat *restrict statbuf);`
/// `struct stat { dev_t st_dev; ino_t st_ino; mode_t st_mode; uid_t st_uid; gid_t st_gid; off_t
/// st_size; }`
///
/// Ask about the file to which a path leads. stat(2), stat(3type), POSIX.
#[doc(inline)]
pub use libc::stat;

/// `int fstat(int fd, struct stat *statbuf);`
///
/// Ask about an open file. stat(2), POSIX.
#[doc(inline)]
pub use libc::fstat;

/// `int lstat(const char *restrict pathname, struct stat *restrict statbuf);`
///
/// Ask about a name, without following a link. stat(2), POSIX.
#[doc(inline)]
pub use libc::lstat;

/// `int fchmod(int fd, mode_t mode);`
///
/// Set the permissions of an open file. chmod(2), POSIX.
#[doc(inline)]
pub use libc::fchmod;

/// `mode_t umask(mode_t mask);`
///
/// Set the permissions that new files do not get. umask(2), POSIX.
#[doc(inline)]
pub use libc::umask;

/// `S_*`
///
/// The type in a file's mode. inode(7), POSIX.
#[doc(inline)]
pub use libc::{S_IFMT, S_IFREG, S_IFSOCK};
