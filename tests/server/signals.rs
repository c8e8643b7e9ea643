//! Tests the effect of each signal on a server with live connections. No connection may be lost.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Instant;

use crate::common::server::*;
use crate::common::solo::Test;
use crate::common::*;
use crate::tests;
use mpserv::signal::Signal;

pub(crate) const TESTS: &[Test] = tests![
    a_signal_to_stop_ends_a_server_whose_port_nobody_reads,
    another_signal_waits_until_the_port_is_read,
    a_client_in_mid_line_gets_its_whole_echo_after_term_and_int,
    a_second_term_skips_the_wait_and_quit_does_not_wait_at_all,
    a_server_with_many_children_ends_with_the_last_of_them,
    usr1_logs_the_status,
    a_server_that_stops_says_so_and_neither_reads_rules_nor_restarts,
    a_program_gets_each_signal_once,
    signals_that_come_together_are_all_obeyed,
    sigpipe_does_not_end_the_server,
    term_in_the_moment_before_the_wait_is_not_lost,
    term_at_each_system_call_of_the_loop_is_not_lost,
    term_that_comes_when_all_is_done_changes_nothing,
    ; ignored:
    term_in_the_moment_before_the_wait_is_not_lost_in_ten_thousand_tries,
];

fn signals_that_come_together_are_all_obeyed() {
    let server = Served::start(&["127.0.0.1:0"]);
    server.running.signal(Signal::STOP);
    wait_until("the server is stopped", || state(server.pid()) == Some('T'));
    [Signal::HUP, Signal::USR1, Signal::CONT].into_iter().for_each(|signal| server.running.signal(signal));
    server.wait_events("reload", 1);
    server.wait_events("status", 1);
    server.stop();
}

/// Checks the calls that end a program: a second SIGTERM might mean something else to it.
fn a_program_gets_each_signal_once() {
    let folder = TempDir::new();
    let trace = folder.join("trace");
    let server = Served::start_command(&mut traced(&["-e", "trace=kill"], &trace, &["127.0.0.1:0", "cat"]));
    let client = server.client();
    let child = children(server.pid())[0];
    server.running.signal(Signal::QUIT);
    server.wait_events("stopped", 1);
    server.running.wait();
    drop(client);
    let trace = fs::read_to_string(trace).unwrap();
    // A call without a signal asks whether a process is left.
    let signals = |line: &str| line.starts_with("kill(") && line.contains(&child.to_string()) && line.contains(", SIG");
    let calls: Vec<&str> = trace.lines().filter(|line| signals(line)).collect();
    let expected = ["SIGTERM", "SIGCONT"].map(|signal| format!("kill(-{child}, {signal})"));
    assert!(calls.len() == 2 && calls.iter().zip(&expected).all(|(call, start)| call.starts_with(start)), "{trace}");
}

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

/// Checks the end of a server with many children. A timer, and not a signal, finds the last ended children.
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

fn sigpipe_does_not_end_the_server() {
    let server = Served::start(&["127.0.0.1:0"]);
    server.running.signal(Signal::PIPE);
    drop(server.client());
    let start = Instant::now();
    let ended = server.running.end(Signal::TERM);
    assert_eq!(ended.status.code(), Some(0), "{:?}", start.elapsed());
}

/// Sends SIGTERM to a server that has just begun to serve, is about to wait, or waits. The server must always end.
fn term_races(tries: usize) {
    for delay in 0..tries {
        let server = Served::start(&["-q", "127.0.0.1:0"]);
        // The server prints its port before it waits for the first time. The signal comes a little later in each try,
        // in steps of about one system call. So it comes at every place between the print and the wait.
        for _ in 0..delay % 200 {
            std::hint::spin_loop();
        }
        let ended = server.running.end(Signal::TERM);
        assert_eq!(ended.status.code(), Some(0), "try {delay}: {}", ended.stderr);
    }
}

fn term_in_the_moment_before_the_wait_is_not_lost() {
    term_races(100);
}

fn term_in_the_moment_before_the_wait_is_not_lost_in_ten_thousand_tries() {
    term_races(10_000);
}

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
            // The moment of the signal decides whether this client is served. The server must end in any case.
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

fn term_that_comes_when_all_is_done_changes_nothing() {
    let folder = TempDir::new();
    // The first munmap is from the dynamic linker, if there is one. The next munmap is about the list of mappings. The
    // other calls give the tables back at the end.
    let options = ["-e", "inject=munmap:signal=TERM:when=3+"];
    let server = Served::start_command(&mut traced(&options, &folder.join("trace"), &["127.0.0.1:0"]));
    server.stop();
    let trace = fs::read_to_string(folder.join("trace")).unwrap();
    assert!(trace.matches("munmap(").count() >= 4, "{trace}");
}

/// Checks a server whose standard output is a full pipe (`-1`).
fn a_signal_to_stop_ends_a_server_whose_port_nobody_reads() {
    for sent in [Signal::TERM, Signal::INT, Signal::QUIT] {
        let (_reader, server, log) = server_whose_port_nobody_reads();
        signal(server.id(), sent);
        let status = ended(server);
        let log = fs::read_to_string(log.join("log")).unwrap();
        assert_eq!(status, Some(0), "{log}");
        assert!(log.contains(&format!("mpserv: stop signal={sent}")) && log.contains("mpserv: stopped "), "{log}");
    }
}

/// Checks that the server obeys a signal that has come before its port was read.
fn another_signal_waits_until_the_port_is_read() {
    for (sent, event) in [(Signal::HUP, "reload"), (Signal::USR1, "status"), (Signal::USR2, "handover")] {
        let (mut reader, server, log) = server_whose_port_nobody_reads();
        let has = |event: &str| fs::read_to_string(log.join("log")).unwrap().contains(&format!("mpserv: {event} "));
        signal(server.id(), sent);
        signal(server.id(), Signal::CHLD);
        // Each kind of signal is pending, whether the server waits already or begins to wait.
        assert!(is_pending(server.id(), sent));
        let mut bytes = vec![0; 4096];
        reader.read_exact(&mut bytes).unwrap();
        wait_until(event, || has(event));
        if sent == Signal::USR2 {
            assert_eq!(ended(server), Some(0));
            let log = parse_log(&fs::read_to_string(log.join("log")).unwrap());
            let by = log.iter().find(|line| line.event == "handover").unwrap().number("by");
            send(by, Signal::TERM);
            let by = u32::try_from(by).unwrap();
            wait_until("the successor has ended", || is_gone(by));
        } else {
            signal(server.id(), Signal::TERM);
            assert_eq!(ended(server), Some(0), "{sent:?}");
        }
    }
}

/// Starts a server whose standard output is a full pipe (`-1`), and returns the pipe's other end and the folder of the log.
fn server_whose_port_nobody_reads() -> (fs::File, std::process::Child, TempDir) {
    use std::os::fd::AsRawFd;
    const SIZE: usize = 4096;
    let (reader, mut writer) = std_pipe();
    // SAFETY: the call has no precondition on memory.
    let size = unsafe { libc::fcntl(writer.as_raw_fd(), libc::F_SETPIPE_SZ, SIZE) };
    writer.write_all(&vec![0; usize::try_from(size).unwrap()]).unwrap();
    let folder = TempDir::new();
    let log = folder.join("log");
    let mut command = mpserv(&["127.0.0.1:0"]);
    let server = command.stdout(writer).stderr(fs::File::create(&log).unwrap()).spawn().unwrap();
    wait_until("the server begins", || fs::read_to_string(&log).unwrap().contains("mpserv: start "));
    (reader, server, folder)
}

/// Waits for the end of a server, and returns its status.
fn ended(mut server: std::process::Child) -> Option<i32> {
    wait_until("the server ends", || server.try_wait().unwrap().is_some());
    server.wait().unwrap().code()
}

fn a_server_that_stops_says_so_and_neither_reads_rules_nor_restarts() {
    for options in [&[][..], &["--prefork", "1"]] {
        let server = Served::start(&[options, &["-v", "127.0.0.1:0"]].concat());
        let client = server.client();
        server.running.signal(Signal::TERM);
        server.wait_events("stop", 1);
        server.running.signal(Signal::USR1);
        let status = &server.wait_events("status", 1)[0];
        assert_eq!((status.get("stopping"), status.get("children")), ("yes", "1"), "{options:?}");
        let child = &server.wait_events("child", 1)[0];
        assert_eq!(child.get("from"), client.local_addr().unwrap().to_string(), "{options:?}");
        server.running.signal(Signal::HUP);
        assert_eq!(server.wait_events("reload", 1)[0].get("why"), "the server stops", "{options:?}");
        server.running.signal(Signal::USR2);
        assert_eq!(server.wait_events("restart", 1)[0].get("refused"), "the server stops", "{options:?}");
        assert_eq!(finish(client), b"");
        assert_eq!(server.running.wait().status.code(), Some(0), "{options:?}");
    }
}
