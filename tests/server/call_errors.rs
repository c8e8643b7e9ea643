//! Tests failures of system calls that hardly ever fail, at the start and in the loop.

use std::fs::File;
use std::io::Write;
use std::os::fd::AsRawFd;
use std::process::{Command, Stdio};

use crate::common::server::*;
use crate::common::solo::Test;
use crate::common::*;
use crate::tests;
use mpserv::signal::Signal;

pub(crate) const TESTS: &[Test] = tests![
    calls_that_never_fail_may_fail,
    a_server_that_cannot_wait_for_events_can_be_stopped,
    a_client_whose_address_cannot_be_told_to_a_program_is_refused,
    behind_a_proxy_a_program_is_not_run_without_the_address_of_the_server,
    what_fails_at_the_start_is_told,
    a_port_that_cannot_be_printed_is_an_error_that_says_so,
    a_server_whose_port_nobody_reads_waits_idle_and_stops,
    too_few_descriptors_to_begin_are_named,
    an_address_on_which_it_cannot_listen_has_a_hint,
    what_fails_in_a_child_before_it_serves_is_told,
    a_child_that_could_outlive_the_server_is_unfit,
];

fn calls_that_never_fail_may_fail() {
    let folder = TempDir::new();
    for (fault, call) in [
        ("poll:error=ENOMEM:when=1..3", Some("poll")),
        ("poll:error=EINTR:when=2..4", None),
        ("read:error=EIO:when=5..6", Some("read")),
        ("wait4:error=ECHILD:when=1", Some("waitpid")),
        ("wait4:error=EINVAL:when=1..3", Some("waitpid")),
    ] {
        let server = faulty(fault, &folder.join(fault), &["127.0.0.1:0"]);
        for _ in 0..3 {
            assert_eq!(echo(&mut server.connect(), b"served"), b"served", "{fault}");
            // The clients come one after another, because children that end together cause only one signal and one call
            // of each kind.
            server.wait_childless();
        }
        server.wait_events("end", 3);
        let fails = server.wait_events("fail", usize::from(call.is_some()));
        assert_eq!(fails.first().map(|line| line.get("call")), call, "{fault}: {fails:?}");
        server.stop();
    }
}

/// Checks that a signal is obeyed although poll() fails for ever.
fn a_server_that_cannot_wait_for_events_can_be_stopped() {
    let folder = TempDir::new();
    let server = faulty("poll:error=ENOMEM:when=1+", &folder.join("trace"), &["127.0.0.1:0"]);
    let log = server.stop();
    assert!(log.iter().any(|line| line.event == "fail" && line.get("call") == "poll"), "{log:?}");
}

/// Checks a program whose environment cannot be made for a client: the client is told nothing, and the operator the call.
fn a_client_whose_address_cannot_be_told_to_a_program_is_refused() {
    let folder = TempDir::new();
    let trace = folder.join("trace");
    let start = |when: &str| {
        let fault = format!("inject=getsockname:error=ENOBUFS:when={when}");
        let options = ["-e", "trace=getsockname", "-e", &fault];
        Served::start_command(&mut traced(&options, &trace, &["127.0.0.1:0", "cat"]))
    };
    let server = start("1000");
    // The server asks for its own addresses before it prints its port, and when it stops.
    let own = std::fs::read_to_string(&trace).unwrap().matches("getsockname(").count();
    server.stop();
    let server = start(&(own + 1).to_string());
    let mut client = server.connect();
    assert_eq!(read_all(&mut client), b"");
    let fail = &server.wait_events("fail", 1)[0];
    let told = (fail.get("call"), fail.get("error"), fail.get("from"));
    let from = client.local_addr().unwrap().to_string();
    assert_eq!(told, ("getsockname", "No buffer space available", &from[..]));
    assert_eq!(finish(server.client()), b"", "the next one is served");
    let log = server.stop();
    assert!(log.iter().all(|line| line.event != "pause"), "{log:?}");
}

/// Checks the same behind a proxy that names no client, where the child asks for the address.
fn behind_a_proxy_a_program_is_not_run_without_the_address_of_the_server() {
    let folder = TempDir::new();
    let server = Served::start(&["--proxy-protocol", "127.0.0.1:0", "cat"]);
    // The server has asked for its own addresses already, so the only further call is that of the child.
    let options = ["-f", "-e", "trace=getsockname", "-e", "inject=getsockname:error=ENOBUFS"];
    let tracer = attach(&options, &folder.join("trace"), server.pid());
    let mut client = server.connect();
    client.write_all(b"PROXY UNKNOWN\r\nHello").unwrap();
    assert_eq!(read_all(&mut client), b"");
    let fail = &server.wait_events("fail", 1)[0];
    assert_eq!((fail.get("call"), fail.get("error")), ("getsockname", "No buffer space available"));
    let end = &server.wait_events("end", 1)[0];
    let from = client.local_addr().unwrap().to_string();
    assert_eq!((end.get("exit"), end.get("from"), end.get("pid")), ("4", &from[..], fail.get("pid")), "{end:?}");
    tracer.end(Signal::INT);
    let log = server.stop();
    assert!(log.iter().all(|line| line.event != "accept"), "{log:?}");
}

fn what_fails_at_the_start_is_told() {
    let folder = TempDir::new();
    for (fault, told) in [
        (
            "rt_sigaction:error=ENOSYS",
            "cannot serve: signal: Function not implemented; allow it where system calls are filtered",
        ),
        ("rt_sigprocmask:error=EPERM", "cannot serve: sigprocmask: Operation not permitted"),
        ("signalfd4:error=EMFILE", "cannot serve: signalfd: Too many open files"),
        ("socket:error=EACCES", "cannot listen on \"127.0.0.1:0\": Permission denied"),
        ("listen:error=EADDRINUSE", "cannot listen on \"127.0.0.1:0\": Address already in use"),
        ("setsockopt:error=ENOPROTOOPT", "cannot listen on \"127.0.0.1:0\": Protocol not available"),
        ("getsockname:error=ENOBUFS", "cannot serve: getsockname: No buffer space available"),
    ] {
        let trace = folder.join("trace");
        let call = fault.split(':').next().unwrap();
        let options = ["-e".to_owned(), format!("trace={call}"), "-e".to_owned(), format!("inject={fault}")];
        let options: Vec<&str> = options.iter().map(String::as_str).collect();
        let ended = run(&mut traced(&options, &trace, &["127.0.0.1:0"]), Output::Pipe);
        assert_eq!(ended.status.code(), Some(111), "{fault}");
        let last = ended.stderr.lines().last().unwrap_or_default();
        assert!(last.starts_with(&format!("mpserv: {told}")), "{fault}: {}", ended.stderr);
    }
}

fn a_port_that_cannot_be_printed_is_an_error_that_says_so() {
    let full = File::options().write(true).open("/dev/full").unwrap();
    let mut server = mpserv(&["127.0.0.1:0"]).stdout(full).stderr(Stdio::piped()).spawn().unwrap();
    wait_until("the server ends", || server.try_wait().unwrap().is_some());
    let ended = server.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&ended.stderr);
    assert_eq!(ended.status.code(), Some(111), "{said}");
    assert!(said.contains("No space left on device"), "{said}");
}

/// Checks a server that waits until its port can be printed. A signal that it handles only later does not wake it.
fn a_server_whose_port_nobody_reads_waits_idle_and_stops() {
    for later in [Signal::USR1, Signal::HUP] {
        let (_reader, mut writer) = std_pipe();
        // SAFETY: the call takes numbers.
        let size = unsafe { libc::fcntl(writer.as_raw_fd(), libc::F_GETPIPE_SZ) };
        writer.write_all(&vec![b'.'; usize::try_from(size).unwrap()]).unwrap();
        let mut server = mpserv(&["127.0.0.1:0"]).stdout(writer).stderr(Stdio::null()).spawn().unwrap();
        let pid = server.id();
        wait_until("it waits for a reader", || waits_in(pid, libc::SYS_poll));
        signal(pid, later);
        wait_until("the signal is pending", || is_pending(pid, later));
        wait_until("it still waits for a reader", || waits_in(pid, libc::SYS_poll));
        signal(pid, Signal::TERM);
        wait_until("it stops", || server.try_wait().unwrap().is_some());
        assert_eq!(server.wait().unwrap().code(), Some(0), "{later}");
    }
}

fn too_few_descriptors_to_begin_are_named() {
    // The limit leaves room for three standard descriptors and the listener, and then for the signals as well.
    for (limit, what) in [(4, "signalfd"), (5, "the scoreboard (memfd_create, ftruncate, fcntl, mmap)")] {
        let ended =
            run(Command::new("prlimit").args([&format!("--nofile={limit}"), MPSERV, "127.0.0.1:0"]), Output::Pipe);
        assert_eq!(ended.status.code(), Some(111), "{}", ended.stderr);
        let told = format!("mpserv: cannot serve: {what}: Too many open files; allow more open files: ulimit -n");
        assert!(ended.stderr.lines().any(|line| line.starts_with(&told)), "{}", ended.stderr);
    }
    // With one more descriptor, for the client, the server serves.
    let mut command = Command::new("prlimit");
    let server = Served::start_command(command.args(["--nofile=7", MPSERV, "-1", "127.0.0.1:0"]));
    assert_eq!(finish(server.client()), b"");
    server.stop();
}

fn an_address_on_which_it_cannot_listen_has_a_hint() {
    const INET: &str = "127.0.0.1:0";
    const UNIX: &str = "unix:@mpserv-test-hint";
    let folder = TempDir::new();
    for (address, error, hint) in [
        (INET, "EADDRINUSE", "another process listens there (ss -ltnp shows which): stop it, or choose another port"),
        (UNIX, "EADDRINUSE", "a server listens there, or it is not a socket: choose another"),
        (INET, "EACCES", "a port below 1024 needs root or CAP_NET_BIND_SERVICE: choose a higher one"),
        (UNIX, "EACCES", "the directory may not be written to: choose another"),
        (UNIX, "EPERM", "only root can give the file to another user (--owner, --user)"),
        (INET, "EADDRNOTAVAIL", "this machine does not have that address (ip address shows those that it has)"),
        (UNIX, "ENAMETOOLONG", "choose a shorter one"),
        (UNIX, "ENOENT", "the directory is not there: make it, or choose another"),
        (UNIX, "ENOTDIR", "the directory is not there: make it, or choose another"),
        (INET, "EMFILE", "allow more open files (ulimit -n)"),
        (INET, "ENFILE", "allow more open files (ulimit -n)"),
    ] {
        let fault = format!("inject=bind:error={error}");
        let ended =
            run(&mut traced(&["-e", "trace=bind", "-e", &fault], &folder.join("trace"), &[address]), Output::Pipe);
        is_refusal(&ended, TROUBLE, &[&format!("cannot listen on \"{address}\": "), &format!("; {hint}\n")]);
    }
}

/// Checks children that cannot set the limits that they are to have.
fn what_fails_in_a_child_before_it_serves_is_told() {
    let folder = TempDir::new();
    for pool in [&[][..], &["--prefork", "1"]] {
        // The server itself sets no limit, and asks for none that it needs.
        let options = ["-f", "-e", "trace=prlimit64", "-e", "inject=prlimit64:error=EPERM"];
        let arguments = [pool, &["--rlimit", "core=0", "127.0.0.1:0"]].concat();
        let server = Served::start_command(&mut traced(&options, &folder.join("trace"), &arguments));
        let mut client = server.connect();
        let (event, field, value) = if pool.is_empty() { ("end", "exit", "4") } else { ("leave", "status", "exit 4") };
        let end = &server.wait_events(event, 1)[0];
        assert_eq!((end.get(field), end.get("meaning")), (value, "unfit"), "{pool:?}");
        let fail = &server.wait_events("fail", 1)[0];
        assert_eq!((fail.get("call"), fail.get("error")), ("setrlimit", "Operation not permitted"), "{pool:?}");
        assert_eq!(fail.get("pid"), end.get("pid"), "{pool:?}");
        if pool.is_empty() {
            assert_eq!(read_all(&mut client), b"");
        }
        server.stop();
    }
}

/// Checks children that cannot ask the kernel for a signal when the server is killed. Without it, they could outlive the
/// server.
fn a_child_that_could_outlive_the_server_is_unfit() {
    let folder = TempDir::new();
    let header = b"PROXY UNKNOWN\r\n";
    for (options, program, event, field, status) in [
        (&[][..], &[][..], "end", "exit", "4"),
        (&["--proxy-protocol"], &["cat"], "end", "exit", "4"),
        (&["--prefork", "1"], &[], "leave", "status", "exit 4"),
        // A preforked child that is to outlive the server only until it has no client ends before it has one.
        (&["--prefork", "1", "--orphans", "keep"], &[], "leave", "status", "exit 0"),
        (&[], &["cat"], "fail", "error", "Operation not permitted"),
    ] {
        let strace = ["-f", "-e", "trace=prctl", "-e", "inject=prctl:error=EPERM"];
        let arguments = [options, &["127.0.0.1:0"], program].concat();
        let server = Served::start_command(&mut traced(&strace, &folder.join("trace"), &arguments));
        let mut client = server.connect();
        // The connection may be closed already.
        let _ = client.write_all(header);
        let line = &server.wait_events(event, 1)[0];
        assert_eq!(line.get(field), status, "{options:?} {program:?}: {line:?}");
        if status.ends_with('4') {
            let fail = &server.wait_events("fail", 1)[0];
            assert_eq!((fail.get("call"), fail.get("error")), ("prctl", "Operation not permitted"), "{fail:?}");
        }
        if event != "leave" {
            assert_eq!(read_all(&mut client), b"", "{options:?} {program:?}");
        }
        assert_eq!(server.events("accept").len(), 0, "{options:?} {program:?}");
        server.running.end(Signal::QUIT);
    }
}
