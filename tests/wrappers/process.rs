//! Tests processes: the condition for a fork, and the ends of children.

use std::ffi::c_void;
use std::time::Duration;

use crate::common::solo::{Channel, reap, spawn};
use crate::common::wait_for;
use mpserv::errno::Errno;
use mpserv::process::{
    Child, Pid, WaitFor, WaitOptions, WaitStatus, fork, getpid, getppid, has_other_threads, waitpid,
};
use mpserv::server::{Server, Service};
use mpserv::signal::{MaskHow, SigSet, Signal, killpg, raise, sigprocmask};
use mpserv::time::{Clock, clock_gettime};

pub(crate) fn fork_refuses_where_other_threads_are() {
    assert!(!has_other_threads());
    let channel = Channel::new();
    std::thread::scope(|scope| {
        scope.spawn(|| channel.hear());
        assert!(has_other_threads());
        assert_eq!(fork().unwrap_err(), Errno::DEADLK);
        channel.tell(0);
    });
    assert_eq!(fork().unwrap_err(), Errno::DEADLK, "a process that has had threads is taken to have them");
}

/// Checks that a server restores its process, so that another server, or a fork, may follow.
pub(crate) fn fork_is_allowed_after_a_server() {
    let mut term = SigSet::empty();
    term.add(Signal::TERM);
    for _ in 0..2 {
        sigprocmask(MaskHow::Block, &term);
        raise(Signal::TERM).unwrap();
        let server = Server::new().listen("127.0.0.1:0").bind().unwrap();
        assert_eq!(server.serve_builtin(Service::Echo).unwrap().accepted, 0);
    }
    let status = reap(&mut spawn(|| assert_ne!(clock_gettime(Clock::MONOTONIC), Duration::ZERO)));
    assert_eq!(status.exit_status(), Some(0));
}

pub(crate) fn fork_is_allowed_where_none_are() {
    let parent = getpid();
    let mut child = spawn(|| {
        assert_ne!(getpid(), parent);
        assert_eq!(getppid(), Some(parent));
    });
    assert_eq!(reap(&mut child).exit_status(), Some(0));
}

pub(crate) fn a_child_keeps_its_status() {
    let mut child = spawn(|| mpserv::process::_exit(300));
    assert_eq!(child.wait().unwrap().exit_status(), Some(300 & 0xff));
    assert_eq!(child.wait().unwrap().exit_status(), Some(300 & 0xff));
    assert_eq!(waitpid(WaitFor::Child(child.pid()), None, WaitOptions::NONE), Err(Errno::CHILD));
}

/// Checks that the stop of a child that this process traces is reported once, and not kept as its end.
pub(crate) fn a_child_that_stops_has_not_ended() {
    let mut child = spawn(|| {
        let nothing = std::ptr::null_mut::<c_void>();
        // SAFETY: the request takes no memory.
        assert_eq!(unsafe { libc::ptrace(libc::PTRACE_TRACEME, 0, nothing, nothing) }, 0);
        raise(Signal::STOP).unwrap();
        raise(Signal::STOP).unwrap();
        mpserv::process::_exit(3);
    });
    let go_on = |child: &Child| {
        // SAFETY: the request takes numbers.
        let result = unsafe { libc::ptrace(libc::PTRACE_CONT, child.pid().raw(), 0, 0) };
        assert_eq!(result, 0, "{}", std::io::Error::last_os_error());
    };
    assert_eq!(child.wait().unwrap().stop_signal(), Some(Signal::STOP));
    assert_eq!(child.try_wait(), Ok(None));
    go_on(&child);
    let status = wait_for("the child stops again", || child.try_wait().unwrap());
    assert_eq!(status.stop_signal(), Some(Signal::STOP));
    child.kill(Signal::WINCH).unwrap();
    go_on(&child);
    // The tracer sees the signal as well, before the child goes on.
    let mut status = child.wait().unwrap();
    if status.stop_signal() == Some(Signal::WINCH) {
        go_on(&child);
        status = child.wait().unwrap();
    }
    assert_eq!(status.exit_status(), Some(3), "{status}");
    assert_eq!(child.kill(Signal::WINCH), Err(Errno::SRCH));
}

pub(crate) fn a_child_that_was_waited_for_gets_no_signal() {
    let channel = Channel::new();
    let mut child = spawn(|| _ = channel.hear());
    assert_eq!(child.try_wait(), Ok(None));
    child.kill(Signal::TERM).unwrap();
    assert_eq!(child.wait().unwrap().term_signal(), Some(Signal::TERM));
    assert_eq!(child.kill(Signal::TERM), Err(Errno::SRCH));
}

pub(crate) fn a_child_that_goes_on_is_reported() {
    let mut child = spawn(|| {
        loop {
            mpserv::time::nanosleep(Duration::MAX);
        }
    });
    let one = WaitFor::Child(child.pid());
    let mut status = WaitStatus::default();
    child.kill(Signal::STOP).unwrap();
    waitpid(one, Some(&mut status), WaitOptions::UNTRACED).unwrap();
    assert_eq!((status.stop_signal(), status.is_continued()), (Some(Signal::STOP), false));
    child.kill(Signal::CONT).unwrap();
    waitpid(one, Some(&mut status), WaitOptions::CONTINUED).unwrap();
    assert!(status.is_continued());
    assert_eq!(status.to_string(), "continued");
    assert_eq!((status.exit_status(), status.term_signal(), status.stop_signal()), (None, None, None));
    child.kill(Signal::KILL).unwrap();
    assert_eq!(reap(&mut child).term_signal(), Some(Signal::KILL));
}

pub(crate) fn group_1_is_not_everybody() {
    assert_eq!(killpg(Pid::INIT, Signal::CONT), Err(Errno::INVAL));
    let channel = Channel::new();
    let mut child = spawn(|| _ = channel.hear());
    assert_eq!(waitpid(WaitFor::Group(Pid::INIT), None, WaitOptions::NOHANG), Err(Errno::SRCH));
    channel.tell(0);
    assert_eq!(reap(&mut child).exit_status(), Some(0));
}
