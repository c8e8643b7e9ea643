//! Signals: what arrives, what is done about it, and what is held back.

use core::ffi::c_int;
use core::fmt;
use core::mem::MaybeUninit;
use core::ptr::{self, NonNull};
use core::sync::atomic::{AtomicBool, AtomicPtr, Ordering};

use crate::ffi::signal as c;
use crate::ffi::sys::signalfd;
use crate::ffi::unistd;
use crate::sys::conv::{ret, ret_usize};
use crate::sys::errno::{Errno, Result};
use crate::sys::fd::{AsFd, BorrowedFd, OwnedFd, ret_owned_fd};
use crate::sys::open_set::open_set;
use crate::sys::pid::Pid;

/// The number of a signal.
///
/// Those from [`from_raw`](Signal::from_raw) can be sent, handled and blocked: 1 to 64 but for the two that the C library
/// keeps for its threads. One from a [`WaitStatus`](crate::process::WaitStatus) is what the status says.
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
const SIGNAL_MAX: usize = 64;

impl Signal {
    /// The signal with this number, or `None` when a program cannot handle or block one of that number.
    #[must_use]
    pub const fn from_raw(number: c_int) -> Option<Signal> {
        match number {
            // 32 and 33 are the C library's own (SIGCANCEL and SIGSETXID of its threads).
            1..=31 | 34..=64 => Some(Signal(number)),
            _ => None,
        }
    }

    /// A number that the kernel gave us.
    pub(crate) const fn from_kernel(number: c_int) -> Signal {
        Signal(number)
    }

    /// The number.
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
    /// `sigemptyset()`: the set with no signal in it.
    #[doc(alias = "sigemptyset")]
    #[must_use]
    pub fn empty() -> SigSet {
        SigSet::filled_by(c::sigemptyset)
    }

    /// `sigfillset()`: the set with every signal in it.
    #[doc(alias = "sigfillset")]
    #[must_use]
    pub fn full() -> SigSet {
        SigSet::filled_by(c::sigfillset)
    }

    fn filled_by(fill: unsafe extern "C" fn(*mut c::sigset_t) -> c_int) -> SigSet {
        let mut set = MaybeUninit::uninit();
        // SAFETY: the pointer is to room for one set, which both functions that are passed here fill in.
        unsafe { fill(set.as_mut_ptr()) };
        // SAFETY: the set was filled in; neither function can fail.
        SigSet(unsafe { set.assume_init() })
    }

    /// `sigaddset()`: puts a signal into the set.
    #[doc(alias = "sigaddset")]
    pub fn add(&mut self, signal: Signal) {
        // SAFETY: the pointer is to a set. A number that the call does not know changes nothing.
        unsafe { c::sigaddset(&raw mut self.0, signal.0) };
    }

    /// `sigdelset()`: takes a signal out of the set.
    #[doc(alias = "sigdelset")]
    pub fn remove(&mut self, signal: Signal) {
        // SAFETY: the pointer is to a set. A number that the call does not know changes nothing.
        unsafe { c::sigdelset(&raw mut self.0, signal.0) };
    }

    /// `sigismember()`: whether a signal is in the set.
    #[doc(alias = "sigismember")]
    #[must_use]
    pub fn contains(&self, signal: Signal) -> bool {
        // SAFETY: the pointer is to a set. A number that the call does not know is in none.
        unsafe { c::sigismember(&raw const self.0, signal.0) == 1 }
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
        let all = (1..=SIGNAL_MAX as c_int).filter_map(Signal::from_raw);
        f.debug_set().entries(all.filter(|signal| self.contains(*signal))).finish()
    }
}

/// A function that may run in a signal handler, because somebody has claimed so.
#[derive(Clone, Copy, Debug)]
pub struct Handler {
    function: extern "C" fn(Signal),
    /// Of one that was found installed: for which signal, and that it takes three arguments (`SA_SIGINFO`).
    found: Option<Found>,
}

/// What is known of a handler that was found installed. Whoever made it may rely on its signal.
#[derive(Clone, Copy, Debug)]
struct Found {
    signal: Signal,
    siginfo: bool,
}

impl Handler {
    /// Makes a handler of a function, or of a closure that captures nothing.
    ///
    /// errno is saved before it runs and restored after it.
    ///
    /// # Safety
    /// `function` is async-signal-safe: it may run between any two instructions of this process, while the interrupted
    /// code holds any lock and is half way through any change, and it does only what is sound even then. Allowed are
    /// atomics, the functions that signal-safety(7) lists, and, in a process that does not allocate, the functions of
    /// [`stdio`](crate::stdio), which know when they were interrupted themselves; a stream's first use allocates its
    /// buffer, so where the handler may interrupt an allocation, it must not be the first. Not allowed are, above all,
    /// anything else that allocates, and [`exit`](crate::process::exit).
    ///
    /// # References
    /// signal-safety(7), POSIX
    #[must_use]
    pub const unsafe fn new<F: Fn(Signal) + Copy + Sync + 'static>(_function: F) -> Handler {
        const { assert!(size_of::<F>() == 0, "a handler captures nothing: a signal brings its number, and no more") };
        Handler { function: call::<F>, found: None }
    }
}

/// What the kernel calls for a handler made of an `F`.
extern "C" fn call<F: Fn(Signal) + Copy + Sync + 'static>(signal: Signal) {
    let interrupted = Errno::last();
    // SAFETY: an F has no size, so any aligned pointer is to one; `Handler::new` was given one, so it may exist.
    let function = unsafe { NonNull::<F>::dangling().as_ref() };
    function(signal);
    interrupted.set();
}

/// A note that a signal came: what needs no handler of one's own, and no `unsafe`.
#[derive(Debug, Default)]
pub struct SignalFlag(AtomicBool);

impl SignalFlag {
    /// A flag that is not raised.
    #[must_use]
    pub const fn new() -> SignalFlag {
        SignalFlag(AtomicBool::new(false))
    }

    /// Whether the signal came since the last call; lowers the flag.
    pub fn take(&self) -> bool {
        self.0.swap(false, Ordering::Relaxed)
    }

    /// Whether the signal came since the last [`take`](SignalFlag::take).
    pub fn is_raised(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// The flag to raise for each signal.
static FLAGS: [AtomicPtr<SignalFlag>; SIGNAL_MAX + 1] = [const { AtomicPtr::new(ptr::null_mut()) }; SIGNAL_MAX + 1];

/// The handler of every [`Disposition::Flag`].
extern "C" fn raise_flag(signal: Signal) {
    let Some(slot) = usize::try_from(signal.0).ok().and_then(|number| FLAGS.get(number)) else { return };
    // SAFETY: a slot holds null or what was a `&'static SignalFlag`.
    if let Some(flag) = unsafe { slot.load(Ordering::Relaxed).as_ref() } {
        flag.0.store(true, Ordering::Relaxed);
    }
}

/// What a process does about a signal.
#[derive(Clone, Copy, Debug)]
pub enum Disposition {
    /// `SIG_DFL`: what the signal does by default: end the process, stop it, go on, or nothing.
    #[doc(alias = "SIG_DFL")]
    Default,
    /// `SIG_IGN`: nothing. For SIGCHLD: also, no child becomes a zombie.
    #[doc(alias = "SIG_IGN")]
    Ignore,
    /// Run a function.
    Handler(Handler),
    /// Raise a flag. Of several flags for one signal, the last that was installed is the one.
    Flag(&'static SignalFlag),
}

impl Disposition {
    /// The handler as C has it, and whether it is one of three arguments.
    fn to_c(self, signal: Signal) -> Result<(c::sighandler_t, bool)> {
        Ok(match self {
            Disposition::Default => (c::SIG_DFL, false),
            Disposition::Ignore => (c::SIG_IGN, false),
            Disposition::Handler(Handler { function, found: None }) => (function as usize, false),
            Disposition::Handler(Handler { function, found: Some(found) }) if found.signal == signal => {
                (function as usize, found.siginfo)
            }
            Disposition::Handler(_) => return Err(Errno::INVAL),
            Disposition::Flag(flag) => {
                if let Some(slot) = usize::try_from(signal.0).ok().and_then(|number| FLAGS.get(number)) {
                    slot.store(ptr::from_ref(flag).cast_mut(), Ordering::Relaxed);
                }
                (raise_flag as extern "C" fn(Signal) as usize, false)
            }
        })
    }

    fn from_c(handler: c::sighandler_t, signal: Signal, siginfo: bool) -> Disposition {
        match handler {
            c::SIG_DFL => Disposition::Default,
            c::SIG_IGN => Disposition::Ignore,
            address => Disposition::Handler(Handler {
                // SAFETY: the address was installed as a handler, so it is a function; only the kernel calls it, and
                // with the arguments that `siginfo` says.
                function: unsafe { core::mem::transmute::<usize, extern "C" fn(Signal)>(address) },
                found: Some(Found { signal, siginfo }),
            }),
        }
    }
}

/// How a handler runs: `sa_flags`. Combined with [`with`](SaFlags::with).
#[repr(transparent)]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SaFlags(c_int);

impl SaFlags {
    /// 0.
    pub const NONE: SaFlags = SaFlags(0);
    /// `SA_RESTART`: a call that the handler interrupted goes on instead of failing with `EINTR`, where it can.
    #[doc(alias = "SA_RESTART")]
    pub const RESTART: SaFlags = SaFlags(c::SA_RESTART);
    /// `SA_NOCLDSTOP`: no SIGCHLD for a child that was stopped.
    #[doc(alias = "SA_NOCLDSTOP")]
    pub const NOCLDSTOP: SaFlags = SaFlags(c::SA_NOCLDSTOP);
    /// `SA_NOCLDWAIT`: no child becomes a zombie.
    #[doc(alias = "SA_NOCLDWAIT")]
    pub const NOCLDWAIT: SaFlags = SaFlags(c::SA_NOCLDWAIT);
    /// `SA_RESETHAND`: the handler runs once, then the default is back.
    #[doc(alias = "SA_RESETHAND")]
    pub const RESETHAND: SaFlags = SaFlags(c::SA_RESETHAND);
    /// `SA_NODEFER`: the signal is not held back while its handler runs.
    #[doc(alias = "SA_NODEFER")]
    pub const NODEFER: SaFlags = SaFlags(c::SA_NODEFER);

    /// Both.
    #[must_use]
    pub const fn with(self, other: SaFlags) -> SaFlags {
        SaFlags(self.0 | other.0)
    }

    /// Whether all of `other` is in here.
    #[must_use]
    pub const fn contains(self, other: SaFlags) -> bool {
        self.0 & other.0 == other.0
    }
}

/// `struct sigaction`: what is done about a signal, and how.
#[derive(Clone, Copy, Debug)]
pub struct SigAction {
    /// What is done.
    pub sa_handler: Disposition,
    /// Which further signals are held back while a handler runs.
    pub sa_mask: SigSet,
    /// How it runs.
    pub sa_flags: SaFlags,
}

impl SigAction {
    fn to_c(self, signal: Signal) -> Result<c::sigaction> {
        let (sa_sigaction, siginfo) = self.sa_handler.to_c(signal)?;
        let siginfo = if siginfo { c::SA_SIGINFO } else { 0 };
        Ok(c::sigaction {
            sa_sigaction,
            sa_mask: self.sa_mask.0,
            sa_flags: self.sa_flags.0 | siginfo,
            sa_restorer: None,
        })
    }
}

/// `sigaction(signal, &action, NULL)`: sets what is done about a signal.
///
/// # Errors
/// `EINVAL` for SIGKILL and SIGSTOP, about which nothing can be done, and, without a call, for a handler that was found
/// installed for another signal.
///
/// # References
/// sigaction(2), POSIX
pub fn sigaction(signal: Signal, action: &SigAction) -> Result<()> {
    sigaction_raw(signal, Some(action), None)
}

/// `sigaction(signal, &action, &old)`: sets what is done about a signal and returns what was done before.
///
/// # Errors
/// As [`sigaction`].
pub fn sigaction_replace(signal: Signal, action: &SigAction) -> Result<SigAction> {
    sigaction_old(signal, Some(action))
}

/// `sigaction(signal, NULL, &old)`: what is done about a signal now.
///
/// # Errors
/// None for a [`Signal`]; what the C library reports.
pub fn sigaction_get(signal: Signal) -> Result<SigAction> {
    sigaction_old(signal, None)
}

fn sigaction_old(signal: Signal, action: Option<&SigAction>) -> Result<SigAction> {
    let mut old = MaybeUninit::uninit();
    sigaction_raw(signal, action, Some(&mut old))?;
    // SAFETY: the call did not fail, so it has filled in the old action.
    let old = unsafe { old.assume_init() };
    Ok(SigAction {
        sa_handler: Disposition::from_c(old.sa_sigaction, signal, old.sa_flags & c::SA_SIGINFO != 0),
        sa_mask: SigSet(old.sa_mask),
        sa_flags: SaFlags(old.sa_flags & !c::SA_SIGINFO),
    })
}

fn sigaction_raw(
    signal: Signal,
    action: Option<&SigAction>,
    old: Option<&mut MaybeUninit<c::sigaction>>,
) -> Result<()> {
    let action = action.map(|action| action.to_c(signal)).transpose()?;
    let action = action.as_ref().map_or(ptr::null(), ptr::from_ref);
    let old = old.map_or(ptr::null_mut(), MaybeUninit::as_mut_ptr);
    // SAFETY: both pointers are null or to a struct of ours for the time of the call; a handler in it is one that
    // somebody has claimed to be async-signal-safe.
    ret(unsafe { c::sigaction(signal.0, action, old) })
}

/// `signal()`: sets what is done about a signal and returns what was done before. The BSD form, which is glibc's
/// default: the handler stays installed, the signal is held back while it runs, and interrupted calls go on.
///
/// A handler that this returns is set back by [`sigaction`], which can do so for one of any kind.
///
/// # Errors
/// `EINVAL` for SIGKILL and SIGSTOP, and, without a call, for a handler that was found installed and may take three
/// arguments.
///
/// # References
/// signal(2), POSIX
pub fn signal(signal: Signal, disposition: Disposition) -> Result<Disposition> {
    install(signal, disposition, c::signal)
}

/// `__sysv_signal()`: [`signal()`] in System V's form, which C programs get under `-std=c99`: the handler runs once, the
/// signal is not held back while it runs, and interrupted calls fail with `EINTR`.
///
/// # Errors
/// As [`signal()`].
///
/// # References
/// sysv_signal(3)
pub fn sysv_signal(signal: Signal, disposition: Disposition) -> Result<Disposition> {
    install(signal, disposition, c::__sysv_signal)
}

type SignalFunction = unsafe extern "C" fn(c_int, c::sighandler_t) -> c::sighandler_t;

fn install(signal: Signal, disposition: Disposition, function: SignalFunction) -> Result<Disposition> {
    let (handler, siginfo) = disposition.to_c(signal)?;
    if siginfo {
        return Err(Errno::INVAL);
    }
    // SAFETY: a handler is one of one argument that somebody has claimed to be async-signal-safe.
    match unsafe { function(signal.0, handler) } {
        c::SIG_ERR => Err(Errno::last()),
        // How many arguments the old one takes is not said; three are right for either.
        old => Ok(Disposition::from_c(old, signal, true)),
    }
}

/// What is done to the set of blocked signals: the first argument of `sigprocmask()`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum MaskHow {
    /// `SIG_BLOCK`: these too.
    Block,
    /// `SIG_UNBLOCK`: these no longer.
    Unblock,
    /// `SIG_SETMASK`: exactly these.
    Set,
}

impl MaskHow {
    const fn raw(self) -> c_int {
        match self {
            MaskHow::Block => c::SIG_BLOCK,
            MaskHow::Unblock => c::SIG_UNBLOCK,
            MaskHow::Set => c::SIG_SETMASK,
        }
    }
}

/// `sigprocmask(how, &set, NULL)`: changes which signals are held back. One that arrives stays pending until it is
/// let through; several of a kind become one.
///
/// # References
/// sigprocmask(2), POSIX
pub fn sigprocmask(how: MaskHow, set: &SigSet) {
    // SAFETY: the set is valid for reads, and null asks for nothing. The call cannot fail: `how` is one of its three.
    unsafe { c::sigprocmask(how.raw(), set.as_ptr(), ptr::null_mut()) };
}

/// `sigprocmask(how, &set, &old)`: changes which signals are held back and returns which were before.
///
/// # Errors
/// None of the kernel's, as `how` is one of its three; what a filter of system calls may say, as with seccomp.
pub fn sigprocmask_replace(how: MaskHow, set: &SigSet) -> Result<SigSet> {
    let mut old = SigSet::empty();
    // SAFETY: both pointers are to sets.
    ret(unsafe { c::sigprocmask(how.raw(), set.as_ptr(), &raw mut old.0) })?;
    Ok(old)
}

/// `sigpending()`: the signals that have arrived and are held back.
///
/// # References
/// sigpending(2), POSIX
#[must_use]
pub fn sigpending() -> SigSet {
    let mut set = SigSet::empty();
    // SAFETY: the pointer is to a set. The call cannot fail but for a bad one.
    unsafe { c::sigpending(&raw mut set.0) };
    set
}

/// `sigsuspend()`: holds back exactly the signals of `mask`, waits until a handler has run, and puts the mask back, all
/// in one: a signal that comes just before is not missed.
///
/// # References
/// sigsuspend(2), POSIX
pub fn sigsuspend(mask: &SigSet) {
    // SAFETY: the set is valid for reads. The call always returns -1 with EINTR.
    unsafe { c::sigsuspend(mask.as_ptr()) };
}

/// `kill()`: sends a signal to a process.
///
/// # Errors
/// `ESRCH` when there is no such process, `EPERM` when it runs as somebody else.
///
/// # References
/// kill(2), POSIX
pub fn kill(pid: Pid, signal: Signal) -> Result<()> {
    // SAFETY: the call has no precondition on memory.
    ret(unsafe { c::kill(pid.raw(), signal.0) })
}

/// `killpg()`: sends a signal to all processes of a group.
///
/// # Errors
/// `ESRCH` when the group has none, `EPERM` when all of them run as somebody else; `EINVAL`, without a call, for group 1,
/// which the C library takes for every process there is.
///
/// # References
/// killpg(3), POSIX
pub fn killpg(group: Pid, signal: Signal) -> Result<()> {
    if group == Pid::INIT {
        return Err(Errno::INVAL);
    }
    // SAFETY: the call has no precondition on memory.
    ret(unsafe { c::killpg(group.raw(), signal.0) })
}

/// `raise()`: sends a signal to this process; a handler has run when it returns.
///
/// # Errors
/// None for a [`Signal`]; what the C library reports.
///
/// # References
/// raise(3), POSIX
pub fn raise(signal: Signal) -> Result<()> {
    // SAFETY: the call has no precondition on memory.
    ret(unsafe { c::raise(signal.0) })
}

/// `sigaction(signal, SIG_DFL)` of every signal: undoes what this process found ignored when it began, so that the
/// programs which it runs do not find it so. SIGKILL and SIGSTOP are never anything else.
pub fn default_all() {
    let action = SigAction { sa_handler: Disposition::Default, sa_mask: SigSet::empty(), sa_flags: SaFlags::NONE };
    for signal in all_with_actions() {
        // Each of them can be set to its default.
        let _ = sigaction(signal, &action);
    }
}

/// Every signal but SIGKILL and SIGSTOP.
fn all_with_actions() -> impl Iterator<Item = Signal> {
    let all = (1..=SIGNAL_MAX as c_int).filter_map(Signal::from_raw);
    all.filter(|signal| !matches!(*signal, Signal::KILL | Signal::STOP))
}

/// How many signals one [`SignalFd::read`] takes. What is pending beyond these is there at the next one; more room would
/// only be more of the stack for a fork to copy.
const SIGNALS_AT_ONCE: usize = 4;

/// `signalfd()`: a descriptor from which signals are read, in place of handlers.
///
/// The signals are to be blocked: then one that comes stays pending until it is read, whenever that is, and nothing
/// interrupts anything. A signal that is ignored is read, too. After a fork the descriptor gives a child the child's own
/// signals.
#[derive(Debug)]
pub struct SignalFd(OwnedFd);

impl SignalFd {
    /// `signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK)`
    ///
    /// # Errors
    /// `EMFILE`, `ENFILE` when no descriptor is left, `ENOMEM`, `ENODEV`.
    ///
    /// # References
    /// signalfd(2)
    pub fn new(signals: &SigSet) -> Result<SignalFd> {
        // SAFETY: the set is valid for reads.
        let fd = unsafe { signalfd::signalfd(-1, signals.as_ptr(), signalfd::SFD_CLOEXEC | signalfd::SFD_NONBLOCK) };
        // SAFETY: the descriptor was made just now.
        unsafe { ret_owned_fd(fd) }.map(SignalFd)
    }

    /// `read()`: takes the signals that are pending. Never waits.
    ///
    /// # Errors
    /// `EAGAIN` when none is.
    pub fn read(&self) -> Result<impl Iterator<Item = SignalInfo> + use<>> {
        let mut infos = [const { MaybeUninit::<signalfd::signalfd_siginfo>::uninit() }; SIGNALS_AT_ONCE];
        // SAFETY: the pointer is to room for as many bytes.
        let read = unsafe { unistd::read(self.0.raw(), infos.as_mut_ptr().cast(), size_of_val(&infos)) };
        let count = ret_usize(read)? / size_of::<signalfd::signalfd_siginfo>();
        // SAFETY: the call has filled in that many.
        Ok(infos.into_iter().take(count).map(|info| unsafe { info.assume_init() }).map(|info| SignalInfo {
            signal: Signal(info.ssi_signo.cast_signed()),
            sender: Pid::from_raw(info.ssi_pid.cast_signed()),
            uid: info.ssi_uid,
        }))
    }
}

impl AsFd for SignalFd {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// `struct signalfd_siginfo`: a signal that came.
#[derive(Clone, Copy, Debug)]
pub struct SignalInfo {
    /// Which.
    pub signal: Signal,
    /// The process that sent it; `None` when the kernel did, as for ctrl-C.
    pub sender: Option<Pid>,
    /// The user who did.
    pub uid: u32,
}
