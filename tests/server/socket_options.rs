//! Tests `--backlog`, `--keepalive`, `--nodelay`, `--reuse-port` and `--defer-accept`.

use std::fs;

use crate::common::server::*;
use crate::common::solo::Test;
use crate::common::*;
use crate::tests;

pub(crate) const TESTS: &[Test] = tests![
    a_backlog_that_the_kernel_caps_is_told,
    options_of_sockets_are_set_once_on_the_listener,
    two_servers_share_a_port_only_if_both_say_so,
];

fn a_backlog_that_the_kernel_caps_is_told() {
    let cap: u32 = fs::read_to_string("/proc/sys/net/core/somaxconn").unwrap().trim().parse().unwrap();
    for asked in [1, cap, cap + 1, 2_000_000_000] {
        let asked_text = asked.to_string();
        let server = Served::start(&["--backlog", &asked_text, "127.0.0.1:0"]);
        let listen = &server.wait_events("listen", 1)[0];
        assert_eq!(listen.get("backlog"), asked.min(cap).to_string(), "{asked}");
        let told = listen.fields.get("asked").map(String::as_str);
        assert_eq!(told, (asked > cap).then_some(&asked_text[..]), "{asked} of {cap}");
        server.stop();
    }
}

/// Checks the options by the server's own calls, because /proc and getsockopt do not show options of the other end of a
/// connection.
fn options_of_sockets_are_set_once_on_the_listener() {
    let folder = TempDir::new();
    let trace = folder.join("trace");
    let options = ["-f", "-e", "trace=setsockopt"];
    let all = ["--nodelay", "--reuse-port", "--defer-accept", "1", "127.0.0.1:0"];
    let server = Served::start_command(&mut traced(&options, &trace, &all));
    drop(server.client());
    server.wait_childless();
    server.stop();
    let trace = fs::read_to_string(trace).unwrap();
    let count = |option: &str| trace.matches(&format!("{option}, [1]")).count();
    for option in ["SO_KEEPALIVE", "SO_REUSEADDR", "SO_REUSEPORT", "TCP_NODELAY", "TCP_DEFER_ACCEPT"] {
        assert_eq!(count(option), 1, "{option}: {trace}");
    }
    let server =
        Served::start_command(&mut traced(&options, &folder.join("off"), &["--keepalive", "off", "127.0.0.1:0"]));
    server.stop();
    let trace = fs::read_to_string(folder.join("off")).unwrap();
    assert_eq!(["[0]", "[1]"].map(|value| trace.matches(&format!("SO_KEEPALIVE, {value}")).count()), [1, 0], "{trace}");
}

fn two_servers_share_a_port_only_if_both_say_so() {
    let server = Served::start(&["--reuse-port", "127.0.0.1:0"]);
    let address = format!("127.0.0.1:{}", server.port());
    Served::start(&["--reuse-port", &address]).stop();
    let alone = run_mpserv(&[&address]);
    assert_eq!(alone.status.code(), Some(111));
    server.stop();
    // A port whose last connections are in TIME_WAIT can be used again.
    let server = Served::start(&["127.0.0.1:0", "sh", "-c", "exit 0"]);
    let address = format!("127.0.0.1:{}", server.port());
    assert_eq!(read_all(&mut server.connect()), b"");
    server.stop();
    Served::start(&[&address]).stop();
}
