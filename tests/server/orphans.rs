//! Tests `--orphans`: the children of a killed server end, or live on.

use crate::common::server::*;
use crate::common::solo::Test;
use crate::common::*;
use crate::tests;
use mpserv::signal::Signal;

pub(crate) const TESTS: &[Test] = tests![
    children_of_a_killed_server_end_unless_they_are_to_be_kept,
    preforked_orphans_serve_the_client_that_they_have_and_end,
    preforked_orphans_leave_the_address_to_the_next_server,
];

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

/// Checks that preforked orphans end. If they accepted clients for ever, they would keep the port from the next server.
fn preforked_orphans_serve_the_client_that_they_have_and_end() {
    for address in [&["127.0.0.1:0"][..], &["--listen", "127.0.0.1:0", "127.0.0.1:0"]] {
        let mut command = mpserv(&[&["--orphans", "keep", "--prefork", "3"], address].concat());
        let server = Served::start_ports(&mut command, address.len().div_ceil(2));
        let mut client = server.client();
        wait_until("the pool is there", || children(server.pid()).len() == 3);
        let pool = children(server.pid());
        let busy = server.wait_events("accept", 1)[0].number("pid") as u32;
        server.running.signal(Signal::KILL);
        wait_until("the idle ones end", || pool.iter().all(|pid| *pid == busy || is_gone(*pid)));
        assert_eq!(echo(&mut client, b"still here"), b"still here");
        assert_eq!(finish(client), b"");
        wait_until("the last one ends", || is_gone(busy));
        wait_until("nobody listens", || nobody_listens(server.port()));
    }
}

/// Checks that another server can listen while a preforked orphan still has its client.
fn preforked_orphans_leave_the_address_to_the_next_server() {
    for options in [&[][..], &["--sandbox"], &["--listen", "127.0.0.1:0"]] {
        let mut command = mpserv(&[&["--orphans", "keep", "--prefork", "2"], options, &["127.0.0.1:0"]].concat());
        let server = Served::start_ports(&mut command, 1 + options.len() / 2);
        let mut client = server.client();
        wait_until("the pool is there", || children(server.pid()).len() == 2);
        server.running.signal(Signal::KILL);
        wait_until("nobody listens", || server.ports.iter().all(|port| nobody_listens(*port)));
        let next = Served::start(&[&format!("127.0.0.1:{}", server.port())]);
        assert_eq!(echo(&mut next.client(), b"served"), b"served");
        assert_eq!(echo(&mut client, b"still here"), b"still here");
        assert_eq!(finish(client), b"");
        next.stop();
    }
}
