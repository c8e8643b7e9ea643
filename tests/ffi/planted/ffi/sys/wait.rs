//! `<sys/wait.h>`

use crate::libc;

/// `typedef /* ... */ pid_t;`
pub use libc::pid_t;

/// `pid_t wait(int *wstatus);`
pub use libc::wait;

/// `bool WIFEXITED(int wstatus); /* macro */`
pub use libc::WIFEXITED;

/// `int WEXITSTATUS(int wstatus); /* macro */`
pub use libc::WEXITSTATUS;
