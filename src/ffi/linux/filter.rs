//! `<linux/filter.h>`: the small programs that filter system calls.

/// `struct sock_filter { __u16 code; __u8 jt; __u8 jf; __u32 k; }`
///
/// An instruction. seccomp(2), Linux.
#[doc(inline)]
pub use libc::sock_filter;

/// `struct sock_fprog { unsigned short len; struct sock_filter *filter; }`
///
/// A program. seccomp(2), Linux.
#[doc(inline)]
pub use libc::sock_fprog;

/// `BPF_*`
///
/// Parts of an instruction's code. seccomp(2), Linux.
#[doc(inline)]
pub use libc::{BPF_ABS, BPF_ALU, BPF_AND, BPF_JEQ, BPF_JGT, BPF_JMP, BPF_K, BPF_LD, BPF_RET, BPF_W};
