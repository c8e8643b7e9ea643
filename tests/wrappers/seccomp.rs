//! Tests filters of system calls: what a listener is told and answers, and what a filter lets through.

use std::ffi::c_long;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use mpserv::errno::Errno;
use mpserv::fd::{AsFd, PipeFlags, pipe2};
use mpserv::memory::{CStrArray, STACK_MIN, SharedWords, Stack};
use mpserv::process::{_exit, Pid, Spawn, WaitFor, WaitOptions, WaitStatus, getpid, no_new_privileges, waitpid};
use mpserv::seccomp::{CALLS_MAX, Check, Listener, Rule, allow_only, listen, note_violations, violation};
use mpserv::signal::{Disposition, Handler, MaskHow, SigSet, Signal, kill, signal, sigprocmask_replace};

use crate::common::WATCHDOG;
use crate::common::solo::{reap, spawn};

/// Makes a call that ignores its arguments, with six arguments.
fn getppid_with(arguments: [u64; 6]) -> Result<c_long, Errno> {
    let [a, b, c, d, e, f] = arguments;
    // SAFETY: the call reads no argument.
    let result = unsafe { libc::syscall(libc::SYS_getppid, a, b, c, d, e, f) };
    if result == -1 { Err(Errno::last()) } else { Ok(result) }
}

const ARGUMENTS: [u64; 6] = [1 << 40 | 10, 11, 1 << 63 | 12, 13, 14, u64::MAX];

/// Answers one call of a thread in the way that `answer` says, and returns the result of the call.
fn answered(calls: &[c_long], answer: impl FnOnce(Listener) + Send) -> Result<c_long, Errno> {
    no_new_privileges().unwrap();
    // SAFETY: nothing relies on the results of these calls.
    let listener = unsafe { listen(calls) }.unwrap();
    assert_eq!(listener.poll(0), Ok(false), "no call waits");
    std::thread::scope(|scope| {
        scope.spawn(|| answer(listener));
        getppid_with(ARGUMENTS)
    })
}

pub(crate) fn a_listener_is_told_the_call_and_decides_its_result() {
    // The call that waits is the last, the first, or one of several.
    let lists: [&[c_long]; 4] = [
        &[libc::SYS_getppid],
        &[libc::SYS_sched_yield, libc::SYS_getppid],
        &[libc::SYS_getppid, libc::SYS_sched_yield],
        &[libc::SYS_sched_yield, libc::SYS_getppid, libc::SYS_sync],
    ];
    for calls in lists {
        let told = |result: Result<c_long, Errno>, answer: fn(Listener)| {
            let mut child = spawn(|| assert_eq!(answered(calls, answer), result, "{calls:?}"));
            assert_eq!(reap(&mut child).exit_status(), Some(0));
        };
        told(Ok(12345), |listener| {
            assert_eq!(listener.poll(-1), Ok(true));
            let notice = listener.receive().unwrap();
            assert_eq!((notice.call, notice.arguments), (libc::SYS_getppid, ARGUMENTS));
            // The first thread of the process has the id of the process.
            assert_eq!(notice.thread, getpid().raw() as u32);
            // SAFETY: nothing relies on the result.
            unsafe { listener.answer(notice, 12345) }.unwrap();
        });
        // SAFETY: nothing relies on the result.
        told(Err(Errno::XDEV), |listener| unsafe {
            listener.answer(listener.receive().unwrap(), i64::from(-libc::EXDEV)).unwrap();
        });
        told(Err(Errno::NOSYS), drop);
    }
    let parent = getpid();
    let mut child = spawn(|| {
        let found = answered(&[libc::SYS_getppid], |listener| listener.let_pass(listener.receive().unwrap()).unwrap());
        assert_eq!(found, Ok(c_long::from(parent.raw())));
    });
    assert_eq!(reap(&mut child).exit_status(), Some(0));
    // The longest list, whose last call waits.
    let mut longest = [libc::SYS_sync; CALLS_MAX];
    longest[CALLS_MAX - 1] = libc::SYS_getppid;
    let mut child = spawn(|| assert_eq!(answered(&longest, drop), Err(Errno::NOSYS)));
    assert_eq!(reap(&mut child).exit_status(), Some(0));
    // A list that does not name the call stops nothing.
    let mut child = spawn(|| assert!(answered(&[libc::SYS_sched_yield, libc::SYS_sync], |_| ()).is_ok()));
    assert_eq!(reap(&mut child).exit_status(), Some(0));
}

/// Checks that no handler runs in a process that `spawn()` has started: the process has the memory of its parent. The
/// program's start waits until the process has got the signal.
pub(crate) fn no_handler_runs_in_a_process_that_is_about_to_run_a_program() {
    static HAS_RUN: AtomicBool = AtomicBool::new(false);
    let mut child = spawn(|| {
        // SAFETY: the handler stores to an atomic.
        let handler = unsafe { Handler::new(|_| HAS_RUN.store(true, Ordering::Relaxed)) };
        signal(Signal::USR1, Disposition::Handler(handler)).unwrap();
        no_new_privileges().unwrap();
        // SAFETY: nothing relies on the result of this call.
        let listener = unsafe { listen(&[libc::SYS_execve]) }.unwrap();
        std::thread::spawn(move || {
            let notice = listener.receive().unwrap();
            kill(Pid::from_raw(i32::try_from(notice.thread).unwrap()).unwrap(), Signal::USR1).unwrap();
        });
        let list = || CStrArray::copy([c"true"].into_iter()).unwrap();
        let (connection, _other) = pipe2(PipeFlags::CLOEXEC).unwrap();
        let program = Spawn {
            path: c"/bin/true",
            argv: &list(),
            envp: &list(),
            connection: connection.as_fd(),
            mask: SigSet::empty(),
            default: &[],
            handled: Some(SigSet::full()),
            parent: None,
            limits: &[],
        };
        // SAFETY: all signals are named.
        let pid = unsafe { mpserv::process::spawn(&mut Stack::new(STACK_MIN).unwrap(), &program) }.unwrap();
        let mut status = WaitStatus::default();
        waitpid(WaitFor::Child(pid), Some(&mut status), WaitOptions::NONE).unwrap();
        assert_eq!((status.term_signal(), HAS_RUN.load(Ordering::Relaxed)), (Some(Signal::USR1), false));
        let mask = sigprocmask_replace(MaskHow::Block, &SigSet::empty()).unwrap();
        assert!(!mask.contains(Signal::USR1), "the mask is as before");
    });
    assert_eq!(reap(&mut child).exit_status(), Some(0));
}

/// Checks that each argument of a call is compared with its own number, in both of its halves.
pub(crate) fn a_filter_looks_at_each_argument() {
    let note = SharedWords::new(c"note", 1).unwrap().words();
    let low = ARGUMENTS.map(|argument| [argument as u32]);
    let ends = |checks: &[Check<'_>], arguments: [u64; 6]| {
        let mut child = spawn(|| {
            no_new_privileges().unwrap();
            let rules = [Rule { call: libc::SYS_getppid, checks }, Rule::any(libc::SYS_exit_group)];
            allow_only(&rules, &note[0]).unwrap();
            let _ = getppid_with(arguments);
            _exit(0)
        });
        reap(&mut child).term_signal()
    };
    for changed in 0..6 {
        let mut others = ARGUMENTS;
        others[changed] ^= 1 << 7;
        let mut high = ARGUMENTS;
        high[changed] ^= 1 << 39;
        for at in 0..6 {
            let is_other = at == changed;
            let ends_if = |fails: bool| fails.then_some(Signal::SYS);
            assert_eq!(ends(&[Check::Is(at, &low[at])], others), ends_if(is_other), "Is({at}), changed {changed}");
            assert_eq!(
                ends(&[Check::IsNot(at, &low[at])], others),
                ends_if(!is_other),
                "IsNot({at}), changed {changed}"
            );
            assert_eq!(ends(&[Check::Is(at, &low[at])], high), None, "Is({at}) compares 32 bits");
            for arguments in [others, high] {
                let end = ends(&[Check::IsLong(at, ARGUMENTS[at])], arguments);
                assert_eq!(end, ends_if(is_other), "IsLong({at}), changed {changed}");
            }
        }
        let all = [0, 1, 2, 3, 4, 5].map(|at| Check::IsLong(at, ARGUMENTS[at]));
        assert_eq!(
            (ends(&all, ARGUMENTS), ends(&all, others), ends(&all, high)),
            (None, Some(Signal::SYS), Some(Signal::SYS))
        );
    }
}

/// Tests a listener whose filter has ended with its only thread. Since Linux 5.9 the descriptor then hangs up.
pub(crate) fn the_end_of_a_filter_is_no_notice() {
    let make = || {
        no_new_privileges().unwrap();
        // SAFETY: nothing relies on the result of the call.
        unsafe { listen(&[libc::SYS_getppid]) }.unwrap()
    };
    let listener = std::thread::spawn(make).join().unwrap();
    assert_eq!(listener.poll(i32::try_from(WATCHDOG.as_millis()).unwrap()), Ok(false));
}

/// Checks the note of a call that a filter refused. A signal that a process has sent is no such call.
pub(crate) fn a_refused_call_is_noted_and_a_sent_signal_is_not() {
    let note = &SharedWords::new(c"note", 1).unwrap().words()[0];
    let end_of = |calls: &[c_long], violate: &dyn Fn()| {
        note.store(0, Ordering::Relaxed);
        let mut child = spawn(|| {
            note_violations().unwrap();
            no_new_privileges().unwrap();
            let rules: Vec<Rule<'_>> = calls.iter().map(|call| Rule::any(*call)).collect();
            allow_only(&rules, note).unwrap();
            violate();
            _exit(0)
        });
        let end = reap(&mut child);
        (end.exit_status(), end.term_signal(), violation(note.load(Ordering::Relaxed)))
    };
    let exit = libc::SYS_exit_group;
    let make = |call: c_long| {
        move || {
            // SAFETY: the filter refuses the call, or the call takes nothing.
            let _ = unsafe { libc::syscall(call) };
        }
    };
    assert_eq!(end_of(&[exit], &|| ()), (Some(0), None, None));
    // The last has a higher number than every rule, and the second but last the highest of all.
    for call in [0, libc::SYS_getppid, libc::SYS_sync, exit - 1, exit + 1, 400] {
        let killed = (None, Some(Signal::SYS), Some(call));
        assert_eq!(end_of(&[exit], &make(call)), killed, "{call}");
    }
    assert_eq!(end_of(&[exit, libc::SYS_getppid, exit + 1], &make(libc::SYS_getppid)), (Some(0), None, None));
    assert_eq!(end_of(&[libc::SYS_sched_yield, exit], &make(libc::SYS_sched_yield)), (Some(0), None, None));
    // A handler of another's would return from the call. So it is not called, wherever it may come from.
    let other = || {
        extern "C" fn other(_: i32) {}
        // SAFETY: the handler does nothing.
        unsafe { libc::signal(libc::SIGSYS, other as extern "C" fn(i32) as usize) };
    };
    let killed = (None, Some(Signal::SYS), None);
    for allowed in [libc::SYS_rt_sigaction, libc::SYS_seccomp] {
        assert_eq!(end_of(&[exit, allowed], &make(libc::SYS_getppid)), killed, "{allowed}");
    }
    let violate_after = || {
        other();
        make(libc::SYS_getppid)();
    };
    assert_eq!(end_of(&[exit, libc::SYS_rt_sigaction, libc::SYS_rt_sigreturn], &violate_after), killed);
    let mut child = spawn(|| {
        note_violations().unwrap();
        other();
        no_new_privileges().unwrap();
        allow_only(&[exit, libc::SYS_rt_sigreturn].map(Rule::any), note).unwrap();
        make(libc::SYS_getppid)();
        _exit(0)
    });
    assert_eq!((reap(&mut child).term_signal(), violation(note.load(Ordering::Relaxed))), (Some(Signal::SYS), None));
    // With the call by which the handler makes sure of the end, the process can exit.
    let send = || {
        // SAFETY: the call takes numbers.
        let _ = unsafe { libc::syscall(libc::SYS_kill, getpid().raw(), libc::SIGSYS) };
    };
    let may_send = [exit, libc::SYS_kill, libc::SYS_getpid, libc::SYS_seccomp, libc::SYS_rt_sigreturn];
    assert_eq!(end_of(&may_send, &send), (Some(128 + libc::SIGSYS), None, None));
    assert_eq!([0, 1, 60, u64::MAX].map(violation), [None, Some(0), Some(59), None]);
}

/// Makes a call of i386, which has numbers of its own: its call 20 returns the process id. On x86-64, 20 is another call.
#[cfg(target_arch = "x86_64")]
fn getpid_of_i386() -> i64 {
    let mut number = 20;
    // SAFETY: the call takes no argument, and changes no register but that of its result.
    unsafe { std::arch::asm!("int 0x80", inout("rax") number, out("r8") _, out("r9") _, out("r10") _, out("r11") _) };
    number
}

pub(crate) fn a_call_of_another_machine_ends_the_process_without_a_note() {
    #[cfg(target_arch = "x86_64")]
    {
        let note = &SharedWords::new(c"note", 1).unwrap().words()[0];
        let end_of = |filter: fn(&'static AtomicU64)| {
            let mut child = spawn(|| {
                note_violations().unwrap();
                no_new_privileges().unwrap();
                filter(note);
                _exit(i32::from(getpid_of_i386() != i64::from(getpid().raw())))
            });
            let end = reap(&mut child);
            (end.exit_status(), end.term_signal(), violation(note.load(Ordering::Relaxed)))
        };
        let unfiltered = end_of(|_| ());
        if unfiltered.1.is_some() {
            return; // The kernel runs no programs of i386.
        }
        assert_eq!(unfiltered, (Some(0), None, None));
        // The rules let both numbers through, but the numbers are those of this machine.
        let allow = |note| allow_only(&[20, libc::SYS_getpid, libc::SYS_exit_group].map(Rule::any), note).unwrap();
        assert_eq!(end_of(allow), (None, Some(Signal::SYS), None));
    }
}

/// Checks filters of every length up to beyond the one that is built on few bytes of the stack, and the longest.
pub(crate) fn filters_of_every_length_decide_alike() {
    let note = &SharedWords::new(c"note", 1).unwrap().words()[0];
    let set = |rules: &[Rule<'_>]| {
        let mut child = spawn(|| {
            no_new_privileges().unwrap();
            if let Err(errno) = allow_only(rules, note) {
                _exit(errno.raw())
            }
            let _ = getppid_with(ARGUMENTS);
            _exit(0)
        });
        let end = reap(&mut child);
        (end.exit_status(), end.term_signal())
    };
    let (allowed, killed, invalid) = ((Some(0), None), (None, Some(Signal::SYS)), (Some(libc::EINVAL), None));
    let values = [u32::MAX; 256];
    let exit = Rule::any(libc::SYS_exit_group);
    for length in (0..20).chain(95..=130).chain([250]) {
        // The values are other than the argument. The last of the checks decides.
        let checks = |value| [Check::IsNot(0, &values[..length]), Check::IsLong(0, value)];
        let (good, bad) = (checks(ARGUMENTS[0]), checks(0));
        let rule = |checks| Rule { call: libc::SYS_getppid, checks };
        let is_too_long = length == 250;
        let ends = [&good, &bad].map(|checks| set(&[rule(checks), exit]));
        assert_eq!(ends, if is_too_long { [invalid; 2] } else { [allowed, killed] }, "{length} values");
    }
    for count in 1..=CALLS_MAX + 1 {
        let mut rules = vec![Rule::any(libc::SYS_sync); count];
        rules[count - 1] = exit;
        assert_eq!(set(&rules), if count > CALLS_MAX { invalid } else { killed }, "{count} rules");
        rules[0] = Rule::any(libc::SYS_getppid);
        rules[count - 1] = exit;
        assert_eq!(
            set(&rules),
            [allowed, killed, invalid][usize::from(count == 1) + 2 * usize::from(count > CALLS_MAX)]
        );
    }
}
