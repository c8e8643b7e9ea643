//! `<unistd.h>`: processes, descriptors, identities.

use core::ffi::{c_char, c_int};

/// `pid_t fork(void);`
///
/// Make a child, a copy of this process. fork(2), POSIX.
#[doc(inline)]
pub use libc::fork;

/// `_Noreturn void _exit(int status);`
///
/// End the process at once. _exit(2), POSIX.
#[doc(inline)]
pub use libc::_exit;

/// `pid_t getpid(void);`
///
/// Get this process's id. getpid(2), POSIX.
#[doc(inline)]
pub use libc::getpid;

/// `pid_t getppid(void);`
///
/// Get the parent's id. getpid(2), POSIX.
#[doc(inline)]
pub use libc::getppid;

/// `pid_t setsid(void);`
///
/// Begin a session without a terminal. setsid(2), POSIX.
#[doc(inline)]
pub use libc::setsid;

/// `long sysconf(int name);`
///
/// Get a number that the system has chosen. sysconf(3), POSIX.
#[doc(inline)]
pub use libc::sysconf;

/// `_SC_PAGESIZE`
///
/// Ask for the size of a page. sysconf(3), POSIX.
#[doc(inline)]
pub use libc::_SC_PAGESIZE;

/// `pid_t getpgid(pid_t pid);`
///
/// Get the process group of a process. setpgid(2), POSIX.
#[doc(inline)]
pub use libc::getpgid;

/// `int setpgid(pid_t pid, pid_t pgid);`
///
/// Put a process in a process group. setpgid(2), POSIX.
#[doc(inline)]
pub use libc::setpgid;

/// `unsigned int sleep(unsigned int seconds);`
///
/// Sleep for a time, or until a signal comes. The result is the seconds left. sleep(3), POSIX.
#[doc(inline)]
pub use libc::sleep;

/// `unsigned int alarm(unsigned int seconds);`
///
/// Schedule a SIGALRM after this number of seconds. alarm(2), POSIX.
#[doc(inline)]
pub use libc::alarm;

/// `ssize_t read(int fd, void *buf, size_t count);`
///
/// Read from a descriptor. read(2), POSIX.
#[doc(inline)]
pub use libc::read;

/// `ssize_t write(int fd, const void *buf, size_t count);`
///
/// Write to a descriptor. write(2), POSIX.
#[doc(inline)]
pub use libc::write;

/// `off_t lseek(int fd, off_t offset, int whence);`
///
/// Go to a place in a file. lseek(2), POSIX.
#[doc(inline)]
pub use libc::lseek;

/// `SEEK_SET`
///
/// Count from the start of the file. lseek(2), POSIX.
#[doc(inline)]
pub use libc::SEEK_SET;

/// `int close(int fd);`
///
/// Close a descriptor. close(2), POSIX.
#[doc(inline)]
pub use libc::close;

/// `int close_range(unsigned int first, unsigned int last, int flags);`
///
/// Close every descriptor from first to last. close_range(2), Linux.
#[doc(inline)]
pub use libc::close_range;

/// `CLOSE_RANGE_CLOEXEC`
///
/// The flag that marks the descriptors close-on-exec and leaves them open. close_range(2), Linux.
#[doc(inline)]
pub use libc::CLOSE_RANGE_CLOEXEC;

/// `int dup(int oldfd);`
///
/// Duplicate a descriptor. dup(2), POSIX.
#[doc(inline)]
pub use libc::dup;

/// `int dup2(int oldfd, int newfd);`
///
/// Make newfd refer to the same open file as oldfd. dup(2), POSIX.
#[doc(inline)]
pub use libc::dup2;

/// `int dup3(int oldfd, int newfd, int flags);`
///
/// Make newfd refer to the same open file as oldfd, with flags. dup(2), Linux.
#[doc(inline)]
pub use libc::dup3;

/// `int pipe(int pipefd[2]);`
///
/// Make a pipe. pipe(2), POSIX.
#[doc(inline)]
pub use libc::pipe;

/// `int pipe2(int pipefd[2], int flags);`
///
/// Make a pipe with flags. pipe(2), POSIX.1-2024.
#[doc(inline)]
pub use libc::pipe2;

/// `int isatty(int fd);`
///
/// Whether a descriptor is a terminal. isatty(3), POSIX.
#[doc(inline)]
pub use libc::isatty;

/// `int ftruncate(int fd, off_t length);`
///
/// Set a file's length. truncate(2), POSIX.
#[doc(inline)]
pub use libc::ftruncate;

/// `int fchownat(int dirfd, const char *pathname, uid_t owner, gid_t group, int flags);`
///
/// Change a file's owner. chown(2), POSIX.
#[doc(inline)]
pub use libc::fchownat;

/// `int access(const char *pathname, int mode);`
///
/// Ask whether the real user may use a file in this way. access(2), POSIX.
#[doc(inline)]
pub use libc::access;

/// `R_OK`
///
/// Ask whether the file may be read. access(2), POSIX.
#[doc(inline)]
pub use libc::R_OK;

/// `X_OK`
///
/// Ask whether the file may be run. access(2), POSIX.
#[doc(inline)]
pub use libc::X_OK;

/// `int unlink(const char *pathname);`
///
/// Remove a name from the file system. unlink(2), POSIX.
#[doc(inline)]
pub use libc::unlink;

/// `ssize_t readlink(const char *restrict path, char *restrict buf, size_t bufsiz);`
///
/// Read the target of a symbolic link. readlink(2), POSIX.
#[doc(inline)]
pub use libc::readlink;

/// `int chdir(const char *path);`
///
/// Change the working directory. chdir(2), POSIX.
#[doc(inline)]
pub use libc::chdir;

/// `int chroot(const char *path);`
///
/// Change the root directory. chroot(2), Linux.
#[doc(inline)]
pub use libc::chroot;

/// `uid_t getuid(void);`
///
/// Get the real user. getuid(2), POSIX.
#[doc(inline)]
pub use libc::getuid;

/// `uid_t geteuid(void);`
///
/// Get the effective user. getuid(2), POSIX.
#[doc(inline)]
pub use libc::geteuid;

/// `gid_t getgid(void);`
///
/// Get the real group. getgid(2), POSIX.
#[doc(inline)]
pub use libc::getgid;

/// `gid_t getegid(void);`
///
/// Get the effective group. getgid(2), POSIX.
#[doc(inline)]
pub use libc::getegid;

/// `int getgroups(int size, gid_t list[]);`
///
/// Get the supplementary groups. getgroups(2), POSIX.
#[doc(inline)]
pub use libc::getgroups;

/// `int setuid(uid_t uid);`
///
/// Become another user. setuid(2), POSIX.
#[doc(inline)]
pub use libc::setuid;

/// `int setgid(gid_t gid);`
///
/// Join another group. setgid(2), POSIX.
#[doc(inline)]
pub use libc::setgid;

/// `extern char **environ;`
///
/// The environment, which ends in NULL. environ(7), POSIX.
#[doc(inline)]
pub use libc::environ;

/// `STDIN_FILENO`, `STDOUT_FILENO`, `STDERR_FILENO`
///
/// The standard descriptors. stdin(3), POSIX.
#[doc(inline)]
pub use libc::{STDERR_FILENO, STDIN_FILENO, STDOUT_FILENO};

unsafe extern "C" {
    /// `int execve(const char *pathname, char *const argv[], char *const envp[]);`
    ///
    /// Run another program in this process. execve(2), POSIX.
    pub fn execve(pathname: *const c_char, argv: *const *mut c_char, envp: *const *mut c_char) -> c_int;
}

/// `long syscall(long number, ...);`
///
/// Make a system call for which the C library has no function. syscall(2), Linux.
#[doc(inline)]
pub use libc::syscall;
