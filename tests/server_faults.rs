//! mpserv: what it does when the system refuses, by strace's injection and by real limits.

mod common;

use std::fs;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use common::server::*;
use common::*;
use mpserv::signal::Signal;

/// The most of a processor that a server uses which can do nothing, in percent.
const IDLE_PERCENT: f64 = 1.0;

/// A server whose parent process meets this fault.
fn faulty(fault: &str, trace: &Path, arguments: &[&str]) -> Served {
    let call = fault.split(':').next().unwrap();
    let options = ["-e".to_owned(), format!("trace={call}"), "-e".to_owned(), format!("inject={fault}")];
    let options: Vec<&str> = options.iter().map(String::as_str).collect();
    Served::start_command(&mut traced(&options, trace, arguments))
}

#[test]
fn accept_that_lacks_something_pauses_and_serves_everybody_afterwards() {
    let folder = TempDir::new();
    for errno in ["EMFILE", "ENFILE", "ENOBUFS", "ENOMEM", "EINVAL"] {
        let trace = folder.join(errno);
        let server = faulty(&format!("accept4:error={errno}:when=1..5"), &trace, &["127.0.0.1:0"]);
        let mut clients: Vec<TcpStream> = (0..10).map(|_| server.connect()).collect();
        for client in &mut clients {
            assert_eq!(echo(client, b"waited"), b"waited", "{errno}");
        }
        let pause = server.wait_events("pause", 1);
        assert_eq!(pause.len(), 1, "{errno} is logged once: {pause:?}");
        assert_eq!(pause[0].get("why"), "accept4");
        assert!(!pause[0].get("hint").is_empty());
        assert_eq!(server.wait_events("resume", 1)[0].get("why"), "accept4");
        drop(clients);
        server.wait_events("end", 10);
        server.stop();
    }
}

#[test]
fn a_connection_that_is_gone_again_costs_nobody_anything() {
    let folder = TempDir::new();
    for errno in ["ECONNABORTED", "EPROTO", "EPERM", "ENETDOWN", "EINTR"] {
        let server = faulty(&format!("accept4:error={errno}:when=1..20"), &folder.join(errno), &["127.0.0.1:0"]);
        assert_eq!(echo(&mut server.connect(), b"next"), b"next", "{errno}");
        assert_eq!(server.events("pause").len(), 0, "{errno}");
        server.stop();
    }
    // For ever, it is no busy loop.
    let trace = folder.join("for ever");
    let server = faulty("accept4:error=ECONNABORTED:when=1+", &trace, &["127.0.0.1:0"]);
    let _client = server.connect();
    server.wait_events("pause", 1);
    let before = fs::read_to_string(&trace).unwrap().lines().count();
    let start = Instant::now();
    std::thread::sleep(Duration::from_secs(1));
    let calls = fs::read_to_string(&trace).unwrap().lines().count() - before;
    assert!(calls <= 15 * (start.elapsed().as_secs() as usize + 1), "{calls} calls in {:?}", start.elapsed());
    server.stop();
}

#[test]
fn a_real_limit_of_descriptors_pauses_it_at_no_cost_until_it_is_raised() {
    // 0 to 2, the listener, the signals, the scoreboard: one more is needed.
    let mut command = Command::new("prlimit");
    command.args(["--nofile=6:64", MPSERV, "-1", "127.0.0.1:0"]);
    let server = Served::start_command(&mut command);
    let mut clients: Vec<TcpStream> = (0..5).map(|_| server.connect()).collect();
    for client in &mut clients {
        client.write_all(b"waited").unwrap();
    }
    let pause = server.wait_events("pause", 1);
    assert!(pause[0].get("error").contains("Too many open files"), "{pause:?}");
    let percent = processor_percent(&server, Duration::from_secs(2));
    assert!(percent < IDLE_PERCENT, "{percent} % of a processor");
    assert_eq!(server.events("pause").len(), 1);
    let raised = Command::new("prlimit").args(["--pid", &server.pid().to_string(), "--nofile=64"]).status().unwrap();
    assert!(raised.success());
    for client in &mut clients {
        let mut back = [0; 6];
        client.read_exact(&mut back).unwrap();
        assert_eq!(&back, b"waited");
    }
    server.wait_events("resume", 1);
    drop(clients);
    server.stop();
}

#[test]
fn a_client_for_whom_there_is_no_process_is_kept_and_served() {
    let folder = TempDir::new();
    for (program, call) in [(&["127.0.0.1:0"][..], "fork"), (&["127.0.0.1:0", "cat"], "clone")] {
        for errno in ["EAGAIN", "ENOMEM"] {
            let trace = folder.join(&format!("{call}{errno}"));
            let server = faulty(&format!("clone:error={errno}:when=1..5"), &trace, program);
            let mut clients: Vec<TcpStream> = (0..5).map(|_| server.connect()).collect();
            for client in &mut clients {
                assert_eq!(echo(client, b"kept"), b"kept", "{call} {errno}");
            }
            let pause = server.wait_events("pause", 1);
            assert_eq!((pause.len(), pause[0].get("why")), (1, call), "{pause:?}");
            server.wait_events("resume", 1);
            drop(clients);
            server.wait_events("end", 5);
            server.stop();
        }
    }
}

#[test]
fn a_client_for_whom_there_is_no_process_for_long_is_told() {
    let folder = TempDir::new();
    let server = faulty("clone:error=EAGAIN:when=1..60", &folder.join("trace"), &["127.0.0.1:0"]);
    let start = Instant::now();
    let mut client = server.connect();
    assert_eq!(read_all(&mut client), b"The server is busy. Try again later.\r\n");
    let took = start.elapsed();
    assert!(took >= Duration::from_secs(5), "{took:?}");
    assert_eq!(server.wait_events("refuse", 1)[0].get("why"), "no process could be started");
    // 100 ms apart, there are about 50 tries in that time, fewer on a busy machine; the rest of the 60 are the next ones'.
    wait_until("the trouble is over", || {
        let mut next = server.connect();
        next.shutdown(Shutdown::Write).unwrap();
        read_all(&mut next).is_empty()
    });
    assert_eq!(echo(&mut server.connect(), b"next"), b"next");
    server.stop();
}

#[test]
fn term_while_a_client_is_kept_is_heard() {
    let folder = TempDir::new();
    let server = faulty("clone:error=EAGAIN:when=1+", &folder.join("trace"), &["127.0.0.1:0"]);
    let mut client = server.connect();
    server.wait_events("pause", 1);
    server.running.signal(Signal::TERM);
    assert_eq!(read_all(&mut client), b"The server is busy. Try again later.\r\n");
    assert_eq!(server.running.wait().status.code(), Some(0));
}

/// Every other fork fails. Afterwards there are as many slots as before.
fn failed_forks(count: usize) {
    const LIMIT: usize = 4;
    let folder = TempDir::new();
    let limit = LIMIT.to_string();
    let fault = format!("clone:error=EAGAIN:when=1..{}+2", 2 * count);
    let server = faulty(&fault, &folder.join("trace"), &["-q", "--max-children", &limit, "127.0.0.1:0"]);
    for _ in 0..count {
        drop(server.client());
    }
    server.wait_childless();
    let mut clients: Vec<TcpStream> = (0..LIMIT).map(|_| server.client()).collect();
    assert_eq!(children(server.pid()).len(), LIMIT);
    let last = server.connect();
    assert!(is_silent(&last, Duration::from_millis(100)), "one more than the limit");
    clients.clear();
    drop(last);
    server.stop();
    let trace = fs::read_to_string(folder.join("trace")).unwrap();
    assert!(trace.matches("(INJECTED)").count() >= count, "{trace}");
}

#[test]
fn failed_forks_lose_no_slot() {
    failed_forks(20);
}

#[test]
#[ignore = "takes its time"]
fn a_thousand_failed_forks_lose_no_slot() {
    failed_forks(1_000);
}

#[test]
fn a_real_limit_of_processes_keeps_clients_waiting() {
    // Root is not subject to it, so the server runs as somebody who runs nothing else. The server itself is one.
    if !mpserv_is_root() {
        eprintln!("skipped: only root can start a server as a user who runs nothing else");
        return;
    }
    let folder = TempDir::new();
    let user = user_of_nothing();
    let mut command = Command::new("prlimit");
    command.arg("--nproc=3:3").arg(copy_program(MPSERV, &folder)).args(["-1", "127.0.0.1:0"]).uid(user).gid(user);
    let server = Served::start_command(&mut command);
    let first = server.client();
    let second = server.client();
    let mut third = server.connect();
    third.write_all(b"kept").unwrap();
    let pause = server.wait_events("pause", 1);
    assert_eq!(pause[0].get("why"), "fork");
    let percent = processor_percent(&server, Duration::from_secs(1));
    assert!(percent < IDLE_PERCENT, "{percent} % of a processor");
    drop(first);
    let mut back = [0; 4];
    third.read_exact(&mut back).unwrap();
    assert_eq!(&back, b"kept");
    drop((second, third));
    server.wait_events("end", 3);
    server.stop();
}

fn mpserv_is_root() -> bool {
    // SAFETY: the call has no precondition.
    unsafe { mpserv::ffi::unistd::geteuid() == 0 }
}

#[test]
fn a_program_that_is_gone_is_told_and_the_server_goes_on() {
    let folder = TempDir::new();
    let program = copy_program("/bin/cat", &folder);
    let server = Served::start(&["127.0.0.1:0", program.to_str().unwrap()]);
    assert_eq!(echo(&mut server.connect(), b"there"), b"there");
    fs::rename(&program, folder.join("elsewhere")).unwrap();
    assert_eq!(read_all(&mut server.connect()), b"");
    let fail = server.wait_events("fail", 1);
    assert_eq!((fail[0].get("call"), fail[0].get("error")), ("execve", "No such file or directory"));
    fs::rename(folder.join("elsewhere"), &program).unwrap();
    assert_eq!(echo(&mut server.connect(), b"back"), b"back");
    server.wait_events("end", 2);
    server.stop();
}

#[test]
fn calls_that_never_fail_may_fail() {
    let folder = TempDir::new();
    for fault in [
        "poll:error=ENOMEM:when=1..3",
        "read:error=EIO:when=5..6",
        "wait4:error=ECHILD:when=1",
        "wait4:error=EINVAL:when=1..3",
    ] {
        let server = faulty(fault, &folder.join(fault), &["127.0.0.1:0"]);
        for _ in 0..3 {
            assert_eq!(echo(&mut server.connect(), b"served"), b"served", "{fault}");
        }
        server.wait_childless();
        server.wait_events("fail", 1);
        server.wait_events("end", 3);
        server.stop();
    }
}

#[test]
fn what_fails_at_the_start_is_told() {
    let folder = TempDir::new();
    for (fault, told) in [
        ("rt_sigprocmask:error=EPERM:when=2", "cannot serve: sigprocmask: Operation not permitted"),
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

#[test]
fn lines_that_were_lost_are_counted() {
    let folder = TempDir::new();
    let trace = folder.join("trace");
    let log = folder.join("log");
    let command = format!(
        "exec strace -D -q -o '{}' -e trace=write -e inject=write:error=ENOSPC:when=1..2 '{MPSERV}' 127.0.0.1:0 2>'{}'",
        trace.display(),
        log.display()
    );
    let server = Running::start(Command::new("sh").args(["-c", &command]), Output::Pipe);
    server.port();
    server.end(Signal::TERM);
    let log = parse_log(&fs::read_to_string(log).unwrap());
    // What was lost are listen and start.
    assert_eq!((log[0].event.as_str(), log[0].number("lines"), log[1].event.as_str()), ("lost", 2, "stop"));
}

/// A child of the pool that cannot accept ends; those that take its place come no faster than they are of use.
#[test]
fn a_pool_whose_children_cannot_accept_is_no_busy_loop() {
    let folder = TempDir::new();
    let trace = folder.join("trace");
    let one = ["--prefork", "2", "127.0.0.1:0"];
    let two = ["--prefork", "2", "--listen", "127.0.0.1:0", "127.0.0.1:0"];
    for (call, errno, arguments) in [
        ("accept4", "EINVAL", &one[..]),
        // It is of one connection, but not for ever.
        ("accept4", "EPROTO", &one),
        ("accept4", "ECONNABORTED", &one),
        // What no page documents, too.
        ("accept4", "EIO", &one),
        ("accept4", "EMFILE", &one),
        ("ppoll", "ENOMEM", &two),
    ] {
        let (calls, fault) = (format!("trace={call}"), format!("inject={call}:error={errno}"));
        let options = ["-f", "-e", &calls, "-e", &fault];
        let ports = arguments.iter().filter(|argument| **argument == "127.0.0.1:0").count();
        let server = Served::start_ports(&mut traced(&options, &trace, arguments), ports);
        std::thread::sleep(Duration::from_secs(1));
        let calls = fs::read_to_string(&trace).unwrap().matches(&format!("{call}(")).count();
        // Two children have so many connections in a row that are gone, and then ten tries a second each.
        assert!(calls < 200, "{errno}: {calls} calls of {call} in a second");
        let told = if errno == "EINVAL" { "leave" } else { "fail" };
        assert!(server.wait_events(told, 1).len() < 10, "{errno} is logged once a second");
        server.running.end(Signal::TERM);
    }
}

/// Connections that are gone when the pool accepts them: the next client is served, by children that were there before.
#[test]
fn a_pool_outlives_connections_that_are_gone_again() {
    let folder = TempDir::new();
    for errno in ["ECONNABORTED", "EPROTO", "EPERM", "ENETDOWN"] {
        let fault = format!("inject=accept4:error={errno}:when=1..20");
        let options = ["-f", "-e", "trace=accept4", "-e", &fault];
        let command = &mut traced(&options, &folder.join(errno), &["--prefork", "2", "127.0.0.1:0"]);
        let server = Served::start_command(command);
        assert_eq!(echo(&mut server.connect(), b"next"), b"next", "{errno}");
        assert_eq!((server.events("fail").len(), server.events("leave").len()), (0, 0), "{errno}");
        server.stop();
    }
}
