//! Pseudoterminals.
//!
//! # Example
//! ```
//! use mpserv::pty::{NAME_MAX, open_master, slave_name};
//!
//! let master = open_master()?;
//! let mut buffer = [0; NAME_MAX];
//! assert!(slave_name(&master, &mut buffer)?.to_bytes().starts_with(b"/dev/pts/"));
//! # Ok::<(), mpserv::errno::Errno>(())
//! ```

use core::ffi::{CStr, c_char, c_int};

use crate::ffi::fcntl::{O_CLOEXEC, O_NOCTTY, O_RDWR};
use crate::ffi::stdlib as c;
use crate::ffi::sys::ioctl::{TIOCGWINSZ, ioctl, winsize};
use crate::sys::conv::ret;
use crate::sys::errno::{Errno, Result};
use crate::sys::fd::{AsFd, OwnedFd, ret_owned_fd};

/// The longest name of a terminal, with its NUL.
pub const NAME_MAX: usize = 64;

/// `posix_openpt()`, `grantpt()` and `unlockpt()`: opens the master of a new pseudoterminal. After the call, the slave
/// can be opened.
///
/// Async-signal-safe: no, because POSIX does not say so of `posix_openpt()` and `grantpt()`.
///
/// # Errors
/// `ENOSPC` or `ENOENT` when there are no more pseudoterminals or there is no /dev/pts. `EMFILE`, `ENFILE`.
///
/// # References
/// posix_openpt(3), pty(7), POSIX
pub fn open_master() -> Result<OwnedFd> {
    // SAFETY: the call has no precondition on memory.
    let opened = unsafe { c::posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC) };
    // SAFETY: the call returned a new descriptor, or -1.
    let master = unsafe { ret_owned_fd(opened) }?;
    // SAFETY: the call has no precondition on memory.
    ret(unsafe { c::grantpt(master.raw()) })?;
    // SAFETY: the call has no precondition on memory.
    ret(unsafe { c::unlockpt(master.raw()) })?;
    Ok(master)
}

/// `ptsname_r()`: returns the path of a master's slave.
///
/// Async-signal-safe: no, because POSIX does not say so of `ptsname_r()`.
///
/// # Errors
/// `ENOTTY` when `master` is no master, `EBADF`.
///
/// # References
/// ptsname(3), POSIX
pub fn slave_name(master: impl AsFd, buffer: &mut [u8; NAME_MAX]) -> Result<&CStr> {
    let start = buffer.as_mut_ptr().cast::<c_char>();
    // SAFETY: the buffer is valid for writes of the length that is passed with it.
    let error: c_int = unsafe { c::ptsname_r(master.as_fd().raw(), start, NAME_MAX) };
    match error {
        0 => CStr::from_bytes_until_nul(buffer).map_err(|_| Errno::RANGE),
        error => Err(Errno::from_raw(error)),
    }
}

/// `ioctl(TIOCGWINSZ)`: returns the number of a terminal's columns, or `None` when the descriptor is no terminal or
/// does not know the number.
///
/// Async-signal-safe: yes.
#[must_use]
pub fn width(terminal: impl AsFd) -> Option<u16> {
    let mut size = winsize { ws_row: 0, ws_col: 0, ws_xpixel: 0, ws_ypixel: 0 };
    // SAFETY: the pointer is to room for one winsize, which the kernel writes.
    ret(unsafe { ioctl(terminal.as_fd().raw(), TIOCGWINSZ, &raw mut size) }).ok()?;
    (size.ws_col > 0).then_some(size.ws_col)
}
