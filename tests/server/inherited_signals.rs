//! Tests signals that were ignored or blocked when the server was started.

use std::fs;
use std::process::Command;

use crate::common::server::*;
use crate::common::solo::Test;
use crate::common::*;
use crate::tests;
use mpserv::signal::Signal;

pub(crate) const TESTS: &[Test] = tests![
    a_parent_can_leave_all_signals_ignored_and_blocked,
    signals_that_were_ignored_or_blocked_before_are_heard,
    a_program_is_left_nothing_of_what_the_server_was,
];

/// Returns the signals of a process that are blocked, ignored and handled.
fn signals_of(pid: u32) -> [u64; 3] {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    ["SigBlk", "SigIgn", "SigCgt"].map(|set| signals_in(&status, set))
}

fn a_parent_can_leave_all_signals_ignored_and_blocked() {
    const UNCHANGED: u64 = 1 << (libc::SIGKILL - 1) | 1 << (libc::SIGSTOP - 1) | 0b11 << 31;
    for left in Left::ALL {
        let found = run(left.to(Command::new("cat").arg("/proc/self/status")), Output::Pipe).stdout;
        let expected = [left.is_blocked, left.is_ignored].map(|is_left| if is_left { !UNCHANGED } else { 0 });
        assert_eq!(["SigBlk", "SigIgn"].map(|set| signals_in(&found, set)), expected, "{left:?}");
    }
}

/// The signals that the server and the children of a service ignore.
const IGNORED: u64 = 1 << (libc::SIGPIPE - 1) | 1 << (libc::SIGXFSZ - 1) | 1 << (libc::SIGTTOU - 1);

fn signals_that_were_ignored_or_blocked_before_are_heard() {
    for left in Left::ALL {
        for stop in [Signal::TERM, Signal::INT, Signal::QUIT] {
            let server = Served::start_command(left.to(&mut mpserv(&["127.0.0.1:0"])));
            // SIGCHLD works: the child is reaped, and its status is known.
            drop(server.client());
            assert_eq!(server.wait_events("end", 1)[0].get("exit"), "0", "{left:?}");
            server.wait_childless();
            server.running.signal(Signal::PIPE);
            server.running.signal(Signal::CONT);
            server.running.signal(Signal::USR1);
            assert_eq!(server.wait_events("status", 1)[0].number("ended"), 1, "{left:?}");
            let mut client = server.client();
            let hup = if left.is_ignored { 1 << (libc::SIGHUP - 1) } else { 0 };
            let child = children(server.pid())[0];
            wait_until("the child has no signals but the server's", || signals_of(child) == [0, IGNORED | hup, 0]);
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

fn a_program_is_left_nothing_of_what_the_server_was() {
    for left in Left::ALL {
        let server = Served::start_command(left.to(&mut mpserv(&["127.0.0.1:0", "cat", "/proc/self/status"])));
        let status = String::from_utf8(read_all(&mut server.connect())).unwrap();
        let found = ["SigBlk", "SigIgn", "SigCgt"].map(|set| signals_in(&status, set));
        assert_eq!(found, [0; 3], "{left:?}: {status}");
        server.stop();
        // The program ends with the server, by SIGTERM.
        let server = Served::start_command(left.to(&mut mpserv(&["--grace", "0.1", "127.0.0.1:0", "cat"])));
        let mut client = server.client();
        let log = server.stop();
        assert_eq!(read_all(&mut client), b"", "{left:?}");
        assert_eq!(log.last().unwrap().number("terminated"), 1, "{left:?}: {log:?}");
    }
}
