//! Filters of system calls. Some filters make a call wait for an answer from another process, and others end the
//! process.
//!
//! | file | content |
//! |---|---|
//! | `mod` | `listen()`, `allow_only()`, violations |
//! | `filter` | conditions on a call, and the filter's instructions |
//! | `listener` | notices of waiting calls, and their answers |
//!
//! # Example
//! ```
//! use core::sync::atomic::AtomicU64;
//! use mpserv::process::{_exit, Fork, fork, getppid};
//! use mpserv::seccomp::{Rule, allow_only};
//! use mpserv::signal::Signal;
//!
//! static NOTE: AtomicU64 = AtomicU64::new(0);
//!
//! if let Fork::Parent(mut child) = fork()? {
//!     assert_eq!(child.wait()?.term_signal(), Some(Signal::SYS));
//! } else {
//!     // From here on the child can only end. Any other call ends the child by SIGSYS.
//!     let is_set = allow_only(&[Rule::any(libc::SYS_exit_group)], &NOTE);
//!     _exit(if is_set.is_ok() && getppid().is_some() { 0 } else { 1 })
//! }
//! # Ok::<(), mpserv::errno::Errno>(())
//! ```

mod filter;
mod listener;

use core::ffi::{c_int, c_long, c_uint, c_void};
use core::ptr;
use core::sync::atomic::{AtomicPtr, AtomicU64, AtomicUsize, Ordering};

use crate::ffi;
use crate::ffi::linux::filter::sock_filter;
use crate::ffi::linux::filter::{BPF_RET, sock_fprog};
use crate::ffi::linux::seccomp as c;
use crate::ffi::sys::mman;
use crate::ffi::sys::syscall::{SYS_mprotect, SYS_rt_sigaction, SYS_seccomp};
use crate::sys::conv::{ret, ret_c_int};
use crate::sys::errno::{Errno, Result};
use crate::sys::fd::ret_owned_fd;
use crate::sys::process::_exit;
use crate::sys::signal::Signal;
use crate::sys::threads::has_other_threads;
pub use filter::{CALLS_MAX, Check, Rule};
use filter::{Filter, INSTRUCTIONS_MAX, KILL, TRAP, statement};
pub use listener::{Listener, Notice};

/// `seccomp(SECCOMP_SET_MODE_FILTER)` with a listener: makes the calling thread, and all threads and processes that it
/// starts, wait before each of these system calls. The wait ends when the listener's owner answers. When the listener
/// is closed, such calls fail with `ENOSYS`.
///
/// The filter looks only at the number of a call, so it is meaningless for processes of another architecture.
///
/// Async-signal-safe: yes.
///
/// # Safety
/// Code that makes one of these calls must be able to take `ENOSYS` from it. This is so for the code of this process, the
/// C library and the kernel's own use included. For example, a handler of a signal returns by `rt_sigreturn`. If that call
/// failed, the process would go on after it, where there is no code.
///
/// ```compile_fail,E0133
/// mpserv::seccomp::listen(&[libc::SYS_getppid]);
/// ```
///
/// # Errors
/// `EACCES` unless the caller has the privilege, or has given up new privileges (see
/// [`no_new_privileges`](crate::process::no_new_privileges)). `EBUSY` when there is a listener already. `EINVAL` when
/// the kernel has no such filters, or when there are more than [`CALLS_MAX`] calls.
///
/// # References
/// seccomp(2), seccomp_unotify(2), Linux 5.0
pub unsafe fn listen(calls: &[c_long]) -> Result<Listener> {
    let [pass, notify] = [c::SECCOMP_RET_ALLOW, c::SECCOMP_RET_USER_NOTIF].map(|value| [statement(BPF_RET, value)]);
    let filter = Filter::<INSTRUCTIONS_MAX>::new(calls, &notify, &pass)?;
    let returned = filter.install(c::SECCOMP_FILTER_FLAG_NEW_LISTENER);
    // SAFETY: the call returned a new descriptor, or -1.
    unsafe { ret_owned_fd(c_int::try_from(returned).unwrap_or(-1)) }.map(Listener)
}

/// Returns the forbidden system call that a process made, from the note of [`allow_only`].
///
/// Async-signal-safe: yes.
#[must_use]
pub fn violation(noted: u64) -> Option<c_long> {
    // The note is the number plus 1, because on some machines call 0 is `read`.
    noted.checked_sub(1).and_then(|call| c_long::try_from(call).ok())
}

/// The place for the note of this process.
static NOTE: AtomicPtr<AtomicU64> = AtomicPtr::new(ptr::null_mut());
/// The beginning of the words that end with the place for the note, if the words must be made writable first.
static READ_ONLY: AtomicPtr<AtomicU64> = AtomicPtr::new(ptr::null_mut());
static READ_ONLY_SIZE: AtomicUsize = AtomicUsize::new(0);

/// `sigaction(SIGSYS)`: makes this process and its forked children note the call for which [`allow_only`] ends the
/// process. Call this function once, before `allow_only`.
///
/// No call is noted if SIGSYS has another action when `allow_only` is called, or if the rules let `rt_sigaction` or
/// `seccomp` through.
///
/// Async-signal-safe: yes.
///
/// # Errors
/// None on Linux.
pub fn note_violations() -> Result<()> {
    let mut action = ffi::signal::sigaction {
        sa_sigaction: note_address(),
        // SAFETY: zeros are a valid set of signals.
        sa_mask: unsafe { core::mem::zeroed() },
        sa_flags: ffi::signal::SA_SIGINFO,
        sa_restorer: None,
    };
    // SAFETY: the pointer is to a set.
    unsafe { ffi::signal::sigemptyset(&raw mut action.sa_mask) };
    // SAFETY: the pointer is to a valid action. The handler takes three arguments, as its flag says, and is
    // async-signal-safe: it only stores to atomics and makes system calls.
    ret(unsafe { ffi::signal::sigaction(Signal::SYS.raw(), &raw const action, ptr::null_mut()) })
}

fn note_address() -> usize {
    note as extern "C" fn(c_int, *const ffi::signal::siginfo_t, *mut c_void) as usize
}

/// Whether [`note`] is the handler of SIGSYS.
fn is_noting() -> bool {
    // SAFETY: zeros are a valid action.
    let mut action: ffi::signal::sigaction = unsafe { core::mem::zeroed() };
    // SAFETY: the new action is null, and the pointer is to a place for the present one.
    let is_read = ret(unsafe { ffi::signal::sigaction(Signal::SYS.raw(), ptr::null(), &raw mut action) }).is_ok();
    is_read && action.sa_sigaction == note_address()
}

/// The part of a `siginfo_t` that SIGSYS fills in. The C library has no name for this part.
#[repr(C)]
struct SysInfo {
    si_signo: c_int,
    si_errno: c_int,
    si_code: c_int,
    si_call_addr: *mut c_void,
    si_syscall: c_int,
    si_arch: c_uint,
}

const _: () = assert!(size_of::<SysInfo>() <= size_of::<ffi::signal::siginfo_t>(), "it is a part");

/// Handles SIGSYS: notes the call, and ends the process as if there were no handler.
extern "C" fn note(_: c_int, info: *const ffi::signal::siginfo_t, _: *mut c_void) {
    // SAFETY: the kernel passes a pointer to the signal's information, which begins with these fields for every signal.
    let info = unsafe { info.cast::<SysInfo>().read() };
    // SAFETY: the place holds null, or a pointer that was made from a `&'static AtomicU64`.
    let note = unsafe { NOTE.load(Ordering::Acquire).as_ref() };
    // Note only a signal from the kernel: a signal from a process has a code of 0 or less.
    let (read_only, size) = (READ_ONLY.load(Ordering::Relaxed), READ_ONLY_SIZE.load(Ordering::Relaxed));
    if size > 0 {
        // SAFETY: the words are part of a shared mapping that stays, and this process may write to them.
        unsafe { mman::mprotect(read_only.cast(), size, mman::PROT_READ | mman::PROT_WRITE) };
    }
    if let (Some(note), 1..) = (note, info.si_code) {
        note.store(u64::from(info.si_syscall as u32) + 1, Ordering::Relaxed);
    }
    // A second violation, while SIGSYS is blocked because its handler runs, cannot be handled: the kernel ends the
    // process by SIGSYS. Rules that let this call through have no handler, so this call is such a violation.
    // SAFETY: if the call is allowed, the kernel refuses a filter that is null.
    unsafe { ffi::unistd::syscall(SYS_seccomp, c::SECCOMP_SET_MODE_FILTER, 0, ptr::null::<sock_fprog>()) };
    // The signal came from a process, and not from a filter of `allow_only`.
    _exit(SIGNALLED + Signal::SYS.raw())
}

/// The number that shells add to the number of the signal that has ended a process.
const SIGNALLED: c_int = 128;

/// `seccomp(SECCOMP_SET_MODE_FILTER)`: allows this process, and every process that it starts, only the system calls
/// that the rules let through. Of two rules for one call, the first decides. Any other call ends the process by SIGSYS,
/// whatever the action of that signal is. Before, the call is noted in `note`, if [`note_violations`] was called; see
/// [`violation`]. A call of another machine is not noted. There is no way back. Where other threads exist,
/// `SECCOMP_FILTER_FLAG_TSYNC` gives the filter to them as well.
///
/// Async-signal-safe: yes.
///
/// # Errors
/// `EACCES` unless the caller has the privilege, or has given up new privileges (see
/// [`no_new_privileges`](crate::process::no_new_privileges)). `EINVAL` when the kernel has no such filters, for more
/// than [`CALLS_MAX`] rules, for too many checks, and for an argument that no call has. `ESRCH` when another thread has
/// a filter of its own: then no thread gets the new filter.
///
/// # References
/// seccomp(2), Linux 3.17
pub fn allow_only(rules: &[Rule<'_>], note: &'static AtomicU64) -> Result<()> {
    load(rules.iter().copied(), None, note, is_noting())
}

/// Does the same as [`allow_only`], with the note in memory that this process cannot write to yet. The note is the last
/// of `words`, and the first word begins a page. The handler makes the page writable only to note a violation, so there
/// is no cost before. The filter allows that one call of `mprotect()`.
///
/// # Safety
/// The words are part of a shared mapping that stays, and this process may write to the whole page. The action of SIGSYS
/// is that of [`note_violations`].
pub(crate) unsafe fn allow_only_and_note_in<'a>(
    rules: impl Iterator<Item = Rule<'a>> + Clone,
    words: &'static [AtomicU64],
) -> Result<()> {
    let note = words.last().ok_or(Errno::INVAL)?;
    let (start, size) = (words.as_ptr(), size_of_val(words));
    READ_ONLY.store(start.cast_mut(), Ordering::Relaxed);
    READ_ONLY_SIZE.store(size, Ordering::Relaxed);
    let access = [(mman::PROT_READ | mman::PROT_WRITE) as u32];
    let checks = [Check::IsLong(0, start.addr() as u64), Check::IsLong(1, size as u64), Check::Is(2, &access)];
    load(rules, Some(Rule { call: SYS_mprotect, checks: &checks }), note, true)
}

/// The most instructions of a filter that is built on few bytes of the stack. A new process has to copy each page of
/// the stack that it uses.
const INSTRUCTIONS_FEW: usize = 128;
/// An upper bound for a filter's other instructions, which test the machine, load the number, and end the filter.
const BESIDES_RULES: usize = 16;

fn load<'a>(
    rules: impl Iterator<Item = Rule<'a>> + Clone,
    last: Option<Rule<'_>>,
    note: &'static AtomicU64,
    is_noting: bool,
) -> Result<()> {
    if rules.clone().count() > CALLS_MAX {
        return Err(Errno::INVAL);
    }
    // After another handler, the program would go on with the number of the call as its result. The handler of this
    // module must stay, and must be able to end the process.
    let may_go_on = rules.clone().any(|rule| [SYS_rt_sigaction, SYS_seccomp].contains(&rule.call));
    let forbid = if is_noting && !may_go_on { TRAP } else { KILL };
    NOTE.store(ptr::from_ref(note).cast_mut(), Ordering::Release);
    let length = rules.clone().map(|rule| rule.length()).sum::<usize>() + last.map_or(0, |rule| rule.length());
    if length + BESIDES_RULES <= INSTRUCTIONS_FEW {
        load_with::<INSTRUCTIONS_FEW>(rules, last, forbid)
    } else {
        load_with::<INSTRUCTIONS_MAX>(rules, last, forbid)
    }
}

#[inline(never)]
fn load_with<'a, const N: usize>(
    rules: impl Iterator<Item = Rule<'a>> + Clone,
    last: Option<Rule<'_>>,
    forbid: sock_filter,
) -> Result<()> {
    let mut filter = Filter::<N>::begin(&[KILL])?;
    let calls = rules.clone().map(|rule| rule.call).chain(last.map(|rule| rule.call));
    filter.push_highest(calls.max().unwrap_or(0), forbid)?;
    rules.into_iter().try_for_each(|rule| filter.push_rule(&rule, forbid))?;
    last.iter().try_for_each(|rule| filter.push_rule(rule, forbid))?;
    filter.push(&[forbid])?;
    // Each thread has its own filter. A thread without the new filter could make any call that the rules forbid.
    let flags = if has_other_threads() { c::SECCOMP_FILTER_FLAG_TSYNC } else { 0 };
    match ret_c_int(c_int::try_from(filter.install(flags)).unwrap_or(-1))? {
        0 => Ok(()),
        // The id of a thread that cannot get the filter.
        _ => Err(Errno::SRCH),
    }
}
