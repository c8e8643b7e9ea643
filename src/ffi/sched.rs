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
