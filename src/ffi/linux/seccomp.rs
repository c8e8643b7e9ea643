//! `<linux/seccomp.h>`: filters of system calls.

/// `struct seccomp_data { int nr; __u32 arch; __u64 instruction_pointer; __u64 args[6]; }`
///
/// What a filter sees of a system call. seccomp(2), Linux.
#[doc(inline)]
pub use libc::seccomp_data;

/// `SECCOMP_MODE_FILTER`
///
/// PR_SET_SECCOMP's argument for a filter. prctl(2), Linux.
#[doc(inline)]
pub use libc::SECCOMP_MODE_FILTER;

/// `SECCOMP_RET_*`
///
/// What a filter decides. seccomp(2), Linux.
#[doc(inline)]
pub use libc::{SECCOMP_RET_ALLOW, SECCOMP_RET_ERRNO, SECCOMP_RET_KILL_PROCESS};
