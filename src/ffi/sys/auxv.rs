//! `<sys/auxv.h>`: what the kernel has told a new program.

/// `unsigned long getauxval(unsigned long type);`
///
/// A value that the kernel has passed at the start of the program. getauxval(3), GNU.
#[doc(inline)]
pub use libc::getauxval;

/// `AT_EXECFN`
///
/// The path that execve() was given. getauxval(3), GNU.
#[doc(inline)]
pub use libc::AT_EXECFN;
