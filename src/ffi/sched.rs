//! `<sched.h>`: processes made with flags.

/// `int clone(int (*fn)(void *), void *stack, int flags, void *arg, ...);`
///
/// Make a child that runs fn on its own stack. clone(2), Linux.
#[doc(inline)]
pub use libc::clone;

/// `CLONE_*`
///
/// Share memory. Make the parent wait until the child runs a program or ends. clone(2), Linux.
#[doc(inline)]
pub use libc::{CLONE_VFORK, CLONE_VM};

/// `int unshare(int flags);`
///
/// Stop sharing things with other processes, such as their network. unshare(2), Linux.
#[doc(inline)]
pub use libc::unshare;

/// `CLONE_*`
///
/// Make a new network and a new user namespace. unshare(2), Linux.
#[doc(inline)]
pub use libc::{CLONE_NEWNET, CLONE_NEWUSER};
