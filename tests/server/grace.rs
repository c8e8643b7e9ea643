//! Tests `--grace`: after SIGTERM children may finish, until the grace is over.

use std::io::Read;
use std::time::{Duration, Instant};

use crate::common::server::*;
use crate::common::solo::Test;
use crate::tests;
use mpserv::signal::Signal;

pub(crate) const TESTS: &[Test] = tests![when_the_grace_is_over_children_get_term_and_then_kill,];

/// A program that ignores SIGTERM and reports that it runs. The process that it starts ignores SIGTERM, too.
const STUBBORN: &str = "trap '' TERM; sleep 600 & echo ready; while :; do sleep 1; done";

fn when_the_grace_is_over_children_get_term_and_then_kill() {
    for pool in [&[][..], &["--prefork", "1"]] {
        let server = Served::start(&[pool, &["--grace", "0.2", "127.0.0.1:0"]].concat());
        let mut client = server.client();
        server.running.signal(Signal::TERM);
        assert_eq!(read_all(&mut client), b"", "{pool:?}");
        let ended = server.running.wait();
        assert_eq!(ended.status.code(), Some(0));
        assert_eq!(parse_log(&ended.stderr).last().unwrap().number("terminated"), 1, "{pool:?}");
    }

    let server = Served::start(&["--grace", "0.2", "127.0.0.1:0", "sh", "-c", STUBBORN]);
    let mut client = server.connect();
    let mut ready = [0; 6];
    client.read_exact(&mut ready).unwrap();
    let start = Instant::now();
    let ended = server.running.end(Signal::TERM);
    assert!(start.elapsed() >= Duration::from_secs(5), "it had 5 seconds: {:?}", start.elapsed());
    assert_eq!(ended.status.code(), Some(0));
    assert_eq!(parse_log(&ended.stderr).last().unwrap().number("killed"), 1);
    // SIGKILL went to the program's whole group. Otherwise its other process would still hold the connection.
    assert_eq!(read_all(&mut client), b"");
}
