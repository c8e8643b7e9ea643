//! `<sys/personality.h>`: how the kernel runs programs.

/// `int personality(unsigned long persona);`
///
/// Set how the kernel runs the programs of this thread, or ask for it with 0xffffffff. personality(2), Linux.
#[doc(inline)]
pub use libc::personality;

/// `ADDR_NO_RANDOMIZE`
///
/// Do not choose the addresses of memory at random. personality(2), Linux.
#[doc(inline)]
pub use libc::ADDR_NO_RANDOMIZE;
