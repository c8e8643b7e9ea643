use std::sync::atomic::AtomicU64;
use std::sync::mpsc::channel;

use mpserv::errno::{Errno, Result};
use mpserv::process::no_new_privileges;
use mpserv::process::getppid;
use mpserv::seccomp::{CALLS_MAX, Listener, Notice, Rule, allow_only, listen};
use mpserv::signal::Signal;

use super::{Case, NotProduced, become_nobody, each, errno, interrupted, skip};
use crate::common::solo::{reap, spawn};

static NOTE: AtomicU64 = AtomicU64::new(0);

pub(super) const CASES: &[Case] = &[
    ("listen allow_only", Errno::ACCES, || {
        become_nobody();
        // SAFETY: the call takes numbers.
        if unsafe { libc::prctl(libc::PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) } != 0 {
            skip("no new privileges");
        }
        each([errno(listen_to(&[libc::SYS_getppid])), errno(allow_only(&[Rule::any(libc::SYS_getppid)], &NOTE))])
    }),
    ("listen allow_only", Errno::INVAL, || {
        let calls = [libc::SYS_getppid; CALLS_MAX + 1];
        each([errno(listen_to(&calls)), errno(allow_only(&calls.map(Rule::any), &NOTE))])
    }),
    ("allow_only", Errno::SRCH, || {
        no_new_privileges().unwrap();
        let ((has_filter, filtered), (end, ended)) = (channel(), channel::<()>());
        let other = std::thread::spawn(move || {
            let _listener = listen_to(&[]).unwrap();
            has_filter.send(()).unwrap();
            let _ = ended.recv();
        });
        filtered.recv().unwrap();
        let error = errno(allow_only(&[Rule::any(libc::SYS_exit_group)], &NOTE));
        drop(end);
        other.join().unwrap();
        error
    }),
    ("listen", Errno::BUSY, || {
        let _listener = listener();
        errno(listen_to(&[libc::SYS_getppid]))
    }),
    ("Listener::poll Listener::receive", Errno::INTR, || {
        let listener = listener();
        interrupted(|| each([errno(listener.poll(-1)), errno(listener.receive())]))
    }),
    ("Listener::receive", Errno::NOENT, || {
        let listener = listener();
        let mut child = spawn(|| _ = getppid());
        assert!(listener.poll(-1).unwrap());
        child.kill(Signal::KILL).unwrap();
        reap(&mut child);
        errno(listener.receive())
    }),
    ("Listener::answer", Errno::NOENT, || {
        // SAFETY: the thread that made the call has gone, so the answer reaches no thread.
        after_the_caller_has_gone(|listener, notice| unsafe { listener.answer(notice, 0) })
    }),
    ("Listener::let_pass", Errno::NOENT, || after_the_caller_has_gone(Listener::let_pass)),
];

pub(super) const NOT_PRODUCED: &[NotProduced] =
    &[("Listener::answer Listener::let_pass", "EINPROGRESS", "it is so for a moment only, until the caller runs again")];

/// Returns a filter that stops `getppid()`.
fn listener() -> Listener {
    no_new_privileges().unwrap();
    listen_to(&[libc::SYS_getppid]).unwrap()
}

fn listen_to(calls: &[libc::c_long]) -> Result<Listener> {
    // SAFETY: `getppid()` is the only call that these tests name, and nothing relies on its result.
    unsafe { listen(calls) }
}

fn after_the_caller_has_gone(answer: fn(&Listener, Notice) -> Result<()>) -> Errno {
    let listener = listener();
    let mut child = spawn(|| _ = getppid());
    let notice = listener.receive().unwrap();
    child.kill(Signal::KILL).unwrap();
    reap(&mut child);
    errno(answer(&listener, notice))
}
