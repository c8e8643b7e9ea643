//! `<sys/personality.h>`: the way in which the kernel runs programs.

/// `int personality(unsigned long persona);`
///
/// Set the way in which the kernel runs the programs of this thread. With 0xffffffff, only return the present way.
/// personality(2), Linux.
#[doc(inline)]
pub use libc::personality;

/// `ADDR_NO_RANDOMIZE`
///
/// Do not choose the addresses of memory at random. personality(2), Linux.
#[doc(inline)]
pub use libc::ADDR_NO_RANDOMIZE;
