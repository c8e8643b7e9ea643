//! `<linux/seccomp.h>`: filters of system calls.

/// `struct seccomp_data { int nr; __u32 arch; __u64 instruction_pointer; __u64 args[6]; }`
///
/// A system call in the form that a filter sees. seccomp(2), Linux.
#[doc(inline)]
pub use libc::seccomp_data;

/// `SECCOMP_RET_*`
///
/// A filter's decisions. seccomp(2), Linux.
#[doc(inline)]
pub use libc::{SECCOMP_RET_ALLOW, SECCOMP_RET_KILL_PROCESS, SECCOMP_RET_TRAP};

/// `struct seccomp_notif { __u64 id; __u32 pid; __u32 flags; struct seccomp_data data; }`
///
/// A system call that waits for an answer. seccomp_unotify(2), Linux.
#[doc(inline)]
pub use libc::seccomp_notif;

/// `struct seccomp_notif_resp { __u64 id; __s64 val; __s32 error; __u32 flags; }`
///
/// The answer. seccomp_unotify(2), Linux.
#[doc(inline)]
pub use libc::seccomp_notif_resp;

/// `SECCOMP_*`
///
/// Install a filter, also in all other threads. Ask for the descriptor of its notifications. Make a call wait. Take a
/// notification and answer it. seccomp(2), seccomp_unotify(2), Linux.
#[doc(inline)]
pub use libc::{
    SECCOMP_FILTER_FLAG_NEW_LISTENER, SECCOMP_FILTER_FLAG_TSYNC, SECCOMP_IOCTL_NOTIF_RECV, SECCOMP_IOCTL_NOTIF_SEND,
    SECCOMP_RET_USER_NOTIF, SECCOMP_SET_MODE_FILTER, SECCOMP_USER_NOTIF_FLAG_CONTINUE,
};
