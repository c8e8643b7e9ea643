//! Tests a terminal as the log. The terminal may close, or stop background processes that write to it.

use std::io::{BufRead, BufReader};
use std::os::fd::AsRawFd;
use std::process::{Command, Stdio};

use crate::common::server::*;
use crate::common::solo::{Channel, Test, reap, spawn};
use crate::common::*;
use crate::tests;
use mpserv::ffi;
use mpserv::process::{getpid, set_pdeathsig};
use mpserv::server::Server;
use mpserv::server::limits::CLOSE_WITHIN;
use mpserv::signal::Signal;

pub(crate) const TESTS: &[Test] = tests![
    a_server_whose_terminal_has_closed_goes_on,
    a_terminal_that_stops_background_processes_stops_no_child,
    a_close_that_was_interrupted_ends_no_later_child,
];

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

/// Checks that a child does not take the signal of the parent's timer for its own. The signal interrupts the close of a
/// connection in the parent. If the next child took over its flag, that child would raise the signal again.
fn a_close_that_was_interrupted_ends_no_later_child() {
    for options in [|server| server, |server: Server<'static>| server.sandbox(&[libc::SYS_recvfrom, libc::SYS_sendto])]
    {
        let (master, slave) = terminal();
        let (channel, test) = (Channel::new(), getpid());
        let mut server = spawn(|| {
            // The server must end even if the test fails.
            set_pdeathsig(test, Signal::KILL).unwrap();
            // SAFETY: standard error is this child's own.
            assert_eq!(unsafe { ffi::unistd::dup2(slave.as_raw_fd(), 2) }, 2);
            let bound = options(Server::new().listen("127.0.0.1:0")).bind().unwrap();
            let Some(Ok(mpserv::net::SockAddr::Inet(address))) = bound.addresses().next() else { unreachable!() };
            address.port().to_be_bytes().into_iter().for_each(|byte| channel.tell(byte));
            let echo = |connection: mpserv::server::Connection| {
                let mut buffer = [0; 16];
                loop {
                    match connection.read(&mut buffer)? {
                        0 => return Ok::<(), mpserv::errno::Errno>(()),
                        length => connection.write_all(&buffer[..length])?,
                    }
                }
            };
            bound.serve(|connection| Ok(echo(connection)?)).unwrap();
        });
        let port = u16::from_be_bytes([channel.hear(), channel.hear()]);
        let pid = server.pid().raw() as u32;
        let clients = [(); 4].map(|()| {
            wait_until("the timer has run out", || is_pending(pid, Signal::ALRM));
            served(port)
        });
        // The parent's timer is not that of a child, which has written to the terminal as well.
        std::thread::sleep(CLOSE_WITHIN * 4);
        for mut client in clients {
            assert_eq!(echo(&mut client, b"still here"), b"still here");
            assert_eq!(finish(client), b"");
        }
        server.kill(Signal::TERM).unwrap();
        assert_eq!(reap(&mut server).exit_status(), Some(0));
        drop((slave, master));
    }
}
