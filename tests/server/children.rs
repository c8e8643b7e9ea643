//! Tests children: the parts of the server that they have, their ends, and the treatment of their clients.

use std::fs;
use std::io::Write;
use std::net::TcpStream;
use std::path::Path;

use crate::common::server::*;
use crate::common::solo::Test;
use crate::common::*;
use crate::tests;
use mpserv::signal::Signal;

pub(crate) const TESTS: &[Test] = tests![
    a_child_does_not_have_the_parents_tables,
    clients_that_say_nothing_or_reset_hinder_nobody,
    a_child_that_crashes_or_stops_hurts_only_its_own_connection,
    twenty_children_that_end_at_once_are_no_zombies_for_long,
    what_the_terminal_sends_reaches_the_server_only,
    the_parent_reads_no_byte_of_a_client_that_it_serves,
    no_memory_is_both_writable_and_executable,
];

/// Checks that processes of a built-in service do not have the parent's tables.
fn a_child_does_not_have_the_parents_tables() {
    let server = Served::start(&["127.0.0.1:0"]);
    let mut client = server.connect();
    assert_eq!(echo(&mut client, b"hello"), b"hello");
    let mappings = |pid: u32| fs::read_to_string(format!("/proc/{pid}/maps")).unwrap().lines().count();
    let (child, parent) = (mappings(children(server.pid())[0]), mappings(server.pid()));
    assert!(child < parent, "{child} mappings in the child, {parent} in the parent");
    drop(client);
    server.stop();
}

fn clients_that_say_nothing_or_reset_hinder_nobody() {
    let server = Served::start(&["127.0.0.1:0"]);
    let silent: Vec<TcpStream> = (0..5).map(|_| server.connect()).collect();
    server.wait_events("accept", 5);
    for _ in 0..5 {
        let client = server.client();
        mpserv::net::setsockopt(as_fd(&client), mpserv::net::SocketOption::LINGER, Some(0)).unwrap();
        drop(client);
    }
    let ends = server.wait_events("end", 5);
    assert!(ends.iter().all(|end| end.get("exit") == "1"), "{ends:?}");
    let mut client = server.client();
    assert_eq!(echo(&mut client, b"still here"), b"still here");
    drop((silent, client));
    server.wait_events("end", 11);
    server.stop();
}

fn a_child_that_crashes_or_stops_hurts_only_its_own_connection() {
    let server = Served::start(&["127.0.0.1:0"]);
    let mut others: Vec<TcpStream> = server.clients(3);
    for (index, signal) in [Signal::SEGV, Signal::ABRT, Signal::KILL].into_iter().enumerate() {
        let mut victim = server.client();
        send(server.wait_events("accept", 4 + index)[3 + index].number("pid"), signal);
        assert_eq!(read_all(&mut victim), b"");
        let end = &server.wait_events("end", 1 + index)[index];
        assert!(end.get("signal").starts_with(&signal.to_string()), "{end:?}");
    }
    let stopped = server.client();
    let pid = server.wait_events("accept", 7)[6].number("pid");
    send(pid, Signal::STOP);
    for other in &mut others {
        assert_eq!(echo(other, b"unhurt"), b"unhurt");
    }
    assert_eq!(echo(&mut server.client(), b"new"), b"new");
    drop(others);
    send(pid, Signal::CONT);
    drop(stopped);
    server.stop();
}

fn twenty_children_that_end_at_once_are_no_zombies_for_long() {
    let server = Served::start(&["127.0.0.1:0"]);
    let clients: Vec<TcpStream> = server.clients(20);
    assert_eq!(children(server.pid()).len(), 20);
    drop(clients);
    server.wait_childless();
    server.stop();
}

fn what_the_terminal_sends_reaches_the_server_only() {
    let server = Served::start(&["127.0.0.1:0"]);
    let _client = server.client();
    let group = |pid: u32| {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
        stat[stat.rfind(')').unwrap() + 2..].split(' ').nth(2).unwrap().parse::<u32>().unwrap()
    };
    let child = children(server.pid())[0];
    assert_eq!(group(child), child);
    assert_ne!(group(server.pid()), child);
    server.running.signal(Signal::QUIT);
    server.running.wait();
}

/// Returns the number of accepted connections in a process's trace from `strace -y`, and the names of the process's
/// calls on these connections.
pub(crate) fn calls_on_connections(trace: &Path) -> (usize, Vec<String>) {
    let trace = fs::read_to_string(trace).unwrap();
    let of_accept = |line: &&str| line.starts_with("accept4(");
    // A line of the trace: accept4(3<socket:[1]>, …) = 6<socket:[2]>
    let accepted = |line: &str| Some(line.rsplit_once(" = ")?.1.split_once('<')?.1.to_owned());
    let connections: Vec<String> = trace.lines().filter(of_accept).filter_map(accepted).collect();
    let is_on = |line: &&str| connections.iter().any(|connection| line.contains(&format!("<{connection}")));
    let others = trace.lines().filter(|line| !of_accept(line) && is_on(line));
    (connections.len(), others.map(|line| line.split('(').next().unwrap().to_owned()).collect())
}

fn the_parent_reads_no_byte_of_a_client_that_it_serves() {
    const CLIENTS: usize = 3;
    let folder = TempDir::new();
    let trace = folder.join("trace");
    let header = "PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n";
    for (options, program, before, accepted, calls) in [
        (&[][..], &[][..], "", CLIENTS, &["close"][..]),
        (&["--sandbox"], &[], "", CLIENTS, &["close"]),
        (&["--proxy-protocol"], &[], header, CLIENTS, &["close"]),
        // The environment tells a program its own address.
        (&[], &["cat"], "", CLIENTS, &["getsockname", "close"]),
        (&["--prefork", "2"], &[], "", 0, &[]),
    ] {
        let arguments = [options, &["127.0.0.1:0"], program].concat();
        let server = Served::start_command(&mut traced(&["-y"], &trace, &arguments));
        for _ in 0..CLIENTS {
            let mut client = server.connect();
            client.write_all(before.as_bytes()).unwrap();
            assert_eq!(echo(&mut client, b"not for the parent"), b"not for the parent", "{arguments:?}");
            finish(client);
        }
        server.stop();
        let made = calls_on_connections(&trace);
        assert_eq!((made.0, made.1.join(" ")), (accepted, calls.repeat(accepted).join(" ")), "{arguments:?}");
    }
}

fn no_memory_is_both_writable_and_executable() {
    let server = Served::start(&["127.0.0.1:0"]);
    let _client = server.client();
    for pid in [server.pid(), children(server.pid())[0]] {
        let maps = fs::read_to_string(format!("/proc/{pid}/maps")).unwrap();
        assert!(maps.contains("[stack]"), "{maps}");
        let rights = maps.lines().filter_map(|line| line.split(' ').nth(1));
        assert!(rights.into_iter().all(|rights| !(rights.contains('w') && rights.contains('x'))), "{maps}");
    }
}
