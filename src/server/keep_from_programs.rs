//! Keeps the descriptors of this process from the programs that it runs.

use core::ffi::c_uint;

use crate::sys::errno::{Errno, Result};
use crate::sys::fd::{close_range_on_exec, read_all, set_close_on_exec_each};
use crate::sys::fs::{OpenFlags, open};

/// The first descriptor after standard error.
const FIRST_NOT_STANDARD: c_uint = 3;

/// Sets `FD_CLOEXEC` of every descriptor that is open now, but for 0, 1 and 2. So a program that this process runs does
/// not get it.
///
/// [`serve_program`](crate::server::Bound::serve_program) calls this function. A program that runs others before it
/// serves may call it at its start.
///
/// # Errors
/// `ENOSYS` where the kernel lacks `close_range()`, or a filter of system calls refuses it, and `/proc` is not there.
pub fn keep_from_programs() -> Result<()> {
    close_range_on_exec(FIRST_NOT_STANDARD).or_else(|_| {
        // The kernel, or a container's filter of system calls, is older than the call.
        let end = table_size().ok_or(Errno::NOSYS)?;
        set_close_on_exec_each(FIRST_NOT_STANDARD, end);
        Ok(())
    })
}

/// The number of bytes that are read from `/proc/self/status`. The size of the table stands near the beginning of the
/// file.
const STATUS_MAX: usize = 4096;

/// Returns the size of this process's table of descriptors. Every descriptor's number is below this size.
fn table_size() -> Option<c_uint> {
    let status = open(c"/proc/self/status", OpenFlags::RDONLY | OpenFlags::CLOEXEC, 0).ok()?;
    let mut text = [0; STATUS_MAX];
    let text = read_all(&status, &mut text).ok()?;
    let size = text.split(|&byte| byte == b'\n').find_map(|line| line.strip_prefix(b"FDSize:"))?;
    core::str::from_utf8(size).ok()?.trim().parse().ok()
}
