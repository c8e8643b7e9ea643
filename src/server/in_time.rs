//! Bounds the time of a call that may wait for another process: a timer's signal interrupts the call.

use core::time::Duration;

use crate::sys::errno::Result;
use crate::sys::signal::{
    Disposition, MaskHow, SigAction, SigSet, Signal, SignalFlag, raise, sigaction, sigaction_replace, sigprocmask,
    sigprocmask_replace,
};
use crate::sys::time::{Itimer, setitimer};

/// The flag that the signal raises.
static LATE: SignalFlag = SignalFlag::new();

/// Runs `call`. SIGALRM interrupts the call after `limit`, and again after each further `again`. If the signal
/// `is_blocked`, or may be, it is unblocked meanwhile. Afterwards the signal, its mask and the timer are as before.
///
/// A signal that was pending before comes again afterwards. A signal that a process sends while the timer runs is taken
/// for that of the timer.
pub(super) fn in_time<R>(limit: Duration, again: Duration, is_blocked: bool, call: impl FnOnce() -> R) -> R {
    // If the action stayed, each child would have to restore the old action.
    let Ok(action) = catch_signal() else { return call() };
    let alarm = SigSet::from([Signal::ALRM]);
    let mask = if is_blocked { sigprocmask_replace(MaskHow::Unblock, &alarm).ok() } else { None };
    let Timed { result, came_before, is_cancelled } = with_timer(limit, again, call);
    // If the timer could not be put back, its signal would end the server but for the handler.
    if is_cancelled {
        // A signal that has come and was not delivered yet is discarded, because the earlier action could be to end.
        let _ = sigaction(Signal::ALRM, &SigAction::new(Disposition::Ignore));
        LATE.take();
        if let Some(mask) = mask {
            sigprocmask(MaskHow::Set, &mask);
        }
        let _ = sigaction(Signal::ALRM, &action);
        if came_before {
            let _ = raise(Signal::ALRM);
        }
    }
    result
}

/// Prepares a process for [`with_timer`], for the rest of its life. Returns the action of SIGALRM from before.
pub(super) fn catch_signal() -> Result<SigAction> {
    sigaction_replace(Signal::ALRM, &SigAction::new(Disposition::Flag(&LATE)))
}

/// The result of [`with_timer`].
pub(super) struct Timed<R> {
    pub(super) result: R,
    /// Whether the signal had come before the timer was set.
    came_before: bool,
    /// Whether no timer of this module is left.
    is_cancelled: bool,
}

/// Runs `call` as [`in_time`] does, in a process that catches SIGALRM already.
pub(super) fn with_timer<R>(limit: Duration, again: Duration, call: impl FnOnce() -> R) -> Timed<R> {
    let came_before = LATE.take();
    let timer = setitimer(Itimer { value: limit, interval: again });
    let result = call();
    let is_cancelled = timer.is_err() || timer.and_then(setitimer).or_else(|_| setitimer(Itimer::default())).is_ok();
    Timed { result, came_before, is_cancelled }
}

/// Whether the time of the call that runs now is up.
pub(super) fn is_late() -> bool {
    LATE.is_raised()
}
