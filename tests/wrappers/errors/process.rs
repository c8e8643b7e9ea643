use std::ffi::CStr;
use std::fs;
use std::os::unix::fs::PermissionsExt;

use mpserv::errno::{Errno, Result};
use mpserv::fd::{AsFd, BorrowedFd, STDERR, STDIN, STDOUT, pipe};
use mpserv::memory::{CStrArray, STACK_MIN, Stack};
use mpserv::process::{
    Fork, Limit, Pid, Resource, Spawn, SpawnError, WaitFor, WaitOptions, become_program, drop_capability_bounds, environ,
    fix_addresses, fork, fork_unchecked, getpgid, getpid, getppid, no_new_privileges, set_pdeathsig, setpgid,
    setrlimit, setsid, wait, waitpid,
};
use mpserv::seccomp::listen;
use mpserv::signal::{SigSet, Signal, kill};

use super::{
    Case, NotProduced, as_root, become_nobody, become_root_of_own_users, each, errno, files, interrupted, limit, no_memory_left, skip,
    waiting_child,
};
use crate::common::solo::{Channel, reap, spawn};

pub(super) const CASES: &[Case] = &[
    ("fork", Errno::DEADLK, || {
        std::thread::spawn(|| ()).join().unwrap();
        errno(fork())
    }),
    ("fork fork_unchecked", Errno::AGAIN, || {
        as_root();
        become_nobody();
        limit("nproc", 0);
        forks()
    }),
    ("fork fork_unchecked", Errno::NOMEM, || {
        // The child has its own PID namespace, whose first process has ended. SAFETY: the call takes a number.
        let own_processes = || unsafe { libc::unshare(libc::CLONE_NEWPID) } == 0;
        if !own_processes() {
            become_root_of_own_users();
            if !own_processes() {
                skip("no pid namespace");
            }
        }
        reap(&mut spawn(|| ()));
        forks()
    }),
    ("Child::wait", Errno::INTR, || interrupted(|| errno(waiting_child().wait()))),
    ("Child::wait Child::try_wait", Errno::CHILD, || {
        let mut child = spawn(|| ());
        waitpid(WaitFor::AnyChild, None, WaitOptions::NONE).unwrap();
        each([errno(child.wait()), errno(child.try_wait())])
    }),
    ("Child::kill", Errno::SRCH, || {
        let mut child = spawn(|| ());
        child.wait().unwrap();
        errno(child.kill(Signal::TERM))
    }),
    ("Child::kill", Errno::PERM, || {
        as_root();
        let channel = Channel::new();
        let mut child = spawn(|| _ = channel.hear());
        become_nobody();
        let got = errno(child.kill(Signal::TERM));
        channel.tell(0);
        reap(&mut child);
        got
    }),
    ("wait waitpid", Errno::CHILD, || {
        let own_group = errno(waitpid(WaitFor::OwnGroup, None, WaitOptions::NOHANG));
        let of_parent = errno(waitpid(WaitFor::Child(getppid().unwrap()), None, WaitOptions::NONE));
        each([errno(wait(None)), own_group, of_parent])
    }),
    ("wait waitpid", Errno::INTR, || {
        let _child = waiting_child();
        interrupted(|| each([errno(wait(None)), errno(waitpid(WaitFor::AnyChild, None, WaitOptions::UNTRACED))]))
    }),
    ("waitpid", Errno::SRCH, || errno(waitpid(WaitFor::Group(Pid::INIT), None, WaitOptions::NONE))),
    ("setpgid", Errno::PERM, || {
        assert_eq!(setsid(), Ok(getpid()));
        let leader = errno(setpgid(None, None));
        let mut child = waiting_child();
        let foreign_group = errno(setpgid(Some(child.pid()), Some(Pid::INIT)));
        child.kill(Signal::KILL).unwrap();
        reap(&mut child);
        each([leader, foreign_group])
    }),
    ("getpgid", Errno::SRCH, || {
        let mut child = spawn(|| ());
        reap(&mut child);
        errno(getpgid(child.pid()))
    }),
    ("setpgid", Errno::SRCH, || errno(setpgid(Some(Pid::INIT), None))),
    ("setpgid", Errno::ACCES, || {
        let [argv, envp] = [&[c"sleep", c"20"][..], &[]].map(|all| CStrArray::copy(all.iter().copied()).unwrap());
        let (_reader, writer) = pipe().unwrap();
        let program = Spawn {
            path: c"/bin/sleep",
            argv: &argv,
            envp: &envp,
            connection: writer.as_fd(),
            mask: SigSet::empty(),
            default: &[],
            handled: None,
            parent: Some(getpid()),
            limits: &[],
        };
        // SAFETY: no signal has a handler that changes memory.
        let pid = unsafe { mpserv::process::spawn(&mut Stack::new(STACK_MIN).unwrap(), &program) }.unwrap();
        let got = errno(setpgid(Some(pid), None));
        kill(pid, Signal::KILL).unwrap();
        waitpid(WaitFor::Child(pid), None, WaitOptions::NONE).unwrap();
        got
    }),
    ("environ", Errno::NOMEM, || {
        no_memory_left();
        errno(environ())
    }),
    ("setsid", Errno::PERM, || {
        // A child that leads no group yet may begin a group. The leader of a group may begin no session.
        setpgid(None, None).unwrap();
        errno(setsid())
    }),
    ("setrlimit", Errno::PERM, || {
        setrlimit(Resource::NOFILE, Limit { soft: 9, hard: 9 }).unwrap();
        become_nobody();
        errno(setrlimit(Resource::NOFILE, Limit { soft: 9, hard: 10 }))
    }),
    ("setrlimit", Errno::INVAL, || errno(setrlimit(Resource::NOFILE, Limit { soft: 9, hard: 8 }))),
    ("drop_capability_bounds", Errno::PERM, || {
        become_nobody();
        errno(drop_capability_bounds())
    }),
    ("fix_addresses", Errno::PERM, || {
        no_new_privileges().unwrap();
        // SAFETY: nothing relies on a personality.
        let listener = unsafe { listen(&[libc::SYS_personality]) }.unwrap();
        std::thread::scope(|scope| {
            // SAFETY: a call that fails has no effect. The kernel's result for EPERM is its negative number.
            scope.spawn(|| unsafe { listener.answer(listener.receive().unwrap(), i64::from(-libc::EPERM)) }.unwrap());
            errno(fix_addresses())
        })
    }),
    ("set_pdeathsig", Errno::SRCH, || errno(set_pdeathsig(getpid(), Signal::TERM))),
    ("spawn", Errno::BADF, || each([STDIN, STDOUT, STDERR].map(|standard| spawning(c"/bin/true", standard)))),
    ("spawn become_program", Errno::NOENT, || programs(c"none")),
    ("spawn become_program", Errno::ACCES, || {
        files();
        programs(c"file")
    }),
    ("spawn become_program", Errno::NOEXEC, || {
        files();
        fs::set_permissions("file", fs::Permissions::from_mode(0o700)).unwrap();
        programs(c"file")
    }),
    ("become_program", Errno::BADF, || becoming(c"/bin/true", BorrowedFd::NONE)),
];

pub(super) const NOT_PRODUCED: &[NotProduced] = &[];

fn forks() -> Errno {
    // If a child were made, it would be a copy of this test.
    let made = |fork: Result<Fork>| errno(fork.map(|_| mpserv::process::_exit(0)));
    // SAFETY: there is no other thread.
    let unchecked = unsafe { fork_unchecked() };
    each([made(fork()), made(unchecked)])
}

fn programs(path: &CStr) -> Errno {
    let (reader, _writer) = pipe().unwrap();
    each([spawning(path, reader.as_fd()), becoming(path, reader.as_fd())])
}

/// Returns the error of [`spawn`](mpserv::process::spawn) for a program that cannot be run.
fn spawning(path: &CStr, connection: BorrowedFd<'_>) -> Errno {
    with_program(path, connection, |program| {
        let mut stack = Stack::new(STACK_MIN).unwrap();
        // SAFETY: no signal has a handler that changes memory.
        let Err(SpawnError::Exec(errno)) = (unsafe { mpserv::process::spawn(&mut stack, program) }) else { panic!("it runs") };
        errno
    })
}

fn becoming(path: &CStr, connection: BorrowedFd<'_>) -> Errno {
    // SAFETY: this process does not use descriptors 0 and 1 again.
    with_program(path, connection, |program| errno(unsafe { become_program(program) }))
}

fn with_program(path: &CStr, connection: BorrowedFd<'_>, run: impl FnOnce(&Spawn<'_>) -> Errno) -> Errno {
    let [argv, envp] = [&[path][..], &[]].map(|strings| CStrArray::copy(strings.iter().copied()).unwrap());
    let (argv, envp, mask) = (&argv, &envp, SigSet::empty());
    run(&Spawn { path, argv, envp, connection, mask, default: &[], handled: None, parent: None, limits: &[] })
}
