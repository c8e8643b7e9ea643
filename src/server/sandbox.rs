//! The sandbox: the system calls that a child can make once it has a client.

use core::ffi::c_long;
use core::sync::atomic::AtomicU64;

use super::service::Service;
use crate::ffi::sys::syscall as c;
use crate::sys::errno::{Errno, Result};
use crate::sys::seccomp::{CALLS_MAX, allow_only};

/// The calls of every child at its end. Usually the clock is read without a system call.
const BASE: [c_long; 3] = [c::SYS_close, c::SYS_exit_group, c::SYS_clock_gettime];

/// The further calls of a preforked child: it accepts, identifies the client, sets time limits, logs, and handles the
/// signal that retires it.
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
    /// The calls that the service makes.
    pub(super) const fn calls(self) -> &'static [c_long] {
        match self {
            Service::Echo | Service::Rot13 => &[c::SYS_recvfrom, c::SYS_sendto],
            Service::Discard => &[c::SYS_recvfrom],
        }
    }
}

/// The kind of a child in the sandbox.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum ChildKind {
    /// A child with one client.
    OneClient,
    /// A preforked child, which serves one client after another.
    Pool,
}

/// Enters the sandbox. From now on this process can make `calls`, and those that every child of its kind needs.
pub(super) fn enter(kind: ChildKind, calls: &[c_long], note: &'static AtomicU64) -> Result<()> {
    let pool = if kind == ChildKind::Pool { &POOL[..] } else { &[] };
    let mut all = [0; CALLS_MAX];
    let mut length = 0;
    for call in BASE.iter().chain(pool).chain(calls) {
        *all.get_mut(length).ok_or(Errno::INVAL)? = *call;
        length += 1;
    }
    allow_only(all.get(..length).unwrap_or_default(), note)
}
