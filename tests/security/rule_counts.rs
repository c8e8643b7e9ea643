//! Tests `max-children` of a rule. There is a counter for each rule.

use std::fmt::Write as _;
use std::fs;
use std::time::Duration;

use mpserv::signal::Signal;

use crate::common::server::*;
use crate::common::solo::Test;
use crate::common::*;
use crate::tests;

pub(crate) const TESTS: &[Test] = tests![
    a_refused_client_costs_the_same_however_many_children_there_are,
    a_client_that_has_gone_counts_no_more,
    clients_are_counted_anew_when_the_rules_are_read_again,
    clients_that_no_rule_had_matched_are_counted_as_well,
];

/// Returns a file with the largest number of rules. The last rule matches every client.
fn many_rules(limit: usize) -> String {
    let mut rules = String::new();
    for index in 0..16_383 {
        writeln!(rules, "allow 10.{}.{}.0/24 max-children=9", index >> 8, index & 255).unwrap();
    }
    writeln!(rules, "allow all max-children={limit}").unwrap();
    rules
}

/// Returns the processor time that refused clients cost a server with this many children.
fn cost_of_refusals(children: usize) -> Duration {
    const REFUSED: usize = 20;
    let folder = TempDir::new();
    let rules = folder.join("rules");
    fs::write(&rules, many_rules(children)).unwrap();
    let server = Served::start(&["-q", "-c", "500", "--rules", rules.to_str().unwrap(), "127.0.0.1:0"]);
    let all = server.clients(children);
    let before = server.processor_time();
    for _ in 0..REFUSED {
        assert_eq!(read_all(&mut server.connect()), b"");
    }
    let cost = server.processor_time() - before;
    drop(all);
    server.running.end(Signal::QUIT);
    cost
}

/// Checks the cost of a refused client. Without counters, each child would cost as many comparisons as there are rules.
fn a_refused_client_costs_the_same_however_many_children_there_are() {
    let (few, many) = (cost_of_refusals(1), cost_of_refusals(100));
    assert!(many < 10 * few, "{few:?} with one child, {many:?} with a hundred");
}

fn a_client_that_has_gone_counts_no_more() {
    let folder = TempDir::new();
    let rules = folder.join("rules");
    fs::write(&rules, "deny 192.0.2.0/24\nallow all max-children=2\n").unwrap();
    let server = Served::start(&["--rules", rules.to_str().unwrap(), "127.0.0.1:0"]);
    for _ in 0..5 {
        let both = server.clients(2);
        assert_eq!(read_all(&mut server.connect()), b"");
        drop(both);
        server.wait_childless();
    }
    server.stop();
}

fn clients_that_no_rule_had_matched_are_counted_as_well() {
    let folder = TempDir::new();
    let rules = folder.join("rules");
    fs::write(&rules, "deny 192.0.2.0/24\n").unwrap();
    let server = Served::start(&["--rules", rules.to_str().unwrap(), "127.0.0.1:0"]);
    let one = server.client();
    fs::write(&rules, "allow all max-children=1\n").unwrap();
    server.running.signal(Signal::HUP);
    server.wait_events("rules", 1);
    assert_eq!(read_all(&mut server.connect()), b"");
    drop(one);
    server.wait_events("end", 1);
    drop(server.client());
    server.running.end(Signal::QUIT);
}

fn clients_are_counted_anew_when_the_rules_are_read_again() {
    let folder = TempDir::new();
    let rules = folder.join("rules");
    fs::write(&rules, "allow 192.0.2.0/24\nallow all\n").unwrap();
    let server = Served::start(&["--rules", rules.to_str().unwrap(), "127.0.0.1:0"]);
    let mut both = server.clients(2);
    fs::write(&rules, "allow all max-children=2\n").unwrap();
    server.running.signal(Signal::HUP);
    server.wait_events("rules", 1);
    assert_eq!(read_all(&mut server.connect()), b"");
    both.pop();
    server.wait_events("end", 1);
    drop(server.client());
    server.running.end(Signal::QUIT);
}
