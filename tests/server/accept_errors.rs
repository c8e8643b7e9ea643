//! Tests failures of `accept`: the server pauses if it must, and no client is lost.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::Command;
use std::time::{Duration, Instant};

use crate::common::server::*;
use crate::common::solo::Test;
use crate::common::*;
use crate::tests;
use mpserv::server::limits::ABORTS_IN_A_ROW;

pub(crate) const TESTS: &[Test] = tests![
    accept_that_lacks_something_pauses_and_serves_everybody_afterwards,
    a_connection_that_is_gone_again_costs_nobody_anything,
    a_real_limit_of_descriptors_pauses_it_at_no_cost_until_it_is_raised,
    in_a_preforked_child_a_row_of_aborts_is_a_failure_of_that_child,
];

/// The most processor time, in percent, of a server that can do nothing.
const IDLE_PERCENT: f64 = 1.0;

/// The errors of `accept` that concern only one connection: those in accept(2), and those that TCP passes on.
pub(crate) const ERRNOS_OF_A_CONNECTION: [&str; 11] = [
    "ECONNABORTED",
    "EPROTO",
    "EPERM",
    "ENETDOWN",
    "ENETUNREACH",
    "EHOSTDOWN",
    "EHOSTUNREACH",
    "ENONET",
    "ENOPROTOOPT",
    "EOPNOTSUPP",
    "ETIMEDOUT",
];

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

fn a_connection_that_is_gone_again_costs_nobody_anything() {
    let folder = TempDir::new();
    for errno in ERRNOS_OF_A_CONNECTION.iter().chain(&["EINTR"]) {
        let server = faulty(&format!("accept4:error={errno}:when=1..20"), &folder.join(errno), &["127.0.0.1:0"]);
        assert_eq!(echo(&mut server.connect(), b"next"), b"next", "{errno}");
        assert_eq!(server.events("pause").len(), 0, "{errno}");
        server.stop();
    }
    // The server pauses after 64 in a row. A client, or the end of the queue, begins the row anew.
    for (when, clients, pauses) in [("1..64", 1, 0), ("1..65", 1, 1), ("1+2", 50, 0)] {
        let trace = folder.join("row");
        let server = faulty(&format!("accept4:error=ECONNABORTED:when={when}"), &trace, &["-v", "127.0.0.1:0"]);
        for _ in 0..clients {
            assert_eq!(echo(&mut server.connect(), b"next"), b"next", "{when}");
        }
        let log = server.stop();
        assert_eq!(log.iter().filter(|line| line.event == "pause").count(), pauses, "{when}: {log:?}");
        let aborts = log.iter().filter(|line| line.event == "abort");
        let aborted = fs::read_to_string(&trace).unwrap().matches("(INJECTED)").count() - pauses;
        assert_eq!(aborts.map(|line| line.number("count")).sum::<u64>(), aborted as u64, "{when}: {log:?}");
    }
    // A failure that lasts for ever must not cause a busy loop.
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

fn a_real_limit_of_descriptors_pauses_it_at_no_cost_until_it_is_raised() {
    // The server has descriptors 0 to 2, the listener, the signals and the scoreboard, and needs one more descriptor.
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

/// Checks the row of aborted connections after which a preforked child waits, and the line of that child.
fn in_a_preforked_child_a_row_of_aborts_is_a_failure_of_that_child() {
    let folder = TempDir::new();
    for (count, fails) in [(ABORTS_IN_A_ROW, 0), (ABORTS_IN_A_ROW + 1, 1)] {
        let fault = format!("inject=accept4:error=ECONNABORTED:when=1..{count}");
        let options = ["-f", "-e", "trace=accept4", "-e", &fault];
        let arguments = ["--prefork", "1", "127.0.0.1:0"];
        let server = Served::start_command(&mut traced(&options, &folder.join("trace"), &arguments));
        let client = server.client();
        let accept = &server.wait_events("accept", 1)[0];
        let log = server.events("fail");
        assert_eq!(log.len(), fails, "{count}: {log:?}");
        for fail in log {
            let told = (fail.get("call"), fail.get("error"), fail.get("pid"));
            assert_eq!(told, ("accept4", "Software caused connection abort", accept.get("pid")));
        }
        drop(client);
        server.stop();
    }
}
