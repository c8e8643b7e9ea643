//! Tests the preforked children of a server that is killed, where the caller or the handler changes its process.

use std::net::TcpListener;
use std::os::fd::AsRawFd;

use crate::common::server::nobody_listens;
use crate::common::solo::{self, Test};
use crate::common::*;
use crate::{Serving, tests};

use mpserv::fd::OwnedFd;
use mpserv::ffi::sys::syscall as c;
use mpserv::process::{Limit, Resource};
use mpserv::server::{Connection, HandlerError, Server};
use mpserv::signal::{Disposition, MaskHow, SigAction, SigSet, Signal, SignalFlag, sigaction, sigprocmask};
use mpserv::user::{geteuid, setuid};

pub(crate) const TESTS: &[Test] = tests![
    no_pool_outlives_its_server_whatever_the_caller_does_with_sigterm,
    no_pool_outlives_its_server_although_its_handler_changes_the_user,
    a_child_is_retired_although_its_handler_blocks_or_catches_the_signal,
    a_child_gives_up_a_listener_whose_number_its_limit_does_not_allow,
];

/// The user that has no rights.
const NOBODY: u32 = 65534;

pub(crate) fn echo_each(connection: &Connection) -> Result<(), HandlerError> {
    let mut buffer = [0; 100];
    loop {
        match connection.read(&mut buffer)? {
            0 => return Ok(()),
            length => connection.write_all(&buffer[..length])?,
        }
    }
}

/// Kills a server, and checks that no child accepts any more.
#[track_caller]
fn kill(mut serving: Serving) {
    serving.child.kill(Signal::KILL).unwrap();
    assert_eq!(solo::reap(&mut serving.child).term_signal(), Some(Signal::KILL));
    wait_until("no child accepts", || nobody_listens(serving.port));
}

/// Checks that children whose caller catches, ignores or blocks SIGTERM end after the client that they have.
fn no_pool_outlives_its_server_whatever_the_caller_does_with_sigterm() {
    static TOLD: SignalFlag = SignalFlag::new();
    let caught = || sigaction(Signal::TERM, &SigAction::new(Disposition::Flag(&TOLD))).unwrap();
    let ignored = || sigaction(Signal::TERM, &SigAction::new(Disposition::Ignore)).unwrap();
    let blocked = || sigprocmask(MaskHow::Set, &SigSet::from([Signal::TERM]));
    // The children are told by this signal that the server has gone.
    let other_blocked = || sigprocmask(MaskHow::Set, &SigSet::from([Signal::USR2]));
    let changes: [(&str, &dyn Fn()); 4] = [
        ("caught", &caught),
        ("ignored", &ignored),
        ("blocked", &blocked),
        ("ignored, SIGUSR2 blocked", &other_blocked),
    ];
    for (how, change) in changes {
        change();
        for sandbox in [false, true] {
            let settings = |server: Server<'static>| {
                let server = server.prefork(2, 2);
                if sandbox { server.sandbox(&[c::SYS_recvfrom, c::SYS_sendto]) } else { server }
            };
            let serving = Serving::start_with(settings, |connection: Connection| echo_each(&connection));
            let mut client = serving.connect();
            assert_eq!(echo(&mut client, b"served"), b"served", "{how}, sandbox: {sandbox}");
            kill(serving);
            if how == "ignored" || how == "blocked" {
                assert_eq!(echo(&mut client, b"still here"), b"still here", "{how}, sandbox: {sandbox}");
            }
            assert_eq!(finish(client), b"");
        }
    }
}

/// Checks that the kernel ends children, although it forgets their signal when they change their user.
fn no_pool_outlives_its_server_although_its_handler_changes_the_user() {
    needs_root();
    for keep in [false, true] {
        let serving = Serving::start_with(
            |server: Server<'static>| server.prefork(1, 1).orphans_end(!keep),
            |connection: Connection| {
                if geteuid() == 0 {
                    setuid(NOBODY)?;
                }
                echo_each(&connection)
            },
        );
        assert_eq!(finish(serving.connect()), b"");
        let mut client = serving.connect();
        assert_eq!(echo(&mut client, b"served"), b"served");
        assert_eq!(finish(client), b"");
        serving.wait_for_ends(2);
        kill(serving);
    }
}

/// Checks that a preforked child hears of the end of its server after a handler has changed the mask, or the action of
/// SIGUSR2. No client comes at that time.
fn a_child_is_retired_although_its_handler_blocks_or_catches_the_signal() {
    static TOLD: SignalFlag = SignalFlag::new();
    let blocks: fn() = || sigprocmask(MaskHow::Block, &SigSet::from([Signal::USR2]));
    let catches: fn() = || sigaction(Signal::USR2, &SigAction::new(Disposition::Flag(&TOLD))).unwrap();
    let calls: &[_] = &[c::SYS_rt_sigprocmask, c::SYS_rt_sigaction];
    for (change, calls) in [(blocks, None), (catches, None), (blocks, Some(calls)), (catches, Some(calls))] {
        let settings = |server: Server<'static>| {
            let server = server.prefork(1, 1);
            match calls {
                Some(calls) => server.sandbox(calls),
                None => server,
            }
        };
        let mut serving = Serving::start_with(settings, move |_: Connection| change());
        assert_eq!(finish(serving.connect()), b"");
        let child = children(serving.child.pid().raw() as u32)[0];
        wait_until("the child waits for a client", || waits_in(child, c::SYS_accept4));
        serving.child.kill(Signal::KILL).unwrap();
        assert_eq!(solo::reap(&mut serving.child).term_signal(), Some(Signal::KILL));
        wait_until("the child ends", || is_gone(child));
    }
}

/// Kills a server whose child has a client, and a listener with a high number.
fn a_child_gives_up_a_listener_whose_number_its_limit_does_not_allow() {
    const NUMBER: u64 = 100;
    sigaction(Signal::TERM, &SigAction::new(Disposition::Ignore)).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    // SAFETY: the call takes numbers.
    let number = unsafe { libc::fcntl(listener.as_raw_fd(), libc::F_DUPFD_CLOEXEC, NUMBER) };
    // SAFETY: the new descriptor is open, and nothing else owns it.
    let high = unsafe { OwnedFd::from_raw(number) };
    drop(listener);
    let limit = Limit { soft: NUMBER, hard: NUMBER };
    let bound = Server::new().listener(high).prefork(1, 1).rlimit(Resource::NOFILE, limit).bind().unwrap();
    let mut server = solo::spawn(move || {
        bound.serve(|client: Connection| echo_each(&client)).unwrap();
    });
    let mut client = connect(port);
    assert_eq!(echo(&mut client, b"served"), b"served");
    server.kill(Signal::KILL).unwrap();
    assert_eq!(solo::reap(&mut server).term_signal(), Some(Signal::KILL));
    wait_until("the child does not listen any more", || nobody_listens(port));
    assert_eq!(echo(&mut client, b"still here"), b"still here");
    assert_eq!(finish(client), b"");
}
