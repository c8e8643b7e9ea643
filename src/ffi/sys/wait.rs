//! `<sys/wait.h>`: the end of children.

/// `pid_t wait(int *wstatus);`
///
/// Wait for any child to end. wait(2), POSIX.
#[doc(inline)]
pub use libc::wait;

/// `pid_t waitpid(pid_t pid, int *wstatus, int options);`
///
/// Wait for, or ask about, some child. wait(2), POSIX.
#[doc(inline)]
pub use libc::waitpid;

/// `bool WIFEXITED(int wstatus); /* macro */`
///
/// Whether the child ended by exit. wait(2), POSIX.
#[doc(inline)]
pub use libc::WIFEXITED;

/// `int WEXITSTATUS(int wstatus); /* macro */`
///
/// The exit status of the child. wait(2), POSIX.
#[doc(inline)]
pub use libc::WEXITSTATUS;

/// `bool WIFSIGNALED(int wstatus); /* macro */`
///
/// Whether a signal ended the child. wait(2), POSIX.
#[doc(inline)]
pub use libc::WIFSIGNALED;

/// `int WTERMSIG(int wstatus); /* macro */`
///
/// The signal that ended the child. wait(2), POSIX.
#[doc(inline)]
pub use libc::WTERMSIG;

/// `bool WCOREDUMP(int wstatus); /* macro */`
///
/// Whether the child left a core dump. wait(2), POSIX.1-2024.
#[doc(inline)]
pub use libc::WCOREDUMP;

/// `bool WIFSTOPPED(int wstatus); /* macro */`
///
/// Whether a signal stopped the child. wait(2), POSIX.
#[doc(inline)]
pub use libc::WIFSTOPPED;

/// `int WSTOPSIG(int wstatus); /* macro */`
///
/// The signal that stopped the child. wait(2), POSIX.
#[doc(inline)]
pub use libc::WSTOPSIG;

/// `bool WIFCONTINUED(int wstatus); /* macro */`
///
/// Whether SIGCONT let the child go on. wait(2), POSIX.
#[doc(inline)]
pub use libc::WIFCONTINUED;

/// `WNOHANG`, `WUNTRACED`, `WCONTINUED`
///
/// Return at once. Report stopped and continued children, too. wait(2), POSIX.
#[doc(inline)]
pub use libc::{WCONTINUED, WNOHANG, WUNTRACED};
