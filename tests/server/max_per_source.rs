//! `--max-per-source`: beyond the limit a client is told, and others are not concerned.

use std::fs;
use std::io::Write;
use std::net::TcpStream;

use crate::children::calls_on_connections;
use crate::common::server::*;
use crate::common::solo::Test;
use crate::common::*;
use crate::tests;
use mpserv::signal::Signal;

pub(crate) const TESTS: &[Test] =
    tests![over_the_limit_of_a_source_the_client_is_told, of_a_client_that_it_refuses_the_parent_reads_a_little_once,];

/// A connection from another address of this machine's.
fn connect_from(source: &str, port: u16) -> TcpStream {
    use mpserv::net::{AddressFamily, Protocol, SocketAddrV4, SocketType, bind, connect, socket};
    let fd = socket(AddressFamily::INET, SocketType::STREAM, Protocol::DEFAULT).unwrap();
    bind(&fd, &SocketAddrV4::new(source.parse().unwrap(), 0)).unwrap();
    connect(&fd, &SocketAddrV4::new("127.0.0.1".parse().unwrap(), port)).unwrap();
    // SAFETY: the descriptor is open, and `into_raw` has given it away.
    let stream: TcpStream = unsafe { std::os::fd::FromRawFd::from_raw_fd(fd.into_raw()) };
    stream.set_read_timeout(Some(WATCHDOG)).unwrap();
    stream
}

fn over_the_limit_of_a_source_the_client_is_told() {
    let server = Served::start(&["--max-per-source", "2:too many of you", "127.0.0.1:0"]);
    let first = server.client();
    let second = server.client();
    let mut third = server.connect();
    assert_eq!(read_all(&mut third), b"too many of you\r\n");
    // Also one that has spoken before it was told.
    let mut spoke = server.connect();
    spoke.write_all(b"hello").unwrap();
    assert_eq!(read_all(&mut spoke), b"too many of you\r\n");
    let refused = server.wait_events("refuse", 1);
    assert_eq!((refused[0].get("why"), refused[0].number("from_source")), ("max-per-source", 2));
    let mut other = connect_from("127.0.0.2", server.port());
    assert_eq!(echo(&mut other, b"another source"), b"another source");
    drop(first);
    server.wait_events("end", 1);
    let mut again = server.client();
    assert_eq!(echo(&mut again, b"room again"), b"room again");
    drop((second, other, again));
    server.stop();
}

fn of_a_client_that_it_refuses_the_parent_reads_a_little_once() {
    const MOST: usize = 4096;
    let folder = TempDir::new();
    let trace = folder.join("trace");
    let server = Served::start_command(&mut traced(&["-y"], &trace, &["-C", "1", "127.0.0.1:0"]));
    let kept = server.client();
    for sent in [0, 5, 10 * MOST] {
        // All of it is there before the server accepts.
        server.running.signal(Signal::STOP);
        wait_until("it has stopped", || matches!(state(server.pid()), Some('T' | 't')));
        let mut client = server.connect();
        client.write_all(&vec![b'x'; sent]).unwrap();
        server.running.signal(Signal::CONT);
        assert_eq!(read_all(&mut client), b"");
    }
    drop(kept);
    server.stop();
    let (accepted, calls) = calls_on_connections(&trace);
    assert_eq!((accepted, calls.join(" ")), (4, "close".to_owned() + &" sendto recvfrom close".repeat(3)));
    let trace = fs::read_to_string(trace).unwrap();
    let reads = trace.lines().filter(|line| line.starts_with("recvfrom("));
    let read: Vec<&str> = reads.map(|line| line.rsplit_once(" = ").unwrap().1).collect();
    assert_eq!(read, ["-1 EAGAIN (Resource temporarily unavailable)", "5", &MOST.to_string()], "{trace}");
}
