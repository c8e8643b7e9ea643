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

/// `#define WIFEXITED(wstatus)`
///
/// Whether the child ended by exit. wait(2), POSIX.
#[doc(inline)]
pub use libc::WIFEXITED;

/// `#define WEXITSTATUS(wstatus)`
///
/// Its exit status. wait(2), POSIX.
#[doc(inline)]
pub use libc::WEXITSTATUS;

/// `#define WIFSIGNALED(wstatus)`
///
/// Whether a signal ended the child. wait(2), POSIX.
#[doc(inline)]
pub use libc::WIFSIGNALED;

/// `#define WTERMSIG(wstatus)`
///
/// That signal. wait(2), POSIX.
#[doc(inline)]
pub use libc::WTERMSIG;

/// `#define WCOREDUMP(wstatus)`
///
/// Whether it left a core dump. wait(2), POSIX.1-2024.
#[doc(inline)]
pub use libc::WCOREDUMP;

/// `#define WIFSTOPPED(wstatus)`
///
/// Whether a signal stopped the child. wait(2), POSIX.
#[doc(inline)]
pub use libc::WIFSTOPPED;

/// `#define WSTOPSIG(wstatus)`
///
/// That signal. wait(2), POSIX.
#[doc(inline)]
pub use libc::WSTOPSIG;

/// `#define WIFCONTINUED(wstatus)`
///
/// Whether SIGCONT let the child go on. wait(2), POSIX.
#[doc(inline)]
pub use libc::WIFCONTINUED;

/// `WNOHANG`, `WUNTRACED`, `WCONTINUED`
///
/// Do not wait; tell of stopped, and of continued children. wait(2), POSIX.
#[doc(inline)]
pub use libc::{WCONTINUED, WNOHANG, WUNTRACED};
