//! Tests `-C` and the limits of rules with `--proxy-protocol`: a client counts from the moment when its header is read.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;

use mpserv::signal::Signal;

use crate::common::server::*;
use crate::common::solo::Test;
use crate::common::*;
use crate::tests;

pub(crate) const TESTS: &[Test] = tests![
    the_limit_of_a_source_holds_when_headers_come_in_reverse_order,
    the_limit_of_a_rule_holds_when_headers_come_in_reverse_order,
    the_limit_of_a_rule_counts_clients_of_before_the_rules_were_read_again,
    the_limit_of_a_source_holds_when_headers_come_at_once,
    silent_connections_of_one_address_leave_children_for_others,
];

const CLIENTS: usize = 20;
const HEADER: &[u8] = b"PROXY TCP4 192.0.2.1 198.51.100.2 1000 443\r\n";

/// The modes in which children count clients.
const MODES: [&[&str]; 2] = [&[], &["--prefork", "24"]];
/// The size of the pool in these modes.
const POOL: usize = 24;

/// Sends a byte on each connection, and returns the number of connections with an answer. The other connections are
/// closed.
fn served(clients: &mut [TcpStream]) -> usize {
    let answers = clients.iter_mut().map(|client| {
        let _ = client.write_all(b"?");
        client.read(&mut [0]).is_ok_and(|length| length == 1)
    });
    answers.filter(|is_served| *is_served).count()
}

#[track_caller]
fn holds_in_reverse_order(options: &[&str], limit: usize) {
    for mode in MODES {
        let server = Served::start(&[mode, options, &["--proxy-protocol", "127.0.0.1:0"]].concat());
        let mut clients: Vec<_> = (0..CLIENTS).map(|_| server.connect()).collect();
        for (index, client) in clients.iter_mut().enumerate().rev() {
            client.write_all(HEADER).unwrap();
            let decided = CLIENTS - index;
            wait_until("the client is served or refused", || {
                server.events("accept").len() + server.events("refuse").len() >= decided.min(limit + 1)
            });
        }
        assert_eq!(served(&mut clients), limit, "{mode:?}");
        server.running.end(Signal::QUIT);
    }
}

fn the_limit_of_a_source_holds_when_headers_come_in_reverse_order() {
    holds_in_reverse_order(&["-C", "1"], 1);
    holds_in_reverse_order(&["-C", "3"], 3);
}

fn the_limit_of_a_rule_holds_when_headers_come_in_reverse_order() {
    let folder = TempDir::new();
    let rules = folder.join("rules");
    fs::write(&rules, "allow 198.51.100.0/24\nallow 192.0.2.0/24 max-children=2\n").unwrap();
    holds_in_reverse_order(&["--rules", rules.to_str().unwrap()], 2);
}

fn the_limit_of_a_rule_counts_clients_of_before_the_rules_were_read_again() {
    let folder = TempDir::new();
    let rules = folder.join("rules");
    for mode in MODES {
        fs::write(&rules, "allow 192.0.2.0/24 max-children=9\n").unwrap();
        let options = ["--rules", rules.to_str().unwrap(), "--proxy-protocol", "127.0.0.1:0"];
        let server = Served::start(&[mode, &options].concat());
        let connect = |count| {
            let mut clients: Vec<_> = (0..count).map(|_| server.connect()).collect();
            clients.iter_mut().for_each(|client| client.write_all(HEADER).unwrap());
            clients
        };
        let mut before = connect(2);
        assert_eq!(served(&mut before), 2, "{mode:?}");
        // The rules are read twice, and the limit is that of another rule each time.
        for (text, limit) in
            [("allow all max-children=4\n", 4), ("deny 198.51.100.0/24\nallow all max-children=3\n", 3)]
        {
            fs::write(&rules, text).unwrap();
            // The pool has room for the retired children as well.
            let size = if mode.is_empty() { before.len() } else { POOL };
            wait_until("the refused ones are gone", || children(server.pid()).len() == size);
            let (read, old) = (server.events("rules").len(), children(server.pid()));
            server.running.signal(Signal::HUP);
            server.wait_events("rules", read + 1);
            wait_until("only the clients of before have the rules of before", || {
                let children = children(server.pid());
                children.len() == size && children.iter().filter(|pid| old.contains(pid)).count() == before.len()
            });
            let mut after = connect(limit);
            assert_eq!(served(&mut after), limit - before.len(), "{mode:?} {text}");
            drop(after);
            wait_until("the clients of before are left", || {
                let ends = server.events("end").iter().filter(|line| line.get("exit") == "0").count();
                server.events("accept").len() - ends == before.len()
            });
        }
        server.running.end(Signal::QUIT);
    }
}

fn the_limit_of_a_source_holds_when_headers_come_at_once() {
    for mode in MODES {
        let server = Served::start(&[mode, &["-C", "2", "--proxy-protocol", "127.0.0.1:0"]].concat());
        for _ in 0..5 {
            let mut clients: Vec<_> = (0..CLIENTS).map(|_| server.connect()).collect();
            clients.iter_mut().for_each(|client| client.write_all(HEADER).unwrap());
            assert_eq!(served(&mut clients), 2, "{mode:?}");
            drop(clients);
            wait_until("nobody is served", || {
                mode.is_empty() && children(server.pid()).is_empty()
                    || !mode.is_empty() && {
                        let (accepts, ends) = (server.events("accept").len(), server.events("end").len());
                        accepts == ends
                    }
            });
        }
        server.running.end(Signal::QUIT);
    }
}

fn silent_connections_of_one_address_leave_children_for_others() {
    for (mode, program) in [(&["-c", "4"][..], &[][..]), (&["--prefork", "4"], &[]), (&["-c", "4"], &["cat"])] {
        let server = Served::start(&[mode, &["--proxy-protocol", "127.0.0.1:0"], program].concat());
        let silent: Vec<_> = (0..4).map(|_| server.connect()).collect();
        let mut other = connect_from("127.0.0.2", server.port());
        other.write_all(HEADER).unwrap();
        assert_eq!(echo(&mut other, b"served"), b"served", "{mode:?} {program:?}");
        // Without this rule, such clients would hold all children until the header's time limit ends them.
        let end = &server.wait_events("end", 1)[0];
        assert_eq!(end.fields.get("signal").map(String::as_str), Some("SIGTERM"), "{mode:?} {program:?}: {end:?}");
        drop(silent);
        server.running.end(Signal::QUIT);
    }
}
