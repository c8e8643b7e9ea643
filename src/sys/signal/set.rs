//! Signals, and sets of them.

use core::ffi::c_int;
use core::fmt;
use core::mem::MaybeUninit;

use crate::ffi::signal as c;
use crate::sys::flags::open_set;

/// The number of a signal.
///
/// Signals from [`from_raw`](Signal::from_raw) can be sent, handled and blocked: 1 to 64, except the two that the C
/// library needs for its threads. A signal from a [`WaitStatus`](crate::process::WaitStatus) can have any number.
#[repr(transparent)]
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Signal(c_int);

open_set!(Signal from c {
    HUP = SIGHUP,
    INT = SIGINT,
    QUIT = SIGQUIT,
    ILL = SIGILL,
    TRAP = SIGTRAP,
    ABRT = SIGABRT,
    BUS = SIGBUS,
    FPE = SIGFPE,
    KILL = SIGKILL,
    USR1 = SIGUSR1,
    SEGV = SIGSEGV,
    USR2 = SIGUSR2,
    PIPE = SIGPIPE,
    ALRM = SIGALRM,
    TERM = SIGTERM,
    STKFLT = SIGSTKFLT,
    CHLD = SIGCHLD,
    CONT = SIGCONT,
    STOP = SIGSTOP,
    TSTP = SIGTSTP,
    TTIN = SIGTTIN,
    TTOU = SIGTTOU,
    URG = SIGURG,
    XCPU = SIGXCPU,
    XFSZ = SIGXFSZ,
    VTALRM = SIGVTALRM,
    PROF = SIGPROF,
    WINCH = SIGWINCH,
    IO = SIGIO,
    PWR = SIGPWR,
    SYS = SIGSYS,
});

/// The highest number of a signal.
pub(super) const SIGNAL_MAX: usize = 64;

impl Signal {
    /// Returns the signal with this number, or `None` when a program cannot use a signal of that number.
    #[must_use]
    pub const fn from_raw(number: c_int) -> Option<Signal> {
        match number {
            // 32 and 33 are the C library's own (SIGCANCEL and SIGSETXID of its threads).
            1..=31 | 34..=64 => Some(Signal(number)),
            _ => None,
        }
    }

    /// Converts a number from the kernel.
    pub(crate) const fn from_kernel(number: c_int) -> Signal {
        Signal(number)
    }

    /// Returns every signal that can be handled or blocked, in the order of the numbers.
    pub(crate) fn all() -> impl Iterator<Item = Signal> {
        (1..=SIGNAL_MAX as c_int).filter_map(Signal::from_raw)
    }

    /// Returns the number.
    #[must_use]
    pub const fn raw(self) -> c_int {
        self.0
    }
}

impl fmt::Display for Signal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => f.write_str(name),
            None => write!(f, "signal {}", self.0),
        }
    }
}

impl fmt::Debug for Signal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// `sigset_t`: a set of signals.
///
/// # References
/// sigsetops(3), POSIX
#[repr(transparent)]
#[derive(Clone, Copy)]
pub struct SigSet(c::sigset_t);

impl SigSet {
    /// `sigemptyset()`: returns the empty set.
    ///
    /// Async-signal-safe: yes.
    #[doc(alias = "sigemptyset")]
    #[must_use]
    pub fn empty() -> SigSet {
        SigSet::filled_by(c::sigemptyset)
    }

    /// `sigfillset()`: returns the set of all signals.
    ///
    /// Async-signal-safe: yes.
    #[doc(alias = "sigfillset")]
    #[must_use]
    pub fn full() -> SigSet {
        SigSet::filled_by(c::sigfillset)
    }

    fn filled_by(fill: unsafe extern "C" fn(*mut c::sigset_t) -> c_int) -> SigSet {
        // glibc fills in the bits that Linux knows, and leaves the rest of the set as it is.
        let mut set = MaybeUninit::zeroed();
        // SAFETY: the pointer is to room for one set.
        unsafe { fill(set.as_mut_ptr()) };
        // SAFETY: the type is plain numbers, and each of them was zeroed.
        SigSet(unsafe { set.assume_init() })
    }

    /// `sigaddset()`: puts a signal into the set.
    ///
    /// Async-signal-safe: yes.
    #[doc(alias = "sigaddset")]
    pub fn add(&mut self, signal: Signal) {
        // SAFETY: the pointer is to a set. An unknown number changes nothing.
        unsafe { c::sigaddset(&raw mut self.0, signal.0) };
    }

    /// `sigdelset()`: takes a signal out of the set.
    ///
    /// Async-signal-safe: yes.
    #[doc(alias = "sigdelset")]
    pub fn remove(&mut self, signal: Signal) {
        // SAFETY: the pointer is to a set. An unknown number changes nothing.
        unsafe { c::sigdelset(&raw mut self.0, signal.0) };
    }

    /// `sigismember()`: whether a signal is in the set.
    ///
    /// Async-signal-safe: yes.
    #[doc(alias = "sigismember")]
    #[must_use]
    pub fn contains(&self, signal: Signal) -> bool {
        // SAFETY: the pointer is to a set. An unknown number is in no set.
        unsafe { c::sigismember(&raw const self.0, signal.0) == 1 }
    }

    /// Returns the signals that are in either set.
    pub(super) fn union(mut self, other: &SigSet) -> SigSet {
        Signal::all().filter(|signal| other.contains(*signal)).for_each(|signal| self.add(signal));
        self
    }

    pub(super) const fn from_c(set: c::sigset_t) -> SigSet {
        SigSet(set)
    }

    pub(super) const fn raw(self) -> c::sigset_t {
        self.0
    }

    pub(super) const fn as_mut_ptr(&mut self) -> *mut c::sigset_t {
        &raw mut self.0
    }

    pub(crate) const fn as_ptr(&self) -> *const c::sigset_t {
        &raw const self.0
    }
}

impl<const N: usize> From<[Signal; N]> for SigSet {
    fn from(signals: [Signal; N]) -> SigSet {
        let mut set = SigSet::empty();
        signals.into_iter().for_each(|signal| set.add(signal));
        set
    }
}

impl fmt::Debug for SigSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(Signal::all().filter(|signal| self.contains(*signal))).finish()
    }
}

#[cfg(test)]
mod tests;
