//! What a process may be and do.

use core::ffi::{c_int, c_ulong};

use crate::conv::ret;
use crate::errno::Result;
use crate::ffi::sys::prctl as c;

fn switch_on(option: c_int) -> Result<()> {
    let (on, unused): (c_ulong, c_ulong) = (1, 0);
    // SAFETY: the options below take one number and no pointer.
    ret(unsafe { c::prctl(option, on, unused, unused, unused) })
}

/// `prctl(PR_SET_CHILD_SUBREAPER)`: orphans among this process's descendants become its children.
///
/// # Errors
/// None on Linux 3.4 or later.
///
/// # References
/// prctl(2), Linux
pub fn adopt_orphans() -> Result<()> {
    switch_on(c::PR_SET_CHILD_SUBREAPER)
}

/// `prctl(PR_SET_NO_NEW_PRIVS)`: no program that this thread executes from now on gains privileges by its file.
///
/// # Errors
/// None on Linux 3.5 or later.
///
/// # References
/// prctl(2), Linux
pub fn no_new_privileges() -> Result<()> {
    switch_on(c::PR_SET_NO_NEW_PRIVS)
}
