//! `<stdlib.h>`: the end of a program, its environment, numbers, pseudoterminals.

/// `_Noreturn void exit(int status);`
///
/// Run the functions of atexit, flush stdio, and end the process. exit(3), C11.
#[doc(inline)]
pub use libc::exit;

/// `_Noreturn void abort(void);`
///
/// End the process with SIGABRT. abort(3), C11.
#[doc(inline)]
pub use libc::abort;

/// `int atoi(const char *nptr);`
///
/// Get the number at the beginning of a string. atoi(3), C11.
#[doc(inline)]
pub use libc::atoi;

/// `char *getenv(const char *name);`
///
/// Get the value of an environment variable, or NULL. getenv(3), C11.
#[doc(inline)]
pub use libc::getenv;

/// `int posix_openpt(int flags);`
///
/// Open a pseudoterminal's master. posix_openpt(3), POSIX.
#[doc(inline)]
pub use libc::posix_openpt;

/// `int grantpt(int fd);`
///
/// Give this user the slave of a master. grantpt(3), POSIX.
#[doc(inline)]
pub use libc::grantpt;

/// `int unlockpt(int fd);`
///
/// Unlock the slave of a master. unlockpt(3), POSIX.
#[doc(inline)]
pub use libc::unlockpt;

/// `int ptsname_r(int fd, char *buf, size_t buflen);`
///
/// Get the name of a master's slave. ptsname(3), POSIX.1-2024.
#[doc(inline)]
pub use libc::ptsname_r;
