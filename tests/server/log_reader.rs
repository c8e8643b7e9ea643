//! Tests a log whose reader is slow, has gone, or is a full disk. Clients hardly notice, and lost lines are counted.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::net::UdpSocket;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::net::UnixStream;
use std::process::{Command, Stdio};

use crate::common::server::*;
use crate::common::solo::Test;
use crate::common::*;
use crate::tests;
use mpserv::signal::Signal;

pub(crate) const TESTS: &[Test] = tests![
    a_log_that_nobody_takes_does_not_stop_it,
    lines_that_were_lost_are_counted,
    a_log_whose_reader_is_gone_ends_no_client,
    a_line_to_a_socket_neither_waits_nor_raises_a_signal,
    a_reader_of_datagrams_that_was_away_gets_lines_again,
    a_reader_that_goes_just_before_a_write_ends_no_client,
    a_log_that_nobody_reads_holds_up_nobody_for_long_and_what_is_lost_is_counted,
    a_server_waits_once_whichever_of_its_processes_has_a_line,
    a_terminal_that_nobody_reads_holds_up_nobody_for_long,
    a_child_that_waits_for_the_log_retires_in_time,
    a_child_that_may_have_no_descriptor_waits_no_longer_for_the_log,
    a_full_disk_behind_the_log_stops_nobody,
    when_a_full_log_has_room_again_lost_lines_are_counted_once_and_half_a_line_is_ended,
    half_a_line_of_another_process_is_ended,
];

fn a_log_that_nobody_takes_does_not_stop_it() {
    let script = format!("exec '{MPSERV}' -1 127.0.0.1:0 2>/dev/full");
    let server = Served::start_command(Command::new("sh").args(["-c", &script]));
    for _ in 0..10 {
        drop(server.client());
    }
    assert_eq!(server.running.end(Signal::TERM).status.code(), Some(0));
}

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
    wait_until("two lines were tried", || {
        fs::read_to_string(&trace).is_ok_and(|trace| trace.matches("(INJECTED)").count() == 2)
    });
    server.end(Signal::TERM);
    // The log begins with an empty line, because a part of a line might have been written.
    let log = parse_log(fs::read_to_string(log).unwrap().trim_start());
    // The two lost lines are listen and start.
    assert_eq!((log[0].event.as_str(), log[0].number("lines"), log[1].event.as_str()), ("lost", 2, "stop"));
}

/// The ways to serve a client.
const MODES: [&str; 4] =
    ["127.0.0.1:0", "--sandbox 127.0.0.1:0", "--prefork 2 --sandbox 127.0.0.1:0", "127.0.0.1:0 -- cat"];

/// Starts a server whose standard error is this descriptor.
fn logging_to(log: impl Into<OwnedFd>, arguments: &str) -> Served {
    let script = format!("exec '{MPSERV}' -1 {arguments} 2>&0 </dev/null");
    Served::start_command(Command::new("sh").args(["-c", &script]).stdin(log.into()))
}

/// Returns a pipe that is full after one page. Reading from the pipe does not wait.
fn small_pipe() -> (File, OwnedFd) {
    let (reader, writer) = std_pipe();
    // SAFETY: the call has no precondition on memory.
    assert!(unsafe { libc::fcntl(writer.as_raw_fd(), libc::F_SETPIPE_SZ, 4096) } >= 0);
    (nonblocking(reader.into()), writer.into())
}

/// Returns the two ends of a stream that holds a few lines. Reading from the first end does not wait.
fn small_socket() -> (File, OwnedFd) {
    let (reader, writer) = UnixStream::pair().unwrap();
    let bytes: libc::c_int = 1;
    // SAFETY: the pointer is to a number of that length. The kernel rounds the number up to its minimum.
    let set = unsafe {
        libc::setsockopt(
            writer.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_SNDBUF,
            (&raw const bytes).cast(),
            libc::socklen_t::try_from(size_of_val(&bytes)).unwrap(),
        )
    };
    assert_eq!(set, 0);
    (nonblocking(reader.into()), writer.into())
}

fn nonblocking(reader: OwnedFd) -> File {
    // SAFETY: the call has no precondition on memory.
    assert_eq!(unsafe { libc::fcntl(reader.as_fd().as_raw_fd(), libc::F_SETFL, libc::O_NONBLOCK) }, 0);
    File::from(reader)
}

/// Reads all bytes that are there, without waiting.
fn read_what_is_there(reader: &mut File) -> String {
    let mut text = Vec::new();
    // The read ends with EAGAIN, or at the end of the input.
    let _ = reader.read_to_end(&mut text);
    String::from_utf8(text).unwrap()
}

/// Runs a test for every mode, with a pipe and with a socket as the log.
fn with_every_log(test: impl Fn(&str, (File, OwnedFd)) + Sync) {
    std::thread::scope(|scope| {
        for mode in MODES {
            for log in [small_pipe(), small_socket()] {
                scope.spawn(|| test(mode, log));
            }
        }
    });
}

fn a_log_whose_reader_is_gone_ends_no_client() {
    with_every_log(|mode, (reader, writer)| {
        let server = logging_to(writer, mode);
        drop(reader);
        let mut clients: Vec<_> = server.clients(2);
        for client in &mut clients {
            assert_eq!(echo(client, b"unread"), b"unread", "{mode}");
        }
        for client in clients {
            assert_eq!(finish(client), b"", "{mode}");
        }
        assert_eq!(finish(server.client()), b"", "{mode}");
        assert_eq!(server.running.end(Signal::TERM).status.code(), Some(0), "{mode}");
    });
}

/// Tests a reader that ends between the check of the log and the write. strace makes the check fail.
fn a_reader_that_goes_just_before_a_write_ends_no_client() {
    const HEADER: &[u8] = b"PROXY TCP4 192.0.2.1 198.51.100.2 1000 443\r\n";
    let folder = TempDir::new();
    for (mode, header) in [
        ("127.0.0.1:0", &b""[..]),
        ("--prefork 2 127.0.0.1:0", b""),
        ("--proxy-protocol 127.0.0.1:0 -- cat", HEADER),
        ("127.0.0.1:0 -- sh -c 'grep SigIgn /proc/self/status; exec cat'", b""),
    ] {
        let (reader, writer) = std_pipe();
        drop(reader);
        let trace = folder.join("trace");
        let strace = format!("strace -D -f -q -o '{}' -e trace=ppoll -e inject=ppoll:error=EINVAL", trace.display());
        let script = format!("exec {strace} '{MPSERV}' -1 {mode} 2>&0 </dev/null");
        let server = Served::start_command(Command::new("sh").args(["-c", &script]).stdin(OwnedFd::from(writer)));
        // A child that has to wait for the header would meet the failure of the check as well.
        server.running.signal(Signal::STOP);
        let mut client = server.connect();
        client.write_all(header).unwrap();
        client.write_all(b"hello").unwrap();
        server.running.signal(Signal::CONT);
        let text = String::from_utf8(finish(client)).unwrap();
        assert!(text.ends_with("hello"), "{mode}: {text:?}");
        // No signal is ignored in a program.
        let ignored = text.strip_suffix("hello").unwrap_or_default();
        assert!(ignored.is_empty() || signals_in(ignored, "SigIgn") == 0, "{mode}: {text}");
        assert_eq!(ignored.is_empty(), !mode.contains("SigIgn"), "{mode}: {text}");
        assert!(fs::read_to_string(&trace).unwrap().contains("(INJECTED)"), "{mode}");
        assert_eq!(server.running.end(Signal::TERM).status.code(), Some(0), "{mode}");
    }
}

/// Checks the flags of each line to a socket. Another process may have taken the room that was there a moment ago, and the
/// reader may have gone.
fn a_line_to_a_socket_neither_waits_nor_raises_a_signal() {
    let folder = TempDir::new();
    let trace = folder.join("trace");
    let (_reader, writer) = UnixStream::pair().unwrap();
    let strace = format!("strace -D -f -q -s 9 -o '{}' -e trace=sendto,write", trace.display());
    let script = format!("exec {strace} '{MPSERV}' -1 127.0.0.1:0 2>&0 </dev/null");
    let server = Served::start_command(Command::new("sh").args(["-c", &script]).stdin(OwnedFd::from(writer)));
    assert_eq!(finish(server.client()), b"");
    server.wait_childless();
    assert_eq!(server.running.end(Signal::TERM).status.code(), Some(0));
    let trace = fs::read_to_string(&trace).unwrap();
    let lines: Vec<&str> = trace.lines().filter(|line| line.contains("(2, ")).collect();
    // Those are listen, start, accept, end, stop and stopped.
    assert_eq!(lines.len(), 6, "{trace}");
    let is_sent = |line: &&str| line.contains("sendto(2, ") && line.contains(", MSG_DONTWAIT|MSG_NOSIGNAL, NULL, 0)");
    assert!(lines.iter().all(is_sent), "{lines:#?}");
}

/// Checks that each process waits for the log only once. If a process waited for each line, the test would take
/// minutes.
/// Checks a log on a UDP socket. While nobody has the port, each datagram leaves an error in the socket.
fn a_reader_of_datagrams_that_was_away_gets_lines_again() {
    // No other test has this address, so nobody else gets the port meanwhile.
    let reader = UdpSocket::bind("127.71.76.1:0").unwrap();
    let address = reader.local_addr().unwrap();
    let writer = UdpSocket::bind("127.71.76.1:0").unwrap();
    writer.connect(address).unwrap();
    let server = logging_to(writer, "127.0.0.1:0");
    drop(reader);
    assert_eq!(finish(server.client()), b"");
    server.wait_childless();
    let reader = UdpSocket::bind(address).unwrap();
    reader.set_read_timeout(Some(WATCHDOG)).unwrap();
    // The first line may meet the error that is left.
    for _ in 0..2 {
        assert_eq!(finish(server.client()), b"");
    }
    let mut line = [0; 1024];
    let length = reader.recv(&mut line).unwrap();
    let lines = parse_log(std::str::from_utf8(&line[..length]).unwrap());
    assert_eq!(lines[0].event, "lost");
    assert_eq!(server.running.end(Signal::TERM).status.code(), Some(0));
}

fn a_log_that_nobody_reads_holds_up_nobody_for_long_and_what_is_lost_is_counted() {
    with_every_log(|mode, (mut reader, writer)| {
        let server = logging_to(writer, mode);
        // Each connection gives one or two lines.
        for _ in 0..300 {
            assert_eq!(finish(server.client()), b"", "{mode}");
        }
        // Once there is room again, a line with the number of lost lines comes before the next line.
        let mut log = read_what_is_there(&mut reader);
        wait_until("the log tells of what was lost", || {
            assert_eq!(finish(server.client()), b"", "{mode}");
            log += &read_what_is_there(&mut reader);
            log.contains(" mpserv: lost lines=")
        });
        // Each line is whole or missing.
        assert!(log.lines().all(|line| without_time(line).starts_with("mpserv: ")), "{mode}: {log}");
        assert_eq!(server.running.end(Signal::TERM).status.code(), Some(0), "{mode}");
    });
}

/// Checks that no process waits for the log after another one of the server has waited. Each client has a process of its
/// own. A line is either in the log or counted, whichever process has lost it.
fn a_server_waits_once_whichever_of_its_processes_has_a_line() {
    const CLIENTS: usize = 20;
    let folder = TempDir::new();
    for (mode, lines_of_a_client) in [
        ("127.0.0.1:0", 2),
        ("--sandbox 127.0.0.1:0", 2),
        ("--prefork 2 --max-requests 1 --sandbox 127.0.0.1:0", 2),
        ("--proxy-protocol 127.0.0.1:0", 2),
        ("-q --proxy-protocol 127.0.0.1:0 -- cat", 1),
        ("127.0.0.1:0 -- cat", 2),
    ] {
        // A pipe of one page has no room for a second line, as ppoll() sees it.
        let (reader, writer) = std_pipe();
        let mut reader = nonblocking(reader.into());
        let path = format!("/proc/self/fd/{}", writer.as_raw_fd());
        let mut filler = File::options().write(true).custom_flags(libc::O_NONBLOCK).open(path).unwrap();
        let trace = folder.join("trace");
        let strace = format!("strace -D -f -q -o '{}' -e trace=ppoll", trace.display());
        let script = format!("exec {strace} '{MPSERV}' -1 {mode} 2>&0 </dev/null");
        let server = Served::start_command(Command::new("sh").args(["-c", &script]).stdin(OwnedFd::from(writer)));
        let empty_lines = [b'\n'; 4096];
        for length in [empty_lines.len(), 1] {
            while filler.write(&empty_lines[..length]).is_ok() {}
        }
        drop(filler);
        let mut log = String::new();
        for count in 0..=CLIENTS {
            if count == CLIENTS {
                log = read_what_is_there(&mut reader);
            }
            // A client without a header is refused.
            let client = if mode.contains("proxy") { server.connect() } else { server.client() };
            assert_eq!(finish(client), b"", "{mode}");
        }
        assert_eq!(server.running.end(Signal::TERM).status.code(), Some(0), "{mode}");
        log += &read_what_is_there(&mut reader);
        let log =
            parse_log(&log.lines().filter(|line| !line.is_empty()).fold(String::new(), |log, line| log + line + "\n"));
        let lost: u64 = log.iter().filter(|line| line.event == "lost").map(|line| line.number("lines")).sum();
        let of_clients = ["accept", "end", "refuse"];
        let written = log.iter().filter(|line| of_clients.contains(&line.event.as_str())).count();
        assert!(lost > 0, "{mode}: {log:?}");
        assert_eq!(lost as usize + written, lines_of_a_client * (CLIENTS + 1), "{mode}: {log:?}");
        let trace = fs::read_to_string(&trace).unwrap();
        let asks = trace.lines().filter(|line| line.contains("ppoll([{fd=2,"));
        let waits: Vec<&str> = asks.filter(|line| !line.contains("{tv_sec=0, tv_nsec=0}")).collect();
        assert_eq!(waits.len(), 1, "{mode}: {waits:?}");
    }
}

/// Checks a child that cannot ask whether the log takes a line, because ppoll() takes no more descriptors than the limit.
fn a_child_that_may_have_no_descriptor_waits_no_longer_for_the_log() {
    let (mut reader, writer) = small_pipe();
    let mut filler = filler_of(&writer);
    let server = logging_to(writer, "--rlimit nofile=0 127.0.0.1:0");
    while filler.write(b"full").is_ok() {}
    assert_eq!(echo(&mut server.connect(), b"unread"), b"unread");
    read_what_is_there(&mut reader);
    let mut client = server.connect();
    assert_eq!(echo(&mut client, b"read"), b"read");
    wait_until("the line is there", || read_what_is_there(&mut reader).contains("mpserv: accept "));
    assert_eq!(finish(client), b"");
    assert_eq!(server.running.end(Signal::TERM).status.code(), Some(0));
}

/// Returns another end of a pipe that writes without waiting.
fn filler_of(writer: &impl AsRawFd) -> File {
    let path = format!("/proc/self/fd/{}", writer.as_raw_fd());
    File::options().write(true).custom_flags(libc::O_NONBLOCK).open(path).unwrap()
}

/// Checks that the signals which retire a child do not make its wait for the log begin anew. The parent sends them every
/// 100 ms.
fn a_child_that_waits_for_the_log_retires_in_time() {
    let (_reader, writer) = std_pipe();
    let mut filler = filler_of(&writer);
    let server = logging_to(writer, "--prefork 1 127.0.0.1:0");
    let client = server.connect();
    let child = wait_for("the child serves the client", || {
        children(server.pid()).into_iter().find(|child| waits_in(*child, libc::SYS_recvfrom))
    });
    while filler.write(b"full").is_ok() {}
    // The parent loses a line, and does not wait again when it stops.
    server.running.signal(Signal::USR1);
    wait_until("the parent logs its status", || !is_pending(server.pid(), Signal::USR1));
    drop(client);
    wait_until("the child waits for the log", || waits_in(child, libc::SYS_ppoll));
    // A wait that begins anew with each signal would end with the grace, after 30 s.
    assert_eq!(server.running.end(Signal::TERM).status.code(), Some(0));
}

fn a_full_disk_behind_the_log_stops_nobody() {
    let full = || File::options().write(true).open("/dev/full").unwrap();
    let mut command = mpserv(&["127.0.0.1:0"]);
    let mut server = command.stdout(Stdio::piped()).stderr(full()).spawn().unwrap();
    let mut port = String::new();
    let mut output = server.stdout.take().unwrap();
    let mut byte = [0];
    while !port.ends_with('\n') {
        output.read_exact(&mut byte).unwrap();
        port.push(char::from(byte[0]));
    }
    let port = port.trim().parse().unwrap();
    for _ in 0..3 {
        assert_eq!(echo(&mut connect(port), b"unlogged"), b"unlogged");
    }
    signal(server.id(), Signal::TERM);
    assert_eq!(server.wait().unwrap().code(), Some(0));
}

/// Checks each process that writes to a terminal which has room for a part of a line only.
fn a_terminal_that_nobody_reads_holds_up_nobody_for_long() {
    std::thread::scope(|scope| {
        for mode in MODES {
            scope.spawn(move || {
                let (master, slave) = terminal();
                // A terminal that changes a newline takes a line in parts.
                let stty = Command::new("stty").args(["opost", "onlcr"]).stdin(slave.try_clone().unwrap()).status();
                assert!(stty.unwrap().success());
                let mut reader = nonblocking(master);
                let server = logging_to(slave, mode);
                for _ in 0..600 {
                    assert_eq!(finish(server.client()), b"", "{mode}");
                }
                let mut log = read_what_is_there(&mut reader);
                wait_until("the log tells of what was lost", || {
                    assert_eq!(finish(server.client()), b"", "{mode}");
                    log += &read_what_is_there(&mut reader);
                    log.contains("mpserv: lost lines=")
                });
                assert_eq!(server.running.end(Signal::TERM).status.code(), Some(0), "{mode}");
            });
        }
    });
}

/// Checks a file that reaches its largest size in the middle of a line, and may then grow again.
fn when_a_full_log_has_room_again_lost_lines_are_counted_once_and_half_a_line_is_ended() {
    let folder = TempDir::new();
    let log = folder.join("log");
    let script = format!("ulimit -S -f 16; exec '{MPSERV}' -1 -c 1 127.0.0.1:0 2>>'{}' </dev/null", log.display());
    let server = Served::start_command(Command::new("sh").args(["-c", &script]));
    let clients = |count: usize| {
        for _ in 0..count {
            assert_eq!(finish(server.client()), b"");
            server.wait_childless();
        }
    };
    clients(80);
    let full = fs::read_to_string(&log).unwrap();
    limit_files(server.pid(), libc::RLIM_INFINITY);
    clients(3);
    server.running.end(Signal::TERM);
    let text = fs::read_to_string(&log).unwrap();
    let later = text.strip_prefix(&full).unwrap();
    assert_eq!(later.matches("mpserv: lost lines=").count(), 1, "{later}");
    // A line that was cut off has an end of its own.
    assert!(full.ends_with('\n') || later.starts_with('\n'), "{full}{later}");
    assert!(text.lines().all(|line| line.matches("mpserv: ").count() <= 1), "{text}");
}

/// Sets the size to which a process may write files.
fn limit_files(pid: u32, size: libc::rlim_t) {
    let limit = libc::rlimit { rlim_cur: size, rlim_max: libc::RLIM_INFINITY };
    let pid = libc::pid_t::try_from(pid).unwrap();
    // SAFETY: the pointer is to a limit, and null means that the old limit is not wanted.
    let set = unsafe { libc::prlimit(pid, libc::RLIMIT_FSIZE, &raw const limit, std::ptr::null_mut()) };
    assert_eq!(set, 0);
}

/// Lets a child write a part of its line. The next line is its parent's.
fn half_a_line_of_another_process_is_ended() {
    let folder = TempDir::new();
    let log = folder.join("log");
    let script = format!("exec '{MPSERV}' -1 127.0.0.1:0 2>>'{}' </dev/null", log.display());
    let server = Served::start_command(Command::new("sh").args(["-c", &script]));
    let size = || fs::metadata(&log).unwrap().len();
    wait_until("the server has begun", || fs::read_to_string(&log).unwrap().contains("mpserv: start "));
    let room = size() + 40;
    limit_files(server.pid(), room);
    let client = server.client();
    wait_until("the child has written a part of its line", || size() == room);
    limit_files(server.pid(), libc::RLIM_INFINITY);
    assert_eq!(finish(client), b"");
    server.running.end(Signal::TERM);
    let text = fs::read_to_string(&log).unwrap();
    assert!(text.lines().all(|line| line.matches("mpserv: ").count() <= 1), "{text}");
    assert!(text.contains("mpserv: lost lines=1\n"), "{text}");
}
