//! Tests the state after calls that these tests contain.

use super::super::{Kernel, list};
use super::signals;
use crate::run::output::Output;
use crate::trace::{Line, Trace};
use crate::tree::Tree;

#[test]
fn a_set_of_all_signals_has_no_list() {
    assert_eq!(list(&signals(b"~[KILL STOP]")), "all signals");
    assert_eq!(list(&signals(b"[CHLD USR1]")), "SIGCHLD, SIGUSR1");
}

#[test]
fn a_child_has_its_parents_state_without_pending_signals_and_alarm() {
    let calls = [
        "socket(AF_INET, SOCK_STREAM, 0) = 3",
        "rt_sigaction(SIGUSR1, {sa_handler=SIG_IGN, sa_mask=[], sa_flags=0}, NULL, 8) = 0",
        "rt_sigprocmask(SIG_BLOCK, [TERM], [], 8) = 0",
        "kill(100, SIGTERM) = 0",
        "alarm(5) = 0",
        "fork() = 101",
    ];
    let trace = |text: String| Trace::new(text.into_bytes(), false).unwrap();
    let traces = vec![(100, trace(calls.map(|call| format!("{call}\n")).concat())), (101, trace(String::new()))];
    let tree = Tree::build(traces, 100);
    let mut kernel = Kernel::new(&tree, Output::Pipe);
    calls.iter().for_each(|call| kernel.apply(&tree, 0, &Line::parse(call.as_bytes())));
    let [parent, child] = kernel.processes.as_slice() else { panic!("two processes") };
    assert_eq!((list(&parent.pending), parent.alarm), ("SIGTERM".to_owned(), Some(5)));
    assert_eq!((list(&child.pending), child.alarm), (String::new(), None));
    assert_eq!((&child.descriptors, &child.actions), (&parent.descriptors, &parent.actions));
    assert_eq!((list(&child.blocked), child.parent), ("SIGTERM".to_owned(), Some(0)));
}

/// Returns the descriptors of a process after these calls, and the connection: `3 listener (port 7)*`. A star
/// stands for a descriptor that a program that is executed does not get.
fn open_after(calls: &str) -> String {
    let trace = Trace::new(calls.as_bytes().to_vec(), false).unwrap();
    let tree = Tree::build(vec![(100, trace)], 100);
    let mut kernel = Kernel::new(&tree, Output::Pipe);
    calls.lines().for_each(|call| kernel.apply(&tree, 0, &Line::parse(call.as_bytes())));
    let all = kernel.processes[0].descriptors.iter().filter(|(fd, _)| **fd > 2);
    let star = |closes| if closes { "*" } else { "" };
    all.map(|(fd, of)| format!("{fd} {}{}", kernel.name(*of), star(of.close_on_exec))).collect::<Vec<_>>().join(", ")
}

#[test]
fn each_call_that_makes_or_changes_a_descriptor_is_known() {
    let port = "{sa_family=AF_INET, sin_port=htons(7), sin_addr=inet_addr(\"0.0.0.0\")}, 16";
    let socket = "socket(AF_INET, SOCK_STREAM, 0) = 3\n";
    for (calls, open) in [
        ("socket(AF_INET, SOCK_STREAM, 0) = 3", "3 a socket"),
        ("socket(AF_INET, SOCK_STREAM|SOCK_CLOEXEC, 0) = 3", "3 a socket*"),
        ("epoll_create1(EPOLL_CLOEXEC) = 3", "3 an epoll*"),
        ("eventfd2(0, 0) = 3", "3 an eventfd"),
        ("signalfd4(-1, [], 8, 0) = 3", "3 a signalfd"),
        ("timerfd_create(CLOCK_REALTIME, 0) = 3", "3 a timerfd"),
        ("memfd_create(\"x\", 0) = 3", "3 memory"),
        ("inotify_init1(0) = 3", "3 an inotify"),
        ("pidfd_open(1, 0) = 3", "3 a process"),
        ("openat(AT_FDCWD, \"/etc/hosts\", O_RDONLY|O_CLOEXEC) = 3", "3 /etc/hosts*"),
        ("open(\"/etc/hosts\", O_RDONLY) = 3", "3 /etc/hosts"),
        ("open(\"/nowhere\", O_RDONLY) = -1 ENOENT (No such file or directory)", ""),
        ("pipe2([3, 4], O_CLOEXEC) = 0", "3 pipe, to read*, 4 pipe, to write*"),
        ("socketpair(AF_UNIX, SOCK_STREAM, 0, [3, 4]) = 0", "3 one end, 4 the other end"),
        (&format!("{socket}bind(3, {port}) = 0"), "3 a socket on port 7"),
        (&format!("{socket}bind(3, {port}) = 0\nlisten(3, 5) = 0"), "3 listener (port 7)"),
        (&format!("{socket}listen(3, 5) = 0"), "3 listener"),
        (&format!("{socket}connect(3, {port}) = 0"), "3 a connection to port 7"),
        ("accept(3, NULL, NULL) = 4\naccept4(3, NULL, NULL, SOCK_CLOEXEC) = 5", "4 client 1, 5 client 2*"),
        ("dup(1) = 3", "3 a pipe"),
        ("dup3(1, 3, O_CLOEXEC) = 3", "3 a pipe*"),
        ("fcntl(1, F_DUPFD, 3) = 3", "3 a pipe"),
        ("fcntl(1, F_DUPFD_CLOEXEC, 3) = 3", "3 a pipe*"),
        (&format!("{socket}fcntl(3, F_SETFD, FD_CLOEXEC) = 0"), "3 a socket*"),
        (&format!("{socket}fcntl(3, F_SETFD, FD_CLOEXEC) = 0\nfcntl(3, F_SETFD, 0) = 0"), "3 a socket"),
        (&format!("{socket}dup2(3, 3) = 3"), "3 a socket"),
        (&format!("{socket}dup2(1, 3) = 3"), "3 a pipe"),
        (&format!("{socket}close(3) = 0"), ""),
        (&format!("{socket}close(3) = -1 EINTR (Interrupted system call)"), ""),
        (&format!("{socket}dup(3) = 4\ndup(3) = 5\nclose_range(4, 5, 0) = 0"), "3 a socket"),
        (&format!("{socket}dup3(3, 4, O_CLOEXEC) = 4\nexecve(\"/x\", [], []) = 0"), "3 a socket"),
    ] {
        assert_eq!(open_after(calls), open, "{calls}");
    }
}
