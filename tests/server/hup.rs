//! Tests SIGHUP: the server reads the rules again, and does nothing else.

use std::fs;

use crate::common::server::*;
use crate::common::solo::Test;
use crate::common::*;
use crate::tests;
use mpserv::signal::{Disposition, Signal, signal as set_action};

pub(crate) const TESTS: &[Test] = tests![
    the_rules_are_read_again_by_the_same_process,
    a_pool_gets_the_new_rules,
    without_rules_it_changes_nothing,
    ignored_at_the_start_it_stays_ignored,
];

/// Starts a server with rules, and returns it with the file of the rules.
fn with_rules(options: &[&str]) -> (Served, std::path::PathBuf, TempDir) {
    let folder = TempDir::new();
    let rules = folder.join("rules");
    fs::write(&rules, "allow all\n").unwrap();
    let server = Served::start(&[options, &["--rules", rules.to_str().unwrap(), "127.0.0.1:0"]].concat());
    (server, rules, folder)
}

fn the_rules_are_read_again_by_the_same_process() {
    let (server, rules, _folder) = with_rules(&[]);
    let mut client = server.client();
    fs::write(&rules, "# nobody\n\ndeny 127.0.0.1/8\n").unwrap();
    server.running.signal(Signal::HUP);
    let lines = server.wait_events("rules", 1);
    assert!(lines[0].get("error").contains("rules:3: 127.0.0.1/8: bits beyond"), "{lines:?}");
    assert_eq!(finish(server.client()), b"", "the old rules are in force");
    fs::write(&rules, "deny 127.0.0.0/8\n").unwrap();
    server.running.signal(Signal::HUP);
    assert_eq!(server.wait_events("rules", 2)[1].number("rules"), 1);
    assert_eq!(read_all(&mut server.connect()), b"");
    assert_eq!(server.wait_events("refuse", 1)[0].get("why"), "rules");
    assert_eq!(echo(&mut client, b"still here"), b"still here");
    drop(client);
    let log = server.stop();
    assert!(!log.iter().any(|line| line.event == "restart" || line.event == "handover"), "{log:?}");
}

fn a_pool_gets_the_new_rules() {
    let (server, rules, _folder) = with_rules(&["--prefork", "3"]);
    drop(server.client());
    fs::write(&rules, "deny all\n").unwrap();
    server.running.signal(Signal::HUP);
    wait_until("the pool has the new rules", || {
        let mut client = server.connect();
        // The served client ends its half, and gets the end of the stream at once.
        let _ = client.shutdown(std::net::Shutdown::Write);
        assert_eq!(read_all(&mut client), b"");
        server.events("refuse").len() >= 6
    });
    server.stop();
}

fn without_rules_it_changes_nothing() {
    let server = Served::start(&["127.0.0.1:0"]);
    server.running.signal(Signal::HUP);
    assert_eq!(server.wait_events("reload", 1)[0].get("why"), "there are no rules to read again");
    assert_eq!(finish(server.client()), b"");
    let log = server.stop();
    assert!(!log.iter().any(|line| line.event == "restart"), "{log:?}");
}

/// Starts the server as `nohup` does.
fn ignored_at_the_start_it_stays_ignored() {
    let mut command = mpserv(&["127.0.0.1:0", "cat", "/proc/self/status"]);
    let ignore = || {
        set_action(Signal::HUP, Disposition::Ignore)
            .map(|_| ())
            .map_err(|errno| std::io::Error::from_raw_os_error(errno.raw()))
    };
    // SAFETY: signal() is async-signal-safe.
    unsafe { std::os::unix::process::CommandExt::pre_exec(&mut command, ignore) };
    let server = Served::start_command(&mut command);
    server.running.signal(Signal::HUP);
    // The server reads its signals in the order of their numbers, so SIGHUP would come first.
    server.running.signal(Signal::USR1);
    server.wait_events("status", 1);
    let status = String::from_utf8(read_all(&mut server.connect())).unwrap();
    assert_eq!(signals_in(&status, "SigIgn"), 0, "a program does not find it ignored: {status}");
    let log = server.stop();
    assert!(!log.iter().any(|line| line.event == "reload"), "{log:?}");
}
