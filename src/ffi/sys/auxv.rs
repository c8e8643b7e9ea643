//! `<sys/auxv.h>`: values that the kernel gives to a new program.

/// `unsigned long getauxval(unsigned long type);`
///
/// Get a value that the kernel has passed at the start of the program. getauxval(3), GNU.
#[doc(inline)]
pub use libc::getauxval;

/// `AT_EXECFN`
///
/// The path that was passed to execve(). getauxval(3), GNU.
#[doc(inline)]
pub use libc::AT_EXECFN;
