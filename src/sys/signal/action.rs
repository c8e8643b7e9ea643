//! The actions of a process for signals, and handlers.

use core::ffi::c_int;
use core::mem::MaybeUninit;
use core::ptr::{self, NonNull};
use core::sync::atomic::{AtomicBool, AtomicPtr, Ordering};

use crate::ffi::signal as c;
use crate::sys::conv::ret;
use crate::sys::errno::{Errno, Result};
use crate::sys::flags::flags;
use crate::sys::signal::set::{SIGNAL_MAX, SigSet, Signal};

/// A function that may run in a signal handler, because its maker has claimed so.
#[derive(Clone, Copy, Debug)]
pub struct Handler {
    function: extern "C" fn(Signal),
    /// For a handler that was found installed: the action that it was installed with.
    found: Option<Found>,
}

/// The action with which a handler was found installed. The handler's owner may rely on its signal, and on the signals
/// that are blocked while it runs.
#[derive(Clone, Copy, Debug)]
struct Found {
    signal: Signal,
    mask: SigSet,
    flags: c_int,
}

impl Found {
    /// Returns a mask and flags with which the handler can be installed again. At least the signals are blocked that
    /// were blocked before. The flags that have no name in [`SaFlags`] stay: the number of arguments, and the stack.
    fn limit(&self, mask: SigSet, flags: c_int) -> (SigSet, c_int) {
        const FREE: c_int = c::SA_RESTART | c::SA_NOCLDSTOP | c::SA_NOCLDWAIT | c::SA_RESETHAND;
        let nodefer = flags & self.flags & c::SA_NODEFER;
        (mask.union(&self.mask), flags & FREE | self.flags & !FREE & !c::SA_NODEFER | nodefer)
    }
}

impl Handler {
    /// Makes a handler of a function, or of a closure that captures nothing.
    ///
    /// errno is saved before the function runs and restored afterwards.
    ///
    /// # Safety
    /// `function` is async-signal-safe. The function may run between any two instructions of this process. The
    /// interrupted code may hold any lock, and may be half way through any change. `function` does only things that are
    /// sound even then. It may use atomics and the functions that signal-safety(7) lists. In a process that does not
    /// allocate, it may also use the functions of [`stdio`](crate::stdio), which notice that they were interrupted. The
    /// first use of a stream allocates the stream's buffer. So a handler that may interrupt an allocation must not be
    /// the first to use a stream. Above all, `function` must not do anything else that allocates, and must not call
    /// [`exit`](crate::process::exit).
    ///
    /// If `function` handles SIGSYS, it does not return when a filter of system calls has sent the signal, such as the
    /// filter of [`allow_only`](crate::seccomp::allow_only). If `function` returned, the refused call would return a
    /// number that no kernel gave: a descriptor that another owner has, or an address without memory.
    ///
    /// # References
    /// signal-safety(7), POSIX
    #[must_use]
    pub const unsafe fn new<F: Fn(Signal) + Copy + Sync + 'static>(_function: F) -> Handler {
        const { assert!(size_of::<F>() == 0, "a handler captures nothing: a signal brings its number, and no more") };
        Handler { function: call::<F>, found: None }
    }
}

/// Calls an `F`. The kernel calls this function for a handler made of an `F`.
extern "C" fn call<F: Fn(Signal) + Copy + Sync + 'static>(signal: Signal) {
    let interrupted = Errno::last();
    // SAFETY: an F has no size, so any aligned pointer is a valid pointer to an F. `Handler::new` got an F, so a value
    // of the type can exist.
    let function = unsafe { NonNull::<F>::dangling().as_ref() };
    function(signal);
    interrupted.set();
}

/// A flag that notes that a signal came. A program can use such a flag without a handler of its own, and without
/// `unsafe`.
#[derive(Debug, Default)]
pub struct SignalFlag(AtomicBool);

impl SignalFlag {
    /// Returns a flag that is not raised.
    #[must_use]
    pub const fn new() -> SignalFlag {
        SignalFlag(AtomicBool::new(false))
    }

    /// Returns whether the signal came since the last call, and lowers the flag.
    ///
    /// Async-signal-safe: yes.
    pub fn take(&self) -> bool {
        self.0.swap(false, Ordering::Relaxed)
    }

    /// Whether the signal came since the last [`take`](SignalFlag::take).
    ///
    /// Async-signal-safe: yes.
    pub fn is_raised(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// The flag to raise for each signal.
static FLAGS: [AtomicPtr<SignalFlag>; SIGNAL_MAX + 1] = [const { AtomicPtr::new(ptr::null_mut()) }; SIGNAL_MAX + 1];

/// Returns the slot for the flag of a signal.
fn slot_of(signal: Signal) -> Option<&'static AtomicPtr<SignalFlag>> {
    usize::try_from(signal.raw()).ok().and_then(|number| FLAGS.get(number))
}

/// Returns the flag that was installed last for a signal.
fn flag_of(signal: Signal) -> Option<&'static SignalFlag> {
    // SAFETY: a slot holds null, or a pointer that was made from a `&'static SignalFlag`.
    slot_of(signal).and_then(|slot| unsafe { slot.load(Ordering::Acquire).as_ref() })
}

/// Raises the flag of a signal. Every [`Disposition::Flag`] has this handler. An inlined copy of this function would
/// have another address, and so would not count as the handler of a flag.
#[inline(never)]
extern "C" fn raise_flag(signal: Signal) {
    if let Some(flag) = flag_of(signal) {
        flag.0.store(true, Ordering::Relaxed);
    }
}

/// Returns the address of the handler of every flag.
fn flag_handler() -> c::sighandler_t {
    raise_flag as extern "C" fn(Signal) as usize
}

/// A process's action for a signal.
#[derive(Clone, Copy, Debug)]
pub enum Disposition {
    /// `SIG_DFL`: the default action of the signal, which ends the process, stops it, makes it go on, or does nothing.
    #[doc(alias = "SIG_DFL")]
    Default,
    /// `SIG_IGN`: nothing happens. If SIGCHLD is ignored, no child becomes a zombie.
    #[doc(alias = "SIG_IGN")]
    Ignore,
    /// A function runs.
    Handler(Handler),
    /// A flag is raised. Of several flags for one signal, only the flag that was installed last is raised.
    ///
    /// SIGSYS has no flag. After its handler, a system call that a filter has refused would return a number that no
    /// kernel gave.
    Flag(&'static SignalFlag),
}

impl Disposition {
    /// Returns the handler in C's form. If the handler was found installed, also returns the action from then.
    fn to_c(self, signal: Signal) -> Result<(c::sighandler_t, Option<Found>)> {
        Ok(match self {
            Disposition::Default => (c::SIG_DFL, None),
            Disposition::Ignore => (c::SIG_IGN, None),
            Disposition::Handler(Handler { function, found: None }) => (function as usize, None),
            Disposition::Handler(Handler { function, found: Some(found) }) if found.signal == signal => {
                (function as usize, Some(found))
            }
            Disposition::Handler(_) => return Err(Errno::INVAL),
            Disposition::Flag(_) if signal == Signal::SYS => return Err(Errno::INVAL),
            Disposition::Flag(flag) => {
                if let Some(slot) = slot_of(signal) {
                    slot.store(ptr::from_ref(flag).cast_mut(), Ordering::Release);
                }
                (flag_handler(), None)
            }
        })
    }

    /// Converts an action that was found installed. `flag` is the flag that the signal had then.
    fn from_c(handler: c::sighandler_t, found: Found, flag: Option<&'static SignalFlag>) -> Disposition {
        match (handler, flag) {
            (c::SIG_DFL, _) => Disposition::Default,
            (c::SIG_IGN, _) => Disposition::Ignore,
            (address, Some(flag)) if address == flag_handler() => Disposition::Flag(flag),
            (address, _) => Disposition::Handler(Handler {
                // SAFETY: the address was installed as a handler, so it is that of a function. Only the kernel calls
                // the function, with as many arguments as the flags say.
                function: unsafe { core::mem::transmute::<usize, extern "C" fn(Signal)>(address) },
                found: Some(found),
            }),
        }
    }
}

flags! {
    /// `sa_flags`: flags of an action.
    SaFlags(c_int) from c {
        /// `SA_RESTART`: a call that the handler interrupted goes on, if it can, instead of failing with `EINTR`.
        #[doc(alias = "SA_RESTART")]
        RESTART = SA_RESTART,
        /// `SA_NOCLDSTOP`: no SIGCHLD for a child that was stopped.
        #[doc(alias = "SA_NOCLDSTOP")]
        NOCLDSTOP = SA_NOCLDSTOP,
        /// `SA_NOCLDWAIT`: no child becomes a zombie.
        #[doc(alias = "SA_NOCLDWAIT")]
        NOCLDWAIT = SA_NOCLDWAIT,
        /// `SA_RESETHAND`: the handler runs once. After that the default action holds.
        #[doc(alias = "SA_RESETHAND")]
        RESETHAND = SA_RESETHAND,
        /// `SA_NODEFER`: the signal is not blocked while its handler runs.
        #[doc(alias = "SA_NODEFER")]
        NODEFER = SA_NODEFER,
    }
}

/// `struct sigaction`: the action for a signal, with a mask and flags.
#[derive(Clone, Copy, Debug)]
pub struct SigAction {
    /// The action.
    pub sa_handler: Disposition,
    /// Further signals that are blocked while a handler runs.
    pub sa_mask: SigSet,
    /// The flags of the action.
    pub sa_flags: SaFlags,
}

impl SigAction {
    /// Returns an action with an empty mask and no flags. The fields can be changed: `SigAction { sa_flags,
    /// ..SigAction::new(…) }`.
    ///
    /// Async-signal-safe: yes.
    #[must_use]
    pub fn new(disposition: Disposition) -> SigAction {
        SigAction { sa_handler: disposition, sa_mask: SigSet::empty(), sa_flags: SaFlags::NONE }
    }

    /// Returns this action, unless its handler was found installed.
    fn without_found(&self) -> Result<&SigAction> {
        match self.sa_handler {
            Disposition::Handler(Handler { found: Some(_), .. }) => Err(Errno::INVAL),
            _ => Ok(self),
        }
    }

    fn to_c(self, signal: Signal) -> Result<c::sigaction> {
        let (sa_sigaction, found) = self.sa_handler.to_c(signal)?;
        let (mask, flags) = (self.sa_mask, self.sa_flags.raw());
        let (mask, sa_flags) = found.map_or((mask, flags), |found| found.limit(mask, flags));
        Ok(c::sigaction { sa_sigaction, sa_mask: mask.raw(), sa_flags, sa_restorer: None })
    }
}

/// `sigaction(signal, &action, NULL)`: sets the action for a signal.
///
/// Async-signal-safe: yes.
///
/// # Errors
/// `EINVAL` for SIGKILL and SIGSTOP, whose actions cannot be changed. Also `EINVAL`, without a call, for a flag of
/// SIGSYS, and for a handler that was found installed: see [`sigaction_restore`].
///
/// # References
/// sigaction(2), POSIX
pub fn sigaction(signal: Signal, action: &SigAction) -> Result<()> {
    sigaction_raw(signal, Some(action.without_found()?), None)
}

/// `sigaction(signal, &action, NULL)`: sets the action for a signal, also to a handler that was found installed.
///
/// A handler that was found installed may rely on the signals that were blocked while it ran, and on its stack. So for
/// such a handler the mask is the union of both masks, `SA_NODEFER` counts only if the handler had it, and the flags
/// without a name in [`SaFlags`] are as they were. If [`signal()`] found the handler, all signals are blocked.
///
/// Async-signal-safe: yes.
///
/// # Errors
/// `EINVAL` for SIGKILL and SIGSTOP, whose actions cannot be changed. Also `EINVAL`, without a call, for a flag of
/// SIGSYS, and for a handler that was found installed for another signal.
///
/// # Safety
/// A handler that was found installed may still run. Its owner may have put another action in its place, and then have
/// taken away what the handler uses.
///
/// # References
/// sigaction(2), POSIX
pub unsafe fn sigaction_restore(signal: Signal, action: &SigAction) -> Result<()> {
    sigaction_raw(signal, Some(action), None)
}

/// `sigaction(signal, &action, &old)`: sets the action for a signal and returns the action from before.
///
/// Async-signal-safe: yes.
///
/// # Errors
/// Fails as [`sigaction`] does.
pub fn sigaction_replace(signal: Signal, action: &SigAction) -> Result<SigAction> {
    sigaction_old(signal, Some(action.without_found()?))
}

/// `sigaction(signal, NULL, &old)`: returns the present action for a signal.
///
/// Async-signal-safe: yes.
///
/// # Errors
/// `EINVAL` for a signal that the C library keeps for itself or does not know, as a
/// [`WaitStatus`](crate::process::WaitStatus) may name it.
pub fn sigaction_get(signal: Signal) -> Result<SigAction> {
    sigaction_old(signal, None)
}

fn sigaction_old(signal: Signal, action: Option<&SigAction>) -> Result<SigAction> {
    let mut old = MaybeUninit::uninit();
    let flag = flag_of(signal);
    sigaction_raw(signal, action, Some(&mut old))?;
    // SAFETY: the call did not fail, so it has filled in the old action.
    let old = unsafe { old.assume_init() };
    let mask = SigSet::from_c(old.sa_mask);
    Ok(SigAction {
        sa_handler: Disposition::from_c(old.sa_sigaction, Found { signal, mask, flags: old.sa_flags }, flag),
        sa_mask: mask,
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
    // SAFETY: both pointers are null or to a struct that only the call uses meanwhile. A handler in the struct was
    // claimed to be async-signal-safe.
    ret(unsafe { c::sigaction(signal.raw(), action, old) })
}

/// `signal()`: sets the action for a signal and returns the action from before. The form is that of BSD, which is
/// glibc's default. The handler stays installed, the signal is blocked while the handler runs, and interrupted calls go
/// on.
///
/// To install a handler that this function returned again, use [`sigaction_restore`].
///
/// Async-signal-safe: yes.
///
/// # Errors
/// `EINVAL` for SIGKILL and SIGSTOP. Also `EINVAL`, without a call, for a handler that was found installed, and for a
/// flag of SIGSYS.
///
/// # References
/// signal(2), POSIX
pub fn signal(signal: Signal, disposition: Disposition) -> Result<Disposition> {
    install(signal, disposition, c::signal)
}

/// `__sysv_signal()`: does what [`signal()`] does, in System V's form, which C programs get under `-std=c99`. The
/// handler runs once, the signal is not blocked while the handler runs, and interrupted calls fail with `EINTR`.
///
/// Async-signal-safe: yes.
///
/// # Errors
/// Fails as [`signal()`] does.
///
/// # References
/// sysv_signal(3)
pub fn sysv_signal(signal: Signal, disposition: Disposition) -> Result<Disposition> {
    install(signal, disposition, c::__sysv_signal)
}

type SignalFunction = unsafe extern "C" fn(c_int, c::sighandler_t) -> c::sighandler_t;

fn install(signal: Signal, disposition: Disposition, function: SignalFunction) -> Result<Disposition> {
    let flag = flag_of(signal);
    let (handler, found) = disposition.to_c(signal)?;
    if found.is_some() {
        return Err(Errno::INVAL);
    }
    // SAFETY: a handler takes one argument, and was claimed to be async-signal-safe.
    match unsafe { function(signal.raw(), handler) } {
        c::SIG_ERR => Err(Errno::last()),
        // The C library does not tell the mask and the flags of the old handler. A full mask and three arguments suit
        // any handler.
        old => Ok(Disposition::from_c(old, Found { signal, mask: SigSet::full(), flags: c::SA_SIGINFO }, flag)),
    }
}

/// `sigaction(signal, SIG_DFL)`: sets every signal except those in `except` to its default action. So a program that
/// this process runs ignores no signal that this process inherited as ignored. SIGKILL and SIGSTOP always have their
/// default action.
///
/// Async-signal-safe: yes.
pub fn default_all(except: &SigSet) {
    let action = SigAction::new(Disposition::Default);
    for signal in all_with_actions().filter(|signal| !except.contains(*signal)) {
        // The call cannot fail, because each of these signals can be set to its default.
        let _ = sigaction(signal, &action);
    }
}

/// Returns every signal but SIGKILL and SIGSTOP.
fn all_with_actions() -> impl Iterator<Item = Signal> {
    Signal::all().filter(|signal| can_have_action(*signal))
}

/// Whether a signal can have another action than the default: all but SIGKILL and SIGSTOP.
pub(crate) const fn can_have_action(signal: Signal) -> bool {
    !matches!(signal, Signal::KILL | Signal::STOP)
}
