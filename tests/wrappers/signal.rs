//! Tests signals: sets, handlers and flags.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use mpserv::errno::Errno;
use mpserv::signal::{
    Disposition, Handler, MaskHow, SaFlags, SigAction, SigSet, Signal, SignalFlag, raise, sigaction, sigaction_get,
    sigaction_replace, signal, sigpending, sigprocmask, sigprocmask_replace, sigsuspend, sysv_signal,
};
use mpserv::time::{Itimer, alarm, setitimer};

use crate::common::wait_until;

pub(crate) fn signal_numbers_that_are_not_ours_are_refused() {
    for number in [i32::MIN, -1, 0, 32, 33, 65, i32::MAX] {
        assert_eq!(Signal::from_raw(number), None, "{number}");
    }
    for number in (1..=31).chain(34..=64) {
        let signal = Signal::from_raw(number).unwrap();
        assert_eq!(signal.raw(), number);
        assert_eq!(signal.name().is_some(), number <= 31);
    }
    assert_eq!(Signal::CHLD.to_string(), "SIGCHLD");
    assert_eq!(Signal::from_raw(40).unwrap().to_string(), "signal 40");
}

pub(crate) fn a_set_holds_what_was_put_in() {
    let mut set = SigSet::empty();
    assert!(!set.contains(Signal::CHLD));
    set.add(Signal::CHLD);
    set.add(Signal::INT);
    assert!(set.contains(Signal::CHLD) && set.contains(Signal::INT) && !set.contains(Signal::TERM));
    assert_eq!(format!("{set:?}"), "{SIGINT, SIGCHLD}");
    set.remove(Signal::INT);
    assert_eq!(format!("{set:?}"), format!("{:?}", SigSet::from([Signal::CHLD])));
    assert!((1..=64).filter_map(Signal::from_raw).all(|signal| SigSet::full().contains(signal)));
}

fn act(disposition: Disposition) -> SigAction {
    SigAction { sa_handler: disposition, sa_mask: SigSet::empty(), sa_flags: SaFlags::NONE }
}

pub(crate) fn a_flag_is_raised_by_its_signal() {
    static FIRST: SignalFlag = SignalFlag::new();
    static SECOND: SignalFlag = SignalFlag::new();
    sigaction(Signal::USR1, &act(Disposition::Flag(&FIRST))).unwrap();
    sigaction(Signal::USR2, &act(Disposition::Flag(&SECOND))).unwrap();
    raise(Signal::USR1).unwrap();
    assert!(FIRST.is_raised() && !SECOND.is_raised());
    assert!(FIRST.take());
    assert!(!FIRST.take(), "a flag that was taken is down");
    // If a signal has two flags, the flag that was installed last is raised.
    signal(Signal::USR1, Disposition::Flag(&SECOND)).unwrap();
    raise(Signal::USR1).unwrap();
    assert!(!FIRST.is_raised() && SECOND.take());
    signal(Signal::USR1, Disposition::Ignore).unwrap();
    raise(Signal::USR1).unwrap();
    assert!(!SECOND.is_raised());
    assert_eq!(sigaction(Signal::KILL, &act(Disposition::Ignore)), Err(Errno::INVAL));
}

fn spoil_errno(_signal: Signal) {
    Errno::NOSPC.set();
}

pub(crate) fn a_handler_leaves_errno_as_it_was() {
    // SAFETY: the handler only writes errno, which is restored afterwards.
    let handler = unsafe { Handler::new(spoil_errno) };
    sigaction(Signal::USR1, &act(Disposition::Handler(handler))).unwrap();
    Errno::XDEV.set();
    raise(Signal::USR1).unwrap();
    assert_eq!(Errno::last(), Errno::XDEV);
}

pub(crate) fn an_old_action_is_given_back_whole() {
    static FLAG: SignalFlag = SignalFlag::new();
    let flags = SaFlags::RESTART | SaFlags::NOCLDSTOP;
    let mask = SigSet::from([Signal::HUP, Signal::TERM]);
    let action = SigAction { sa_handler: Disposition::Flag(&FLAG), sa_mask: mask, sa_flags: flags };
    let old = sigaction_replace(Signal::CHLD, &action).unwrap();
    assert!(matches!(old.sa_handler, Disposition::Default));
    let now = sigaction_replace(Signal::CHLD, &act(Disposition::Ignore)).unwrap();
    assert!(matches!(now.sa_handler, Disposition::Flag(_)));
    assert!(now.sa_flags.contains(flags));
    assert_eq!(format!("{:?}", now.sa_mask), "{SIGHUP, SIGTERM}");
    assert!(matches!(sigaction_get(Signal::CHLD).unwrap().sa_handler, Disposition::Ignore));
    sigaction(Signal::CHLD, &now).unwrap();
    raise(Signal::CHLD).unwrap();
    assert!(FLAG.take());
    let old = signal(Signal::CHLD, Disposition::Default).unwrap();
    signal(Signal::CHLD, old).unwrap();
    raise(Signal::CHLD).unwrap();
    assert!(FLAG.take());
}

static CALLS: AtomicU32 = AtomicU32::new(0);

fn count_call(_signal: Signal) {
    CALLS.fetch_add(1, Ordering::Relaxed);
}

pub(crate) fn a_handler_that_was_found_can_be_installed_again() {
    // SAFETY: the handler only adds to an atomic.
    let handler = unsafe { Handler::new(count_call) };
    sigaction(Signal::USR1, &act(Disposition::Handler(handler))).unwrap();
    let found = sigaction_replace(Signal::USR1, &act(Disposition::Ignore)).unwrap();
    assert!(matches!(found.sa_handler, Disposition::Handler(_)));
    sigaction(Signal::USR1, &found).unwrap();
    raise(Signal::USR1).unwrap();
    assert_eq!(CALLS.load(Ordering::Relaxed), 1);
    // signal() does not know whether its result takes three arguments, so only sigaction restores it.
    let old = signal(Signal::USR1, Disposition::Default).unwrap();
    assert_eq!(signal(Signal::USR1, old).unwrap_err(), Errno::INVAL);
    sigaction(Signal::USR1, &act(old)).unwrap();
    raise(Signal::USR1).unwrap();
    assert_eq!(CALLS.load(Ordering::Relaxed), 2);
}

pub(crate) fn an_old_action_has_the_flag_from_before() {
    static OUTER: SignalFlag = SignalFlag::new();
    static INNER: SignalFlag = SignalFlag::new();
    sigaction(Signal::USR1, &act(Disposition::Flag(&OUTER))).unwrap();
    let inner = act(Disposition::Flag(&INNER));
    let old = sigaction_replace(Signal::USR1, &inner).unwrap();
    sigaction(Signal::USR1, &old).unwrap();
    raise(Signal::USR1).unwrap();
    assert!(OUTER.take() && !INNER.take(), "sigaction_replace");
    for install in [signal, sysv_signal] {
        let old = install(Signal::USR1, inner.sa_handler).unwrap();
        install(Signal::USR1, old).unwrap();
        raise(Signal::USR1).unwrap();
        assert!(OUTER.take() && !INNER.take(), "signal");
        sigaction(Signal::USR1, &act(Disposition::Flag(&OUTER))).unwrap();
    }
}

pub(crate) fn sigsys_has_no_flag() {
    // After the handler, a call that a filter has refused would return its own number, which may be the number of a
    // descriptor.
    static FLAG: SignalFlag = SignalFlag::new();
    let flag = Disposition::Flag(&FLAG);
    assert_eq!(sigaction(Signal::SYS, &act(flag)), Err(Errno::INVAL));
    assert_eq!(sigaction_replace(Signal::SYS, &act(flag)).unwrap_err(), Errno::INVAL);
    assert_eq!(signal(Signal::SYS, flag).unwrap_err(), Errno::INVAL);
    assert_eq!(sysv_signal(Signal::SYS, flag).unwrap_err(), Errno::INVAL);
    assert!(matches!(sigaction_get(Signal::SYS).unwrap().sa_handler, Disposition::Default));
}

pub(crate) fn a_found_handler_stays_with_its_signal() {
    // std's handler for a stack overflow relies on being the handler of SIGSEGV.
    let found = sigaction_get(Signal::SEGV).unwrap();
    assert!(matches!(found.sa_handler, Disposition::Handler(_)));
    assert_eq!(sigaction(Signal::USR1, &found), Err(Errno::INVAL));
    sigaction(Signal::SEGV, &found).unwrap();
}

/// Checks that a handler which relies on its mask is never interrupted by what its mask blocks.
pub(crate) fn a_found_handler_keeps_its_mask() {
    // SAFETY: the handler only adds to an atomic.
    let handler = Disposition::Handler(unsafe { Handler::new(count_call) });
    let mask = SigSet::from([Signal::HUP]);
    sigaction(Signal::USR1, &SigAction { sa_mask: mask, ..act(handler) }).unwrap();
    let found = sigaction_get(Signal::USR1).unwrap();
    let flags = SaFlags::NODEFER | SaFlags::RESTART;
    sigaction(Signal::USR1, &SigAction { sa_mask: SigSet::from([Signal::TERM]), sa_flags: flags, ..found }).unwrap();
    let now = sigaction_get(Signal::USR1).unwrap();
    assert_eq!(format!("{:?}", now.sa_mask), "{SIGHUP, SIGTERM}");
    assert!(now.sa_flags.contains(SaFlags::RESTART) && !now.sa_flags.contains(SaFlags::NODEFER));
    for install in [signal, sysv_signal] {
        assert_eq!(install(Signal::USR1, found.sa_handler).unwrap_err(), Errno::INVAL);
    }
    // A handler that had the flag may have it again.
    sigaction(Signal::USR2, &SigAction { sa_flags: SaFlags::NODEFER, ..act(handler) }).unwrap();
    let found = sigaction_get(Signal::USR2).unwrap();
    sigaction(Signal::USR2, &found).unwrap();
    assert!(sigaction_get(Signal::USR2).unwrap().sa_flags.contains(SaFlags::NODEFER));
    // signal() does not tell the mask, so everything is blocked.
    let old = signal(Signal::USR2, Disposition::Default).unwrap();
    sigaction(Signal::USR2, &act(old)).unwrap();
    let now = sigaction_get(Signal::USR2).unwrap();
    assert!(now.sa_mask.contains(Signal::HUP) && !now.sa_flags.contains(SaFlags::NODEFER));
}

pub(crate) fn what_is_blocked_is_pending() {
    static FLAG: SignalFlag = SignalFlag::new();
    sigaction(Signal::USR1, &act(Disposition::Flag(&FLAG))).unwrap();
    let old = sigprocmask_replace(MaskHow::Block, &SigSet::from([Signal::USR1])).unwrap();
    assert!(!old.contains(Signal::USR1));
    raise(Signal::USR1).unwrap();
    raise(Signal::USR1).unwrap();
    assert!(sigpending().contains(Signal::USR1) && !FLAG.is_raised());
    sigprocmask(MaskHow::Set, &old);
    assert!(FLAG.take());
    assert!(!sigpending().contains(Signal::USR1));
    sigprocmask(MaskHow::Unblock, &SigSet::full());
    assert!(!sigprocmask_replace(MaskHow::Block, &SigSet::empty()).unwrap().contains(Signal::USR1));
}

pub(crate) fn sigsuspend_misses_no_signal() {
    static FLAG: SignalFlag = SignalFlag::new();
    sigaction(Signal::USR1, &act(Disposition::Flag(&FLAG))).unwrap();
    let old = sigprocmask_replace(MaskHow::Block, &SigSet::from([Signal::USR1])).unwrap();
    // The signal comes before the wait, but the wait still ends.
    raise(Signal::USR1).unwrap();
    sigsuspend(&old);
    assert!(FLAG.take());
}

pub(crate) fn a_timer_returns_the_one_before_and_sends_its_signal() {
    static DUE: SignalFlag = SignalFlag::new();
    sigaction(Signal::ALRM, &SigAction::new(Disposition::Flag(&DUE))).unwrap();
    let hour = Duration::from_secs(3600);
    assert_eq!(alarm(3600), 0);
    let day = 24 * hour;
    let before = setitimer(Itimer { value: hour, interval: day }).unwrap();
    assert!(!before.value.is_zero() && before.value <= hour && before.interval.is_zero(), "{before:?}");
    let none = libc::timeval { tv_sec: 0, tv_usec: 0 };
    let mut kernel = libc::itimerval { it_interval: none, it_value: none };
    // SAFETY: the pointer is to room for a timer.
    assert_eq!(unsafe { libc::getitimer(libc::ITIMER_REAL, &raw mut kernel) }, 0);
    let interval = u64::try_from(kernel.it_interval.tv_sec).unwrap();
    assert!(kernel.it_value.tv_sec <= 3600 && interval == day.as_secs(), "{interval}");
    let before = setitimer(Itimer { value: Duration::from_millis(1), interval: Duration::from_millis(1) }).unwrap();
    assert!(!before.value.is_zero() && before.value <= hour && before.interval == day, "{before:?}");
    // Two signals show that the timer sends its signal again and again.
    for _ in 0..2 {
        wait_until("the signal comes", || DUE.take());
    }
    setitimer(Itimer::default()).unwrap();
    assert_eq!(setitimer(Itimer::default()), Ok(Itimer::default()));
}
