//! The way in which the kernel runs programs.

use core::ffi::c_ulong;

use crate::ffi::sys::personality as c;
use crate::sys::conv::ret_c_int;
use crate::sys::errno::Result;

/// The argument that changes nothing, and only asks.
const ASK: c_ulong = 0xffff_ffff;

fn call(persona: c_ulong) -> Result<c_ulong> {
    // SAFETY: the call takes a number and no pointer.
    ret_c_int(unsafe { c::personality(persona) }).map(|now| c_ulong::try_from(now).unwrap_or_default())
}

/// `personality(ADDR_NO_RANDOMIZE)`: the kernel does not choose at random the addresses of programs that this thread
/// executes from now on. The setting also holds for the processes that the thread makes.
///
/// Async-signal-safe: yes.
///
/// # Errors
/// `EPERM` where a filter of system calls forbids the call, as in many containers.
///
/// # References
/// personality(2), Linux
pub fn fix_addresses() -> Result<()> {
    let flag = c_ulong::try_from(c::ADDR_NO_RANDOMIZE).unwrap_or_default();
    call(call(ASK)? | flag).map(|_| ())
}
