//! The id of a process. The modules for signals, stdio and processes use this type.

use core::ffi::c_int;
use core::fmt;

use crate::sys::errno::CReturn;

/// The id of a process.
#[repr(transparent)]
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Pid(c_int);

impl Pid {
    /// 1: the process that began all other processes in this PID namespace.
    pub const INIT: Pid = Pid(1);

    /// Returns the id with this number, or `None` for 0 and below, which are no ids.
    #[must_use]
    pub const fn from_raw(pid: c_int) -> Option<Pid> {
        if pid > 0 { Some(Pid(pid)) } else { None }
    }

    /// Converts a number from the kernel, which is always an id.
    pub(crate) const fn from_kernel(pid: c_int) -> Pid {
        Pid(pid)
    }

    /// Returns the number.
    #[must_use]
    pub const fn raw(self) -> c_int {
        self.0
    }
}

impl fmt::Display for Pid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for Pid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl CReturn for Pid {
    fn c_return(&self) -> c_int {
        self.0
    }
}
