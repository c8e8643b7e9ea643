//! Tests a service folder of runit under the real `runsvdir`.

use std::fs;

use crate::common::network::Network;
use crate::common::solo::Test;
use crate::common::*;
use crate::{blocks, client, command, tests, with};

pub(crate) const TESTS: &[Test] = tests![runit_runs_the_service_reloads_and_restarts_it];

fn runit_runs_the_service_reloads_and_restarts_it() {
    for tool in ["runsvdir", "sv", "svlogd"] {
        needs_command(tool);
    }
    needs_root();
    let _network = Network::own();
    let folder = TempDir::new();
    let service = folder.join("service/hello");
    let recipe = blocks("### runit");
    let hello = folder.join("hello");
    write_executable(&hello, "#!/bin/sh\nread -r line\necho \"$line\"\n");
    write_executable(&service.join("run"), &with(&with(&recipe[0], "/usr/local/bin/hello", &hello), "-u hello ", ""));
    write_executable(&service.join("log/run"), &recipe[1]);
    fs::create_dir(service.join("log/main")).unwrap();
    // All processes of this namespace end with its first process.
    let mut unshare = command("unshare");
    unshare.args(["--pid", "--fork", "--mount-proc", "--kill-child", "runsvdir"]).arg(folder.join("service"));
    let runsvdir = Running::start(&mut unshare, Output::Pipe);
    drop(client());
    let log = || fs::read_to_string(service.join("log/main/current")).unwrap_or_default();
    let count = |event: &str| log().matches(&format!(" mpserv: {event} ")).count();
    wait_until("the logger has the start", || count("start") == 1);
    // The lines of the log have the time from svlogd, and no time from the server.
    assert!(log().lines().all(|line| line.contains('_') && line.matches("mpserv: ").count() == 1), "{}", log());
    let sv = |order: &str| {
        let ended = run(command("sv").arg(order).arg(&service), Output::Pipe);
        assert!(ended.status.success(), "sv {order}: {} {}", ended.stdout, ended.stderr);
    };
    sv("hup");
    wait_until("the rules are read again", || count("reload") == 1);
    assert_eq!(count("start"), 1);
    sv("restart");
    wait_until("it has stopped, and serves again", || count("stopped") == 1 && count("start") == 2);
    let mut again = client();
    assert_eq!(echo(&mut again, b"hello\n"), b"hello\n");
    sv("stop");
    wait_until("it has stopped", || count("stopped") == 2);
    drop(runsvdir);
}
