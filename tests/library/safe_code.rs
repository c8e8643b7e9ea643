//! Safe programs that try to break the promises of the library. These programs must not reach freed memory, memory of
//! other code, or things of another process.

use std::cell::Cell;
use std::ffi::{CString, c_int, c_long};
use std::fs;
use std::net::Ipv4Addr;
use std::os::fd::AsRawFd;
use std::os::unix::net::{UnixDatagram, UnixStream};
use std::panic::catch_unwind;
use std::sync::atomic::AtomicU64;
use std::sync::mpsc::channel;
use std::time::Duration;

use mpserv::errno::Errno;
use mpserv::fd::{OwnedFd, fcntl_dupfd_cloexec};
use mpserv::getopt::{Getopt, HasArg, LongOption, Name, Opt};
use mpserv::memory::CStrArray;
use mpserv::net::{
    AddressFamily, Protocol, SocketAddr, SocketFlags, SocketOption, SocketType, bind, getaddrinfo, gethostbyname,
    listen, setsockopt, socket,
};
use mpserv::options::{OptionSpec, OptionTable};
use mpserv::process::{
    _exit, Fork, Pid, exit, fork, getpgid, getpid, getppid, group_exists, no_new_privileges, setpgid,
};
use mpserv::program::{Args, Argument};
use mpserv::seccomp::{CALLS_MAX, Check, Rule, allow_only};
use mpserv::server::proxy_protocol::{Parser, ProxyError};
use mpserv::server::{Identity, Inherited, Server};
use mpserv::signal::{
    Disposition, MaskHow, SigAction, SigSet, Signal, SignalFlag, kill, raise, sigaction, sigaction_get, signal,
    sigpending, sigprocmask,
};
use mpserv::time::{Itimer, setitimer};
use mpserv::user::{getgrnam, getgrouplist, getpwnam, getpwuid};

use crate::common::solo::{Test, child, reap, spawn};
use crate::common::{TempDir, WATCHDOG, needs_root, std_pipe};
use crate::{stderr_to, tests};

pub(crate) const TESTS: &[Test] = tests![
    a_mark_of_another_list_cuts_no_string,
    a_process_that_does_not_serve_leaves_the_servers_files,
    the_pidfile_names_a_process_that_serves_for_its_parent,
    the_pidfile_names_a_successor_once_it_is_ready_and_none_that_forks,
    a_server_opens_the_standard_descriptors_that_are_closed,
    a_caller_may_redirect_the_log_after_bind,
    a_filter_checks_no_argument_that_calls_lack,
    a_filter_decides_by_its_checks,
    a_letter_above_127_is_named,
    a_letter_with_a_meaning_of_its_own_is_refused,
    a_header_that_was_refused_stays_refused,
    group_1_exists,
    serving_in_the_sandbox_leaves_the_action_of_sigsys,
    serving_leaves_the_flag_of_sigalrm,
    serving_leaves_a_pending_sigalrm,
    serving_leaves_the_timer,
    serving_leaves_no_signal_for_later,
    a_handler_may_fork_when_it_is_dropped,
    a_handler_may_change_the_actions_of_signals_when_it_is_dropped,
    exit_may_be_called_again_while_it_runs,
    no_name_ends_the_process,
    users_are_looked_up_only_where_no_other_threads_are,
    an_identity_that_cannot_be_looked_up_is_not_denied,
    a_name_with_a_nul_is_that_of_nobody,
    a_rule_has_as_many_checks_as_a_jump_reaches,
    a_group_of_another_namespace_has_no_id,
    a_filter_holds_for_every_thread,
];

/// Checks that the text of a kept string is not overwritten, its NUL included.
fn a_mark_of_another_list_cuts_no_string() {
    const ROOM: usize = 4096;
    let mut list = CStrArray::with_capacity(2, ROOM).unwrap();
    list.push(c"first").unwrap();
    list.push(c"second").unwrap();
    list.truncate(CStrArray::copy([c""].into_iter()).unwrap().mark());
    assert!(list.push_fmt(format_args!("{:ROOM$}", "")).is_err());
    assert_eq!((list.len(), list.get(0)), (1, Some(c"first")));
}

/// Checks that a process that was forked after bind() can drop its copy of the server. The server must still listen.
fn a_process_that_does_not_serve_leaves_the_servers_files() {
    let folder = TempDir::new();
    let [socket, pidfile] = ["socket", "pid"].map(|name| folder.join(name));
    let address = format!("unix:{}", socket.display());
    let path = CString::new(pidfile.to_str().unwrap()).unwrap();
    let bound = Server::new().listen(&address).pidfile(&path).bind().unwrap();
    let mut bound = Some(bound);
    assert_eq!(reap(&mut spawn(|| drop(bound.take()))).exit_status(), Some(0));
    assert!(socket.exists() && pidfile.exists());
    drop(bound);
    assert!(!socket.exists() && !pidfile.exists());
}

/// Checks that the pidfile names the process that serves, where another process has bound the server.
fn the_pidfile_names_a_process_that_serves_for_its_parent() {
    let folder = TempDir::new();
    let pidfile = folder.join("pid");
    let path = CString::new(pidfile.to_str().unwrap()).unwrap();
    let bound = Server::new().listen("127.0.0.1:0").pidfile(&path).notify(true);
    let manager = UnixDatagram::bind(folder.join("manager")).unwrap();
    // SAFETY: this process has no other thread.
    unsafe { std::env::set_var("NOTIFY_SOCKET", folder.join("manager")) };
    // The parent keeps its copy, because a drop there would remove the file.
    let mut bound = Some(bound.bind().unwrap());
    let mut child = spawn(|| _ = bound.take().unwrap().serve(|_| ()).unwrap());
    // The server tells the manager when it serves.
    manager.set_read_timeout(Some(WATCHDOG)).unwrap();
    manager.recv(&mut [0; 256]).unwrap();
    assert_eq!(fs::read_to_string(&pidfile).unwrap(), format!("{}\n", child.pid()));
    child.kill(Signal::TERM).unwrap();
    assert_eq!(reap(&mut child).exit_status(), Some(0));
    assert!(!pidfile.exists());
}

/// Checks that the pidfile names the predecessor until the successor is ready, because a successor that fails leaves
/// everything to its predecessor. A successor that serves in a process which it has forked fails.
fn the_pidfile_names_a_successor_once_it_is_ready_and_none_that_forks() {
    use std::io::Read;
    use std::os::fd::IntoRawFd;
    const PREDECESSOR: &str = "1\n";
    let folder = TempDir::new();
    let pidfile = folder.join("pid");
    let path = CString::new(pidfile.to_str().unwrap()).unwrap();
    for forks in [true, false] {
        fs::write(&pidfile, PREDECESSOR).unwrap();
        let file = fs::File::options().read(true).write(true).open(&pidfile).unwrap();
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let (mut answer, writer) = std_pipe();
        let mut successor = spawn(|| {
            let numbers = [writer.into_raw_fd(), file.into_raw_fd(), listener.into_raw_fd()];
            // SAFETY: the call takes numbers.
            let flags = |call, flags: i32| numbers.map(|number| unsafe { libc::fcntl(number, call, flags) });
            assert_eq!(flags(libc::F_SETFD, 0), [0; 3]);
            let passed = format!("{},{},{},{}", std::process::id(), numbers[0], numbers[1], numbers[2]);
            // SAFETY: this process has no other thread.
            unsafe { std::env::set_var("MPSERV_INHERIT", passed) };
            // SAFETY: nothing owns the descriptors that the variable names.
            let inherited = unsafe { Inherited::claim() };
            let args = Args::of(vec![Argument::from(c"program"), Argument::END].leak()).unwrap();
            let server = Server::new().listen("127.0.0.1:0").pidfile(&path).inherit(inherited).restart(args);
            let mut bound = Some(server.bind().unwrap());
            assert_eq!(flags(libc::F_GETFD, 0), [libc::FD_CLOEXEC; 3], "no program gets a descriptor that was passed");
            let mut serve = || bound.take().unwrap().serve(|_| ()).is_ok();
            if forks {
                let mut child = spawn(|| assert!(!serve()));
                assert_eq!(reap(&mut child).exit_status(), Some(0));
            } else {
                assert!(serve());
            }
        });
        if forks {
            let mut text = String::new();
            answer.read_to_string(&mut text).unwrap();
            assert!(text.starts_with("cannot serve: a successor serves in the process that"), "{text}");
            assert_eq!(fs::read_to_string(&pidfile).unwrap(), PREDECESSOR);
        } else {
            let mut ready = [0];
            answer.read_exact(&mut ready).unwrap();
            assert_eq!(&ready, b"R");
            assert_eq!(fs::read_to_string(&pidfile).unwrap(), format!("{}\n", successor.pid()));
            successor.kill(Signal::TERM).unwrap();
        }
        assert_eq!(reap(&mut successor).exit_status(), Some(0));
        assert_eq!(pidfile.exists(), forks);
    }
}

/// Checks that no socket and no file of the server gets the number of standard output or of the log.
fn a_server_opens_the_standard_descriptors_that_are_closed() {
    for closed in [&[0][..], &[1], &[2], &[0, 1, 2]] {
        let mut child = child(|| {
            for number in closed {
                // SAFETY: nothing owns the descriptor.
                unsafe { libc::close(*number) };
            }
            let bound = Server::new().listen("127.0.0.1:0").bind().unwrap();
            let is_null = |number: &i32| {
                fs::read_link(format!("/proc/self/fd/{number}")).is_ok_and(|file| file.as_os_str() == "/dev/null")
            };
            let by_bind = closed.iter().all(is_null);
            // SAFETY: nothing owns the descriptors.
            closed.iter().for_each(|number| _ = unsafe { libc::close(*number) });
            stops_at_once();
            bound.serve(|_| ()).unwrap();
            i32::from(!by_bind) | i32::from(!closed.iter().all(is_null)) << 1
        });
        assert_eq!(reap(&mut child).exit_status(), Some(0), "{closed:?}");
    }
}

/// Makes the next server find that it was told to stop.
fn stops_at_once() {
    sigprocmask(MaskHow::Block, &SigSet::from([Signal::TERM]));
    raise(Signal::TERM).unwrap();
}

/// Checks that the log goes to standard error as it is when `serve` is called, whatever it was when the server bound.
fn a_caller_may_redirect_the_log_after_bind() {
    let folder = TempDir::new();
    let [before, after] = ["before", "after"].map(|name| folder.join(name));
    let (socket, reader) = UnixStream::pair().unwrap();
    let files = [&before, &after].map(|path| fs::File::create(path).unwrap());
    for ends in [[&files[0] as &dyn AsRawFd, &socket], [&socket, &files[1]]] {
        let mut child = child(|| {
            stderr_to(ends[0]);
            let bound = Server::new().listen("127.0.0.1:0").bind().unwrap();
            stderr_to(ends[1]);
            stops_at_once();
            bound.serve(|_| ()).map_or(1, |_| 0)
        });
        assert_eq!(reap(&mut child).exit_status(), Some(0));
    }
    drop(socket);
    assert_eq!(fs::read_to_string(before).unwrap(), "");
    for text in [std::io::read_to_string(reader).unwrap(), fs::read_to_string(after).unwrap()] {
        assert!(text.contains("mpserv: start ") && text.contains("mpserv: stopped "), "{text:?}");
    }
}

/// Checks that no argument's place overflows, which would select another argument.
fn a_filter_checks_no_argument_that_calls_lack() {
    static NOTE: AtomicU64 = AtomicU64::new(0);
    for argument in [6, 1 << 29, (1 << 29) + 1, 1 << 61, usize::MAX] {
        let long = [Check::IsLong(argument, 0), Check::IsNotAddress(argument, 0)];
        for check in [Check::Is(argument, &[0]), Check::IsNot(argument, &[0])].into_iter().chain(long) {
            let rule = Rule { call: libc::SYS_exit_group, checks: &[check] };
            assert_eq!(allow_only(&[rule], &NOTE), Err(Errno::INVAL), "{check:?}");
        }
    }
}

/// Checks that a filter compares with each value of a list, and compares both halves of a long argument.
fn a_filter_decides_by_its_checks() {
    static NOTE: AtomicU64 = AtomicU64::new(0);
    const LONG: u64 = 2 << 32 | 3;
    let exits: [(&[Check<'_>], u64, bool); 29] = [
        (&[], 1, true),
        (&[Check::Is(0, &[])], 0, false),
        (&[Check::Is(0, &[])], 1, false),
        (&[Check::Is(0, &[1])], 1, true),
        (&[Check::Is(0, &[1])], 2, false),
        (&[Check::Is(0, &[1, 2, 3])], 1, true),
        (&[Check::Is(0, &[1, 2, 3])], 3, true),
        (&[Check::Is(0, &[1, 2, 3])], 4, false),
        (&[Check::IsNot(0, &[])], 1, true),
        (&[Check::IsNot(0, &[1])], 1, false),
        (&[Check::IsNot(0, &[1])], 2, true),
        (&[Check::IsNot(0, &[1, 2, 3])], 1, false),
        (&[Check::IsNot(0, &[1, 2, 3])], 3, false),
        (&[Check::IsNot(0, &[1, 2, 3])], 4, true),
        (&[Check::IsLong(0, LONG)], LONG, true),
        (&[Check::IsLong(0, LONG)], LONG + 1, false),
        (&[Check::IsLong(0, LONG)], 3, false),
        (&[Check::IsNotAddress(0, LONG)], LONG, false),
        (&[Check::IsNotAddress(0, LONG)], LONG + 1, true),
        (&[Check::IsNotAddress(0, LONG)], 1 << 63 | 1 << 48 | LONG, false),
        (&[Check::IsNotAddress(0, 1 << 63 | 1 << 48 | LONG)], LONG, false),
        (&[Check::IsNotAddress(0, LONG)], 1 << 47 | LONG, true),
        (&[Check::IsNotAddress(0, LONG)], 3, true),
        // The number is the high half of the value, and comes as the low half of the argument.
        (&[Check::IsNotAddress(0, LONG)], 2, true),
        (&[Check::IsLong(0, LONG)], 2, false),
        (&[Check::IsNotAddress(0, LONG), Check::Is(0, &[4])], 3, false),
        (&[Check::IsNotAddress(0, LONG), Check::IsNot(0, &[4])], LONG, false),
        (&[Check::IsLong(0, LONG), Check::Is(0, &[4, 3]), Check::IsNot(0, &[4])], LONG, true),
        (&[Check::IsLong(0, LONG), Check::IsNot(0, &[4, 3]), Check::Is(0, &[3])], LONG, false),
    ];
    for (checks, status, passes) in exits {
        let mut child = spawn(|| {
            no_new_privileges().unwrap();
            // After a failed check no other rule decides, although it would take the loaded argument for its call.
            let [low, high] = [status & 0xffff_ffff, status >> 32].map(|half| Rule::any(half as c_long));
            allow_only(&[Rule { call: libc::SYS_exit_group, checks }, low, high], &NOTE).unwrap();
            // SAFETY: the call ends the process.
            unsafe { libc::syscall(libc::SYS_exit_group, status) };
        });
        let end = reap(&mut child);
        // The kernel keeps 8 bits of a status.
        let expected = if passes { (Some((status & 0xff) as i32), None) } else { (None, Some(Signal::SYS)) };
        assert_eq!((end.exit_status(), end.term_signal()), expected, "{checks:?} {status:#x}");
    }
}

fn a_letter_above_127_is_named() {
    let line: &[Argument] = vec![Argument::from(c"program"), Argument::from(c"-\u{e9}"), Argument::END].leak();
    let options =
        |letters| Getopt::new(Args::of(line).unwrap(), letters, &[LongOption::END]).unwrap().collect::<Vec<_>>();
    assert_eq!(options(c"+:a"), [0xc3, 0xa9].map(|letter| Opt::Unknown(Name::Letter(letter))));
    assert_eq!(options(c"+:\xc3\xa9"), [0xc3, 0xa9].map(|letter| Opt::Option(c_int::from(letter), None)));
}

/// Checks letters by which C's function also reports an error or the end.
fn a_letter_with_a_meaning_of_its_own_is_refused() {
    let line: &[Argument] = vec![Argument::from(c"program"), Argument::from(c"-\xff?:"), Argument::END].leak();
    let options = |letters| Getopt::new(Args::of(line).unwrap(), letters, &[LongOption::END]);
    let unknown = [0xff, b'?', b':'].map(|letter| Opt::Unknown(Name::Letter(letter)));
    assert_eq!(options(c"+:a").unwrap().collect::<Vec<_>>(), unknown);
    for letters in [c"+:\xff", c"+:?", c"+:a?", c"+:a:\xff:"] {
        assert!(options(letters).is_none(), "{letters:?}");
    }
    let is_refused = |letter| catch_unwind(|| OptionSpec::new((), letter, c"name", "", "help")).is_err();
    let taken: Vec<u8> = (0..=u8::MAX).filter(|letter| !is_refused(*letter)).collect();
    let expected: Vec<u8> = [0].into_iter().chain(b'0'..=b'9').chain(b'A'..=b'Z').chain(b'a'..=b'z').collect();
    assert_eq!(taken, expected);
    // The value of a long option is no letter, and a table has room for 64 options.
    let is_taken = |value| catch_unwind(|| LongOption::new(c"long", HasArg::No, value)).is_ok();
    assert_eq!([-1, 0, 255, 256, c_int::MAX].map(is_taken), [false, false, false, true, true]);
    let specs: &[OptionSpec<usize>] =
        (0..65).map(|number| OptionSpec::new(number, b'a', c"name", "N", "")).collect::<Vec<_>>().leak();
    let is_taken = |length: usize| catch_unwind(|| OptionTable::new(&specs[..length])).is_ok();
    assert_eq!([0, 63, 64, 65].map(is_taken), [true, true, true, false]);
}

fn a_header_that_was_refused_stays_refused() {
    let mut parser = Parser::new();
    // The header has two addresses, and two of the three bytes before an additional field's value.
    let header = [&b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0e"[..], &[1; 14]].concat();
    let (last, first) = header.split_last().unwrap();
    assert!(first.iter().all(|&byte| parser.push(byte) == Ok(None)));
    for _ in 0..3 {
        assert!(matches!(parser.push(*last), Err(ProxyError::Malformed(_))));
    }
}

/// Checks that nothing asks the C library for a user or a group where another thread could be asking as well.
fn users_are_looked_up_only_where_no_other_threads_are() {
    let found = || {
        [
            getpwnam(c"root").is_some(),
            getpwuid(0).is_some(),
            getgrnam(c"root").is_some(),
            getgrouplist(c"root", 0).is_ok(),
        ]
    };
    assert_eq!(found(), [true; 4]);
    std::thread::spawn(|| ()).join().unwrap();
    assert_eq!(found(), [false; 4]);
}

/// Checks that the error does not deny a user whom nobody has looked up.
fn an_identity_that_cannot_be_looked_up_is_not_denied() {
    std::thread::spawn(|| ()).join().unwrap();
    for text in ["root", "0", "0:root"] {
        let error = Identity::parse(text).unwrap_err().to_string();
        assert!(error.contains("other threads"), "{error}");
    }
    assert!(Identity::parse("0:0").is_ok());
}

/// Checks that a name with a NUL is nobody's: C would take the name before the NUL for the whole name.
fn a_name_with_a_nul_is_that_of_nobody() {
    for (text, wrong) in [("root\0", "user"), ("root\0x:0", "user"), ("0:root\0", "group"), ("\0", "user")] {
        let error = Identity::parse(text).unwrap_err();
        assert!(
            error.is_usage() && error.to_string().contains(&format!("there is no such {wrong}")),
            "{text:?}: {error}"
        );
    }
}

/// Checks the longest rule: from its first instruction, a jump reaches the last instruction.
fn a_rule_has_as_many_checks_as_a_jump_reaches() {
    static NOTE: AtomicU64 = AtomicU64::new(0);
    const MOST: u64 = 252;
    let values: Vec<u32> = (0..MOST as u32).collect();
    let exit = |status: u64, values: &[u32]| {
        let mut child = spawn(|| {
            no_new_privileges().unwrap();
            let rule = Rule { call: libc::SYS_exit_group, checks: &[Check::Is(0, values)] };
            assert_eq!(allow_only(&[rule], &NOTE), Ok(()));
            // SAFETY: the call ends the process.
            unsafe { libc::syscall(libc::SYS_exit_group, status) };
        });
        let end = reap(&mut child);
        (end.exit_status(), end.term_signal())
    };
    for status in [0, 1, MOST - 1] {
        assert_eq!(exit(status, &values), (Some(status as i32), None));
    }
    assert_eq!(exit(MOST, &values), (None, Some(Signal::SYS)));
    let more: Vec<u32> = (0..=MOST as u32).collect();
    let rule = Rule { call: libc::SYS_exit_group, checks: &[Check::Is(0, &more)] };
    assert_eq!(allow_only(&[rule], &NOTE), Err(Errno::INVAL));
    // The last of as many rules as there may be lets its call through.
    let mut rules = [Rule::any(libc::SYS_getppid); CALLS_MAX];
    rules[CALLS_MAX - 1] = Rule::any(libc::SYS_exit_group);
    let mut child = spawn(|| {
        no_new_privileges().unwrap();
        allow_only(&rules, &NOTE).unwrap();
        // SAFETY: the call ends the process.
        unsafe { libc::syscall(libc::SYS_exit_group, 5) };
    });
    assert_eq!(reap(&mut child).exit_status(), Some(5));
}

/// Checks that a long name is not passed to the C library, which copies a name to its stack.
fn no_name_ends_the_process() {
    let name = CString::new("a".repeat(1 << 26)).unwrap();
    let mut child = spawn(|| {
        assert!(getpwnam(&name).is_none());
        assert_eq!(getgrnam(&name), None);
        assert_eq!(getgrouplist(&name, 7).unwrap()[..], [7]);
        assert!(getaddrinfo(&name).is_err());
        assert_eq!(gethostbyname(&name), None);
    });
    assert_eq!(reap(&mut child).exit_status(), Some(0));
}

/// Checks that the kernel's 0 is no id of a group. A signal to group 0 would go to the caller's own group.
fn a_group_of_another_namespace_has_no_id() {
    needs_root();
    // SAFETY: the call has no precondition on memory.
    assert_eq!(unsafe { libc::unshare(libc::CLONE_NEWPID) }, 0);
    let mut child = spawn(|| {
        assert_eq!(getpgid(getpid()), Ok(None));
        setpgid(None, None).unwrap();
        assert_eq!(getpgid(getpid()), Ok(Some(getpid())));
    });
    assert_eq!(reap(&mut child).exit_status(), Some(0));
}

/// Checks that the filter holds in other threads. Otherwise these threads could do things that the filter forbids to
/// the first thread.
fn a_filter_holds_for_every_thread() {
    static NOTE: AtomicU64 = AtomicU64::new(0);
    let mut child = spawn(|| {
        let ((runs, running), (is_set, set)) = (channel(), channel());
        let other = std::thread::spawn(move || {
            runs.send(()).unwrap();
            set.recv().unwrap();
            getppid()
        });
        running.recv().unwrap();
        no_new_privileges().unwrap();
        // The calls that threads need to go on and to end, without getppid().
        let calls = [
            libc::SYS_futex,
            libc::SYS_exit,
            libc::SYS_exit_group,
            libc::SYS_madvise,
            libc::SYS_munmap,
            libc::SYS_rt_sigprocmask,
            libc::SYS_sigaltstack,
            libc::SYS_write,
            libc::SYS_rseq,
            libc::SYS_mprotect,
        ];
        allow_only(&calls.map(Rule::any), &NOTE).unwrap();
        is_set.send(()).unwrap();
        other.join().unwrap();
    });
    assert_eq!(reap(&mut child).term_signal(), Some(Signal::SYS));
}

/// Checks that a stopped server has removed the handler by which the sandbox notes violations.
fn serving_in_the_sandbox_leaves_the_action_of_sigsys() {
    sigaction(Signal::SYS, &SigAction::new(Disposition::Ignore)).unwrap();
    stops_at_once();
    Server::new().listen("127.0.0.1:0").sandbox(&[]).serve(|_| ()).unwrap();
    let action = sigaction_get(Signal::SYS).unwrap().sa_handler;
    assert!(matches!(action, Disposition::Ignore), "{action:?}");
}

/// Checks that the server, which sets an action of SIGALRM while it closes, puts the flag of the program back.
fn serving_leaves_the_flag_of_sigalrm() {
    static DUE: SignalFlag = SignalFlag::new();
    sigaction(Signal::ALRM, &SigAction::new(Disposition::Flag(&DUE))).unwrap();
    stops_at_once();
    Server::new().listen("127.0.0.1:0").serve(|_| ()).unwrap();
    assert!(!DUE.take(), "the timer of the server raises no flag of the program");
    raise(Signal::ALRM).unwrap();
    assert!(DUE.take());
}

/// Checks that a signal which the program has blocked stays pending. Because the listener lingers, the server sets its
/// timer for the close.
fn serving_leaves_a_pending_sigalrm() {
    let (mask, listener) = (SigSet::from([Signal::TERM, Signal::ALRM]), listening_socket());
    setsockopt(&listener, SocketOption::LINGER, Some(1)).unwrap();
    sigprocmask(MaskHow::Block, &mask);
    for is_pending in [false, true] {
        if is_pending {
            raise(Signal::ALRM).unwrap();
        }
        raise(Signal::TERM).unwrap();
        Server::new().listener(fcntl_dupfd_cloexec(&listener, 0).unwrap()).serve(|_| ()).unwrap();
        assert_eq!(sigpending().contains(Signal::ALRM), is_pending);
    }
}

/// Checks that the timer of the caller goes on after the server's, from where it was.
fn serving_leaves_the_timer() {
    let (hour, day) = (Duration::from_secs(60 * 60), Duration::from_secs(24 * 60 * 60));
    setitimer(Itimer { value: hour, interval: day }).unwrap();
    stops_at_once();
    Server::new().listen("127.0.0.1:0").serve(|_| ()).unwrap();
    let left = setitimer(Itimer::default()).unwrap();
    assert_eq!(left.interval, day);
    assert!(left.value <= hour && left.value > hour / 2, "{left:?}");
}

fn listening_socket() -> OwnedFd {
    let socket = socket(AddressFamily::INET, SocketType::STREAM | SocketFlags::CLOEXEC, Protocol::DEFAULT).unwrap();
    bind(&socket, &SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).unwrap();
    listen(&socket, 1).unwrap();
    socket
}

/// Checks that no signal to the server ends the process when the server has stopped and unblocks its signals.
fn serving_leaves_no_signal_for_later() {
    let signals = [Signal::HUP, Signal::INT, Signal::QUIT, Signal::USR1, Signal::USR2, Signal::TERM];
    sigprocmask(MaskHow::Block, &SigSet::from(signals));
    for signal in signals {
        // The one is pending for this thread, and the other for the process.
        raise(signal).unwrap();
        kill(getpid(), signal).unwrap();
    }
    Server::new().listen("127.0.0.1:0").serve(|_| ()).unwrap();
    let left = sigpending();
    assert!(!signals.iter().any(|signal| left.contains(*signal)), "{left:?}");
}

/// Checks that the child has all that it still drops: the server's memory that no child has is gone by then.
fn a_handler_may_fork_when_it_is_dropped() {
    struct Forks<'a>(&'a Cell<Option<Fork>>);
    impl Drop for Forks<'_> {
        fn drop(&mut self) {
            self.0.set(Some(fork().unwrap()));
        }
    }
    let with_rate = |server: Server<'static>| server.max_rate(9, Duration::from_secs(1));
    for change in [with_rate, |server: Server<'static>| server.prefork(1, 1)] {
        let sides = Cell::new(None);
        let forks = Forks(&sides);
        stops_at_once();
        change(Server::new().listen("127.0.0.1:0")).serve(move |_| _ = &forks).unwrap();
        match sides.take().unwrap() {
            Fork::Child => _exit(7),
            Fork::Parent(mut child) => assert_eq!(reap(&mut child).exit_status(), Some(7)),
        }
    }
}

/// Checks that the actions of signals are put back before the handler is dropped: its drop may change them.
fn a_handler_may_change_the_actions_of_signals_when_it_is_dropped() {
    struct TakesOut(Signal);
    impl Drop for TakesOut {
        fn drop(&mut self) {
            signal(self.0, Disposition::Default).unwrap();
        }
    }
    for taken in [Signal::CHLD, Signal::PIPE, Signal::XFSZ, Signal::TTOU, Signal::ALRM, Signal::SYS] {
        signal(taken, Disposition::Ignore).unwrap();
        let takes_out = TakesOut(taken);
        stops_at_once();
        Server::new().listen("127.0.0.1:0").sandbox(&[]).serve(move |_| _ = &takes_out).unwrap();
        let action = sigaction_get(taken).unwrap().sa_handler;
        assert!(matches!(action, Disposition::Default), "{taken:?}: {action:?}");
    }
}

/// Checks that a value which ends the process when it is dropped, as `exit()` drops it, does not make `exit()` wait.
fn exit_may_be_called_again_while_it_runs() {
    struct Exits;
    impl Drop for Exits {
        fn drop(&mut self) {
            exit(7);
        }
    }
    thread_local!(static EXITS: Exits = const { Exits });
    let mut child = spawn(|| EXITS.with(|_| exit(3)));
    assert_eq!(reap(&mut child).exit_status(), Some(7));
}

/// Checks group 1. kill(-1, 0) would ask about every process except this process and the first process.
fn group_1_exists() {
    assert!(group_exists(Pid::INIT));
}
