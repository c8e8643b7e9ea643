use super::*;
use crate::sys::process::{_exit, Fork, fork_unchecked};

/// The greatest time of a timer that is due about when [`in_time`] returns, in microseconds.
const ABOUT_NOW: u64 = 60;
/// The time from the first signal of the timer to the second.
const LATER: Duration = Duration::from_secs(60 * 60);
const ROUNDS: u64 = 3_000;

/// Counts the signals of a caller's timer that do not reach the caller's flag. The timer is due before, during or just
/// after [`in_time`].
fn lost_signals() -> usize {
    static DUE: SignalFlag = SignalFlag::new();
    let _ = sigaction(Signal::ALRM, &SigAction::new(Disposition::Flag(&DUE)));
    sigprocmask(MaskHow::Unblock, &SigSet::from([Signal::ALRM]));
    let is_lost = |round: &u64| {
        let soon = Duration::from_micros(1 + round % ABOUT_NOW);
        let _ = setitimer(Itimer { value: soon, interval: LATER });
        in_time(CLOSE_WITHIN, CLOSE_WITHIN, true, || ());
        let left = setitimer(Itimer::default()).unwrap_or_default();
        let is_waiting = left.value <= soon && left.interval == LATER;
        !DUE.take() && !is_waiting
    };
    (0..ROUNDS).filter(is_lost).count()
}

#[test]
#[cfg_attr(miri, ignore = "Miri has no fork()")]
fn the_callers_timer_is_restored_after_the_callers_action() {
    // The timer and the action belong to the process, so the test has one of its own.
    // SAFETY: the child makes system calls and uses atomics, and ends by _exit().
    let child = unsafe { fork_unchecked() }.unwrap();
    let Fork::Parent(mut child) = child else { _exit(i32::from(lost_signals() > 0)) };
    assert_eq!(child.wait().unwrap().exit_status(), Some(0), "signals were lost");
}

#[test]
#[cfg_attr(miri, ignore = "Miri has no fork()")]
fn once_the_closes_are_over_a_call_restores_the_callers_timer() {
    // SAFETY: the child makes system calls and uses atomics, and ends by _exit().
    let child = unsafe { fork_unchecked() }.unwrap();
    let Fork::Parent(mut child) = child else {
        let has_stopped = Ticks::start().map(Ticks::stop).is_ok();
        let _ = setitimer(Itimer { value: LATER, interval: LATER });
        in_time(CLOSE_WITHIN, CLOSE_WITHIN, true, || ());
        let left = setitimer(Itimer::default()).unwrap_or_default();
        _exit(i32::from(!has_stopped || left.interval != LATER))
    };
    assert_eq!(child.wait().unwrap().exit_status(), Some(0), "the timer is not that of the caller");
}
