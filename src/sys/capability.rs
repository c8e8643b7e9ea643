//! `<linux/capability.h>`: what root may do, in pieces.

use crate::ffi;
use crate::ffi::linux::capability::{__user_cap_data_struct, __user_cap_header_struct, _LINUX_CAPABILITY_VERSION_3};
use crate::ffi::sys::syscall::{SYS_capget, SYS_capset};
use crate::sys::conv::ret_syscall;
use crate::sys::errno::Result;

/// How many structs hold the 64 capabilities of that version.
const HALVES: usize = 2;

/// `capget()` and `capset()`: has no program inherit a capability that this process has.
///
/// # Errors
/// None on Linux 2.6.26 or later.
///
/// # References
/// capget(2), capabilities(7)
pub fn clear_inheritable() -> Result<()> {
    let mut header = __user_cap_header_struct { version: _LINUX_CAPABILITY_VERSION_3, pid: 0 };
    let mut data = [__user_cap_data_struct { effective: 0, permitted: 0, inheritable: 0 }; HALVES];
    // SAFETY: of this version there are two structs of data to be filled in, and both pointers are to structs of ours.
    let got = unsafe { ffi::unistd::syscall(SYS_capget, &raw mut header, data.as_mut_ptr()) };
    ret_syscall(got)?;
    data.iter_mut().for_each(|half| half.inheritable = 0);
    // SAFETY: as above; the call reads them.
    let set = unsafe { ffi::unistd::syscall(SYS_capset, &raw mut header, data.as_ptr()) };
    ret_syscall(set)
}
