//! The sandbox: the system calls that a child can make once it has a client, and what their arguments must be.
//!
//! A child that a client has taken over must not reach further than its connection. So a call on a socket is allowed on
//! the connection alone. A preforked child does not know the descriptors of its connections beforehand: for it, such a call
//! is allowed on every descriptor but the listeners and the standard ones.

use core::ffi::{c_int, c_long};
use core::sync::atomic::AtomicU64;

use super::limits::LISTENERS_MAX;
use super::listener::Listeners;
use super::service::Service;
use crate::ffi::sys::socket as option;
use crate::ffi::sys::syscall as c;
use crate::sys::errno::{Errno, Result};
use crate::sys::fd::{AsFd, BorrowedFd, STDERR, STDIN, STDOUT};
use crate::sys::seccomp::{CALLS_MAX, Check, Rule, allow_only};

/// The calls of every child at its end. Usually the clock is read without a system call.
const BASE: [c_long; 3] = [c::SYS_close, c::SYS_exit_group, c::SYS_clock_gettime];

/// The further calls of a preforked child whose arguments reach nothing: it waits, and handles the signal that retires it.
const POOL: [c_long; 4] = [c::SYS_getpid, c::SYS_ppoll, c::SYS_rt_sigreturn, c::SYS_clock_nanosleep];

/// The calls that change a socket, or send and receive, for every process that has it.
const SOCKET_CALLS: [c_long; 10] = [
    c::SYS_recvfrom,
    c::SYS_recvmsg,
    c::SYS_sendto,
    c::SYS_sendmsg,
    c::SYS_getsockopt,
    c::SYS_setsockopt,
    c::SYS_shutdown,
    c::SYS_bind,
    c::SYS_connect,
    c::SYS_listen,
];

/// Index of the argument of `sendto()` that is the address of another socket.
const SENDTO_ADDRESS: usize = 4;

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
pub(super) enum ChildKind<'a> {
    /// A child with this connection.
    OneClient(BorrowedFd<'a>),
    /// A preforked child, which accepts one client after another from these listeners.
    Pool(&'a Listeners),
}

/// Up to [`CALLS_MAX`] rules.
struct Rules<'a> {
    rules: [Rule<'a>; CALLS_MAX],
    length: usize,
}

impl<'a> Rules<'a> {
    fn push(&mut self, call: c_long, checks: &'a [Check<'a>]) -> Result<()> {
        *self.rules.get_mut(self.length).ok_or(Errno::INVAL)? = Rule { call, checks };
        self.length += 1;
        Ok(())
    }

    /// Allows calls that the handler names: those on a socket on the connection alone, which `reach` checks.
    fn push_handler(&mut self, calls: &[c_long], reach: &'a [Check<'a>], send: &'a [Check<'a>]) -> Result<()> {
        calls.iter().try_for_each(|call| match *call {
            c::SYS_sendto => self.push(*call, send),
            call if SOCKET_CALLS.contains(&call) => self.push(call, reach),
            call => self.push(call, &[]),
        })
    }
}

/// Enters the sandbox. From now on this process can make `calls`, and those that every child of its kind needs.
#[inline(never)]
pub(super) fn enter(kind: &ChildKind<'_>, calls: &[c_long], note: &'static AtomicU64) -> Result<()> {
    let mut numbers = [0; LISTENERS_MAX + 2];
    let mut length = 0;
    let listeners: &[u32] = match kind {
        ChildKind::OneClient(_) => &[],
        ChildKind::Pool(listeners) => {
            let standard = [STDIN, STDOUT].into_iter();
            let all = listeners.iter().map(AsFd::as_fd).chain(standard);
            for (place, fd) in numbers.iter_mut().zip(all) {
                *place = number(fd);
                length += 1;
            }
            numbers.get(..length).unwrap_or_default()
        }
    };
    // The listeners stand first.
    let accepting = listeners.get(..length.saturating_sub(2)).unwrap_or_default();
    let connection = match kind {
        ChildKind::OneClient(connection) => [number(*connection)],
        ChildKind::Pool(_) => [0],
    };
    let reach = match kind {
        ChildKind::OneClient(_) => Check::Is(0, &connection),
        ChildKind::Pool(_) => Check::IsNot(0, listeners),
    };
    let [reach, send] = [[reach, reach], [reach, Check::IsNull(SENDTO_ADDRESS)]];
    let reach = reach.get(..1).unwrap_or_default();
    let mut rules = Rules { rules: [Rule::any(0); CALLS_MAX], length: 0 };
    rules.push_handler(calls, reach, &send)?;
    BASE.iter().try_for_each(|call| rules.push(*call, &[]))?;
    let accept = [Check::Is(0, accepting)];
    let stderr = [number(STDERR)];
    let log = [Check::Is(0, &stderr)];
    let level = [constant(option::SOL_SOCKET)];
    let timeouts = [constant(option::SO_RCVTIMEO), constant(option::SO_SNDTIMEO)];
    let credentials = [constant(option::SO_PEERCRED)];
    let set = [Check::IsNot(0, listeners), Check::Is(1, &level), Check::Is(2, &timeouts)];
    let get = [Check::IsNot(0, listeners), Check::Is(1, &level), Check::Is(2, &credentials)];
    if let ChildKind::Pool(_) = kind {
        POOL.iter().try_for_each(|call| rules.push(*call, &[]))?;
        rules.push(c::SYS_accept4, &accept)?;
        rules.push(c::SYS_write, &log)?;
        // A log that is a socket is written to by sendto.
        rules.push(c::SYS_sendto, &send)?;
        rules.push(c::SYS_recvfrom, reach)?;
        rules.push(c::SYS_setsockopt, &set)?;
        rules.push(c::SYS_getsockopt, &get)?;
    }
    allow_only(rules.rules.get(..rules.length).unwrap_or_default(), note)
}

/// A descriptor as the kernel sees it in a call's argument.
const fn number(fd: BorrowedFd<'_>) -> u32 {
    fd.raw() as u32
}

/// A constant as the kernel sees it in a call's argument.
const fn constant(value: c_int) -> u32 {
    value as u32
}
