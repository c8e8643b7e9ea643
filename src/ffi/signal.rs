//! `<signal.h>`: signals, their handlers and their masks.

use core::ffi::c_int;

/// `typedef void (*sighandler_t)(int);`
///
/// A handler's address, or [`SIG_DFL`], [`SIG_IGN`], [`SIG_ERR`]. The type is an integer in Rust. signal(2).
#[doc(inline)]
pub use libc::sighandler_t;

/// `typedef __sigset_t sigset_t;`
///
/// A set of signals. sigset_t(3type), POSIX.
#[doc(inline)]
pub use libc::sigset_t;

/// `typedef struct { int si_signo; int si_errno; int si_code; } siginfo_t;`
///
/// Details of a signal, for a handler of three arguments. sigaction(2), POSIX.
#[doc(inline)]
pub use libc::siginfo_t;

/// `int sigaction(int signum, const struct sigaction *restrict act, struct sigaction *restrict
/// oldact);`
/// `struct sigaction { void (*sa_sigaction)(int, siginfo_t *, void *); sigset_t sa_mask;
/// int sa_flags; }`
///
/// Ask for, or set, the action for a signal. `sa_handler` and `sa_sigaction` share one place, which is called
/// `sa_sigaction` in Rust. sigaction(2), POSIX.
#[doc(inline)]
pub use libc::sigaction;

/// `sighandler_t signal(int signum, sighandler_t handler);`
///
/// Set the action for a signal in the BSD form: calls restart, and the handler stays. signal(2), C11, POSIX.
#[doc(inline)]
pub use libc::signal;

/// `int sigemptyset(sigset_t *set);`
///
/// Make the set empty. sigsetops(3), POSIX.
#[doc(inline)]
pub use libc::sigemptyset;

/// `int sigfillset(sigset_t *set);`
///
/// Make the set full. sigsetops(3), POSIX.
#[doc(inline)]
pub use libc::sigfillset;

/// `int sigaddset(sigset_t *set, int signum);`
///
/// Add a signal to the set. sigsetops(3), POSIX.
#[doc(inline)]
pub use libc::sigaddset;

/// `int sigdelset(sigset_t *set, int signum);`
///
/// Take a signal out of the set. sigsetops(3), POSIX.
#[doc(inline)]
pub use libc::sigdelset;

/// `int sigismember(const sigset_t *set, int signum);`
///
/// Whether the signal is in the set. sigsetops(3), POSIX.
#[doc(inline)]
pub use libc::sigismember;

/// `int sigprocmask(int how, const sigset_t *restrict set, sigset_t *restrict oldset);`
///
/// Ask for, or change, the mask of blocked signals. sigprocmask(2), POSIX.
#[doc(inline)]
pub use libc::sigprocmask;

/// `int pthread_sigmask(int how, const sigset_t *restrict set, sigset_t *restrict oldset);`
///
/// Ask for, or change, the mask of blocked signals of the calling thread. pthread_sigmask(3), POSIX.
#[doc(inline)]
pub use libc::pthread_sigmask;

/// `int sigsuspend(const sigset_t *mask);`
///
/// Wait for a signal under another mask. sigsuspend(2), POSIX.
#[doc(inline)]
pub use libc::sigsuspend;

/// `int sigpending(sigset_t *set);`
///
/// Get the blocked signals that wait to be delivered. sigpending(2), POSIX.
#[doc(inline)]
pub use libc::sigpending;

/// `int kill(pid_t pid, int sig);`
///
/// Send a signal to a process or a group. kill(2), POSIX.
#[doc(inline)]
pub use libc::kill;

/// `int killpg(int pgrp, int sig);`
///
/// Send a signal to a group. killpg(3), POSIX.
#[doc(inline)]
pub use libc::killpg;

/// `int raise(int sig);`
///
/// Send a signal to this thread. raise(3), C11, POSIX.
#[doc(inline)]
pub use libc::raise;

/// `SIG*`
///
/// The signals, in the order of their numbers. signal(7), POSIX and Linux.
#[doc(inline)]
pub use libc::{
    SIGABRT, SIGALRM, SIGBUS, SIGCHLD, SIGCONT, SIGFPE, SIGHUP, SIGILL, SIGINT, SIGIO, SIGKILL, SIGPIPE, SIGPROF,
    SIGPWR, SIGQUIT, SIGSEGV, SIGSTKFLT, SIGSTOP, SIGSYS, SIGTERM, SIGTRAP, SIGTSTP, SIGTTIN, SIGTTOU, SIGURG, SIGUSR1,
    SIGUSR2, SIGVTALRM, SIGWINCH, SIGXCPU, SIGXFSZ,
};

/// `SIG_*`
///
/// The actions that are no handler, and the result of a failed signal(). signal(2), C11.
#[doc(inline)]
pub use libc::{SIG_DFL, SIG_ERR, SIG_IGN};

/// `SIG_*`
///
/// Ways in which sigprocmask uses the set. sigprocmask(2), POSIX.
#[doc(inline)]
pub use libc::{SIG_BLOCK, SIG_SETMASK, SIG_UNBLOCK};

/// `SA_*`
///
/// The flags of a struct sigaction. sigaction(2), POSIX.
#[doc(inline)]
pub use libc::{SA_NOCLDSTOP, SA_NOCLDWAIT, SA_NODEFER, SA_RESTART, SA_SIGINFO};

/// `(int)SA_RESETHAND`
///
/// A further flag of a struct sigaction, which is unsigned in C. sigaction(2), POSIX.
#[doc(inline)]
pub use libc::SA_RESETHAND;

/// `SI_USER`
///
/// The code of a signal that was sent by kill. sigaction(2), POSIX.
pub const SI_USER: c_int = 0;

/// `SI_TKILL`
///
/// The code of a signal that was sent to one thread. sigaction(2), Linux.
pub const SI_TKILL: c_int = -6;

unsafe extern "C" {
    /// `sighandler_t __sysv_signal(int signum, sighandler_t handler);`
    ///
    /// Set the action for a signal in the System V form, as `signal` does under `-std=c99`. Calls fail with EINTR, and
    /// the handler is reset before it runs. sysv_signal(3).
    pub fn __sysv_signal(signum: c_int, handler: sighandler_t) -> sighandler_t;
}
