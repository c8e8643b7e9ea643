//! Filters of system calls: those that wait for an answer from outside, and those that end the process.

use core::ffi::{c_int, c_long, c_uint, c_void};
use core::mem::offset_of;
use core::ptr;
use core::sync::atomic::{AtomicPtr, AtomicU64, Ordering};

use crate::ffi;
use crate::ffi::linux::audit;
use crate::ffi::linux::filter::{
    BPF_A, BPF_ABS, BPF_ALU, BPF_AND, BPF_JA, BPF_JEQ, BPF_JMP, BPF_K, BPF_LD, BPF_OR, BPF_RET, BPF_W, sock_filter,
    sock_fprog,
};
use crate::ffi::linux::seccomp as c;
use crate::ffi::sys::syscall::SYS_seccomp;
use crate::sys::conv::{ret, ret_c_int};
use crate::sys::errno::{Errno, Result};
use crate::sys::fd::{AsFd, OwnedFd, ret_owned_fd};
use crate::sys::process::_exit;
use crate::sys::signal::Signal;

/// Most system calls in one filter: a jump's distance has 8 bits.
pub const CALLS_MAX: usize = 64;

/// One system call that waits.
#[derive(Clone, Copy, Debug)]
pub struct Notice {
    id: u64,
    /// The thread that makes the call.
    pub thread: u32,
    /// The call's number.
    pub call: c_long,
    /// The call's arguments; pointers are the thread's.
    pub arguments: [u64; 6],
}

/// Where the notices of a filter come from.
#[derive(Debug)]
pub struct Listener(OwnedFd);

impl AsFd for Listener {
    fn as_fd(&self) -> crate::sys::fd::BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// `seccomp(SECCOMP_SET_MODE_FILTER)` with a listener: from now on the calling thread, and all that it starts, wait
/// before each of these system calls until the listener's owner answers. When the listener is closed, such calls fail
/// with `ENOSYS`.
///
/// The filter goes by the number of a call alone, so for processes of another architecture it is meaningless.
///
/// # Errors
/// `EACCES` unless the caller may do so, or has given up new privileges (see
/// [`no_new_privileges`](crate::process::no_new_privileges)); `EBUSY` when there is a listener already; `EINVAL` when
/// the kernel has no such filters, or when there are more than [`CALLS_MAX`] calls.
///
/// # References
/// seccomp(2), seccomp_unotify(2), Linux 5.0
pub fn listen(calls: &[c_long]) -> Result<Listener> {
    let [pass, notify] = [c::SECCOMP_RET_ALLOW, c::SECCOMP_RET_USER_NOTIF].map(|value| [statement(BPF_RET, value)]);
    let filter = Filter::new(calls, &notify, &pass)?;
    let returned = filter.install(c::SECCOMP_FILTER_FLAG_NEW_LISTENER);
    // SAFETY: it returned a new descriptor, or -1.
    unsafe { ret_owned_fd(c_int::try_from(returned).unwrap_or(-1)) }.map(Listener)
}

/// Which system call a process made that it may not: from what [`allow_only`] has noted.
#[must_use]
pub fn violation(noted: u64) -> Option<c_long> {
    // Call 0 is `read` on some machines, so 1 more is noted.
    noted.checked_sub(1).and_then(|call| c_long::try_from(call).ok())
}

/// Where this process notes its violation.
static NOTE: AtomicPtr<AtomicU64> = AtomicPtr::new(ptr::null_mut());

/// `sigaction(SIGSYS)`: has this process, and those forked from it, note the call that [`allow_only`] ends it for. To be
/// called once, before that.
///
/// # Errors
/// None on Linux.
pub fn note_violations() -> Result<()> {
    let mut action = ffi::signal::sigaction {
        sa_sigaction: note as extern "C" fn(c_int, *const ffi::signal::siginfo_t, *mut c_void) as usize,
        // SAFETY: no bit set is a value of a set of signals.
        sa_mask: unsafe { core::mem::zeroed() },
        sa_flags: ffi::signal::SA_SIGINFO,
        sa_restorer: None,
    };
    // SAFETY: the pointer is to a set.
    unsafe { ffi::signal::sigemptyset(&raw mut action.sa_mask) };
    // SAFETY: the action is a struct of ours, and the handler, of three arguments as its flag says, stores to atomics
    // and makes system calls.
    ret(unsafe { ffi::signal::sigaction(Signal::SYS.raw(), &raw const action, ptr::null_mut()) })
}

/// The handler of SIGSYS: notes the call, and ends the process as if there were no handler.
extern "C" fn note(_: c_int, info: *const ffi::signal::siginfo_t, _: *mut c_void) {
    // SAFETY: the kernel passes a pointer to the signal's information.
    let info = unsafe { info.read() };
    // SAFETY: the place holds null or what was a `&'static AtomicU64`.
    let note = unsafe { NOTE.load(Ordering::Relaxed).as_ref() };
    // A signal from a process has a code of 0 or less.
    if let (Some(note), 1..) = (note, info.si_code) {
        note.store(u64::from(info.si_errno as u32) + 1, Ordering::Relaxed);
    }
    // A second violation, while SIGSYS is blocked because its handler runs, cannot be handled: the kernel ends the
    // process by SIGSYS. No filter that a process gives itself allows to give itself another.
    // SAFETY: a filter that is null is refused where the call is allowed.
    unsafe { ffi::unistd::syscall(SYS_seccomp, c::SECCOMP_SET_MODE_FILTER, 0, ptr::null::<sock_fprog>()) };
    // Not by a filter of ours: somebody has sent the signal.
    _exit(SIGNALLED + Signal::SYS.raw())
}

/// Shells add this to the number of a signal that has ended a process.
const SIGNALLED: c_int = 128;

/// Condition on an argument of a system call. Arguments are counted from 0.
#[derive(Clone, Copy, Debug)]
pub enum Check<'a> {
    /// The argument, of 32 bits, is one of these.
    Is(usize, &'a [u32]),
    /// The argument, of 32 bits, is none of these.
    IsNot(usize, &'a [u32]),
    /// The argument is a null pointer.
    IsNull(usize),
}

impl Check<'_> {
    /// The number of instructions that a check is made of.
    const fn length(&self) -> usize {
        match self {
            Check::Is(_, values) => values.len() + 2,
            Check::IsNot(_, values) => values.len() + 3,
            Check::IsNull(_) => 6,
        }
    }
}

/// A system call that [`allow_only`] lets through if all checks of its arguments hold.
#[derive(Clone, Copy, Debug)]
pub struct Rule<'a> {
    /// The call's number.
    pub call: c_long,
    /// The checks.
    pub checks: &'a [Check<'a>],
}

impl Rule<'_> {
    /// Lets a call through whatever its arguments are.
    #[must_use]
    pub const fn any(call: c_long) -> Rule<'static> {
        Rule { call, checks: &[] }
    }
}

/// `seccomp(SECCOMP_SET_MODE_FILTER)`: from now on this process, and all that it starts, makes the system calls that the
/// rules let through, and no other. Of two rules for one call the first decides. Any other call ends the process by
/// SIGSYS, after it was noted (see [`note_violations`]) in `note`, for [`violation`]. There is no way back.
///
/// # Errors
/// `EACCES` unless the caller may do so, or has given up new privileges (see
/// [`no_new_privileges`](crate::process::no_new_privileges)); `EINVAL` when the kernel has no such filters, for more
/// than [`CALLS_MAX`] rules, and for more checks than a filter has room for.
///
/// # References
/// seccomp(2), Linux 3.17
pub fn allow_only(rules: &[Rule<'_>], note: &'static AtomicU64) -> Result<()> {
    if rules.len() > CALLS_MAX {
        return Err(Errno::INVAL);
    }
    let mut filter = Filter::begin(&[statement(BPF_RET, c::SECCOMP_RET_KILL_PROCESS)])?;
    rules.iter().try_for_each(|rule| filter.push_rule(rule))?;
    filter.push(&TRAP)?;
    NOTE.store(ptr::from_ref(note).cast_mut(), Ordering::Relaxed);
    let returned = filter.install(0);
    ret(c_int::try_from(returned).unwrap_or(-1))
}

/// Ends the process by SIGSYS. The number of the call, which was loaded before, comes to the handler as si_errno: that is
/// what is in the low 16 bits.
const TRAP: [sock_filter; 3] = [
    statement(BPF_ALU | BPF_AND, c::SECCOMP_RET_DATA),
    statement(BPF_ALU | BPF_OR, c::SECCOMP_RET_TRAP),
    statement(BPF_RET | BPF_A, 0),
];

/// Loads the number of the call.
const LOAD_NUMBER: sock_filter = statement(BPF_LD | BPF_W | BPF_ABS, field(offset_of!(c::seccomp_data, nr)));

/// The machine whose calls the numbers are of.
const MACHINE: u32 = if cfg!(target_arch = "x86_64") {
    audit::AUDIT_ARCH_X86_64
} else if cfg!(target_arch = "aarch64") {
    audit::AUDIT_ARCH_AARCH64
} else {
    audit::AUDIT_ARCH_RISCV64
};

/// The most instructions of a filter: a test for each call, and those of a few checks.
const INSTRUCTIONS_MAX: usize = 512;

/// A filter that goes by the machine, the number of a call, and its arguments.
struct Filter {
    instructions: [sock_filter; INSTRUCTIONS_MAX],
    length: usize,
}

impl Filter {
    /// A filter that decides by `foreign` for calls of another machine, whose numbers mean something else, and that has
    /// loaded the number of any other call.
    fn begin(foreign: &[sock_filter]) -> Result<Filter> {
        let mut filter = Filter { instructions: [statement(BPF_RET, 0); INSTRUCTIONS_MAX], length: 0 };
        filter.push(&[
            statement(BPF_LD | BPF_W | BPF_ABS, field(offset_of!(c::seccomp_data, arch))),
            jump_if_equal(MACHINE, foreign.len(), 0),
        ])?;
        filter.push(foreign)?;
        filter.push(&[LOAD_NUMBER])?;
        Ok(filter)
    }

    /// Decides by `these` for `calls`, and by `others` for all others. Each ends in a return.
    fn new(calls: &[c_long], these: &[sock_filter], others: &[sock_filter]) -> Result<Filter> {
        if calls.len() > CALLS_MAX {
            return Err(Errno::INVAL);
        }
        let mut filter = Filter::begin(others)?;
        for (index, call) in calls.iter().enumerate() {
            // Over the tests that follow, and what is decided when none of them holds.
            filter.push(&[jump_if_equal(number(*call)?, calls.len() - index - 1 + others.len(), 0)])?;
        }
        filter.push(others)?;
        filter.push(these)?;
        Ok(filter)
    }

    /// Lets one call through if its checks hold, and traps it if one does not. For any other call the next instruction
    /// decides.
    fn push_rule(&mut self, rule: &Rule<'_>) -> Result<()> {
        // The checks, and the return when they hold.
        let mut left = rule.checks.iter().map(Check::length).sum::<usize>() + 1;
        let fails = if rule.checks.is_empty() { 0 } else { 1 + TRAP.len() };
        if left + fails > usize::from(u8::MAX) {
            return Err(Errno::INVAL);
        }
        self.push(&[jump_if_equal(number(rule.call)?, 0, left + fails)])?;
        for check in rule.checks {
            left -= check.length();
            self.push_check(check, left)?;
        }
        self.push(&[statement(BPF_RET, c::SECCOMP_RET_ALLOW)])?;
        if fails > 0 {
            self.push(&[LOAD_NUMBER])?;
            self.push(&TRAP)?;
        }
        Ok(())
    }

    /// Goes on with the next instruction if the check holds, and behind `left` further ones if it does not.
    fn push_check(&mut self, check: &Check<'_>, left: usize) -> Result<()> {
        match *check {
            Check::Is(argument, values) => {
                self.push(&[load_argument(argument, 0)])?;
                for (index, value) in values.iter().enumerate() {
                    self.push(&[jump_if_equal(*value, values.len() - index, 0)])?;
                }
                self.push(&[jump(left)])
            }
            Check::IsNot(argument, values) => {
                self.push(&[load_argument(argument, 0)])?;
                for (index, value) in values.iter().enumerate() {
                    self.push(&[jump_if_equal(*value, values.len() - index, 0)])?;
                }
                self.push(&[jump(1), jump(left)])
            }
            Check::IsNull(argument) => {
                let is_zero = |half, left| [load_argument(argument, half), jump_if_equal(0, 1, 0), jump(left)];
                self.push(&is_zero(0, left + 3))?;
                self.push(&is_zero(1, left))
            }
        }
    }

    fn push(&mut self, instructions: &[sock_filter]) -> Result<()> {
        let end = self.length + instructions.len();
        self.instructions.get_mut(self.length..end).ok_or(Errno::INVAL)?.copy_from_slice(instructions);
        self.length = end;
        Ok(())
    }

    /// `seccomp(SECCOMP_SET_MODE_FILTER, flags, …)`
    fn install(mut self, flags: core::ffi::c_ulong) -> c_long {
        let length = u16::try_from(self.length).unwrap_or(u16::MAX);
        let program = sock_fprog { len: length, filter: self.instructions.as_mut_ptr() };
        // SAFETY: the program and its instructions live through the call, which only reads them.
        unsafe { ffi::unistd::syscall(SYS_seccomp, c::SECCOMP_SET_MODE_FILTER, flags, &raw const program) }
    }
}

fn number(call: c_long) -> Result<u32> {
    u32::try_from(call).map_err(|_| Errno::INVAL)
}

/// The offset as an instruction has it. All offsets are small.
const fn field(offset: usize) -> u32 {
    offset as u32
}

/// Loads half an argument: the low half is the first, on every machine that this library is for.
fn load_argument(argument: usize, half: usize) -> sock_filter {
    let offset = offset_of!(c::seccomp_data, args) + argument * size_of::<u64>() + half * size_of::<u32>();
    statement(BPF_LD | BPF_W | BPF_ABS, field(offset))
}

const fn statement(operation: c_uint, value: u32) -> sock_filter {
    sock_filter { code: code(operation | BPF_K), jt: 0, jf: 0, k: value }
}

/// Goes on behind so many instructions.
fn jump(over: usize) -> sock_filter {
    statement(BPF_JMP | BPF_JA, field(over))
}

/// Goes on behind so many instructions when the value is this one, and behind so many others when it is not.
fn jump_if_equal(value: u32, over: usize, over_else: usize) -> sock_filter {
    let [jt, jf] = [over, over_else].map(|over| u8::try_from(over).unwrap_or(u8::MAX));
    sock_filter { code: code(BPF_JMP | BPF_JEQ | BPF_K), jt, jf, k: value }
}

/// The code as an instruction has it. All codes are small.
const fn code(word: c_uint) -> u16 {
    word as u16
}

impl Listener {
    /// `poll()`: waits up to so many milliseconds until there is a notice to receive, and tells whether there is.
    ///
    /// # Errors
    /// `EINTR` when a signal came first.
    ///
    /// # References
    /// poll(2), POSIX
    pub fn poll(&self, milliseconds: c_int) -> Result<bool> {
        let mut one = ffi::poll::pollfd { fd: self.0.raw(), events: ffi::poll::POLLIN, revents: 0 };
        // SAFETY: the pointer is to one pollfd, which is ours to write.
        let ready = ret_c_int(unsafe { ffi::poll::poll(&raw mut one, 1, milliseconds) })?;
        Ok(ready > 0 && one.revents & ffi::poll::POLLIN != 0)
    }

    /// `ioctl(SECCOMP_IOCTL_NOTIF_RECV)`: waits for a call and takes its notice.
    ///
    /// # Errors
    /// `ENOENT` when the call was interrupted meanwhile; `EINTR`.
    ///
    /// # References
    /// seccomp_unotify(2), Linux
    pub fn receive(&self) -> Result<Notice> {
        // SAFETY: the type is plain numbers, for which zeros are values, and the kernel asks for zeros.
        let mut notice: c::seccomp_notif = unsafe { core::mem::zeroed() };
        // SAFETY: the kernel writes one notice, which is ours to write.
        ret(unsafe { ffi::sys::ioctl::ioctl(self.0.raw(), c::SECCOMP_IOCTL_NOTIF_RECV, &raw mut notice) })?;
        Ok(Notice {
            id: notice.id,
            thread: notice.pid,
            call: c_long::from(notice.data.nr),
            arguments: notice.data.args,
        })
    }

    /// `ioctl(SECCOMP_IOCTL_NOTIF_SEND)`: makes the call return `value` without having been made.
    ///
    /// # Safety
    /// The thread that waits relies on what the call returns. `value` is a result that the kernel could have given, and
    /// whatever the call should have done is not relied on: a forged result of `mmap()` is memory that is not there.
    ///
    /// # Errors
    /// `ENOENT` when the call was interrupted meanwhile, or was answered; `EINPROGRESS` for the moment before it goes on.
    ///
    /// # References
    /// seccomp_unotify(2), Linux
    pub unsafe fn answer(&self, notice: Notice, value: i64) -> Result<()> {
        self.send(c::seccomp_notif_resp { id: notice.id, val: value, error: 0, flags: 0 })
    }

    /// The same: lets the call be made.
    ///
    /// # Errors
    /// `ENOENT` when the call was interrupted meanwhile, or was answered; `EINPROGRESS` for the moment before it goes on.
    ///
    /// # References
    /// seccomp_unotify(2), Linux 5.5
    pub fn let_pass(&self, notice: Notice) -> Result<()> {
        let flags = u32::try_from(c::SECCOMP_USER_NOTIF_FLAG_CONTINUE).unwrap_or_default();
        self.send(c::seccomp_notif_resp { id: notice.id, val: 0, error: 0, flags })
    }

    fn send(&self, mut answer: c::seccomp_notif_resp) -> Result<()> {
        // SAFETY: the kernel reads one answer.
        ret(unsafe { ffi::sys::ioctl::ioctl(self.0.raw(), c::SECCOMP_IOCTL_NOTIF_SEND, &raw mut answer) })
    }
}
