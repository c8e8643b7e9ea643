//! mpserv: what each signal does, with live connections, and that none is lost.

mod common;

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::Command;
use std::time::{Duration, Instant};

use common::server::*;
use common::*;
use mpserv::signal::Signal;

/// A program that says when it is there, and what becomes of it on SIGTERM.
const STUBBORN: &str = "trap '' TERM; echo ready; while :; do sleep 1; done";

fn nobody_listens(port: u16) -> bool {
    TcpStream::connect(("127.0.0.1", port)).is_err()
}

#[test]
fn a_client_in_mid_line_gets_its_whole_echo_after_term_and_int() {
    for signal in [Signal::TERM, Signal::INT] {
        let folder = TempDir::new();
        let pidfile = folder.join("pid");
        let server = Served::start(&["--pidfile", pidfile.to_str().unwrap(), "127.0.0.1:0"]);
        let mut client = server.client();
        client.write_all(b"half a li").unwrap();
        server.running.signal(signal);
        let stop = server.wait_events("stop", 1);
        assert_eq!((stop[0].get("signal"), stop[0].number("children")), (signal.to_string().as_str(), 1));
        assert_eq!(stop[0].number("sender"), u64::from(std::process::id()));
        wait_until("nobody listens any more", || nobody_listens(server.port()));
        client.write_all(b"ne\n").unwrap();
        let mut back = [0; 12];
        client.read_exact(&mut back).unwrap();
        assert_eq!(&back, b"half a line\n");
        drop(client);
        let ended = server.running.wait();
        assert_eq!(ended.status.code(), Some(0));
        let log = parse_log(&ended.stderr);
        let stopped = log.last().unwrap();
        assert_eq!((stopped.number("drained"), stopped.number("terminated"), stopped.number("killed")), (1, 0, 0));
        assert!(!pidfile.exists());
    }
}

#[test]
fn when_the_grace_is_over_children_get_term_and_then_kill() {
    let server = Served::start(&["--grace", "0.2", "127.0.0.1:0"]);
    let mut client = server.client();
    server.running.signal(Signal::TERM);
    assert_eq!(read_all(&mut client), b"");
    let ended = server.running.wait();
    assert_eq!(ended.status.code(), Some(0));
    assert_eq!(parse_log(&ended.stderr).last().unwrap().number("terminated"), 1);

    let server = Served::start(&["--grace", "0.2", "127.0.0.1:0", "sh", "-c", STUBBORN]);
    let mut client = server.connect();
    let mut ready = [0; 6];
    client.read_exact(&mut ready).unwrap();
    let start = Instant::now();
    let ended = server.running.end(Signal::TERM);
    assert!(start.elapsed() >= Duration::from_secs(5), "it had 5 seconds: {:?}", start.elapsed());
    assert_eq!(ended.status.code(), Some(0));
    assert_eq!(parse_log(&ended.stderr).last().unwrap().number("killed"), 1);
    // All of the program's processes are gone, or somebody would still hold the connection.
    assert_eq!(read_all(&mut client), b"");
}

#[test]
fn a_second_term_skips_the_wait_and_quit_does_not_wait_at_all() {
    for signals in [&[Signal::TERM, Signal::INT][..], &[Signal::QUIT]] {
        let server = Served::start(&["--grace", "600", "127.0.0.1:0"]);
        let mut client = server.client();
        for (index, signal) in signals.iter().enumerate() {
            server.running.signal(*signal);
            server.wait_events("stop", index + 1);
        }
        assert_eq!(read_all(&mut client), b"");
        let ended = server.running.wait();
        assert_eq!(ended.status.code(), Some(0));
        assert_eq!(parse_log(&ended.stderr).last().unwrap().number("terminated"), 1);
    }
}

/// The last of them are found when their time has come, not by a signal: nobody is waited for then.
#[test]
fn a_server_with_many_children_ends_with_the_last_of_them() {
    let count = 600;
    let server = Served::start(&["-q", "-c", "600", "127.0.0.1:0"]);
    let clients: Vec<TcpStream> = (0..count).map(|_| server.connect()).collect();
    wait_until("each has a child", || children(server.pid()).len() == count);
    server.running.signal(Signal::QUIT);
    let ended = server.running.wait();
    assert_eq!(ended.status.code(), Some(0));
    assert_eq!(parse_log(&ended.stderr).last().unwrap().number("terminated"), 600);
    drop(clients);
}

#[test]
fn usr1_logs_the_status() {
    let server = Served::start(&["--max-children", "7", "127.0.0.1:0"]);
    let client = server.client();
    drop(server.client());
    server.wait_events("end", 1);
    server.running.signal(Signal::USR1);
    let status = &server.wait_events("status", 1)[0];
    let numbers = ["children", "limit", "accepted", "refused", "ended"].map(|name| status.number(name));
    assert_eq!(numbers, [1, 7, 2, 0, 1]);
    assert_eq!((status.get("paused"), status.get("stopping")), ("no", "no"));
    drop(client);
    server.stop();
}

#[test]
fn sigpipe_does_not_end_the_server() {
    let server = Served::start(&["127.0.0.1:0"]);
    server.running.signal(Signal::PIPE);
    drop(server.client());
    let start = Instant::now();
    let ended = server.running.end(Signal::TERM);
    assert_eq!(ended.status.code(), Some(0), "{:?}", start.elapsed());
}

#[test]
fn children_of_a_killed_server_end_unless_they_are_to_be_kept() {
    let server = Served::start(&["127.0.0.1:0"]);
    let mut client = server.client();
    server.running.signal(Signal::KILL);
    assert_eq!(read_all(&mut client), b"");
    let server = Served::start(&["127.0.0.1:0", "cat"]);
    let mut client = server.client();
    server.running.signal(Signal::KILL);
    assert_eq!(read_all(&mut client), b"");
    for left in Left::ALL {
        for arguments in [&["127.0.0.1:0"][..], &["127.0.0.1:0", "cat"], &["--prefork", "2", "127.0.0.1:0"]] {
            let server = Served::start_command(left.to(&mut mpserv(arguments)));
            let mut client = server.client();
            server.running.signal(Signal::KILL);
            assert_eq!(read_all(&mut client), b"", "{left:?}");
        }
    }
    for program in [&["127.0.0.1:0"][..], &["127.0.0.1:0", "cat"]] {
        let server = Served::start(&[&["--orphans", "keep"], program].concat());
        let mut client = server.client();
        server.running.signal(Signal::KILL);
        wait_until("the server is gone", || nobody_listens(server.port()));
        assert_eq!(echo(&mut client, b"still here"), b"still here");
        assert_eq!(finish(client), b"");
    }
}

#[test]
fn what_the_terminal_sends_reaches_the_server_only() {
    let server = Served::start(&["127.0.0.1:0"]);
    let _client = server.client();
    let group = |pid: u32| {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
        stat[stat.rfind(')').unwrap() + 2..].split(' ').nth(2).unwrap().parse::<u32>().unwrap()
    };
    let child = children(server.pid())[0];
    assert_eq!(group(child), child);
    assert_ne!(group(server.pid()), child);
    server.running.signal(Signal::QUIT);
    server.running.wait();
}

/// The signals of a process that are blocked, ignored and handled.
fn signals_of(pid: u32) -> [u64; 3] {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    ["SigBlk", "SigIgn", "SigCgt"].map(|set| signals_in(&status, set))
}

#[test]
fn a_parent_can_leave_all_signals_ignored_and_blocked() {
    const UNCHANGED: u64 = 1 << (libc::SIGKILL - 1) | 1 << (libc::SIGSTOP - 1) | 0b11 << 31;
    for left in Left::ALL {
        let found = run(left.to(Command::new("cat").arg("/proc/self/status")), Output::Pipe).stdout;
        let expected = [left.is_blocked, left.is_ignored].map(|is_left| if is_left { !UNCHANGED } else { 0 });
        assert_eq!(["SigBlk", "SigIgn"].map(|set| signals_in(&found, set)), expected, "{left:?}");
    }
}

#[test]
fn signals_that_were_ignored_or_blocked_before_are_heard() {
    for left in Left::ALL {
        for stop in [Signal::TERM, Signal::INT, Signal::QUIT] {
            let server = Served::start_command(left.to(&mut mpserv(&["127.0.0.1:0"])));
            // SIGCHLD: it is reaped, and how it ended is known.
            drop(server.client());
            assert_eq!(server.wait_events("end", 1)[0].get("exit"), "0", "{left:?}");
            server.wait_childless();
            server.running.signal(Signal::PIPE);
            server.running.signal(Signal::CONT);
            server.running.signal(Signal::USR1);
            assert_eq!(server.wait_events("status", 1)[0].number("ended"), 1, "{left:?}");
            let mut client = server.client();
            let child = children(server.pid())[0];
            wait_until("the child has no signals but its own", || signals_of(child) == [0; 3]);
            server.running.signal(stop);
            assert_eq!(server.wait_events("stop", 1)[0].get("signal"), stop.to_string(), "{left:?}");
            if stop == Signal::QUIT {
                assert_eq!(read_all(&mut client), b"", "{left:?}");
            }
            drop(client);
            let ended = server.running.wait();
            assert_eq!(ended.status.code(), Some(0), "{left:?}");
            let log = parse_log(&ended.stderr);
            let stopped = ["drained", "terminated", "killed"].map(|name| log.last().unwrap().number(name));
            assert_eq!(stopped, if stop == Signal::QUIT { [0, 1, 0] } else { [1, 0, 0] }, "{left:?} {stop}");
        }
    }
}

#[test]
fn a_program_is_left_nothing_of_what_the_server_was() {
    for left in Left::ALL {
        let server = Served::start_command(left.to(&mut mpserv(&["127.0.0.1:0", "cat", "/proc/self/status"])));
        let status = String::from_utf8(read_all(&mut server.connect())).unwrap();
        let found = ["SigBlk", "SigIgn", "SigCgt"].map(|set| signals_in(&status, set));
        assert_eq!(found, [0; 3], "{left:?}: {status}");
        server.stop();
        // It ends with the server, of the signal that tells it to.
        let server = Served::start_command(left.to(&mut mpserv(&["--grace", "0.1", "127.0.0.1:0", "cat"])));
        let mut client = server.client();
        let log = server.stop();
        assert_eq!(read_all(&mut client), b"", "{left:?}");
        assert_eq!(log.last().unwrap().number("terminated"), 1, "{left:?}: {log:?}");
    }
}

/// SIGTERM to a server that has just begun to serve, is about to wait, or waits: it always ends.
fn term_races(tries: usize) {
    for delay in 0..tries {
        let server = Served::start(&["-q", "127.0.0.1:0"]);
        // The port is out before the server waits for the first time. A little later each time, in steps of about what
        // one system call takes, the signal comes at every place between there and the wait.
        for _ in 0..delay % 200 {
            std::hint::spin_loop();
        }
        let ended = server.running.end(Signal::TERM);
        assert_eq!(ended.status.code(), Some(0), "try {delay}: {}", ended.stderr);
    }
}

#[test]
fn term_in_the_moment_before_the_wait_is_not_lost() {
    term_races(100);
}

#[test]
#[ignore = "takes its time"]
fn term_in_the_moment_before_the_wait_is_not_lost_in_ten_thousand_tries() {
    term_races(10_000);
}

#[test]
fn term_at_each_system_call_of_the_loop_is_not_lost() {
    let folder = TempDir::new();
    for (call, when) in
        [("poll", 1), ("poll", 2), ("accept4", 1), ("accept4", 2), ("clone", 1), ("close", 9), ("read", 5)]
    {
        let inject = format!("inject={call}:signal=TERM:when={when}");
        let trace = folder.join(&format!("{call}-{when}"));
        let server = Served::start_command(&mut traced(&["-e", &inject], &trace, &["127.0.0.1:0"]));
        let mut server = server;
        wait_until("the call was made, and the signal was heard", || {
            // Whether this one is served depends on when the signal comes; that the server ends does not.
            if let Ok(mut client) = TcpStream::connect(("127.0.0.1", server.port())) {
                let _ = client.write_all(b"hello");
            }
            server.running.has_ended()
        });
        let ended = server.running.wait();
        assert_eq!(ended.status.code(), Some(0), "{call}: {}", ended.stderr);
        assert!(ended.stderr.contains("mpserv: stopped "), "{call}: {}", ended.stderr);
    }
}

#[test]
fn term_that_comes_when_all_is_done_changes_nothing() {
    let folder = TempDir::new();
    // The first is the dynamic linker's, where there is one, the next of the list of mappings; the others give the tables
    // back at the end.
    let options = ["-e", "inject=munmap:signal=TERM:when=3+"];
    let server = Served::start_command(&mut traced(&options, &folder.join("trace"), &["127.0.0.1:0"]));
    server.stop();
    let trace = fs::read_to_string(folder.join("trace")).unwrap();
    assert!(trace.matches("munmap(").count() >= 4, "{trace}");
}
