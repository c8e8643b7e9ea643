//! The sandbox: the system calls that a child can make once it has a client, and the arguments that these calls may
//! have.
//!
//! A child that a client has taken over must not reach further than its connection. So a call on a socket is allowed
//! only on the connection. A preforked child gets its connections later. So its filter allows such calls on the lowest
//! numbers that no descriptor has when the child enters the sandbox: `accept4()` takes the lowest free number. The
//! listeners and all other sockets of the program have other numbers.

use core::ffi::{c_int, c_long};
use core::sync::atomic::AtomicU64;

use super::limits::{LISTENERS_MAX, SANDBOX_CONNECTIONS};
use super::listener::Listeners;
use super::service::Service;
use crate::ffi::sys::mman;
use crate::ffi::sys::socket as option;
use crate::ffi::sys::syscall as c;
use crate::sys::errno::Result;
use crate::sys::fd::{AsFd, BorrowedFd, STDERR, free_numbers};
use crate::sys::process::getpid;
use crate::sys::seccomp::{CALLS_MAX, Check, Rule, allow_only_and_note_in};
use crate::sys::signal::Signal;

/// The calls of every child at its end. Reading the clock makes a system call only where the kernel cannot offer it in
/// shared memory. By `rt_sigreturn()` a handler of a signal returns: a child has those of the caller. By
/// `restart_syscall()` the kernel goes on with a wait that a stop of the process has interrupted.
const BASE: [c_long; 5] =
    [c::SYS_close, c::SYS_exit_group, c::SYS_clock_gettime, c::SYS_rt_sigreturn, c::SYS_restart_syscall];

/// The further calls of a preforked child whose arguments need no check. By these calls the child waits, finds out
/// that its parent has gone, and bounds the time of a write to a terminal.
const POOL: [c_long; 5] = [c::SYS_getpid, c::SYS_getppid, c::SYS_ppoll, c::SYS_clock_nanosleep, c::SYS_setitimer];

/// The number of further calls of a preforked child whose arguments are checked.
const OF_POOL: usize = 7;
/// The number of calls that are allowed for the note of a violation.
const OF_NOTE: usize = 1;

/// The calls that change a socket, or send and receive, for every process that has it.
const SOCKET_CALLS: [c_long; 12] = [
    c::SYS_recvfrom,
    c::SYS_recvmsg,
    c::SYS_recvmmsg,
    c::SYS_sendto,
    c::SYS_sendmsg,
    c::SYS_sendmmsg,
    c::SYS_getsockopt,
    c::SYS_setsockopt,
    c::SYS_shutdown,
    c::SYS_bind,
    c::SYS_connect,
    c::SYS_listen,
];

/// The index of the argument of `sendto()` that is the address of another socket.
const SENDTO_ADDRESS: usize = 4;

impl Service {
    /// Returns the calls that the service makes.
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

/// Whether a handler's calls can be allowed: each must be the number of a call, and there must be room for all of them.
pub(super) fn can_allow(calls: &[c_long]) -> bool {
    let own = BASE.len() + POOL.len() + OF_POOL + OF_NOTE;
    calls.len() + own <= CALLS_MAX && calls.iter().all(|call| u32::try_from(*call).is_ok())
}

/// Whether a handler can get descriptors besides its connection by these calls. A call on a socket makes none, unless
/// it receives a message.
pub(super) fn can_get_descriptors(calls: &[c_long]) -> bool {
    let makes_none = |call| SOCKET_CALLS.contains(call) && !matches!(*call, c::SYS_recvmsg | c::SYS_recvmmsg);
    !calls.iter().all(makes_none)
}

/// Whether a handler can make memory writable, move it or fill it, by these calls.
pub(super) fn can_change_memory(calls: &[c_long]) -> bool {
    let changes = [c::SYS_mprotect, c::SYS_pkey_mprotect, c::SYS_mremap, c::SYS_userfaultfd];
    calls.iter().any(|call| changes.contains(call))
}

/// Enters the sandbox. From now on this process can make `calls`, and those that every child of its kind needs. A
/// violation is noted in the last word of `note`.
#[inline(never)]
pub(super) fn enter(kind: &ChildKind<'_>, calls: &[c_long], note: &'static [AtomicU64]) -> Result<()> {
    match kind {
        ChildKind::OneClient(connection) => enter_with_one_client(number(*connection), calls, note),
        ChildKind::Pool(listeners) => enter_in_pool(listeners, calls, note),
    }
}

fn enter_with_one_client(connection: u32, calls: &[c_long], note: &'static [AtomicU64]) -> Result<()> {
    let connection = [connection];
    let send = [Check::Is(0, &connection), NO_ADDRESS];
    allow_only_noting(common(calls, &[Check::Is(0, &connection)], &send, &moves_all_but(note)), note)
}

fn enter_in_pool(listeners: &Listeners, calls: &[c_long], note: &'static [AtomicU64]) -> Result<()> {
    let connections: [c_int; SANDBOX_CONNECTIONS] = free_numbers(STDERR.raw() + 1)?;
    let connections = connections.map(|number| number as u32);
    let reach = [Check::Is(0, &connections)];
    // If the log is a socket, it is written by sendto().
    let mut sendable = [number(STDERR); SANDBOX_CONNECTIONS + 1];
    for (place, connection) in sendable.iter_mut().zip(connections) {
        *place = connection;
    }
    let send = [Check::Is(0, &sendable), NO_ADDRESS];
    let mut accepting = [0; LISTENERS_MAX];
    for (place, listener) in accepting.iter_mut().zip(listeners.iter()) {
        *place = number(listener.as_fd());
    }
    let accept = [Check::Is(0, accepting.get(..listeners.len()).unwrap_or_default())];
    let stderr = [number(STDERR)];
    let log = [Check::Is(0, &stderr)];
    let level = [constant(option::SOL_SOCKET)];
    let options = [constant(option::SO_RCVTIMEO), constant(option::SO_SNDTIMEO), constant(option::SO_LINGER)];
    let credentials = [constant(option::SO_PEERCRED)];
    let set = [Check::Is(0, &connections), Check::Is(1, &level), Check::Is(2, &options)];
    let get = [Check::Is(0, &connections), Check::Is(1, &level), Check::Is(2, &credentials)];
    // A child whose server was killed ends itself.
    let itself = [getpid().raw() as u32];
    let term = [constant(Signal::TERM.raw())];
    let end = [Check::Is(0, &itself), Check::Is(1, &term)];
    let own: [Rule<'_>; OF_POOL] = [
        Rule { call: c::SYS_accept4, checks: &accept },
        Rule { call: c::SYS_write, checks: &log },
        Rule { call: c::SYS_sendto, checks: &send },
        Rule { call: c::SYS_recvfrom, checks: &reach },
        Rule { call: c::SYS_setsockopt, checks: &set },
        Rule { call: c::SYS_getsockopt, checks: &get },
        Rule { call: c::SYS_kill, checks: &end },
    ];
    let moves = moves_all_but(note);
    allow_only_noting(common(calls, &reach, &send, &moves).chain(POOL.map(Rule::any)).chain(own), note)
}

/// The check that `sendto()` names no other socket.
const NO_ADDRESS: Check<'static> = Check::IsLong(SENDTO_ADDRESS, 0);

/// The index of the argument of `mremap()` that holds the flags.
const MREMAP_FLAGS: usize = 3;
/// The flags of `mremap()` without those for a fixed address, and for a range that is mapped twice.
const MOVES: [u32; 2] = [0, constant(mman::MREMAP_MAYMOVE)];

/// The check that never holds. `remap_file_pages()` would show the slot of another child in place of the child's own.
const NEVER: [Check<'static>; 1] = [Check::Is(0, &[])];

/// Returns the checks that `mremap()` neither stretches the slot of the child over the slots behind it, nor takes the
/// slot along when it moves a range to a fixed address.
fn moves_all_but(slot: &[AtomicU64]) -> [Check<'static>; 2] {
    [Check::IsNotAddress(0, slot.as_ptr().addr() as u64), Check::Is(MREMAP_FLAGS, &MOVES)]
}

/// Returns the calls that the handler names, and those of every child. `sendto()` is allowed where the checks `send`
/// hold, `mremap()` where `moves` holds, and any other call on a socket where `reach` holds.
fn common<'a>(
    calls: &'a [c_long],
    reach: &'a [Check<'a>],
    send: &'a [Check<'a>],
    moves: &'a [Check<'a>],
) -> impl Iterator<Item = Rule<'a>> + Clone {
    let of_handler = |call: &c_long| match *call {
        c::SYS_sendto => Rule { call: *call, checks: send },
        c::SYS_mremap => Rule { call: *call, checks: moves },
        c::SYS_remap_file_pages => Rule { call: *call, checks: &NEVER },
        call if SOCKET_CALLS.contains(&call) => Rule { call, checks: reach },
        call => Rule::any(call),
    };
    calls.iter().map(of_handler).chain(BASE.map(Rule::any))
}

/// Calls [`allow_only_and_note_in`] with a slot of the scoreboard.
fn allow_only_noting<'a>(rules: impl Iterator<Item = Rule<'a>> + Clone, note: &'static [AtomicU64]) -> Result<()> {
    // SAFETY: the words begin the child's own slot. The slot begins a page of the scoreboard, and this page has no
    // words of another child.
    unsafe { allow_only_and_note_in(rules, note) }
}

/// Returns a descriptor as the kernel sees it in a call's argument.
const fn number(fd: BorrowedFd<'_>) -> u32 {
    fd.raw() as u32
}

/// Returns a constant as the kernel sees it in a call's argument.
const fn constant(value: c_int) -> u32 {
    value as u32
}

#[cfg(test)]
mod tests;
