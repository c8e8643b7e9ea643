//! Tests `--max-rate`: the server accepts at most this many connections in a period.

use std::io::{Read, Write};
use std::time::{Duration, Instant};

use crate::common::server::*;
use crate::common::solo::Test;
use crate::common::*;
use crate::tests;
use mpserv::server::limits::BUSY_MESSAGE;

pub(crate) const TESTS: &[Test] = tests![
    the_rate_is_exact_at_its_boundary,
    the_rate_is_kept_in_every_period,
    clients_that_are_refused_do_not_use_up_the_rate,
    clients_that_are_refused_behind_a_proxy_do_not_use_up_the_rate,
    clients_whose_program_cannot_be_run_do_not_use_up_the_rate,
    a_client_for_whom_there_is_no_process_does_not_use_up_the_rate,
    a_client_that_was_kept_and_then_refused_does_not_use_up_the_rate,
];

fn the_rate_is_exact_at_its_boundary() {
    const PERIOD: Duration = Duration::from_secs(3);
    let server = Served::start(&["--max-rate", "3/3", "127.0.0.1:0"]);
    let start = Instant::now();
    // The clients wait together, so that the server accepts three of them at once.
    let three = [(); 3].map(|()| server.connect());
    let mut fourth = server.connect();
    assert_eq!(echo(&mut fourth, b"fourth"), b"fourth");
    // The server counted the first client a moment after the test began.
    let took = start.elapsed();
    assert!(took >= PERIOD, "the fourth came after {took:?}");
    let pause = server.wait_events("pause", 1);
    assert_eq!(pause[0].get("why"), "max-rate");
    let resume = server.wait_events("resume", 1);
    assert_eq!(resume[0].get("why"), "max-rate");
    drop((three, fourth));
    server.stop();
}

/// Checks that every connection within the last period counts, and not only the first connections.
fn the_rate_is_kept_in_every_period() {
    const PERIOD: Duration = Duration::from_millis(500);
    const LIMIT: usize = 2;
    let server = Served::start(&["--max-rate", "2/0.5", "127.0.0.1:0"]);
    // The time at which each client began to connect, and the time at which it was served.
    let times: Vec<(Instant, Instant)> = (0..4 * LIMIT)
        .map(|_| {
            let begun = Instant::now();
            drop(server.client());
            (begun, Instant::now())
        })
        .collect();
    for (index, later) in times.iter().enumerate().skip(LIMIT) {
        // A client counted after it began to connect. The client that comes LIMIT later is served at least a period
        // after that moment.
        let took = later.1 - times[index - LIMIT].0;
        assert!(took >= PERIOD, "client {index} was served {took:?} after client {} had begun", index - LIMIT);
    }
    let all = times[times.len() - 1].1 - times[0].0;
    assert!(all >= 3 * PERIOD, "four times the limit took {all:?}");
    server.stop();
}

/// Checks that a source which connects again and again does not keep other clients out.
fn clients_that_are_refused_do_not_use_up_the_rate() {
    let server = Served::start(&["--max-rate", "3/600", "-C", "1", "127.0.0.1:0"]);
    let first = server.client();
    for _ in 0..10 {
        assert_eq!(read_all(&mut server.connect()), b"");
    }
    drop(first);
    server.wait_events("end", 1);
    assert_eq!(finish(server.client()), b"");
    assert_eq!(server.events("pause").len(), 0);
    server.stop();
}

/// Checks a client that the rules deny, one beyond the share of its source, and one without a header.
fn clients_that_are_refused_behind_a_proxy_do_not_use_up_the_rate() {
    let folder = TempDir::new();
    let rules = folder.join("rules");
    std::fs::write(&rules, "deny 192.0.2.66\nallow all\n").unwrap();
    let options = ["--proxy-protocol", "--max-rate", "3/600", "-C", "1", "--rules", rules.to_str().unwrap()];
    for program in [&["127.0.0.1:0"][..], &["127.0.0.1:0", "cat"]] {
        let server = Served::start(&[&options, program].concat());
        let connect = |start: &str| {
            let mut client = server.connect();
            client.write_all(start.as_bytes()).unwrap();
            client
        };
        let from = |client: &str| format!("PROXY TCP4 {client} 192.0.2.9 4000 80\r\n");
        let mut first = connect(&from("192.0.2.1"));
        assert_eq!(echo(&mut first, b"first"), b"first");
        for start in [from("192.0.2.66"), from("192.0.2.1"), "no header\r\n".to_owned()] {
            for _ in 0..4 {
                // A child that does not read all of the start resets the connection.
                assert_eq!(read_all(&mut connect(&start)), b"");
                wait_until("the child is reaped", || children(server.pid()).len() == 1);
            }
        }
        // This is the second of three connections in ten minutes.
        let mut second = connect(&from("192.0.2.2"));
        assert_eq!(echo(&mut second, b"second"), b"second");
        drop((first, second));
        server.wait_childless();
        server.stop();
    }
}

/// Checks clients that come while the file of the program is gone, for example during an update.
fn clients_whose_program_cannot_be_run_do_not_use_up_the_rate() {
    let folder = TempDir::new();
    let [program, away] = ["program", "away"].map(|name| folder.join(name));
    std::os::unix::fs::symlink("/bin/cat", &program).unwrap();
    let server = Served::start(&["--max-rate", "1/600", "127.0.0.1:0", program.to_str().unwrap()]);
    std::fs::rename(&program, &away).unwrap();
    for _ in 0..3 {
        assert_eq!(read_all(&mut server.connect()), b"");
    }
    std::fs::rename(&away, &program).unwrap();
    drop(server.client());
    // The log throttle holds lines back, and counts them.
    let log = server.stop();
    let fails = log.iter().filter(|line| line.event == "fail");
    assert_eq!(fails.map(|line| line.number("count")).sum::<u64>(), 3, "{log:?}");
}

fn a_client_for_whom_there_is_no_process_does_not_use_up_the_rate() {
    let folder = TempDir::new();
    let options = ["--max-rate", "1/600", "127.0.0.1:0"];
    let server = faulty("clone:error=EAGAIN:when=1..60", &folder.join("trace"), &options);
    assert_eq!(read_all(&mut server.connect()), BUSY_MESSAGE.as_bytes());
    // The rest of the failures may hit the next clients.
    wait_until("a client is served", || {
        let mut next = server.connect();
        next.shutdown(std::net::Shutdown::Write).unwrap();
        read_all(&mut next).is_empty()
    });
    assert_eq!(server.wait_events("accept", 1).len(), 1);
    server.stop();
}

/// Checks a client that waited for a process, and whose child then refuses it. The child starts later than the client
/// was accepted.
fn a_client_that_was_kept_and_then_refused_does_not_use_up_the_rate() {
    let folder = TempDir::new();
    let options = ["--proxy-protocol", "--max-rate", "1/600", "127.0.0.1:0"];
    let server = faulty("clone:error=EAGAIN:when=1..2", &folder.join("trace"), &options);
    let mut first = server.connect();
    first.write_all(b"no header\r\n").unwrap();
    let _ = first.read_to_end(&mut Vec::new());
    let mut second = server.connect();
    second.write_all(b"PROXY TCP4 192.0.2.1 192.0.2.9 4000 80\r\n").unwrap();
    assert_eq!(echo(&mut second, b"second"), b"second");
    drop(second);
    server.wait_childless();
    server.stop();
}
