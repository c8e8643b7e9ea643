//! Tests `--max-children`: at the limit the next client waits.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::os::unix::net::UnixStream;

use crate::common::server::*;
use crate::common::solo::Test;
use crate::common::*;
use crate::tests;
use mpserv::signal::Signal;

pub(crate) const TESTS: &[Test] = tests![
    at_the_limit_of_children_the_next_client_waits,
    of_many_children_those_that_have_ended_count_against_nobody,
    at_a_limit_the_clients_of_each_listener_have_their_turn,
    at_a_limit_a_client_that_waits_costs_nothing,
];

fn at_the_limit_of_children_the_next_client_waits() {
    let server = Served::start(&["--max-children", "3", "127.0.0.1:0"]);
    let mut clients: Vec<TcpStream> = server.clients(3);
    let mut fourth = server.connect();
    fourth.write_all(b"fourth").unwrap();
    let pause = server.wait_events("pause", 1);
    assert_eq!((pause[0].get("why"), pause[0].number("children")), ("max-children", 3));
    assert!(is_silent(&fourth, A_WHILE));
    drop(clients.pop());
    let mut back = [0; 6];
    fourth.read_exact(&mut back).unwrap();
    assert_eq!(&back, b"fourth");
    server.wait_events("resume", 1);
    drop((fourth, clients));
    server.wait_events("end", 4);
    let log = server.stop();
    assert!(log.iter().filter(|line| line.event == "accept").all(|line| line.number("children") <= 3));
}

/// Checks that a client which needs the slot of an ended child does not wait. The parent does not reap all ended
/// children at once.
fn of_many_children_those_that_have_ended_count_against_nobody() {
    const MANY: usize = 600;
    const ENDED: usize = 40;
    let many = MANY.to_string();
    // With one limit clients wait for a slot, and with the other limit they are refused.
    for limits in [["--max-children", &many, "-C", "1000"], ["--max-children", "1000", "-C", &many]] {
        let mut command = mpserv(&["-q"]);
        let server = Served::start_command(command.args(limits).arg("127.0.0.1:0"));
        let mut clients: Vec<TcpStream> = server.clients(MANY);
        assert_eq!(children(server.pid()).len(), MANY);
        // The oldest children end while the server is stopped, so one SIGCHLD stands for all of them.
        let old = children(server.pid());
        server.running.signal(Signal::STOP);
        clients.drain(..ENDED);
        let is_ended = |pid: &&u32| state(**pid) == Some('Z');
        wait_until("they have ended", || old.iter().filter(is_ended).count() == ENDED);
        let mut new: Vec<TcpStream> = (0..ENDED).map(|_| server.connect()).collect();
        server.running.signal(Signal::CONT);
        for client in &mut new {
            assert_eq!(echo(client, b"in their place"), b"in their place", "{limits:?}");
        }
        drop((clients, new));
        server.wait_childless();
        let log = server.stop();
        assert_eq!(log.iter().filter(|line| line.event == "refuse").count(), 0, "{limits:?}");
        assert_eq!(log.last().unwrap().number("accepted"), (MANY + ENDED) as u64, "{limits:?}");
    }
}

/// Checks the order in which the clients of two listeners are served, one after another.
fn at_a_limit_the_clients_of_each_listener_have_their_turn() {
    const OTHERS: usize = 6;
    for limit in [&["-c", "1"][..], &["--prefork", "1"], &["-c", "1", "--max-rate", "1/0.05"]] {
        let folder = TempDir::new();
        let path = folder.join("socket");
        let address = format!("unix:{}", path.display());
        let server = Served::start(&[limit, &["--listen", &address, "127.0.0.1:0"]].concat());
        let first = server.client();
        let second = UnixStream::connect(&path).unwrap();
        second.shutdown(Shutdown::Write).unwrap();
        let others = [(); OTHERS].map(|()| server.connect());
        others.iter().for_each(|other| other.shutdown(Shutdown::Write).unwrap());
        drop(first);
        server.wait_events("end", OTHERS + 2);
        let from: Vec<String> = server.events("accept").iter().map(|line| line.get("from").to_owned()).collect();
        let place = from.iter().position(|from| !from.starts_with("127.0.0.1:"));
        assert_eq!((place, from.len()), (Some(1), OTHERS + 2), "{limit:?}: {from:?}");
        server.stop();
    }
}

/// Checks that the server sleeps while it may not accept a client that waits.
fn at_a_limit_a_client_that_waits_costs_nothing() {
    let folder = TempDir::new();
    let trace = folder.join("trace");
    let server = Served::start_command(&mut traced(&["-e", "trace=poll"], &trace, &["-c", "1", "127.0.0.1:0"]));
    let first = server.client();
    let second = server.connect();
    server.wait_events("pause", 1);
    std::thread::sleep(A_WHILE);
    let calls = std::fs::read_to_string(&trace).unwrap().lines().count();
    assert!(calls < 50, "{calls} calls of poll()");
    drop(first);
    assert_eq!(finish(second), b"");
    server.stop();
}
