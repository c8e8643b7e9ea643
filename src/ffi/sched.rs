//! `<sched.h>`: processes made with flags.

/// `int clone(int (*fn)(void *), void *stack, int flags, void *arg, ...);`
///
/// Make a child that runs fn on its own stack. clone(2), Linux.
#[doc(inline)]
pub use libc::clone;

/// `CLONE_*`
///
/// Share memory; let the parent wait until the child runs a program or ends. clone(2), Linux.
#[doc(inline)]
pub use libc::{CLONE_VFORK, CLONE_VM};

/// `int unshare(int flags);`
///
/// Leave what is shared with other processes, such as their network. unshare(2), Linux.
#[doc(inline)]
pub use libc::unshare;

/// `CLONE_*`
///
/// A network and users of one's own. unshare(2), Linux.
#[doc(inline)]
pub use libc::{CLONE_NEWNET, CLONE_NEWUSER};

/// `typedef struct { } cpu_set_t;`
///
/// A set of processors. CPU_SET(3), Linux.
#[doc(inline)]
pub use libc::cpu_set_t;

/// `int sched_getaffinity(pid_t pid, size_t cpusetsize, cpu_set_t *mask);`
///
/// On which processors a thread may run. sched_setaffinity(2), Linux.
#[doc(inline)]
pub use libc::sched_getaffinity;

/// `int sched_setaffinity(pid_t pid, size_t cpusetsize, const cpu_set_t *mask);`
///
/// Have a thread run on these processors only. sched_setaffinity(2), Linux.
#[doc(inline)]
pub use libc::sched_setaffinity;
