//! What a process may be and do.

use core::ffi::{c_int, c_ulong};

use crate::ffi::sys::prctl as c;
use crate::sys::conv::ret_c_int;
use crate::sys::errno::{Errno, Result};

fn call(option: c_int, argument: c_ulong) -> Result<c_int> {
    let unused: c_ulong = 0;
    // SAFETY: the options below take one number and no pointer.
    ret_c_int(unsafe { c::prctl(option, argument, unused, unused, unused) })
}

fn switch_on(option: c_int) -> Result<()> {
    call(option, 1).map(|_| ())
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

/// `prctl(PR_CAPBSET_READ, …)` and `prctl(PR_CAPBSET_DROP, …)` for each capability that there is, and
/// `prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL)`: no program that this process and its children execute from now on
/// gains a capability by its user or its file.
///
/// # Errors
/// `EPERM` without the capability to do so, where there was one to drop.
///
/// # References
/// capabilities(7), prctl(2), Linux 4.3
pub fn drop_capability_bounds() -> Result<()> {
    call(c::PR_CAP_AMBIENT, c_ulong::try_from(c::PR_CAP_AMBIENT_CLEAR_ALL).unwrap_or(0))?;
    for capability in 0.. {
        match call(c::PR_CAPBSET_READ, capability) {
            Ok(0) => {}
            Ok(_) => call(c::PR_CAPBSET_DROP, capability).map(|_| ())?,
            // There is none of this number.
            Err(Errno::INVAL) => break,
            Err(errno) => return Err(errno),
        }
    }
    Ok(())
}
