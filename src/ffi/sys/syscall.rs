//! `<sys/syscall.h>`: the numbers of system calls, for filters, and for calls that the C library wraps in more.

/// `SYS_*`
///
/// The calls of a process that only serves the connection it has. syscalls(2), Linux.
#[doc(inline)]
pub use libc::{
    SYS_clock_nanosleep, SYS_clone, SYS_clone3, SYS_close, SYS_exit, SYS_exit_group, SYS_ppoll, SYS_read, SYS_recvfrom,
    SYS_restart_syscall, SYS_rt_sigreturn, SYS_seccomp, SYS_sendto, SYS_set_robust_list, SYS_shutdown, SYS_vfork,
    SYS_write,
};
