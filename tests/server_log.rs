//! mpserv's log: whoever reads it, slowly, not at all or no longer, clients hardly notice.

mod common;

use std::fs::File;
use std::io::Read;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::process::Command;

use common::server::*;
use common::*;
use mpserv::signal::Signal;

/// How each client is served.
const MODES: [&str; 4] =
    ["127.0.0.1:0", "--sandbox 127.0.0.1:0", "--prefork 2 --sandbox 127.0.0.1:0", "127.0.0.1:0 -- cat"];

/// A server whose standard error is this descriptor.
fn logging_to(log: impl Into<OwnedFd>, arguments: &str) -> Served {
    let script = format!("exec '{MPSERV}' -1 {arguments} 2>&0 </dev/null");
    Served::start_command(Command::new("sh").args(["-c", &script]).stdin(log.into()))
}

/// A pipe that is full after a page, and its reader, which does not wait.
fn small_pipe() -> (File, OwnedFd) {
    let (reader, writer) = std::io::pipe().unwrap();
    // SAFETY: the call has no precondition on memory.
    assert!(unsafe { libc::fcntl(writer.as_raw_fd(), libc::F_SETPIPE_SZ, 4096) } >= 0);
    (nonblocking(reader.into()), writer.into())
}

/// Two ends of a stream that holds a few lines, of which the first does not wait.
fn small_socket() -> (File, OwnedFd) {
    let (reader, writer) = UnixStream::pair().unwrap();
    let bytes: libc::c_int = 1;
    // SAFETY: the pointer is to a number of that length. The kernel rounds it up to the least that there may be.
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

/// What can be read without waiting.
fn read_what_is_there(reader: &mut File) -> String {
    let mut text = Vec::new();
    // Ends with EAGAIN, or with the end.
    let _ = reader.read_to_end(&mut text);
    String::from_utf8(text).unwrap()
}

/// Does it for every mode with a pipe and with a socket as the log.
fn with_every_log(test: impl Fn(&str, (File, OwnedFd)) + Sync) {
    std::thread::scope(|scope| {
        for mode in MODES {
            for log in [small_pipe(), small_socket()] {
                scope.spawn(|| test(mode, log));
            }
        }
    });
}

#[test]
fn a_log_whose_reader_is_gone_ends_no_client() {
    with_every_log(|mode, (reader, writer)| {
        let server = logging_to(writer, mode);
        drop(reader);
        let mut clients: Vec<_> = (0..2).map(|_| server.client()).collect();
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

/// Each process waits for the log once; if it did so for each of its lines, this would take minutes.
#[test]
fn a_log_that_nobody_reads_holds_up_nobody_for_long_and_what_is_lost_is_counted() {
    with_every_log(|mode, (mut reader, writer)| {
        let server = logging_to(writer, mode);
        // Each has a line or two.
        for _ in 0..300 {
            assert_eq!(finish(server.client()), b"", "{mode}");
        }
        // Once there is room again, the next line comes after one that says how many are missing.
        let mut log = read_what_is_there(&mut reader);
        wait_until("the log tells of what was lost", || {
            assert_eq!(finish(server.client()), b"", "{mode}");
            log += &read_what_is_there(&mut reader);
            log.contains("\nmpserv: lost lines=")
        });
        // Lines are whole or not there.
        assert!(log.lines().all(|line| line.starts_with("mpserv: ")), "{mode}: {log}");
        assert_eq!(server.running.end(Signal::TERM).status.code(), Some(0), "{mode}");
    });
}
