//! The sandbox: which system calls a child makes from the moment on at which it has a client.

use core::ffi::c_long;
use core::sync::atomic::AtomicU64;

use super::service::Service;
use crate::ffi::sys::syscall as c;
use crate::sys::errno::{Errno, Result};
use crate::sys::seccomp::{CALLS_MAX, allow_only};

/// What every child does at its end. The clock is read without a system call wherever it can be.
const BASE: [c_long; 3] = [c::SYS_close, c::SYS_exit_group, c::SYS_clock_gettime];

/// What a child does besides that serves one client after another: it waits for one, asks who it is, sets its time
/// limits, logs, and is told by a signal that it is no longer needed.
const POOL: [c_long; 10] = [
    c::SYS_getpid,
    c::SYS_accept4,
    c::SYS_ppoll,
    c::SYS_getsockopt,
    c::SYS_setsockopt,
    c::SYS_recvfrom,
    c::SYS_write,
    c::SYS_sendto,
    c::SYS_rt_sigreturn,
    c::SYS_clock_nanosleep,
];

impl Service {
    /// What it does.
    pub(super) const fn calls(self) -> &'static [c_long] {
        match self {
            Service::Echo | Service::Rot13 => &[c::SYS_recvfrom, c::SYS_sendto],
            Service::Discard => &[c::SYS_recvfrom],
        }
    }
}

/// Who is in the sandbox.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Inmate {
    /// A child with one client.
    Once,
    /// A child that serves one after another.
    Pool,
}

/// Enters the sandbox: `calls`, and what every such child does, and nothing else.
pub(super) fn enter(inmate: Inmate, calls: &[c_long], note: &'static AtomicU64) -> Result<()> {
    let pool = if inmate == Inmate::Pool { &POOL[..] } else { &[] };
    let mut all = [0; CALLS_MAX];
    let mut length = 0;
    for call in BASE.iter().chain(pool).chain(calls) {
        *all.get_mut(length).ok_or(Errno::INVAL)? = *call;
        length += 1;
    }
    allow_only(all.get(..length).unwrap_or_default(), note)
}
