//! Tests logrotate, which copies and truncates the log while the server has it open.

use std::fs;

use crate::common::network::Network;
use crate::common::server::*;
use crate::common::solo::Test;
use crate::common::*;
use crate::{blocks, client, command, output_of_tool, tests, with};
use mpserv::signal::Signal;

pub(crate) const TESTS: &[Test] = tests![the_log_is_rotated_while_the_server_writes_to_it];

fn the_log_is_rotated_while_the_server_writes_to_it() {
    needs_command("logrotate");
    let _network = Network::own();
    let folder = TempDir::new();
    let log = folder.join("hello.log");
    let configuration = folder.join("hello.conf");
    fs::write(&configuration, with(&blocks("### logrotate")[0], "/var/log/hello.log", &log)).unwrap();
    // The guide has this redirection.
    let line = format!("exec mpserv 7000 cat 2>>'{}'", log.display());
    let server = Running::start(command("sh").args(["-c", &line]), Output::Pipe);
    let lines = |name: &str| parse_log(&fs::read_to_string(folder.join(name)).unwrap_or_default());
    let ends = |name: &str| lines(name).iter().filter(|line| line.event == "end").count();
    for rotation in 1..=2 {
        drop(client());
        wait_until("its end is logged", || ends("hello.log") >= 2);
        let mut logrotate = command("logrotate");
        let state = folder.join("state");
        output_of_tool(logrotate.arg("--force").arg("--state").arg(state).arg(&configuration));
        // No line is lost. The file begins anew, and has no hole.
        assert!(ends("hello.log.1") >= 2, "{rotation}");
        assert_eq!(fs::metadata(&log).unwrap().len(), 0, "{rotation}");
    }
    assert!(lines("hello.log.2").iter().any(|line| line.event == "start"));
    assert_eq!(server.end(Signal::TERM).status.code(), Some(0));
    let last: Vec<String> = lines("hello.log").into_iter().map(|line| line.event).collect();
    assert_eq!(last, ["stop", "stopped"]);
}
