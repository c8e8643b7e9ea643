//! Tests the state after calls that these tests contain.

use super::super::{Kernel, changes, list};
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
        ("socket(AF_INET, SOCK_STREAM|SOCK_CLOEXEC, 0) = 3\ndup2(3, 3) = 3", "3 a socket*"),
        (&format!("{socket}dup2(1, 3) = 3"), "3 a pipe"),
        (&format!("{socket}close(3) = 0"), ""),
        (&format!("{socket}close(3) = -1 EINTR (Interrupted system call)"), ""),
        (&format!("{socket}close(3) = -1 EBADF (Bad file descriptor)"), "3 a socket"),
        (&format!("{socket}close(3 <unfinished ...>"), "3 a socket"),
        (&format!("{socket}dup(3) = 4\ndup(3) = 5\nclose_range(4, 5, 0) = 0"), "3 a socket"),
        (&format!("{socket}close_range(3, 9, CLOSE_RANGE_CLOEXEC) = 0"), "3 a socket*"),
        (&format!("{socket}dup3(3, 4, O_CLOEXEC) = 4\nexecve(\"/x\", [], []) = 0"), "3 a socket"),
    ] {
        assert_eq!(open_after(calls), open, "{calls}");
    }
}

/// Checks the changes that a page shows for each event of six processes, and the signals that are then pending for the
/// first process.
#[test]
fn each_event_changes_what_it_changes_in_the_kernel() {
    const SHOWN: [(u32, &str, &str, &str); 54] = [
        // The mask.
        (100, "rt_sigprocmask(SIG_BLOCK, [USR1 KILL STOP], [], 8) = 0", "SIGUSR1 blocked in P", ""),
        (100, "rt_sigprocmask(SIG_SETMASK, NULL, [USR1], 8) = 0", "", ""),
        (100, "rt_sigprocmask(SIG_BLOCK, [USR2 TERM], NULL, 8) = 0", "SIGTERM, SIGUSR2 blocked in P", ""),
        (100, "rt_sigprocmask(SIG_UNBLOCK, [TERM], NULL, 8) = 0", "SIGTERM unblocked in P", ""),
        (100, "rt_sigprocmask(SIG_BLOCK, [HUP], NULL, 8) = -1 EFAULT (Bad address)", "", ""),
        (100, "rt_sigprocmask(SIG_SETMASK, [USR1], NULL, 8) = 0", "SIGUSR2 unblocked in P", ""),
        (100, "rt_sigprocmask(SIG_UNBLOCK, ~[KILL STOP], NULL, 8) = 0", "SIGUSR1 unblocked in P", ""),
        (100, "rt_sigprocmask(SIG_BLOCK, [USR1], NULL, 8) = 0", "SIGUSR1 blocked in P", ""),
        // Pending signals.
        (100, "kill(100, SIGUSR1) = 0", "SIGUSR1 pending for P", "SIGUSR1"),
        (100, "kill(100, SIGUSR1) = 0", "", "SIGUSR1"),
        (100, "kill(100, SIGCHLD) = 0", "", "SIGUSR1"),
        (100, "rt_sigprocmask(SIG_BLOCK, [CHLD], NULL, 8) = 0", "SIGCHLD blocked in P", "SIGUSR1"),
        (100, "tkill(100, SIGCHLD) = 0", "SIGCHLD pending for P", "SIGCHLD, SIGUSR1"),
        (100, "rt_sigaction(SIGCHLD, {sa_handler=SIG_IGN, sa_mask=[], sa_flags=0}, NULL, 8) = 0", "", "SIGUSR1"),
        (100, "rt_sigaction(SIGCHLD, {sa_handler=SIG_DFL, sa_mask=[], sa_flags=0}, NULL, 8) = 0", "", "SIGUSR1"),
        (100, "tgkill(7, 100, SIGHUP) = 0", "SIGHUP pending for P", "SIGHUP, SIGUSR1"),
        (100, "--- SIGHUP {si_signo=SIGHUP, si_code=SI_USER} ---", "", "SIGUSR1"),
        (
            100,
            "rt_sigaction(SIGUSR2, {sa_handler=SIG_IGN, sa_mask=[], sa_flags=SA_NOCLDWAIT}, NULL, 8) = 0",
            "",
            "SIGUSR1",
        ),
        (100, "kill(100, SIGUSR2) = 0", "", "SIGUSR1"),
        // The alarm.
        (100, "alarm(7) = 0", "alarm in 7 s for P", "SIGUSR1"),
        (100, "alarm(7) = 7", "", "SIGUSR1"),
        (100, "--- SIGHUP {si_signo=SIGHUP, si_code=SI_USER} ---", "", "SIGUSR1"),
        (100, "alarm(0) = 7", "no alarm set for P", "SIGUSR1"),
        (
            100,
            "setitimer(ITIMER_VIRTUAL, {it_interval={tv_sec=3, tv_usec=0}, it_value={tv_sec=5, tv_usec=0}}, NULL) = 0",
            "",
            "SIGUSR1",
        ),
        (
            100,
            "setitimer(ITIMER_REAL, {it_interval={tv_sec=3, tv_usec=0}, it_value={tv_sec=5, tv_usec=0}}, NULL) = 0",
            "alarm in 5 s for P",
            "SIGUSR1",
        ),
        (100, "--- SIGALRM {si_signo=SIGALRM, si_code=SI_KERNEL} ---", "no alarm set for P", "SIGUSR1"),
        (100, "setitimer(ITIMER_REAL, {it_interval={tv_sec=3}, it_value={tv_sec=0}}, NULL) = 0", "", "SIGUSR1"),
        // Handlers.
        (
            100,
            "rt_sigaction(SIGTERM, {sa_handler=0x1, sa_mask=[INT], sa_flags=SA_RESTART}, NULL, 8) = 0",
            "",
            "SIGUSR1",
        ),
        (100, "--- SIGTERM {si_signo=SIGTERM} ---", "SIGINT, SIGTERM blocked in P", "SIGUSR1"),
        (100, "rt_sigreturn({mask=[USR1]}) = 15", "SIGCHLD, SIGINT, SIGTERM unblocked in P", "SIGUSR1"),
        (100, "--- SIGTERM {si_signo=SIGTERM} ---", "SIGINT, SIGTERM blocked in P", "SIGUSR1"),
        (
            100,
            "rt_sigreturn({mask=[USR1]}) = -1 EINTR (Interrupted system call)",
            "SIGINT, SIGTERM unblocked in P",
            "SIGUSR1",
        ),
        (
            100,
            "rt_sigaction(SIGTERM, {sa_handler=0x1, sa_mask=[HUP], sa_flags=SA_NODEFER|SA_RESETHAND}, NULL, 8) = 0",
            "",
            "SIGUSR1",
        ),
        (100, "--- SIGTERM {si_signo=SIGTERM} ---", "SIGHUP blocked in P", "SIGUSR1"),
        (100, "rt_sigreturn({mask=[USR1]}) = 15", "SIGHUP unblocked in P", "SIGUSR1"),
        (100, "--- SIGTERM {si_signo=SIGTERM} ---", "", "SIGUSR1"),
        // Lives. A child keeps the mask, and with it nothing of what is pending.
        (100, "fork() = 101", "C begins", "SIGUSR1"),
        (101, "alarm(3) = 0", "alarm in 3 s for C", "SIGUSR1"),
        (101, "fork() = 102", "G begins", "SIGUSR1"),
        (101, "fork() = 103", "H begins", "SIGUSR1"),
        (101, "fork() = 105", "O begins", "SIGUSR1"),
        (102, "+++ exited with 0 +++", "G is a zombie", "SIGUSR1"),
        (101, "waitid(P_ALL, 0, {si_pid=102, si_uid=0}, WEXITED|WNOWAIT, NULL) = 0", "", "SIGUSR1"),
        (101, "waitid(P_ALL, 0, {si_pid=102, si_uid=0}, WEXITED, NULL) = 0", "G is a zombie no more", "SIGUSR1"),
        (103, "+++ exited with 0 +++", "H is a zombie", "SIGUSR1"),
        (101, "+++ exited with 0 +++", "C is a zombie, H is a zombie no more", "SIGUSR1"),
        (105, "+++ exited with 0 +++", "O is gone", "SIGUSR1"),
        (100, "kill(101, SIGTERM) = 0", "", "SIGUSR1"),
        (100, "wait4(-1, [{WIFEXITED(s) && WEXITSTATUS(s) == 0}], 0, NULL) = 101", "C is a zombie no more", "SIGUSR1"),
        (100, "rt_sigaction(SIGCHLD, {sa_handler=0x1, sa_mask=[], sa_flags=SA_NOCLDWAIT}, NULL, 8) = 0", "", "SIGUSR1"),
        (100, "fork() = 104", "K begins", "SIGUSR1"),
        (100, "rt_sigaction(SIGINT, {sa_handler=0x1, sa_mask=[], sa_flags=0}, NULL, 8) = 0", "", "SIGUSR1"),
        (104, "+++ killed by SIGKILL +++", "SIGCHLD pending for P, K is gone", "SIGCHLD, SIGUSR1"),
        (100, "+++ exited with 0 +++", "P is gone", ""),
    ];
    let traces = [100, 101, 102, 103, 104, 105].map(|pid| {
        let own = SHOWN.iter().filter(|(of, ..)| *of == pid).map(|(_, line, ..)| format!("{line}\n"));
        (pid, Trace::new(own.collect::<String>().into_bytes(), false).unwrap())
    });
    let tree = Tree::build(traces.into(), 100);
    let mut kernel = Kernel::new(&tree, Output::File);
    for (at, (pid, line, changed, pending)) in SHOWN.iter().enumerate() {
        let index = tree.processes.iter().position(|process| process.pid == *pid).unwrap();
        let before = kernel.clone();
        kernel.apply(&tree, index, &Line::parse(line.as_bytes()));
        let name = |index: usize| ["P", "C", "G", "H", "K", "O"][(tree.processes[index].pid - 100) as usize].to_owned();
        assert_eq!(changes(&before, &kernel, name).join(", "), *changed, "event {at}: {line}");
        assert_eq!(list(&kernel.processes[0].pending), *pending, "event {at}: {line}");
    }
}

#[test]
fn an_object_is_held_by_each_process_that_has_it_open() {
    let calls = ["fork() = 101", "close(0) = 0"];
    let trace = |text: &str| Trace::new(text.into(), false).unwrap();
    let tree = Tree::build(vec![(100, trace("fork() = 101\nclose(0) = 0\n")), (101, trace(""))], 100);
    let mut kernel = Kernel::new(&tree, Output::File);
    let holders = |kernel: &Kernel| [0, 1, 2, 3].map(|object| kernel.holders(object));
    assert_eq!(holders(&kernel), [vec![0], vec![0], vec![0], vec![]]);
    calls.iter().for_each(|call| kernel.apply(&tree, 0, &Line::parse(call.as_bytes())));
    assert_eq!(holders(&kernel), [vec![1], vec![0, 1], vec![0, 1], vec![]]);
    kernel.apply(&tree, 1, &Line::parse(b"+++ exited with 0 +++"));
    assert_eq!(holders(&kernel), [vec![], vec![0], vec![0], vec![]]);
    for (output, name) in [(Output::Pty, "the terminal"), (Output::Pipe, "a pipe"), (Output::File, "a file")] {
        let kernel = Kernel::new(&tree, output);
        let names = kernel.processes[0].descriptors.values().map(|descriptor| kernel.name(*descriptor));
        assert_eq!(names.collect::<Vec<_>>(), ["standard input", name, "standard error"]);
    }
}

#[test]
fn a_program_that_is_executed_has_no_handlers_but_ignores_the_same_signals() {
    let calls = [
        "rt_sigaction(SIGTERM, {sa_handler=0x401136, sa_mask=[], sa_flags=0}, NULL, 8) = 0",
        "rt_sigaction(SIGUSR1, {sa_handler=SIG_IGN, sa_mask=[], sa_flags=0}, NULL, 8) = 0",
        "execve(\"./x\", [\"x\"], []) = 0",
    ];
    let trace = Trace::new(calls.map(|call| format!("{call}\n")).concat().into_bytes(), false).unwrap();
    let tree = Tree::build(vec![(100, trace)], 100);
    let mut kernel = Kernel::new(&tree, Output::Pipe);
    let mut signals = Vec::new();
    for call in calls {
        kernel.apply(&tree, 0, &Line::parse(call.as_bytes()));
        signals.push(kernel.processes[0].actions.keys().cloned().collect::<Vec<_>>().join(" "));
    }
    assert_eq!(signals, ["SIGTERM", "SIGTERM SIGUSR1", "SIGUSR1"]);
}
