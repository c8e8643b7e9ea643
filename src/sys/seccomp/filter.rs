//! Filters: the conditions on a system call, and the BPF instructions (a small program in the kernel) that check them.

use core::ffi::{c_long, c_uint};
use core::mem::offset_of;

use crate::ffi;
use crate::ffi::linux::audit;
use crate::ffi::linux::filter::{
    BPF_ABS, BPF_ALU, BPF_AND, BPF_JEQ, BPF_JGT, BPF_JMP, BPF_K, BPF_LD, BPF_RET, BPF_W, sock_filter, sock_fprog,
};
use crate::ffi::linux::seccomp as c;
use crate::ffi::sys::syscall::SYS_seccomp;
use crate::sys::errno::{Errno, Result};

/// The most system calls in one filter: a jump's distance has 8 bits.
pub const CALLS_MAX: usize = 64;

/// The most arguments of a system call.
const ARGUMENTS_MAX: usize = 6;

/// A condition on an argument of a system call. Arguments are counted from 0.
#[derive(Clone, Copy, Debug)]
pub enum Check<'a> {
    /// The argument, of 32 bits, is one of these numbers.
    Is(usize, &'a [u32]),
    /// The argument, of 32 bits, is none of these numbers.
    IsNot(usize, &'a [u32]),
    /// The argument, of 64 bits, equals this number.
    IsLong(usize, u64),
    /// The argument differs from this address in the bits of an address of a program: 0 to 47. On some processors the
    /// kernel ignores higher bits, by which a program may tag its addresses.
    IsNotAddress(usize, u64),
}

/// The bits of an address that [`Check::IsNotAddress`] compares.
const ADDRESS_BITS: u64 = (1 << 48) - 1;

impl Check<'_> {
    /// Returns the number of instructions of a check.
    const fn length(&self) -> usize {
        match self {
            // A list without numbers never matches, which takes one instruction.
            Check::Is(_, []) => 2,
            Check::Is(_, values) | Check::IsNot(_, values) => 1 + values.len(),
            Check::IsLong(..) => 4,
            Check::IsNotAddress(..) => 5,
        }
    }
}

/// A system call that [`allow_only`](super::allow_only) lets through if all checks of its arguments hold.
#[derive(Clone, Copy, Debug)]
pub struct Rule<'a> {
    /// The call's number.
    pub call: c_long,
    /// The checks.
    pub checks: &'a [Check<'a>],
}

impl Rule<'_> {
    /// Returns two numbers of instructions: those that run the checks and let the call through, and those that trap the
    /// call if a check fails.
    fn lengths(&self) -> (usize, usize) {
        let checks = self.checks.iter().map(Check::length).sum::<usize>();
        (checks + 1, usize::from(checks > 0))
    }

    /// Returns the number of instructions of the rule.
    pub(super) fn length(&self) -> usize {
        let (checks, fails) = self.lengths();
        1 + checks + fails
    }

    /// Returns the rule that lets a call through with any arguments.
    #[must_use]
    pub const fn any(call: c_long) -> Rule<'static> {
        Rule { call, checks: &[] }
    }
}

/// Calls the handler of SIGSYS, which ends the process. The number of the call comes to the handler as si_syscall.
pub(super) const TRAP: sock_filter = statement(BPF_RET, c::SECCOMP_RET_TRAP);
/// Ends the process by SIGSYS, whatever the action of that signal is.
pub(super) const KILL: sock_filter = statement(BPF_RET, c::SECCOMP_RET_KILL_PROCESS);

/// Loads the number of the call.
const LOAD_NUMBER: sock_filter = statement(BPF_LD | BPF_W | BPF_ABS, field(offset_of!(c::seccomp_data, nr)));

/// The machine whose system calls have these numbers.
const MACHINE: u32 = if cfg!(target_arch = "x86_64") {
    audit::AUDIT_ARCH_X86_64
} else if cfg!(target_arch = "aarch64") {
    audit::AUDIT_ARCH_AARCH64
} else {
    audit::AUDIT_ARCH_RISCV64
};

/// The most instructions of a filter: for each call its test, and some 16 instructions of its checks.
pub(super) const INSTRUCTIONS_MAX: usize = 1024;

/// A filter that decides by the machine, the number of a call, and its arguments. The filter has up to `N`
/// instructions.
pub(super) struct Filter<const N: usize> {
    instructions: [sock_filter; N],
    length: usize,
}

impl<const N: usize> Filter<N> {
    /// Returns the beginning of a filter. Calls of another machine, whose numbers mean something else, go to `foreign`.
    /// For any other call, the filter has loaded the number.
    pub(super) fn begin(foreign: &[sock_filter]) -> Result<Filter<N>> {
        let mut filter = Filter { instructions: [statement(BPF_RET, 0); N], length: 0 };
        filter.push(&[
            statement(BPF_LD | BPF_W | BPF_ABS, field(offset_of!(c::seccomp_data, arch))),
            jump_if_equal(MACHINE, foreign.len(), 0),
        ])?;
        filter.push(foreign)?;
        filter.push(&[LOAD_NUMBER])?;
        Ok(filter)
    }

    /// Returns a filter that decides by `these` for `calls`, and by `others` for all other calls. Each list ends in a
    /// return.
    pub(super) fn new(calls: &[c_long], these: &[sock_filter], others: &[sock_filter]) -> Result<Filter<N>> {
        if calls.len() > CALLS_MAX {
            return Err(Errno::INVAL);
        }
        let mut filter = Filter::begin(others)?;
        for (index, call) in calls.iter().enumerate() {
            // The jump goes over the tests that follow, and over the instructions of `others`.
            filter.push(&[jump_if_equal(number(*call)?, calls.len() - index - 1 + others.len(), 0)])?;
        }
        filter.push(others)?;
        filter.push(these)?;
        Ok(filter)
    }

    /// Forbids every call whose number is above the highest number in the rules: for such calls the kernel tries no
    /// further test.
    pub(super) fn push_highest(&mut self, highest: c_long, forbid: sock_filter) -> Result<()> {
        self.push(&[compare(BPF_JGT, number(highest)?, 0, 1), forbid])
    }

    /// Lets one call through if its checks hold, and forbids the call if a check fails. For any other call the next
    /// instruction decides.
    pub(super) fn push_rule(&mut self, rule: &Rule<'_>, forbid: sock_filter) -> Result<()> {
        let (mut left, fails) = rule.lengths();
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
            self.push(&[forbid])?;
        }
        Ok(())
    }

    /// Goes on with the next instruction if the check holds, and skips `left` further instructions if it does not hold.
    fn push_check(&mut self, check: &Check<'_>, left: usize) -> Result<()> {
        let (Check::Is(argument, _)
        | Check::IsNot(argument, _)
        | Check::IsLong(argument, _)
        | Check::IsNotAddress(argument, _)) = *check;
        if argument >= ARGUMENTS_MAX {
            return Err(Errno::INVAL);
        }
        match *check {
            Check::Is(argument, values) => {
                self.push(&[load_argument(argument, 0)])?;
                let Some((last, others)) = values.split_last() else {
                    return self.push(&[jump_if_equal(0, left, left)]);
                };
                for (index, value) in others.iter().enumerate() {
                    self.push(&[jump_if_equal(*value, others.len() - index, 0)])?;
                }
                self.push(&[jump_if_equal(*last, 0, left)])
            }
            Check::IsNot(argument, values) => {
                self.push(&[load_argument(argument, 0)])?;
                for (index, value) in values.iter().enumerate() {
                    self.push(&[jump_if_equal(*value, values.len() - index - 1 + left, 0)])?;
                }
                Ok(())
            }
            Check::IsLong(argument, value) => {
                let [low, high] = halves(value);
                self.push(&[load_argument(argument, 0), jump_if_equal(low, 0, left + 2)])?;
                self.push(&[load_argument(argument, 1), jump_if_equal(high, 0, left)])
            }
            Check::IsNotAddress(argument, value) => {
                let [low, high] = halves(value & ADDRESS_BITS);
                self.push(&[load_argument(argument, 0), jump_if_equal(low, 0, 3)])?;
                let untag = statement(BPF_ALU | BPF_AND, halves(ADDRESS_BITS)[1]);
                self.push(&[load_argument(argument, 1), untag, jump_if_equal(high, left, 0)])
            }
        }
    }

    pub(super) fn push(&mut self, instructions: &[sock_filter]) -> Result<()> {
        let end = self.length + instructions.len();
        self.instructions.get_mut(self.length..end).ok_or(Errno::INVAL)?.copy_from_slice(instructions);
        self.length = end;
        Ok(())
    }

    /// `seccomp(SECCOMP_SET_MODE_FILTER, flags, …)`: installs the filter.
    pub(super) fn install(mut self, flags: core::ffi::c_ulong) -> c_long {
        let length = u16::try_from(self.length).unwrap_or(u16::MAX);
        let program = sock_fprog { len: length, filter: self.instructions.as_mut_ptr() };
        // SAFETY: the program and its instructions live through the call, which only reads them.
        unsafe { ffi::unistd::syscall(SYS_seccomp, c::SECCOMP_SET_MODE_FILTER, flags, &raw const program) }
    }
}

fn number(call: c_long) -> Result<u32> {
    u32::try_from(call).map_err(|_| Errno::INVAL)
}

/// Returns the low and the high half of a number.
const fn halves(value: u64) -> [u32; 2] {
    // The first cast drops the high half.
    [value as u32, (value >> u32::BITS) as u32]
}

/// Converts an offset to the type in an instruction. All offsets are small.
const fn field(offset: usize) -> u32 {
    offset as u32
}

/// Returns the instruction that loads half an argument. The low half comes first on every supported machine.
fn load_argument(argument: usize, half: usize) -> sock_filter {
    let offset = offset_of!(c::seccomp_data, args) + argument * size_of::<u64>() + half * size_of::<u32>();
    statement(BPF_LD | BPF_W | BPF_ABS, field(offset))
}

pub(super) const fn statement(operation: c_uint, value: u32) -> sock_filter {
    sock_filter { code: code(operation | BPF_K), jt: 0, jf: 0, k: value }
}

/// Returns the jump over `over` instructions if the loaded value equals `value`, and over `over_else` instructions
/// otherwise.
fn jump_if_equal(value: u32, over: usize, over_else: usize) -> sock_filter {
    compare(BPF_JEQ, value, over, over_else)
}

/// Returns the jump over `over` instructions if the comparison holds, and over `over_else` instructions otherwise.
fn compare(comparison: c_uint, value: u32, over: usize, over_else: usize) -> sock_filter {
    let [jt, jf] = [over, over_else].map(|over| u8::try_from(over).unwrap_or(u8::MAX));
    sock_filter { code: code(BPF_JMP | comparison | BPF_K), jt, jf, k: value }
}

/// Converts a code to the type in an instruction. All codes are small.
const fn code(word: c_uint) -> u16 {
    word as u16
}
