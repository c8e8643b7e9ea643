//! A container, whose first process is `mpserv`.

use std::io::Write;

use crate::common::network::Network;
use crate::common::server::*;
use crate::common::solo::Test;
use crate::common::*;
use crate::{blocks, client, command, tests, with};
use mpserv::signal::Signal;

pub(crate) const TESTS: &[Test] = tests![as_pid_1_it_reaps_reads_its_rules_again_and_ends_after_its_clients];

/// Returns the command in the container file.
fn entry_point() -> Vec<String> {
    let recipe = blocks("### A container");
    let line = recipe[0].lines().find_map(|line| line.strip_prefix("ENTRYPOINT [")).unwrap();
    line.trim_end_matches(']').split(", ").map(|word| word.trim_matches('"').to_owned()).collect()
}

fn as_pid_1_it_reaps_reads_its_rules_again_and_ends_after_its_clients() {
    needs_root();
    let _network = Network::own();
    let folder = TempDir::new();
    // The script leaves a process whose parent ends. PID 1 has to reap that process.
    write_executable(&folder.join("hello"), "#!/bin/sh\n(true &)\nread -r line\necho \"PID $$: $line\"\n");
    let mut arguments = entry_point();
    assert_eq!(arguments.remove(0), "mpserv");
    let hello = arguments.pop().unwrap();
    arguments.push(with(&hello, "hello", folder.join("hello")));
    let mut unshare = command("unshare");
    unshare.args(["--pid", "--fork", "--mount-proc", "--kill-child", "mpserv", "-v"]).args(arguments);
    let server = Served { running: Running::start(&mut unshare, Output::Pipe), ports: Vec::new() };
    let mut hello = client();
    let first = children(server.pid())[0];
    server.wait_events("orphan", 1);
    wait_until("no process is left as a zombie", || zombies(first).is_empty());
    signal(first, Signal::HUP);
    server.wait_events("reload", 1);
    // A client that is connected when the container is told to stop is served to its end.
    signal(first, Signal::TERM);
    server.wait_events("stop", 1);
    hello.write_all(b"hello\n").unwrap();
    let text = String::from_utf8(finish(hello)).unwrap();
    assert!(text.starts_with("PID ") && text.ends_with(": hello\n"), "{text}");
    let ended = server.running.wait();
    assert_eq!(ended.status.code(), Some(0), "{}", ended.stderr);
}
