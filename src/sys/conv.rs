//! From what a C function returned to a [`Result`]: the one place that knows that -1 means "look at errno".

use core::ffi::{c_int, c_long};

use crate::sys::errno::{Errno, Result};

/// For a function that returns 0, or -1 with errno set.
pub(crate) fn ret(returned: c_int) -> Result<()> {
    ret_c_int(returned).map(|_| ())
}

/// For a function that returns a number of its own, or -1 with errno set.
pub(crate) fn ret_c_int(returned: c_int) -> Result<c_int> {
    if returned == -1 { Err(Errno::last()) } else { Ok(returned) }
}

/// For `syscall()` of a call that returns 0, or -1 with errno set.
pub(crate) fn ret_syscall(returned: c_long) -> Result<()> {
    ret(c_int::try_from(returned).unwrap_or(-1))
}

/// For a function that returns a count of bytes, or -1 with errno set.
pub(crate) fn ret_usize(returned: isize) -> Result<usize> {
    usize::try_from(returned).map_err(|_| Errno::last())
}
