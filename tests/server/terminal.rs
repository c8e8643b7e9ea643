//! Tests a terminal as the log. The terminal may close, or stop background processes that write to it.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use crate::common::server::*;
use crate::common::solo::Test;
use crate::common::*;
use crate::tests;
use mpserv::signal::Signal;

pub(crate) const TESTS: &[Test] =
    tests![a_server_whose_terminal_has_closed_goes_on, a_terminal_that_stops_background_processes_stops_no_child,];

const MODES: [&[&str]; 3] = [&["127.0.0.1:0"], &["--prefork", "2", "127.0.0.1:0"], &["127.0.0.1:0", "cat"]];

/// Starts `mpserv` as the leader of a session whose terminal is `slave`, like a login shell. Returns the process and
/// its port.
fn start_on(slave: &std::os::fd::OwnedFd, arguments: &[&str]) -> (std::process::Child, u16) {
    let mut command = Command::new("setsid");
    command.args(["--ctty", MPSERV, "-1"]).args(arguments);
    command.stdin(slave.try_clone().unwrap()).stderr(slave.try_clone().unwrap()).stdout(Stdio::piped());
    let mut server = command.spawn().unwrap();
    let mut line = String::new();
    BufReader::new(server.stdout.take().unwrap()).read_line(&mut line).unwrap();
    (server, line.trim().parse().unwrap())
}

fn served(port: u16) -> std::net::TcpStream {
    let mut client = connect(port);
    assert_eq!(echo(&mut client, b"first"), b"first");
    client
}

fn end(mut server: std::process::Child) {
    signal(server.id(), Signal::TERM);
    let status = wait_for("it ends", || server.try_wait().unwrap());
    assert_eq!(status.code(), Some(0));
}

/// Tests a terminal that closes: the kernel sends SIGHUP to the leader of the session, and every later write to the
/// terminal fails.
fn a_server_whose_terminal_has_closed_goes_on() {
    needs_command("setsid");
    for mode in MODES {
        let (master, slave) = terminal();
        let (server, port) = start_on(&slave, mode);
        let mut client = served(port);
        drop((slave, master));
        assert_eq!(echo(&mut client, b"still here"), b"still here", "{mode:?}");
        let other = served(port);
        assert_eq!(finish(client), b"");
        assert_eq!(finish(other), b"");
        assert!(state(server.id()).is_some_and(|state| state != 'Z'), "{mode:?}");
        end(server);
    }
}

/// Tests `stty tostop`, which stops background processes that write. Children are in the background, because each has
/// its own group.
fn a_terminal_that_stops_background_processes_stops_no_child() {
    needs_command("setsid");
    for mode in &MODES[..2] {
        let (master, slave) = terminal();
        let stty = Command::new("stty").arg("tostop").stdin(slave.try_clone().unwrap()).status().unwrap();
        assert!(stty.success());
        let (server, port) = start_on(&slave, mode);
        for _ in 0..3 {
            // The child logs that it serves, and a preforked child also logs that it has served.
            assert_eq!(finish(served(port)), b"", "{mode:?}");
        }
        end(server);
        drop((slave, master));
    }
}
