//! Tests signals: sets, handlers and flags.

use std::ffi::c_int;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use mpserv::errno::Errno;
use mpserv::poll::ppoll;
use mpserv::process::getpid;
use mpserv::signal::{
    Disposition, Handler, MaskHow, SaFlags, SigAction, SigSet, Signal, SignalFd, SignalFlag, default_all, kill,
    pthread_sigmask, raise, sigaction, sigaction_get, sigaction_replace, sigaction_restore, signal, sigpending,
    sigprocmask, sigprocmask_replace, sigsuspend, sysv_signal,
};
use mpserv::time::{Itimer, alarm, nanosleep, setitimer, sleep};
use mpserv::user::getuid;

use crate::common::solo::{reap, spawn};
use crate::common::{WATCHDOG, wait_for, wait_until};
use crate::errors::become_nobody;

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
    // SAFETY: the handler is still there.
    unsafe { sigaction_restore(Signal::USR1, &found) }.unwrap();
    raise(Signal::USR1).unwrap();
    assert_eq!(CALLS.load(Ordering::Relaxed), 1);
    // signal() does not know whether its result takes three arguments, so only sigaction_restore restores it.
    let old = signal(Signal::USR1, Disposition::Default).unwrap();
    assert_eq!(signal(Signal::USR1, old).unwrap_err(), Errno::INVAL);
    // SAFETY: the handler is still there.
    unsafe { sigaction_restore(Signal::USR1, &act(old)) }.unwrap();
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
    assert_eq!(sigaction(Signal::SEGV, &found), Err(Errno::INVAL));
    // SAFETY: the handler is still there.
    let restore = |signal| unsafe { sigaction_restore(signal, &found) };
    assert_eq!(restore(Signal::USR1), Err(Errno::INVAL));
    restore(Signal::SEGV).unwrap();
}

/// Checks that a handler which relies on its mask is never interrupted by what its mask blocks.
pub(crate) fn a_found_handler_keeps_its_mask() {
    // SAFETY: the handler only adds to an atomic.
    let handler = Disposition::Handler(unsafe { Handler::new(count_call) });
    let mask = SigSet::from([Signal::HUP]);
    sigaction(Signal::USR1, &SigAction { sa_mask: mask, ..act(handler) }).unwrap();
    let found = sigaction_get(Signal::USR1).unwrap();
    let flags = SaFlags::NODEFER | SaFlags::RESTART;
    let changed = SigAction { sa_mask: SigSet::from([Signal::TERM]), sa_flags: flags, ..found };
    // SAFETY: the handler is still there.
    unsafe { sigaction_restore(Signal::USR1, &changed) }.unwrap();
    let now = sigaction_get(Signal::USR1).unwrap();
    assert_eq!(format!("{:?}", now.sa_mask), "{SIGHUP, SIGTERM}");
    assert!(now.sa_flags.contains(SaFlags::RESTART) && !now.sa_flags.contains(SaFlags::NODEFER));
    for install in [signal, sysv_signal] {
        assert_eq!(install(Signal::USR1, found.sa_handler).unwrap_err(), Errno::INVAL);
    }
    // A handler that had the flag may have it again.
    sigaction(Signal::USR2, &SigAction { sa_flags: SaFlags::NODEFER, ..act(handler) }).unwrap();
    let found = sigaction_get(Signal::USR2).unwrap();
    // SAFETY: the handler is still there.
    unsafe { sigaction_restore(Signal::USR2, &found) }.unwrap();
    assert!(sigaction_get(Signal::USR2).unwrap().sa_flags.contains(SaFlags::NODEFER));
    // signal() does not tell the mask, so everything is blocked.
    let old = signal(Signal::USR2, Disposition::Default).unwrap();
    // SAFETY: the handler is still there.
    unsafe { sigaction_restore(Signal::USR2, &act(old)) }.unwrap();
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

/// Tests a user whose id is not that of the process, and signals from a process and from the kernel.
pub(crate) fn a_read_signal_says_who_sent_it() {
    become_nobody();
    let all = [Signal::HUP, Signal::USR1, Signal::USR2, Signal::TERM, Signal::WINCH, Signal::URG].map(Some);
    let real_time = [40, 41].map(Signal::from_raw);
    let signals: Vec<Signal> = all.into_iter().chain(real_time).flatten().collect();
    let mut set = SigSet::from([Signal::ALRM, Signal::CHLD]);
    signals.iter().for_each(|signal| set.add(*signal));
    sigprocmask(MaskHow::Block, &set);
    let descriptor = SignalFd::new(&set).unwrap();
    let read = || descriptor.read().map_or_else(|_| Vec::new(), |infos| infos.collect());
    assert!(read().is_empty(), "nothing was sent, and a read does not wait");
    let parent = getpid();
    let mut child = spawn(|| signals.iter().for_each(|signal| kill(parent, *signal).unwrap()));
    let sender = child.pid();
    reap(&mut child);
    let reads: Vec<Vec<_>> = std::iter::repeat_with(read).take_while(|infos| !infos.is_empty()).collect();
    assert_eq!(reads.iter().map(Vec::len).collect::<Vec<_>>(), [4, 4, 1], "a read takes up to 4 of 9 signals");
    let mut got: Vec<_> = reads.into_iter().flatten().collect();
    // The kernel gives the signals in the order of their numbers.
    got.sort_by_key(|info| info.signal.raw());
    let mut expected: Vec<_> = signals.iter().copied().chain([Signal::CHLD]).collect();
    expected.sort_by_key(|signal| signal.raw());
    assert_eq!(got.iter().map(|info| info.signal).collect::<Vec<_>>(), expected);
    for info in got {
        assert_eq!((info.sender, info.uid), (Some(sender), getuid()), "{info:?}");
    }
    // A signal may be for one thread alone.
    // SAFETY: the call takes nothing.
    let thread = unsafe { libc::gettid() };
    let send = || {
        // SAFETY: the call takes numbers.
        let sent = unsafe { libc::syscall(libc::SYS_tgkill, parent.raw(), thread, libc::SIGUSR1) };
        assert_eq!(sent, 0);
    };
    let mut child = spawn(send);
    let sender = child.pid();
    reap(&mut child);
    let sent = read().into_iter().find(|info| info.signal == Signal::USR1).unwrap();
    assert_eq!((sent.sender, sent.uid), (Some(sender), getuid()), "by tgkill");
    raise(Signal::USR1).unwrap();
    let [sent] = <[_; 1]>::try_from(read()).unwrap();
    assert_eq!((sent.signal, sent.sender, sent.uid), (Signal::USR1, Some(parent), getuid()), "by raise");
    // A sender may make up its id and its user.
    let forge = || {
        // The information of a signal: its number, an errno, the code of sigqueue(), and a process and a user.
        let mut info = [0; size_of::<libc::siginfo_t>() / size_of::<c_int>()];
        (info[0], info[2], info[4], info[5]) = (libc::SIGUSR1, -1, 7, 7);
        // SAFETY: the call reads the information of one signal.
        let sent = unsafe { libc::syscall(libc::SYS_rt_sigqueueinfo, parent.raw(), libc::SIGUSR1, info.as_ptr()) };
        assert_eq!(sent, 0);
    };
    let mut child = spawn(forge);
    reap(&mut child);
    let made_up = read().into_iter().find(|info| info.signal == Signal::USR1).unwrap();
    assert_eq!((made_up.sender, made_up.uid), (None, 0));
    // The kernel sends the signal of a timer.
    setitimer(Itimer { value: Duration::from_micros(1), interval: Duration::ZERO }).unwrap();
    let [alarm] =
        <[_; 1]>::try_from(wait_for("the timer's signal", || Some(read()).filter(|all| !all.is_empty()))).unwrap();
    assert_eq!((alarm.signal, alarm.sender, alarm.uid), (Signal::ALRM, None, 0));
}

/// Returns the action that the kernel has for a signal: the handler, the flags, and the mask.
fn kernel_action(signal: Signal) -> (usize, c_int, SigSet) {
    // SAFETY: zeros are a valid action.
    let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
    // SAFETY: the call writes the action.
    assert_eq!(unsafe { libc::sigaction(signal.raw(), std::ptr::null(), &raw mut action) }, 0);
    let mut mask = SigSet::empty();
    for signal in (1..=64).filter_map(Signal::from_raw) {
        // SAFETY: the pointer is to a set.
        if unsafe { libc::sigismember(&raw const action.sa_mask, signal.raw()) } == 1 {
            mask.add(signal);
        }
    }
    // The C library adds a flag of its own.
    (action.sa_sigaction, action.sa_flags & !0x0400_0000, mask)
}

pub(crate) fn each_form_of_signal_has_its_flags() {
    static FLAG: SignalFlag = SignalFlag::new();
    let flag = Disposition::Flag(&FLAG);
    signal(Signal::USR1, flag).unwrap();
    assert_eq!(kernel_action(Signal::USR1).1, libc::SA_RESTART);
    sysv_signal(Signal::USR1, flag).unwrap();
    let (_, flags, mask) = kernel_action(Signal::USR1);
    assert_eq!((flags, format!("{mask:?}")), (libc::SA_RESETHAND | libc::SA_NODEFER, "{}".to_owned()));
    let action = SigAction::new(flag);
    sigaction(Signal::USR1, &action).unwrap();
    let (_, flags, mask) = kernel_action(Signal::USR1);
    assert_eq!((flags, format!("{mask:?}")), (0, "{}".to_owned()));
}

/// Checks the flags of a handler that was found, for each set of flags that it may have had and may get.
pub(crate) fn a_found_handler_gets_the_flags_that_it_may_have() {
    extern "C" fn of_one(_: c_int) {}
    const FREE: [(SaFlags, c_int); 5] = [
        (SaFlags::RESTART, libc::SA_RESTART),
        (SaFlags::NOCLDSTOP, libc::SA_NOCLDSTOP),
        (SaFlags::NOCLDWAIT, libc::SA_NOCLDWAIT),
        (SaFlags::RESETHAND, libc::SA_RESETHAND),
        (SaFlags::NONE, 0),
    ];
    // The flags that a new action may leave out.
    let free = FREE.iter().fold(libc::SA_NODEFER, |all, (_, flag)| all | flag);
    for had in [0, libc::SA_SIGINFO, libc::SA_ONSTACK, libc::SA_SIGINFO | libc::SA_ONSTACK | libc::SA_RESTART, free] {
        for (new, expected) in FREE {
            // SAFETY: zeros are a valid action.
            let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
            action.sa_sigaction = of_one as extern "C" fn(c_int) as usize;
            action.sa_flags = had;
            // SAFETY: the call reads the action, whose handler does nothing.
            assert_eq!(unsafe { libc::sigaction(libc::SIGUSR1, &raw const action, std::ptr::null_mut()) }, 0);
            let found = sigaction_get(Signal::USR1).unwrap();
            let kept = had & !free;
            // The rest of the flags, which have no name, is shown as a number. SA_SIGINFO is not among them.
            let shown = format!("{:?}", found.sa_flags);
            let rest = shown.rsplit_once("0x").map_or(0, |(_, rest)| c_int::from_str_radix(rest, 16).unwrap());
            assert_eq!(rest & (libc::SA_SIGINFO | libc::SA_ONSTACK), had & libc::SA_ONSTACK, "{shown}");
            assert_eq!(shown.starts_with("SA_RESTART | "), had & libc::SA_RESTART != 0, "{shown}");
            // SAFETY: the handler is still there.
            unsafe { sigaction_restore(Signal::USR1, &SigAction { sa_flags: new, ..found }) }.unwrap();
            let (handler, flags, _) = kernel_action(Signal::USR1);
            assert_eq!((handler, flags), (action.sa_sigaction, kept | expected), "{had:#x} and {new:?}");
        }
    }
    // signal() does not tell the flags and the mask. Three arguments and a full mask suit any handler.
    let found = signal(Signal::USR1, Disposition::Default).unwrap();
    // SAFETY: the handler is still there.
    unsafe { sigaction_restore(Signal::USR1, &SigAction::new(found)) }.unwrap();
    let (_, flags, mask) = kernel_action(Signal::USR1);
    assert_eq!(flags, libc::SA_SIGINFO);
    let blockable = |signal: &Signal| ![Signal::KILL, Signal::STOP].contains(signal);
    assert!((1..=64).filter_map(Signal::from_raw).filter(blockable).all(|signal| mask.contains(signal)), "{mask:?}");
}

pub(crate) fn every_action_but_the_excepted_becomes_the_default() {
    let changeable = |signal: &Signal| ![Signal::KILL, Signal::STOP].contains(signal);
    let all: Vec<Signal> = (1..=64).filter_map(Signal::from_raw).filter(changeable).collect();
    all.iter().for_each(|number| _ = signal(*number, Disposition::Ignore).unwrap());
    let excepted = [Signal::HUP, Signal::PIPE, Signal::from_raw(64).unwrap()];
    default_all(&SigSet::from(excepted));
    for signal in all {
        let expected = if excepted.contains(&signal) { libc::SIG_IGN } else { libc::SIG_DFL };
        assert_eq!(kernel_action(signal).0, expected, "{signal}");
    }
}

/// Tests both functions that change the mask, in the same steps.
pub(crate) fn each_way_to_change_the_mask_changes_it_so() {
    let mask = || format!("{:?}", sigprocmask_replace(MaskHow::Block, &SigSet::empty()).unwrap());
    for change in [sigprocmask, pthread_sigmask] {
        change(MaskHow::Set, &SigSet::from([Signal::HUP, Signal::TERM]));
        assert_eq!(mask(), "{SIGHUP, SIGTERM}");
        change(MaskHow::Block, &SigSet::from([Signal::USR1]));
        assert_eq!(mask(), "{SIGHUP, SIGUSR1, SIGTERM}");
        change(MaskHow::Unblock, &SigSet::from([Signal::HUP, Signal::QUIT]));
        assert_eq!(mask(), "{SIGUSR1, SIGTERM}");
    }
}

/// Checks that only the signals outside of a wait's mask are delivered in the wait. Two signals are pending.
pub(crate) fn a_wait_blocks_exactly_its_mask() {
    static FIRST: SignalFlag = SignalFlag::new();
    static SECOND: SignalFlag = SignalFlag::new();
    let both = SigSet::from([Signal::USR1, Signal::USR2]);
    sigaction(Signal::USR1, &act(Disposition::Flag(&FIRST))).unwrap();
    sigaction(Signal::USR2, &act(Disposition::Flag(&SECOND))).unwrap();
    let raised = || (FIRST.take(), SECOND.take());
    // A wait that misses its signal ends by SIGALRM.
    alarm(WATCHDOG.as_secs() as u32);
    sigprocmask(MaskHow::Block, &both);
    let second = SigSet::from([Signal::USR2]);
    let waits: [(&str, &dyn Fn()); 2] = [
        ("sigsuspend", &|| sigsuspend(&second)),
        ("ppoll", &|| assert_eq!(ppoll(&mut [], None, Some(&second)), Err(Errno::INTR))),
    ];
    for (name, wait) in waits {
        raise(Signal::USR1).unwrap();
        raise(Signal::USR2).unwrap();
        // Without a mask, the mask of the process holds.
        assert_eq!(ppoll(&mut [], Some(Duration::ZERO), None), Ok(0));
        assert_eq!(raised(), (false, false));
        wait();
        assert_eq!(raised(), (true, false), "{name}");
        sigprocmask(MaskHow::Unblock, &both);
        assert_eq!(raised(), (false, true), "{name}");
        sigprocmask(MaskHow::Block, &both);
    }
}

pub(crate) fn a_sleep_and_an_alarm_return_what_was_left() {
    static DUE: SignalFlag = SignalFlag::new();
    sigaction(Signal::ALRM, &act(Disposition::Flag(&DUE))).unwrap();
    assert_eq!(alarm(3000), 0);
    let left = alarm(0);
    assert!((2000..=3000).contains(&left), "{left}");
    assert_eq!((alarm(0), sleep(0)), (0, 0));
    // The signal comes again and again, so it does not matter when the sleep begins.
    let soon = Duration::from_millis(1);
    setitimer(Itimer { value: soon, interval: soon }).unwrap();
    let left = sleep(5000);
    setitimer(Itimer::default()).unwrap();
    assert!(DUE.take() && (4000..=5000).contains(&left), "{left}");
    let start = Instant::now();
    let time = Duration::from_millis(20);
    nanosleep(time);
    assert!(start.elapsed() >= time);
}
