//! Tests children that do not end by SIGTERM, because the caller catches, ignores or blocks it.

use std::io::Write;
use std::net::TcpListener;
use std::os::fd::IntoRawFd;

use crate::common::server::read_all;
use crate::common::solo::{self, Test};
use crate::common::*;
use crate::orphans::echo_each;
use crate::{Serving, tests};

use mpserv::fd::OwnedFd;
use mpserv::ffi::sys::syscall as c;
use mpserv::process::getpid;
use mpserv::server::{Connection, Server};
use mpserv::signal::{Disposition, MaskHow, SigAction, SigSet, Signal, SignalFlag, kill, sigaction, sigprocmask};

pub(crate) const TESTS: &[Test] = tests![
    no_child_of_a_pool_accepts_once_it_is_told_to_end,
    a_child_whose_silent_client_is_refused_gets_no_other_client,
    a_handler_of_a_signal_returns_in_the_sandbox,
];

static TOLD: SignalFlag = SignalFlag::new();

fn catch() {
    sigaction(Signal::TERM, &SigAction::new(Disposition::Flag(&TOLD))).unwrap();
}

/// Tests a pool that waits at a listener that others have as well, so that the server cannot shut it down.
fn no_child_of_a_pool_accepts_once_it_is_told_to_end() {
    let ignore = || sigaction(Signal::TERM, &SigAction::new(Disposition::Ignore)).unwrap();
    let block = || sigprocmask(MaskHow::Block, &SigSet::from([Signal::TERM]));
    for change in [catch, ignore, block] {
        change();
        let shared = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = shared.local_addr().unwrap().port();
        // SAFETY: the descriptor is open, and nothing else owns it after `into_raw_fd`.
        let listener = unsafe { OwnedFd::from_raw(shared.try_clone().unwrap().into_raw_fd()) };
        let mut child = solo::spawn(move || {
            let stopped = Server::new().listener(listener).prefork(1, 1).serve(|client| echo_each(&client)).unwrap();
            assert_eq!((stopped.terminated, stopped.killed), (1, 0));
        });
        assert_eq!(echo(&mut connect(port), b"served"), b"served");
        child.kill(Signal::QUIT).unwrap();
        assert_eq!(solo::reap(&mut child).exit_status(), Some(0));
    }
}

/// Tests a pool whose children both wait for a PROXY header. The server tells one to end. Its silent client leaves, and
/// another client could come.
fn a_child_whose_silent_client_is_refused_gets_no_other_client() {
    catch();
    let settings = |server: Server<'static>| server.prefork(2, 2).proxy_protocol(true);
    let serving = Serving::start_with(settings, |client: Connection| echo_each(&client));
    let silent = [serving.connect(), serving.connect()];
    wait_until("one is refused", || serving.text().contains("mpserv: refuse "));
    drop(silent);
    let left = wait_for("its child ends", || {
        serving.text().lines().find(|line| line.contains("mpserv: leave ")).map(str::to_owned)
    });
    assert!(left.contains(" status=\"exit 0\" "), "{left}");
    let mut client = serving.connect();
    client.write_all(b"PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n").unwrap();
    assert_eq!(echo(&mut client, b"served"), b"served");
    drop(client);
    serving.stop_after(1);
}

fn a_handler_of_a_signal_returns_in_the_sandbox() {
    catch();
    for pool in [false, true] {
        let settings = |server: Server<'static>| {
            let server = server.sandbox(&[c::SYS_sendto, c::SYS_getpid, c::SYS_kill]);
            if pool { server.prefork(1, 1) } else { server }
        };
        let serving = Serving::start_with(settings, |client: Connection| {
            kill(getpid(), Signal::TERM).unwrap();
            client.write_all(if TOLD.is_raised() { b"told" } else { b"" }).unwrap();
        });
        assert_eq!(read_all(&mut serving.connect()), b"told");
        assert_eq!(serving.stop_after(1), ["0"]);
    }
}
