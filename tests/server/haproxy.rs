//! Tests `--proxy-protocol` behind HAProxy, with two instances. One instance is restarted under load, and the other
//! instance is killed.

use std::fs;
use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};

use crate::common::load::load;
use crate::common::server::*;
use crate::common::solo::Test;
use crate::common::*;
use crate::tests;
use mpserv::process::Pid;
use mpserv::signal::{Signal, kill};

pub(crate) const TESTS: &[Test] = tests![
    behind_a_balancer_only_what_is_in_flight_is_lost,
    ; ignored:
    behind_a_balancer_only_what_is_in_flight_is_lost_of_fifty_thousand,
];

/// Returns the guide's configuration, with the ports of a test.
fn configuration(front: u16, back: [u16; 2]) -> String {
    let guide = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("src/docs/server.md")).unwrap();
    let start = guide.find("frontend echo\n").expect("the guide has a configuration");
    let text = &guide[start..start + guide[start..].find("```").unwrap()];
    let text = text.replace("bind :9000", &format!("bind 0.0.0.0:{front}"));
    let text = text.replace("127.0.0.1:9001", &format!("127.0.0.1:{}", back[0]));
    let text = text.replace("127.0.0.1:9002", &format!("127.0.0.1:{}", back[1]));
    assert!(text.contains(&front.to_string()) && back.iter().all(|port| text.contains(&port.to_string())), "{text}");
    format!("global\n    maxconn 1000\n{text}")
}

/// Ends the server with this pidfile, even if the test fails.
struct Last<'a>(&'a Path);

impl Last<'_> {
    fn pid(&self) -> Option<Pid> {
        Pid::from_raw(fs::read_to_string(self.0).ok()?.trim().parse().ok()?)
    }
}

impl Drop for Last<'_> {
    fn drop(&mut self) {
        if let Some(pid) = self.pid() {
            let _ = kill(pid, Signal::KILL);
        }
    }
}

fn behind_a_balancer(clients: u64) {
    let haproxy = needs_command("haproxy");
    let folder = TempDir::new();
    let pidfile = folder.join("pid");
    let restarted =
        Served::start(&["--proxy-protocol", "--prefork", "4", "--pidfile", pidfile.to_str().unwrap(), "127.0.0.1:0"]);
    let last = Last(&pidfile);
    let killed = Served::start(&["--proxy-protocol", "127.0.0.1:0"]);
    let (haproxy, front) = wait_for("haproxy starts", || {
        let front = TcpListener::bind("0.0.0.0:0").unwrap().local_addr().unwrap().port();
        let file = folder.join("haproxy.cfg");
        fs::write(&file, configuration(front, [restarted.port(), killed.port()])).unwrap();
        let mut command = Command::new(&haproxy);
        command.arg("-db").arg("-f").arg(&file).stdin(Stdio::null());
        let mut running = Running::start(&mut command, Output::Pipe);
        wait_until("it listens or ends", || listening_port(running.pid()).is_some() || running.has_ended());
        if running.has_ended() {
            eprintln!("{}", running.stderr_so_far());
            return None;
        }
        Some((running, front))
    });
    let served = AtomicU64::new(0);
    let result = std::thread::scope(|scope| {
        let load = scope.spawn(|| load(front, clients, 8, &served));
        let reached = |share: u64| served.load(Ordering::Relaxed) >= clients * share / 10 || load.is_finished();
        for share in [2, 4] {
            wait_until("clients are served", || reached(share));
            let before = last.pid().unwrap();
            kill(before, Signal::USR2).unwrap();
            wait_until("another process serves", || last.pid().is_some_and(|now| now != before));
        }
        wait_until("clients are served", || reached(7));
        killed.running.signal(Signal::KILL);
        load.join().unwrap()
    });
    let failed: u64 = result.errors.values().sum();
    println!("{clients} clients, {failed} failed: {:?}", result.errors);
    assert_eq!(result.served + failed, clients);
    // Each worker had one client when the server was killed. Each worker may have lost another client before the last
    // child ended, because a child has the socket for a moment.
    assert!(failed <= 2 * 8, "{:?}", result.errors);
    // The log has the clients' addresses as HAProxy saw them.
    for server in [&restarted, &killed] {
        // HAProxy's health checks of the server carry no client's address.
        let accepts = server.events("accept").into_iter().filter(|line| line.fields.contains_key("by"));
        let accepts: Vec<Line> = accepts.collect();
        assert!(accepts.len() as u64 > clients / 20, "{}", accepts.len());
        assert!(accepts.iter().all(|line| line.get("from").starts_with("127.0.0.1:")));
        // The ports of a client and of the proxy may be the same by chance.
        let differ = accepts.iter().filter(|line| line.get("from") != line.get("by")).count();
        assert!(differ > accepts.len() / 2, "{differ} of {}", accepts.len());
    }
    // These clients have a different address. A child of the killed server may still have its socket, so one client may
    // be lost.
    wait_until("the log has one of them", || {
        text_of(Command::new("nc").args(["-N", "-s", "127.5.6.7", "127.0.0.1", &front.to_string()]));
        restarted.events("accept").iter().any(|line| line.get("from").starts_with("127.5.6.7:"))
    });
    haproxy.end(Signal::TERM);
    kill(last.pid().unwrap(), Signal::TERM).unwrap();
    wait_until("the last one ends", || !pidfile.exists());
}

fn behind_a_balancer_only_what_is_in_flight_is_lost() {
    behind_a_balancer(4_000);
}

fn behind_a_balancer_only_what_is_in_flight_is_lost_of_fifty_thousand() {
    behind_a_balancer(50_000);
}
