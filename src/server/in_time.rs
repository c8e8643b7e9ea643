//! Bounds the time of a call that may wait for another process: a timer's signal interrupts the call.
//!
//! [`in_time`] sets the timer for one call. [`Ticks`] sets the timer once for all closes of a server, because a server
//! closes a connection for each client.

use core::sync::atomic::{AtomicI32, Ordering};
use core::time::Duration;

use super::limits::CLOSE_WITHIN;
use crate::sys::errno::Result;
use crate::sys::process::getpid;
use crate::sys::signal::{
    Disposition, MaskHow, SigAction, SigSet, Signal, SignalFlag, raise, sigaction, sigaction_replace,
    sigaction_restore, sigpending, sigprocmask, sigprocmask_replace,
};
use crate::sys::time::{Itimer, setitimer};

/// The flag that the signal raises. Outside a call whose time is bounded, the flag is lowered.
static LATE: SignalFlag = SignalFlag::new();

/// The process whose timer is that of [`Ticks`], or 0.
static TICKING: AtomicI32 = AtomicI32::new(0);

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
    let Timed { result, came_before, earlier, is_cancelled } = timed(limit, again, call);
    // If the timer could not be cancelled, its signal would end the server but for the handler.
    if is_cancelled {
        put_back(&action, came_before, || {
            if let Some(mask) = mask {
                sigprocmask(MaskHow::Set, &mask);
            }
        });
    }
    restore_timer(if TICKING.load(Ordering::Relaxed) == getpid().raw() { TICK } else { earlier });
    result
}

/// Prepares a process for [`with_timer`], for the rest of its life. Returns the action of SIGALRM from before.
pub(super) fn catch_signal() -> Result<SigAction> {
    sigaction_replace(Signal::ALRM, &SigAction::new(Disposition::Flag(&LATE)))
}

/// Runs `call` as [`in_time`] does, in a process that catches SIGALRM already.
pub(super) fn with_timer<R>(limit: Duration, again: Duration, call: impl FnOnce() -> R) -> R {
    let Timed { result, earlier, .. } = timed(limit, again, call);
    restore_timer(earlier);
    result
}

/// The result of [`timed`].
struct Timed<R> {
    result: R,
    /// Whether the signal had come before the timer was set.
    came_before: bool,
    /// The timer from before, which does not run now.
    earlier: Itimer,
    /// Whether no timer of this module is left.
    is_cancelled: bool,
}

/// Runs `call`, and interrupts it by the timer, which is cancelled afterwards.
fn timed<R>(limit: Duration, again: Duration, call: impl FnOnce() -> R) -> Timed<R> {
    // From here on, the signal of an earlier timer has either raised the flag or is not due yet.
    let earlier = setitimer(Itimer::default());
    let came_before = LATE.take();
    if earlier.is_ok() {
        // If the timer cannot be set, the time of the call is not bounded.
        let _ = setitimer(Itimer { value: limit, interval: again });
    }
    let result = call();
    let is_cancelled = earlier.is_err() || setitimer(Itimer::default()).is_ok();
    Timed { result, came_before, earlier: earlier.unwrap_or_default(), is_cancelled }
}

/// Restores a timer. Its signal may come at once, so the action of the signal must be restored before.
fn restore_timer(mut timer: Itimer) {
    if timer != Itimer::default() {
        // The kernel says 0 for a rest of less than a microsecond. A timer that is set to 0 never comes again.
        timer.value = timer.value.max(SHORTEST);
        let _ = setitimer(timer);
    }
}

/// The shortest time of a timer.
const SHORTEST: Duration = Duration::from_micros(1);

/// The timer that interrupts each wait of a close after [`CLOSE_WITHIN`].
const TICK: Itimer = Itimer { value: CLOSE_WITHIN, interval: CLOSE_WITHIN };

/// The timer of a server's closes, and the state of SIGALRM and its timer from before.
///
/// SIGALRM is blocked except during a close. While the signal is pending, Linux lets the timer rest, so a server that
/// closes nothing does not wake up.
pub(super) struct Ticks {
    action: SigAction,
    timer: Itimer,
    /// Whether the signal was pending before.
    came_before: bool,
}

impl Ticks {
    /// Blocks and catches SIGALRM, and sets the timer, for this process but not for its children.
    pub(super) fn start() -> Result<Ticks> {
        sigprocmask(MaskHow::Block, &SigSet::from([Signal::ALRM]));
        // From here on, the signal of the program's own timer is either pending or not due yet.
        let timer = setitimer(Itimer::default())?;
        let came_before = sigpending().contains(Signal::ALRM);
        let action = catch_signal().or_else(|errno| setitimer(timer).and(Err(errno)))?;
        if let Err(errno) = setitimer(TICK) {
            let _ = restore(&action);
            return setitimer(timer).and(Err(errno));
        }
        TICKING.store(getpid().raw(), Ordering::Relaxed);
        Ok(Ticks { action, timer, came_before })
    }

    /// Runs `call`, in which each wait ends within [`CLOSE_WITHIN`].
    pub(super) fn interrupt(&self, call: impl FnOnce()) {
        let alarm = SigSet::from([Signal::ALRM]);
        sigprocmask(MaskHow::Unblock, &alarm);
        call();
        sigprocmask(MaskHow::Block, &alarm);
        // A child would take a raised flag for a signal that was pending before, and raise the signal again. If the flag
        // is not raised, it is not written: after a fork, a write copies a page.
        if is_late() {
            LATE.take();
        }
    }

    /// Restores the action of SIGALRM in a child, which has no timer.
    pub(super) fn restore_in_child(&self) {
        let _ = restore(&self.action);
    }

    /// Restores the timer, and the action of SIGALRM. The signal stays blocked.
    pub(super) fn stop(self) {
        TICKING.store(0, Ordering::Relaxed);
        if setitimer(Itimer::default()).is_ok() {
            put_back(&self.action, self.came_before, || {});
            restore_timer(self.timer);
        }
    }
}

/// Restores the action that SIGALRM had.
fn restore(action: &SigAction) -> Result<()> {
    // SAFETY: no code of the program has run in this process since the action was found.
    unsafe { sigaction_restore(Signal::ALRM, action) }
}

/// Restores the action of SIGALRM, and between this and the discarding of a late signal `restore_mask`.
fn put_back(action: &SigAction, came_before: bool, restore_mask: impl FnOnce()) {
    // A signal that has come and was not delivered yet is discarded, because the earlier action could be to end.
    let _ = sigaction(Signal::ALRM, &SigAction::new(Disposition::Ignore));
    LATE.take();
    restore_mask();
    let _ = restore(action);
    if came_before {
        let _ = raise(Signal::ALRM);
    }
}

/// Whether the time of the call that runs now is up.
pub(super) fn is_late() -> bool {
    LATE.is_raised()
}

#[cfg(test)]
mod tests;
