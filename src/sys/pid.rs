//! The id of a process, which signals, stdio and processes all speak of.

use core::ffi::c_int;
use core::fmt;

use crate::sys::errno::CReturn;

/// The id of a process.
#[repr(transparent)]
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Pid(c_int);

impl Pid {
    /// 1: the process that began all others in this PID namespace.
    pub const INIT: Pid = Pid(1);

    /// The process with this id, or `None` for a number that is none (0 and below).
    #[must_use]
    pub const fn from_raw(pid: c_int) -> Option<Pid> {
        if pid > 0 { Some(Pid(pid)) } else { None }
    }

    /// A number that the kernel gave us.
    pub(crate) const fn from_kernel(pid: c_int) -> Pid {
        Pid(pid)
    }

    /// The number.
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
