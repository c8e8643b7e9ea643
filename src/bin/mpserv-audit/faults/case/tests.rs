//! Tests of the cases.

use super::*;
use crate::tree::Tree;

fn came(signal: &'static str, when: usize, trace: &str) -> bool {
    let case = Case { call: "poll".to_owned(), fault: Fault::Signal(signal), when, for_ever: false };
    case.happened([&Trace::new(trace.into(), false).unwrap()])
}

#[test]
fn a_signal_that_is_delivered_came() {
    let trace = "poll([{fd=3}], 1, NULL) = ? ERESTARTNOHAND (To be restarted if no handler)\n\
                 --- SIGALRM {si_signo=SIGALRM, si_code=SI_KERNEL} ---\n";
    assert!(came("ALRM", 1, trace));
    assert!(!came("ALRM", 2, trace), "the call was not made that often");
    assert!(!came("TERM", 1, trace), "it was another signal");
}

#[test]
fn a_signal_from_elsewhere_is_not_the_one_that_came() {
    let trace = "poll([{fd=3}], 1, NULL) = 1\n--- SIGCHLD {si_signo=SIGCHLD, si_code=CLD_EXITED, si_pid=7} ---\n";
    assert!(!came("CHLD", 1, trace));
    let earlier = "--- SIGCHLD {si_signo=SIGCHLD, si_code=SI_KERNEL} ---\npoll([{fd=3}], 1, NULL) = 1\n";
    assert!(!came("CHLD", 1, earlier));
}

#[test]
fn a_blocked_signal_that_is_read_from_a_descriptor_came() {
    let read = |number: &str, code: &str| {
        let info = format!("{number}\\0\\0\\0\\0\\0\\0\\0{code}\\0\\0\\0");
        format!("poll([{{fd=3}}], 1, NULL) = 1\nread(3, \"{info}\", 512) = 128\n")
    };
    assert!(came("TERM", 1, &read("\\17", "\\200")));
    assert!(came("PIPE", 1, &read("\\r", "\\200")));
    assert!(came("USR1", 1, &read("\\n", "\\200")));
    assert!(came("USR2", 1, &read("\\f", "\\200")));
    assert!(!came("TERM", 1, &read("\\2", "\\200")), "it was another signal");
    assert!(!came("TERM", 1, &read("\\17", "\\0")), "somebody else sent it");
    assert!(!came("TERM", 1, "poll([{fd=3}], 1, NULL) = 1\n"), "nobody took it");
    assert!(!came("TERM", 1, &read("\\17", "\\200").replace("read(", "pread64(")), "no descriptor was read");
    let end = "+++ exited with 0 +++\n";
    let looked = "read(3, 0x7ffc, 512) = -1 EAGAIN (Resource temporarily unavailable)\n";
    assert!(came("TERM", 1, &format!("{looked}poll([{{fd=3}}], 1, NULL) = 1\n{end}")), "nobody looked again");
    assert!(!came("TERM", 1, &format!("poll([{{fd=3}}], 1, NULL) = 1\n{end}")), "nobody ever looked");
    let stays = format!("{looked}poll([{{fd=3}}], 1, NULL) = 1\nclose(3) = 0\n");
    assert!(!came("TERM", 1, &stays), "the end of the process is not shown");
    assert!(!came("TERM", 1, &format!("{}{end}", read("\\2", "\\200"))), "it was another signal, to the end");
}

#[test]
fn a_signal_that_is_thrown_away_came() {
    let trace = |signal: &str, handler: &str| {
        let set = format!("{{sa_handler={handler}, sa_mask=[], sa_flags=0}}");
        format!("poll([{{fd=3}}], 1, NULL) = 1\nrt_sigaction({signal}, {set}, NULL, 8) = 0\n")
    };
    assert!(came("CHLD", 1, &trace("SIGCHLD", "SIG_IGN")));
    assert!(came("CHLD", 1, &trace("SIGCHLD", "SIG_DFL")));
    assert!(!came("CHLD", 1, &trace("SIGCHLD", "0x401136")));
    assert!(!came("CHLD", 1, &trace("SIGPIPE", "SIG_IGN")));
    assert!(!came("CHLD", 1, &trace("SIGCHLD2", "SIG_IGN")), "the name goes on");
    let asked = "poll([{fd=3}], 1, NULL) = 1\nrt_sigaction(SIGCHLD, NULL, {sa_handler=SIG_IGN, sa_flags=0}, 8) = 0\n";
    assert!(!came("CHLD", 1, asked), "the action was only asked for");
}

#[test]
fn behind_a_call_that_never_comes_back_no_signal_shows() {
    assert!(came("TERM", 1, "poll([{fd=3}], 1, NULL <unfinished ...>) = ?\n+++ exited with 0 +++\n"));
}

#[test]
fn each_fault_has_its_name_and_its_injection() {
    for (call, fault, for_ever, name, injection) in [
        ("read", Fault::Error("EINTR"), false, "read EINTR at 3", "read:error=EINTR:when=3"),
        ("read", Fault::Error("EIO"), true, "read EIO at 3+", "read:error=EIO:when=3+"),
        // The kernel's brk returns no errno.
        ("brk", Fault::Error("ENOMEM"), false, "brk ENOMEM at 3", "brk:retval=0:when=3"),
        ("read", Fault::Short(0), false, "read 0 bytes at 3", "read:retval=0:when=3"),
        ("read", Fault::Short(1), false, "read 1 byte at 3", "read:retval=1:poke_exit=@arg2=78:when=3"),
        ("recvfrom", Fault::Short(2), false, "recvfrom 2 bytes at 3", "recvfrom:retval=2:poke_exit=@arg2=7878:when=3"),
        ("pread64", Fault::Short(1), false, "pread64 1 byte at 3", "pread64:retval=1:poke_exit=@arg2=78:when=3"),
        ("write", Fault::Short(1), false, "write 1 byte at 3", "write:retval=1:when=3"),
        ("sendto", Fault::Short(1), false, "sendto 1 byte at 3", "sendto:retval=1:when=3"),
        ("sendmsg", Fault::Short(1), false, "sendmsg 1 byte at 3", "sendmsg:retval=1:when=3"),
        ("writev", Fault::Short(0), false, "writev 0 bytes at 3", "writev:retval=0:when=3"),
        ("poll", Fault::Signal("CHLD"), false, "poll SIGCHLD at 3", "poll:signal=SIGCHLD:when=3"),
    ] {
        let case = Case { call: call.to_owned(), fault, when: 3, for_ever };
        assert_eq!((case.to_string().as_str(), case.injection().as_str()), (name, injection));
        let lasting = Case { for_ever: true, ..case.clone() };
        assert_eq!(case.for_ever(), lasting, "{name}");
    }
}

#[test]
fn a_fault_that_strace_injected_happened() {
    let happened = |trace: &str| {
        let case = Case { call: "read".to_owned(), fault: Fault::Error("EIO"), when: 1, for_ever: false };
        case.happened([
            &Trace::new(b"close(1) = 0\n".to_vec(), false).unwrap(),
            &Trace::new(trace.into(), false).unwrap(),
        ])
    };
    assert!(happened("close(0) = 0\nread(0, 0x1, 1) = -1 EIO (Input/output error) (INJECTED)\n"));
    assert!(!happened("close(0) = 0\nread(0, 0x1, 1) = -1 EIO (Input/output error)\n"));
}

/// A root whose loader reads once and maps nothing more, and a child that reads once.
const ROOT: &str = "brk(NULL) = 0x1\nread(3, \"\", 1) = 0\nmunmap(0x1, 2) = 0\nread(0, \"\", 1) = 0\nread(0, \"\", 1) = 0\n\
                    clone() = 101\nread(0, \"\", 1) = 0\nread(0, \"\", 1) = 0\nread(0, \"\", 1) = 0\ngetpid() = 100\n\
                    restart_syscall() = 0\nno_such_call() = 0\n+++ exited with 0 +++\n";
const CHILD: &str =
    "set_robust_list(0x1, 24) = 0\nclose(0) = 0\nread(1, \"\", 1) = 0\nclone() = 102\n+++ exited with 0 +++\n";

fn cases(extent: Extent) -> Cases {
    let traces = [(100, ROOT), (101, CHILD)].map(|(pid, text)| (pid, Trace::new(text.into(), false).unwrap()));
    Cases::of(&Tree::build(traces.into(), 100).processes, From::Attached, extent).unwrap()
}

#[test]
fn each_fault_comes_at_the_first_a_middle_and_the_last_call() {
    let at = |extent, call: &str, fault: Fault| -> Vec<usize> {
        let cases = cases(extent);
        let own = cases.possible.iter().filter(|case| case.call == call && case.fault == fault && !case.for_ever);
        own.map(|case| case.when).collect()
    };
    // The first of the root's six reads is the loader's.
    assert_eq!(at(Extent::All, "read", Fault::Error("EIO")), [2, 4, 6]);
    assert_eq!(at(Extent::Part, "read", Fault::Error("EIO")), [2]);
    assert_eq!(at(Extent::All, "close", Fault::Error("EIO")), [1]);
    assert_eq!(at(Extent::All, "brk", Fault::Error("ENOMEM")), [0; 0], "only the loader makes it");
    assert_eq!(at(Extent::All, "munmap", Fault::Error("ENOMEM")), [0; 0], "the loader's last call is its own");
    assert_eq!(at(Extent::Part, "set_robust_list", Fault::Signal("TERM")), [1]);
}

#[test]
fn each_call_meets_its_errors_short_transfers_and_all_signals() {
    let faults = |call: &str| -> Vec<String> {
        let cases = cases(Extent::Part).possible;
        cases.iter().filter(|case| case.call == call).map(|case| case.fault.to_string()).collect()
    };
    let signals = "SIGCHLD SIGTERM SIGINT SIGHUP SIGUSR1 SIGUSR2 SIGALRM SIGPIPE SIGCONT";
    let read = "ECONNRESET ETIMEDOUT EAGAIN EBADF EFAULT EINTR EINVAL EIO EISDIR,0 bytes,1 byte";
    for (call, errors) in
        [("read", read), ("close", "EBADF EDQUOT EINTR EIO ENOSPC"), ("getpid", ""), ("exit_group", "")]
    {
        let errors = errors.split(',').enumerate().flat_map(|(at, words)| match at {
            0 => words.split_whitespace().collect(),
            _ => vec![words],
        });
        let expected: Vec<&str> = errors.chain(signals.split_whitespace()).collect();
        let found = faults(call);
        assert!(call == "exit_group" && found.is_empty() || found == expected, "{call}: {found:?}");
    }
}

#[test]
fn cases_that_cannot_be_made_are_counted_by_their_reason() {
    let impossible = |extent| cases(extent).impossible;
    // The child's read is also the loader's first: nine errors, two short transfers and nine signals.
    let expected = [(LOADER, 20), (UNSEEN, 1), (UNLISTED, 1), (NO_ERRORS, 1), (ORDER, 4)];
    let found = impossible(Extent::Part);
    for (reason, count) in expected {
        assert_eq!(found.get(reason), Some(&count), "{reason}: {found:?}");
    }
    assert_eq!(found.len(), expected.len(), "{found:?}");
}

/// Checks the counts of two processes: the later one has fewer calls. The loader makes a call that a child makes, too.
#[test]
fn calls_are_counted_in_each_process_and_tried_in_the_order_of_their_numbers() {
    let child = "set_robust_list(0x1, 24) = 0\nbrk(NULL) = 0x1\nbrk(0x5) = 0x5\nread(1, \"\", 1) = 0\n";
    let traces = [(100, ROOT), (101, &format!("{child}clone() = 102\n+++ exited with 0 +++\n")), (102, CHILD)];
    let traces = traces.map(|(pid, text)| (pid, Trace::new(text.into(), false).unwrap()));
    let tree = Tree::build(traces.into(), 100);
    let found = counts(&tree.processes, From::Attached);
    let of = |call: &str| found.get(call).map(|counts| (counts.loader, counts.all.as_slice()));
    assert_eq!(of("read"), Some((1, &[6, 1, 1][..])));
    assert_eq!(of("brk"), Some((1, &[2][..])), "the loader's call counts once the program makes it too");
    assert_eq!(of("munmap"), None, "only the loader makes it");
    assert_eq!(of("restart_syscall"), None, "the kernel makes it");
    let counts = Counts { loader: 1, all: vec![9, 1, 4] };
    assert_eq!(counts.occurrences(Extent::All), [1, 2, 3, 4, 5, 9]);
    assert_eq!(counts.occurrences(Extent::Part), [1, 2]);
}
