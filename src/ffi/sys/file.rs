//! `<sys/file.h>`: locks on files.

/// `int flock(int fd, int operation);`
///
/// Lock or unlock an open file. flock(2), BSD.
#[doc(inline)]
pub use libc::flock;

/// `LOCK_*`
///
/// Operations of flock. flock(2), BSD.
#[doc(inline)]
pub use libc::{LOCK_EX, LOCK_NB, LOCK_SH, LOCK_UN};
