//! `--orphans`: children of a killed server end, or live on.

use crate::common::server::*;
use crate::common::solo::Test;
use crate::common::*;
use crate::tests;
use mpserv::signal::Signal;

pub(crate) const TESTS: &[Test] = tests![children_of_a_killed_server_end_unless_they_are_to_be_kept,];

fn children_of_a_killed_server_end_unless_they_are_to_be_kept() {
    let server = Served::start(&["127.0.0.1:0"]);
    let mut client = server.client();
    server.running.signal(Signal::KILL);
    assert_eq!(read_all(&mut client), b"");
    let server = Served::start(&["127.0.0.1:0", "cat"]);
    let mut client = server.client();
    server.running.signal(Signal::KILL);
    assert_eq!(read_all(&mut client), b"");
    for left in Left::ALL {
        for arguments in [&["127.0.0.1:0"][..], &["127.0.0.1:0", "cat"], &["--prefork", "2", "127.0.0.1:0"]] {
            let server = Served::start_command(left.to(&mut mpserv(arguments)));
            let mut client = server.client();
            server.running.signal(Signal::KILL);
            assert_eq!(read_all(&mut client), b"", "{left:?}");
        }
    }
    for program in [&["127.0.0.1:0"][..], &["127.0.0.1:0", "cat"]] {
        let server = Served::start(&[&["--orphans", "keep"], program].concat());
        let mut client = server.client();
        server.running.signal(Signal::KILL);
        wait_until("the server is gone", || nobody_listens(server.port()));
        assert_eq!(echo(&mut client, b"still here"), b"still here");
        assert_eq!(finish(client), b"");
    }
}
