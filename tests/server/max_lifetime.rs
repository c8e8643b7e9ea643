//! Tests `--max-lifetime`: the server ends a child whose time is over.

use crate::common::server::*;
use crate::common::solo::Test;
use crate::tests;
use mpserv::signal::Signal;

pub(crate) const TESTS: &[Test] = tests![a_child_whose_time_is_up_is_ended_and_nobody_else,];

fn a_child_whose_time_is_up_is_ended_and_nobody_else() {
    let server = Served::start(&["--max-lifetime", "2", "127.0.0.1:0"]);
    let mut stopped = server.client();
    let accepts = server.wait_events("accept", 1);
    send(accepts[0].number("pid"), Signal::STOP);
    assert_eq!(read_all(&mut stopped), b"");
    assert_eq!(server.wait_events("end", 1)[0].get("signal"), "SIGTERM");
    let lifetimes = server.events("lifetime");
    assert_eq!(lifetimes.len(), 1);
    for field in ["pid", "from"] {
        assert_eq!(lifetimes[0].get(field), accepts[0].get(field), "{lifetimes:?}");
    }
    drop(server.client());
    server.stop();
    // A program that ignores SIGTERM gets SIGKILL, with all processes of its group.
    let server = Served::start(&[
        "--max-lifetime",
        "2",
        "127.0.0.1:0",
        "sh",
        "-c",
        "trap '' TERM; sleep 600 & echo ready; while :; do :; done",
    ]);
    let mut looping = server.connect();
    assert_eq!(read_all(&mut looping), b"ready\n");
    assert_eq!(server.wait_events("end", 1)[0].get("signal"), "SIGKILL");
    server.stop();
}
