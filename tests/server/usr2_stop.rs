//! Tests the stop of a server whose earlier servers still have clients, after SIGUSR2.

use std::fs;
use std::net::TcpStream;
use std::path::PathBuf;

use crate::common::server::*;
use crate::common::solo::Test;
use crate::common::*;
use crate::tests;
use crate::usr2::Dynasty;
use mpserv::signal::Signal;

pub(crate) const TESTS: &[Test] = tests![
    a_signal_to_the_newest_stops_its_earlier_servers_and_it_ends_last,
    a_signal_that_hurries_the_newest_hurries_its_earlier_servers,
    a_signal_to_each_server_shortens_no_grace,
    an_earlier_server_that_is_stopped_does_not_hold_the_newest_for_ever,
    an_earlier_server_that_was_killed_holds_nobody_up,
    a_signal_to_an_earlier_server_stops_no_other,
    the_end_of_a_successor_that_was_killed_is_told_by_its_predecessor,
    only_the_newest_has_the_pipes_to_earlier_servers_and_closes_them,
];

/// The arguments of a server without, and of a server with preforked children.
const KINDS: [&[&str]; 2] = [&["127.0.0.1:0"], &["--prefork", "2", "127.0.0.1:0"]];

/// The id of the newest server.
fn newest(dynasty: &Dynasty) -> u32 {
    dynasty.pid().unwrap().raw() as u32
}

/// Makes a successor of a server that has one client. Waits until the other preforked children have ended, which may
/// accept a client until then.
#[track_caller]
fn succeed(dynasty: &Dynasty) -> u32 {
    let before = dynasty.succeed().raw() as u32;
    wait_until("only the child with the client and the successor are left", || children(before).len() == 2);
    before
}

/// Makes a client of the server, and then a successor.
fn succeed_with_client(arguments: &[&str]) -> (Dynasty, TcpStream) {
    let dynasty = Dynasty::start(arguments);
    let client = dynasty.first.client();
    succeed(&dynasty);
    (dynasty, client)
}

/// Waits until the first server has ended, the newest has removed the pidfile, and so many have stopped in order.
#[track_caller]
fn wait_ends(dynasty: &Dynasty, stopped: usize) -> Vec<Line> {
    dynasty.first.wait_events("stopped", stopped);
    wait_until("the pidfile is gone", || !dynasty.pidfile.exists());
    wait_until("the first server ends", || state(dynasty.first.pid()) == Some('Z'));
    let log = dynasty.first.log();
    assert!(!log.iter().any(|line| line.event == "fail"), "{log:#?}");
    log
}

fn a_signal_to_the_newest_stops_its_earlier_servers_and_it_ends_last() {
    for (arguments, with) in KINDS.into_iter().zip([Signal::TERM, Signal::INT]) {
        let (dynasty, mut oldest) = succeed_with_client(arguments);
        assert_eq!(finish(dynasty.first.client()), b"");
        let mut other = dynasty.first.client();
        succeed(&dynasty);
        let last = newest(&dynasty);
        signal(last, with);
        let stops = dynasty.first.wait_events("stop", 3);
        let name = if with == Signal::TERM { "SIGTERM" } else { "SIGINT" };
        assert!(stops.iter().all(|line| (line.get("signal"), line.get("grace")) == (name, "30.000")), "{stops:?}");
        assert_eq!(stops.iter().filter(|line| line.fields.contains_key("sender")).count(), 1, "{stops:?}");
        wait_until("nobody listens", || nobody_listens(dynasty.first.port()));
        for (client, ended) in [(&mut other, 1), (&mut oldest, 2)] {
            assert_eq!(echo(client, b"still here"), b"still here");
            assert!(dynasty.names(last), "the newest waits, although it has no client");
            client.shutdown(std::net::Shutdown::Write).unwrap();
            assert_eq!(read_all(client), b"");
            dynasty.first.wait_events("stopped", ended);
        }
        wait_ends(&dynasty, 3);
        let stopped = dynasty.first.events("stopped");
        let accepted: Vec<u64> = stopped.iter().map(|line| line.number("accepted")).collect();
        assert_eq!(accepted, [2, 1, 0], "{stopped:?}");
    }
}

fn a_signal_that_hurries_the_newest_hurries_its_earlier_servers() {
    for (arguments, signals) in KINDS.into_iter().zip([&[Signal::QUIT][..], &[Signal::TERM, Signal::TERM]]) {
        let (dynasty, mut client) = succeed_with_client(arguments);
        let last = newest(&dynasty);
        for (index, with) in signals.iter().enumerate() {
            signal(last, *with);
            let count = 2 * (index + 1);
            let stops = dynasty.first.wait_events("stop", count);
            let grace = if index + 1 == signals.len() { "0.000" } else { "30.000" };
            assert!(stops[count - 2..].iter().all(|line| line.get("grace") == grace), "{stops:?}");
        }
        assert_eq!(read_all(&mut client), b"");
        wait_ends(&dynasty, 2);
        assert_eq!(dynasty.first.events("stopped")[0].number("terminated"), 1);
    }
}

/// Sends each server one signal, as a service manager may do that knows all processes. None of them is a second one.
fn a_signal_to_each_server_shortens_no_grace() {
    for is_newest_first in [false, true] {
        let (dynasty, mut client) = succeed_with_client(KINDS[0]);
        let (first, last) = (dynasty.first.pid(), newest(&dynasty));
        if is_newest_first {
            signal(last, Signal::TERM);
            dynasty.first.wait_events("stop", 2);
            signal(first, Signal::TERM);
            dynasty.first.wait_events("stop", 3);
        } else {
            signal(first, Signal::TERM);
            dynasty.first.wait_events("stop", 1);
            signal(last, Signal::TERM);
            dynasty.first.wait_events("stop", 2);
        }
        wait_until("the first server waits", || waits_in(first, libc::SYS_poll));
        assert_eq!(echo(&mut client, b"still here"), b"still here");
        assert_eq!(finish(client), b"");
        let log = wait_ends(&dynasty, 2);
        let stops: Vec<&Line> = log.iter().filter(|line| line.event == "stop").collect();
        assert!(stops.iter().all(|line| line.get("grace") == "30.000"), "{stops:?}");
        assert_eq!(dynasty.first.events("stopped")[0].number("drained"), 1);
    }
}

fn an_earlier_server_that_is_stopped_does_not_hold_the_newest_for_ever() {
    let (dynasty, mut client) = succeed_with_client(&["--grace", "0.1", "127.0.0.1:0"]);
    let last = newest(&dynasty);
    dynasty.first.running.signal(Signal::STOP);
    signal(last, Signal::TERM);
    wait_until("the newest server ends", || state(last) == Some('Z'));
    assert!(!dynasty.pidfile.exists());
    let fail = &dynasty.first.wait_events("fail", 1)[0];
    assert_eq!(fail.get("call"), "wait for an earlier server");
    // The order waits for the earlier server.
    dynasty.first.running.signal(Signal::CONT);
    assert_eq!(read_all(&mut client), b"");
    wait_until("the earlier server ends", || state(dynasty.first.pid()) == Some('Z'));
    let stopped = dynasty.first.wait_events("stopped", 2);
    assert_eq!([0, 1].map(|index: usize| stopped[index].number("terminated")), [0, 1], "{stopped:?}");
}

fn an_earlier_server_that_was_killed_holds_nobody_up() {
    let (dynasty, client) = succeed_with_client(&["--orphans", "keep", "127.0.0.1:0"]);
    dynasty.first.running.signal(Signal::KILL);
    wait_until("the first server ends", || state(dynasty.first.pid()) == Some('Z'));
    signal(newest(&dynasty), Signal::TERM);
    wait_ends(&dynasty, 1);
    // The child of the server that was killed still has its client.
    assert_eq!(finish(client), b"");
}

fn a_signal_to_an_earlier_server_stops_no_other() {
    let (dynasty, oldest) = succeed_with_client(KINDS[0]);
    let mut middle = dynasty.first.client();
    let before = succeed(&dynasty);
    signal(before, Signal::QUIT);
    assert_eq!(read_all(&mut middle), b"");
    dynasty.first.wait_events("stopped", 1);
    assert_eq!(finish(dynasty.first.client()), b"");
    assert_eq!(finish(oldest), b"");
    wait_until("the first server ends", || state(dynasty.first.pid()) == Some('Z'));
    signal(newest(&dynasty), Signal::TERM);
    let log = wait_ends(&dynasty, 3);
    assert_eq!(log.iter().filter(|line| line.event == "stop").count(), 2, "{log:#?}");
}

/// Kills the newest server while its predecessor still has a client.
fn the_end_of_a_successor_that_was_killed_is_told_by_its_predecessor() {
    let (dynasty, client) = succeed_with_client(KINDS[0]);
    let last = newest(&dynasty);
    signal(last, Signal::KILL);
    let fail = &dynasty.first.wait_events("fail", 1)[0];
    assert_eq!((fail.get("call"), fail.get("error")), ("serve as the successor", "SIGKILL"), "{fail:?}");
    assert_eq!(fail.number("pid"), last.into());
    assert_eq!(finish(client), b"");
    wait_until("the first server ends", || state(dynasty.first.pid()) == Some('Z'));
}

/// Checks that no child of a successor can tell an earlier server to stop, and that the successor closes its pipe to a
/// server that has ended.
fn only_the_newest_has_the_pipes_to_earlier_servers_and_closes_them() {
    let pipes = |pid: u32| -> Vec<PathBuf> {
        let links = (3..64).filter_map(|number| fs::read_link(format!("/proc/{pid}/fd/{number}")).ok());
        links.filter(|link| link.to_str().is_some_and(|link| link.starts_with("pipe:"))).collect()
    };
    for arguments in [KINDS[0], KINDS[1], &["127.0.0.1:0", "cat"]] {
        let (dynasty, oldest) = succeed_with_client(arguments);
        let last = newest(&dynasty);
        wait_until("the predecessor has let go", || pipes(last).len() == 1);
        let client = dynasty.first.client();
        for child in children(last) {
            wait_until("the child has no pipe of the server", || {
                let of_server = pipes(last);
                pipes(child).iter().all(|pipe| !of_server.contains(pipe))
            });
        }
        drop((client, oldest));
        wait_until("the pipe to the server that has ended is closed", || pipes(last).is_empty());
        signal(last, Signal::TERM);
        wait_ends(&dynasty, 2);
    }
}
