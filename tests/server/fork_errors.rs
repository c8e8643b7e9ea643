//! Tests failures of `fork`: the client is kept for a while, and then gets a message.

use std::fs;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::time::{Duration, Instant};

use crate::common::server::*;
use crate::common::solo::Test;
use crate::common::*;
use crate::tests;
use mpserv::signal::Signal;

pub(crate) const TESTS: &[Test] = tests![
    a_client_for_whom_there_is_no_process_is_kept_and_served,
    a_client_for_whom_there_is_no_process_for_long_is_told,
    term_while_a_client_is_kept_is_heard,
    failed_forks_lose_no_slot,
    a_real_limit_of_processes_keeps_clients_waiting,
    where_no_process_can_be_made_clients_are_told,
    a_pool_says_when_processes_can_be_made_again,
    a_pool_that_needs_no_further_process_lacks_none,
    a_client_that_was_kept_counts_by_its_rule,
    a_program_behind_a_proxy_is_started_later,
    ; ignored:
    a_thousand_failed_forks_lose_no_slot,
];

/// The most processor time, in percent, of a server that can do nothing.
const IDLE_PERCENT: f64 = 1.0;

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

fn a_client_for_whom_there_is_no_process_for_long_is_told() {
    let folder = TempDir::new();
    let server = faulty("clone:error=EAGAIN:when=1..60", &folder.join("trace"), &["127.0.0.1:0"]);
    let start = Instant::now();
    let mut client = server.connect();
    assert_eq!(read_all(&mut client), b"The server is busy. Try again later.\r\n");
    let took = start.elapsed();
    assert!(took >= Duration::from_secs(5), "{took:?}");
    let refuse = &server.wait_events("refuse", 1)[0];
    assert_eq!((refuse.get("why"), refuse.number("from_source")), ("no process could be started", 1));
    // The server accepts again, and has said so before.
    let resumed: Vec<Line> = server.events("resume");
    assert!(resumed.len() == 1 && resumed[0].get("why") == "fork", "{resumed:?}");
    assert_between(resumed[0].get("seconds"), Duration::from_secs(5), start.elapsed());
    server.running.signal(Signal::USR1);
    assert_eq!(server.wait_events("status", 1)[0].get("paused"), "no");
    // The tries are 100 ms apart, so about 50 tries happen while the client is kept, or fewer on a busy machine. The
    // rest of the 60 failures hit the next tries.
    wait_until("the trouble is over", || {
        let mut next = server.connect();
        next.shutdown(Shutdown::Write).unwrap();
        read_all(&mut next).is_empty()
    });
    assert_eq!(echo(&mut server.connect(), b"next"), b"next");
    server.stop();
}

fn term_while_a_client_is_kept_is_heard() {
    let folder = TempDir::new();
    let server = faulty("clone:error=EAGAIN:when=1+", &folder.join("trace"), &["127.0.0.1:0"]);
    let mut client = server.connect();
    server.wait_events("pause", 1);
    server.running.signal(Signal::USR1);
    let status = &server.wait_events("status", 1)[0];
    assert_eq!((status.get("paused"), status.get("stopping")), ("fork", "no"));
    server.running.signal(Signal::TERM);
    assert_eq!(read_all(&mut client), b"The server is busy. Try again later.\r\n");
    let ended = server.running.wait();
    assert_eq!(ended.status.code(), Some(0));
    let log = parse_log(&ended.stderr);
    let refuse = log.iter().find(|line| line.event == "refuse").unwrap();
    let refused = (refuse.get("from"), refuse.get("why"), refuse.number("from_source"));
    assert_eq!(refused, (&*client.local_addr().unwrap().to_string(), "the server stops", 1));
}

/// Lets every other fork fail. Afterwards there must be as many slots as before.
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
    let mut clients: Vec<TcpStream> = server.clients(LIMIT);
    assert_eq!(children(server.pid()).len(), LIMIT);
    let last = server.connect();
    assert!(is_silent(&last, Duration::from_millis(100)), "one more than the limit");
    clients.clear();
    drop(last);
    server.stop();
    let trace = fs::read_to_string(folder.join("trace")).unwrap();
    assert!(trace.matches("(INJECTED)").count() >= count, "{trace}");
}

fn failed_forks_lose_no_slot() {
    failed_forks(20);
}

fn a_thousand_failed_forks_lose_no_slot() {
    failed_forks(1_000);
}

fn a_real_limit_of_processes_keeps_clients_waiting() {
    // The limit does not hold for root, so the server runs as a user without other processes. The server itself counts
    // as one process.
    needs_root();
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

fn a_pool_says_when_processes_can_be_made_again() {
    let folder = TempDir::new();
    let server = faulty("clone:error=EAGAIN:when=1..3", &folder.join("trace"), &["--prefork", "1", "127.0.0.1:0"]);
    assert_eq!(server.wait_events("resume", 1)[0].get("why"), "fork");
    assert_eq!(finish(server.client()), b"");
    let pauses = server.events("pause");
    assert_eq!((pauses.len(), pauses[0].get("why")), (1, "fork"), "{pauses:?}");
    server.stop();
}

fn a_pool_that_needs_no_further_process_lacks_none() {
    let folder = TempDir::new();
    let server = faulty("clone:error=EAGAIN:when=2+", &folder.join("trace"), &["--prefork", "1-2", "127.0.0.1:0"]);
    let client = server.client();
    server.wait_events("pause", 1);
    server.running.signal(Signal::USR1);
    assert_eq!(server.wait_events("status", 1)[0].get("paused"), "fork");
    assert_eq!(finish(client), b"");
    assert_eq!(server.wait_events("resume", 1)[0].get("why"), "fork");
    server.running.signal(Signal::USR1);
    assert_eq!(server.wait_events("status", 2)[1].get("paused"), "no");
    server.stop();
}

fn where_no_process_can_be_made_clients_are_told() {
    needs_root();
    let folder = TempDir::new();
    let user = user_of_nothing();
    let mut command = Command::new("prlimit");
    command.arg("--nproc=1:1").arg(copy_program(MPSERV, &folder)).args(["-1", "127.0.0.1:0"]).uid(user).gid(user);
    let server = Served::start_command(&mut command);
    let mut client = server.connect();
    assert_eq!(server.wait_events("pause", 1)[0].get("why"), "fork");
    assert_eq!(read_all(&mut client), b"The server is busy. Try again later.\r\n");
    server.stop();
}

fn a_client_that_was_kept_counts_by_its_rule() {
    let folder = TempDir::new();
    let rules = folder.join("rules");
    fs::write(&rules, "deny 192.0.2.0/24\nallow all max-children=1\n").unwrap();
    let options = ["--rules", rules.to_str().unwrap(), "127.0.0.1:0"];
    let server = faulty("clone:error=EAGAIN:when=1", &folder.join("trace"), &options);
    let kept = server.client();
    assert_eq!(read_all(&mut server.connect()), b"");
    assert_eq!(server.wait_events("refuse", 1)[0].get("why"), "rule's max-children");
    drop(kept);
    server.wait_events("end", 1);
    drop(server.client());
    server.stop();
}

fn a_program_behind_a_proxy_is_started_later() {
    let folder = TempDir::new();
    let options = ["--proxy-protocol", "127.0.0.1:0", "cat"];
    let server = faulty("clone:error=EAGAIN:when=1", &folder.join("trace"), &options);
    let mut client = server.connect();
    client.write_all(b"PROXY TCP4 192.0.2.1 192.0.2.9 4000 80\r\n").unwrap();
    assert_eq!(echo(&mut client, b"kept"), b"kept");
    assert_eq!(server.wait_events("pause", 1)[0].get("why"), "fork");
    drop(client);
    server.wait_events("end", 1);
    server.stop();
}
