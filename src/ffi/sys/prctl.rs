//! `<sys/prctl.h>`: properties of a process.

/// `int prctl(int option, ...);`
///
/// Ask for, or change, a property of this process. prctl(2), Linux.
#[doc(inline)]
pub use libc::prctl;

/// `PR_*`
///
/// The properties of a process. prctl(2), Linux.
#[doc(inline)]
pub use libc::{
    PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, PR_CAPBSET_DROP, PR_CAPBSET_READ, PR_SET_CHILD_SUBREAPER,
    PR_SET_DUMPABLE, PR_SET_NO_NEW_PRIVS, PR_SET_PDEATHSIG,
};
