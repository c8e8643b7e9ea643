//! Tests `--log syslog` with a log daemon: the form of the lines, and a daemon that hangs or starts again.

use std::os::unix::net::UnixDatagram;
use std::process::Command;
use std::time::SystemTime;

use crate::common::server::*;
use crate::common::solo::Test;
use crate::common::*;
use crate::tests;
use mpserv::signal::Signal;

pub(crate) const TESTS: &[Test] = tests![
    a_line_has_the_form_of_syslog_with_the_local_time,
    a_line_has_the_day_of_any_month,
    a_log_daemon_that_does_not_read_holds_up_nobody_and_what_is_lost_is_counted,
    a_line_whose_room_another_process_takes_is_sent_again,
    a_log_daemon_that_starts_again_gets_the_later_lines,
    once_the_log_daemon_is_gone_standard_error_is_told_and_what_is_lost_is_counted,
    preforked_children_tell_standard_error_once_that_the_log_daemon_is_gone,
];

/// The ways to serve a client.
const MODES: [&[&str]; 3] = [&["127.0.0.1:0"], &["--prefork", "2", "127.0.0.1:0"], &["127.0.0.1:0", "cat"]];

/// Starts a server that logs to the daemon at this path.
fn start(path: &std::path::Path, arguments: &[&str], change: impl FnOnce(&mut Command)) -> Served {
    needs_root();
    needs_command("unshare");
    let mut command = with_log_daemon(path, &[&["--log", "syslog"], arguments].concat());
    change(&mut command);
    Served::start_command(&mut command)
}

fn daemon(path: &std::path::Path) -> UnixDatagram {
    let daemon = UnixDatagram::bind(path).unwrap();
    daemon.set_read_timeout(Some(WATCHDOG)).unwrap();
    daemon
}

fn receive(daemon: &UnixDatagram) -> String {
    let mut line = [0; 2048];
    let length = daemon.recv(&mut line).unwrap();
    String::from_utf8(line[..length].to_vec()).unwrap()
}

fn receive_until(daemon: &UnixDatagram, word: &str) -> String {
    loop {
        let line = receive(daemon);
        if line.contains(word) {
            return line;
        }
    }
}

fn a_line_has_the_form_of_syslog_with_the_local_time() {
    let folder = TempDir::new();
    let daemon = daemon(&folder.join("log"));
    let server = start_in_zone(&folder, &daemon, "XYZ-9:30");
    assert_eq!(finish(server.client()), b"");
    let accept = receive_until(&daemon, "]: accept ");
    // The child logs the line itself.
    assert!(accept.starts_with("<30>") && accept.contains(" mpserv["), "{accept}");
    assert!(!accept.contains(&format!("mpserv[{}]", server.pid())), "{accept}");
    let end = receive_until(&daemon, "]: end ");
    assert!(end.contains(&format!(" mpserv[{}]: end pid=", server.pid())) && !end.ends_with(['\0', '\n']), "{end:?}");
    assert_eq!(server.running.end(Signal::TERM).stderr, "");
}

/// Checks a day of each month. Some of the days have one digit.
fn a_line_has_the_day_of_any_month() {
    const DAY: u64 = 86_400;
    const JANUARY_1_2001: u64 = 978_307_200;
    for number in 0..12 {
        let folder = TempDir::new();
        let daemon = daemon(&folder.join("log"));
        let zone = folder.join("zone");
        std::fs::write(&zone, zone_at(JANUARY_1_2001 + number * 32 * DAY)).unwrap();
        let zone = format!(":{}", zone.display());
        let server = start_in_zone(&folder, &daemon, &zone);
        assert_eq!(server.running.end(Signal::TERM).stderr, "");
    }
}

/// Checks that a line is sent again if the room for it has gone since the process asked: other processes of the server
/// have lines as well.
fn a_line_whose_room_another_process_takes_is_sent_again() {
    let folder = TempDir::new();
    let daemon = daemon(&folder.join("log"));
    let server = start(&folder.join("log"), &["127.0.0.1:0"], |command| {
        let mut strace = Command::new("strace");
        strace.args(["-D", "-q", "-o", NOWHERE, "-e", "trace=sendto", "-e", "inject=sendto:error=EAGAIN:when=1..3"]);
        strace.arg(command.get_program()).args(command.get_args());
        *command = strace;
    });
    assert_eq!(server.running.end(Signal::TERM).stderr, "");
    for event in ["listen", "start", "stop", "stopped"] {
        let line = receive(&daemon);
        assert!(line.contains(&format!("]: {event} ")), "{event}: {line}");
    }
}

fn now() -> u64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs()
}

/// Returns the file of a time zone in which it is now this time: see tzfile(5).
fn zone_at(seconds: u64) -> Vec<u8> {
    let ahead = i32::try_from(seconds as i64 - now() as i64).unwrap();
    let counts = [0, 0, 0, 0, 1, 4].map(u32::to_be_bytes).concat();
    [&b"TZif"[..], &[0; 16], &counts, &ahead.to_be_bytes(), &[0, 0], b"XYZ\0"].concat()
}

/// Starts a server in a time zone, and checks its first line.
#[track_caller]
fn start_in_zone(folder: &TempDir, daemon: &UnixDatagram, zone: &str) -> Served {
    let before = now();
    let server = start(&folder.join("log"), &["127.0.0.1:0"], |command| _ = command.env("TZ", zone));
    let line = receive(daemon);
    let after = now();
    let is_of = |seconds: u64| {
        let at = format!("@{seconds}");
        let time = text_of(Command::new("date").args(["-d", &at, "+%b %e %T"]).env("TZ", zone).env("LC_ALL", "C"));
        let start = format!("<29>{time} mpserv[{}]: listen address=127.0.0.1:{} ", server.pid(), server.port());
        line.starts_with(&start)
    };
    assert!((before..=after).any(is_of), "{line}");
    server
}

fn a_log_daemon_that_does_not_read_holds_up_nobody_and_what_is_lost_is_counted() {
    let room = std::fs::read_to_string("/proc/sys/net/unix/max_dgram_qlen").unwrap();
    let room: usize = room.trim().parse().unwrap();
    for mode in MODES {
        let folder = TempDir::new();
        let daemon = daemon(&folder.join("log"));
        let server = start(&folder.join("log"), mode, |_| {});
        // Each client makes at least one line.
        for _ in 0..=room {
            assert_eq!(finish(server.client()), b"", "{mode:?}");
        }
        daemon.set_nonblocking(true).unwrap();
        wait_until("the log tells of what was lost", || {
            assert_eq!(finish(server.client()), b"", "{mode:?}");
            let mut line = [0; 2048];
            std::iter::from_fn(|| daemon.recv(&mut line).ok().map(|length| line[..length].to_vec()))
                .any(|line| String::from_utf8(line).unwrap().contains("]: lost lines="))
        });
        let ended = server.running.end(Signal::TERM);
        assert_eq!((ended.status.code(), ended.stderr.as_str()), (Some(0), ""), "{mode:?}");
    }
}

fn a_log_daemon_that_starts_again_gets_the_later_lines() {
    for mode in MODES {
        let folder = TempDir::new();
        let first = daemon(&folder.join("log"));
        let server = start(&folder.join("log"), mode, |_| {});
        receive_until(&first, "]: start pid=");
        drop(first);
        std::fs::remove_file(folder.join("log")).unwrap();
        let second = daemon(&folder.join("log"));
        assert_eq!(finish(server.client()), b"", "{mode:?}");
        receive_until(&second, "]: accept ");
        receive_until(&second, "]: end ");
        let ended = server.running.end(Signal::TERM);
        assert_eq!((ended.status.code(), ended.stderr.as_str()), (Some(0), ""), "{mode:?}");
        receive_until(&second, "]: stopped ");
    }
}

fn once_the_log_daemon_is_gone_standard_error_is_told_and_what_is_lost_is_counted() {
    let folder = TempDir::new();
    let first = daemon(&folder.join("log"));
    let server = start(&folder.join("log"), &["-q", "127.0.0.1:0"], |_| {});
    receive_until(&first, "]: start pid=");
    drop(first);
    // Each status is one line that the daemon does not get.
    for _ in 0..2 {
        server.running.signal(Signal::USR1);
        wait_until("the server has taken the signal", || !is_pending(server.pid(), Signal::USR1));
    }
    wait_until("the server has tried to log both", || waits_in(server.pid(), libc::SYS_poll));
    wait_until("standard error is told", || server.running.stderr_so_far().ends_with('\n'));
    std::fs::remove_file(folder.join("log")).unwrap();
    let second = daemon(&folder.join("log"));
    let ended = server.running.end(Signal::TERM);
    assert_eq!(
        ended.stderr,
        "mpserv: nothing is logged: /dev/log: Connection refused; start a log daemon, or leave out --log syslog\n"
    );
    let lost = receive(&second);
    assert!(lost.starts_with("<28>") && lost.contains("]: lost lines=2"), "{lost}");
    assert!(receive(&second).contains("]: stop "));
}

/// Checks a pool, whose children alone have lines for the daemon.
fn preforked_children_tell_standard_error_once_that_the_log_daemon_is_gone() {
    let folder = TempDir::new();
    let first = daemon(&folder.join("log"));
    let server = start(&folder.join("log"), &["--prefork", "2", "127.0.0.1:0"], |_| {});
    receive_until(&first, "]: listen ");
    drop(first);
    for _ in 0..4 {
        assert_eq!(echo(&mut server.connect(), b"served"), b"served");
    }
    let line =
        "mpserv: nothing is logged: /dev/log: Connection refused; start a log daemon, or leave out --log syslog\n";
    wait_until("standard error is told", || server.running.stderr_so_far() == line);
    assert_eq!(server.running.end(Signal::TERM).stderr, line);
}

/// Whether a signal waits to be taken by a process.
fn is_pending(pid: u32, signal: Signal) -> bool {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    signals_in(&status, "ShdPnd") & (1 << (signal.raw() - 1)) != 0
}
