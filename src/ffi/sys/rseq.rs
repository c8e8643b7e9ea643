//! `<sys/rseq.h>`: what a thread shares with the kernel for restartable sequences.

use core::ffi::{c_int, c_uint};

/// `typedef /* ... */ ptrdiff_t;`
///
/// The distance of two pointers. ptrdiff_t(3type), C11.
#[doc(inline)]
pub use libc::ptrdiff_t;

unsafe extern "C" {
    /// `extern const ptrdiff_t __rseq_offset;`
    ///
    /// Where a thread's area is, from its thread pointer. glibc manual, 2.35.
    pub static __rseq_offset: ptrdiff_t;

    /// `extern const unsigned int __rseq_size;`
    ///
    /// How long the area is; 0 when the kernel knows of none. glibc manual, 2.35.
    pub static __rseq_size: c_uint;
}

/// `RSEQ_FLAG_UNREGISTER`
///
/// Have the kernel forget the area. rseq(2), Linux 4.18.
pub const RSEQ_FLAG_UNREGISTER: c_int = 1;

/// `RSEQ_SIG`
///
/// With what the C library signs the area, on x86-64. rseq(2), glibc manual, 2.35.
#[cfg(target_arch = "x86_64")]
pub const RSEQ_SIG: c_uint = 0x5305_3053;
