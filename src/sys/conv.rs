//! Converts the return value of a C function to a [`Result`]. Only this module knows that -1 means "look at errno".

use core::ffi::{c_int, c_long};

use crate::sys::errno::{Errno, Result};

/// Converts the result of a function that returns 0, or -1 with errno set.
pub(crate) fn ret(returned: c_int) -> Result<()> {
    ret_c_int(returned).map(|_| ())
}

/// Converts the result of a function that returns a number, or -1 with errno set.
pub(crate) fn ret_c_int(returned: c_int) -> Result<c_int> {
    if returned == -1 { Err(Errno::last()) } else { Ok(returned) }
}

/// Converts the result of `syscall()` for a call that returns 0, or -1 with errno set.
pub(crate) fn ret_syscall(returned: c_long) -> Result<()> {
    ret(c_int::try_from(returned).unwrap_or(-1))
}

/// Converts the result of a function that returns a number of bytes, or -1 with errno set.
pub(crate) fn ret_usize(returned: isize) -> Result<usize> {
    usize::try_from(returned).map_err(|_| Errno::last())
}
