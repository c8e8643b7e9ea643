//! `<linux/filter.h>`: programs that the kernel runs for each packet or system call.

/// `struct sock_filter { __u16 code; __u8 jt; __u8 jf; __u32 k; }`
///
/// One instruction. bpf(4), Linux.
#[doc(inline)]
pub use libc::sock_filter;

/// `struct sock_fprog { unsigned short len; struct sock_filter *filter; }`
///
/// A program. bpf(4), Linux.
#[doc(inline)]
pub use libc::sock_fprog;

/// `BPF_*`
///
/// The parts of an instruction's code. bpf(4), Linux.
#[doc(inline)]
pub use libc::{BPF_ABS, BPF_JEQ, BPF_JMP, BPF_K, BPF_LD, BPF_RET, BPF_W};
