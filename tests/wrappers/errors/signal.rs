use mpserv::errno::Errno;
use mpserv::process::{Pid, WaitStatus, setpgid};
use mpserv::signal::{
    Disposition, SaFlags, SigAction, SigSet, Signal, SignalFd, kill, killpg, raise, sigaction, sigaction_get,
    sigaction_replace, sigaction_restore, signal, sysv_signal,
};

use super::{Case, NotProduced, as_root, become_nobody, each, errno, no_descriptor_left};
use crate::common::solo::spawn;

pub(super) const CASES: &[Case] = &[
    ("sigaction sigaction_replace sigaction_restore", Errno::INVAL, || {
        let ignore =
            SigAction { sa_handler: Disposition::Ignore, sa_mask: SigSet::empty(), sa_flags: SaFlags::NONE };
        // The handler is std's for a stack overflow, which works only for its own signal.
        let found = sigaction_get(Signal::SEGV).unwrap();
        let pairs = [(Signal::KILL, ignore), (Signal::STOP, ignore), (Signal::USR1, found)];
        let all = |(signal, action)| {
            each([
                errno(sigaction(signal, &action)),
                errno(sigaction_replace(signal, &action)),
                // SAFETY: std's handler is still there.
                errno(unsafe { sigaction_restore(signal, &action) }),
            ])
        };
        each(pairs.map(all))
    }),
    ("raise sigaction_get", Errno::INVAL, || {
        let unknown = WaitStatus::from_raw(65).term_signal().unwrap();
        each([errno(raise(unknown)), errno(sigaction_get(unknown))])
    }),
    ("signal sysv_signal", Errno::INVAL, || {
        let found = sigaction_get(Signal::SEGV).unwrap().sa_handler;
        let pairs = [(Signal::KILL, Disposition::Ignore), (Signal::STOP, Disposition::Ignore), (Signal::SEGV, found)];
        let both = |(number, disposition)| each([errno(signal(number, disposition)), errno(sysv_signal(number, disposition))]);
        each(pairs.map(both))
    }),
    ("kill killpg", Errno::SRCH, || {
        let mut child = spawn(|| ());
        child.wait().unwrap();
        let gone = child.pid();
        each([kill, killpg].map(|call| errno(call(gone, Signal::TERM))))
    }),
    ("kill killpg", Errno::PERM, || {
        as_root();
        // This process leaves its group, which is that of the test. SAFETY: the call has no precondition.
        let group = Pid::from_raw(unsafe { libc::getpgrp() }).unwrap();
        setpgid(None, None).unwrap();
        become_nobody();
        // If the signal were sent nevertheless, it would have no effect.
        each([kill, killpg].map(|call| errno(call(group, Signal::URG))))
    }),
    ("killpg", Errno::INVAL, || {
        errno(killpg(Pid::INIT, Signal::URG))
    }),
    ("SignalFd::new", Errno::MFILE, || {
        no_descriptor_left();
        errno(SignalFd::new(&SigSet::empty()))
    }),
    ("SignalFd::read", Errno::AGAIN, || errno(SignalFd::new(&SigSet::empty()).unwrap().read().map(|_| ()))),
];

pub(super) const NOT_PRODUCED: &[NotProduced] = &[
    ("SignalFd::new", "ENFILE", "the limit is the whole system's"),
    ("SignalFd::new", "ENOMEM ENODEV", "only a kernel without memory, or without what is under all such descriptors, has them"),
];
