//! Claims about children that have ended.

use std::process::Command;

use mpserv::process::{Pid, WaitFor, WaitOptions, waitpid};
use mpserv::signal::{Disposition, SaFlags, SigAction, SigSet, Signal, sigaction};

use crate::common::network::Network;
use crate::common::servers::{CODE05, SOCKET_SERVE, Server};
use crate::common::solo::child;
use crate::common::*;
use crate::id;

/// Waits until a process is a zombie.
#[track_caller]
fn becomes_a_zombie(pid: u32) {
    wait_until("the child is a zombie", || state(pid) == Some('Z'));
}

/// Starts `zombie`, which sleeps for half a minute, and waits until it has made a zombie.
fn start_zombie(language: Impl) -> (Running, u32) {
    let running = Running::start(&mut Command::new(language.path("zombie")), Output::Pipe);
    let child = wait_for("a child", || children(running.pid()).first().copied());
    becomes_a_zombie(child);
    (running, child)
}

pub(crate) fn a_child_that_ended_and_was_not_waited_for_is_a_zombie() {
    for language in IMPLS {
        let (running, child) = start_zombie(language);
        wait_until("the parent sleeps", || waits_in(running.pid(), libc::SYS_clock_nanosleep));
        assert_eq!(state(child), Some('Z'), "{language:?}: still, and for as long as it sleeps");
        running.end(Signal::TERM);
    }
}

pub(crate) fn a_zombie_goes_when_the_parent_waits() {
    let mut child = child(|| 0);
    becomes_a_zombie(id(&child));
    child.wait().unwrap();
    assert_eq!(state(id(&child)), None);

    for language in IMPLS {
        // The program waits twice and then sleeps for half a minute.
        let running = Running::start(&mut Command::new(language.path("wait")), Output::Pipe);
        wait_until("the parent sleeps", || waits_in(running.pid(), libc::SYS_clock_nanosleep));
        assert_eq!(children(running.pid()), [0; 0], "{language:?}");
        running.end(Signal::TERM);
    }
}

pub(crate) fn a_zombie_goes_when_the_parent_ends() {
    // Orphans become children of this process, and not of the first process, which may never wait.
    mpserv::process::adopt_orphans().unwrap();
    for language in IMPLS {
        let (running, child) = start_zombie(language);
        running.signal(Signal::TERM);
        wait_until("whoever adopts it can wait for it", || children(std::process::id()).contains(&child));
        let pid = Pid::from_raw(child as i32).unwrap();
        assert_eq!(waitpid(WaitFor::Child(pid), None, WaitOptions::NONE), Ok(Some(pid)));
        assert_eq!(state(child), None, "{language:?}");
        running.wait();
    }
}

pub(crate) fn no_child_becomes_a_zombie_where_sigchld_is_ignored() {
    let _network = Network::own();
    for server in [SOCKET_SERVE, Server { arguments: &["ignore"], ..CODE05 }] {
        for language in IMPLS {
            let running = server.start(language, Output::Pipe);
            let clients = [(); 3].map(|()| {
                let mut client = server.connect(&running);
                assert_eq!(server.exchange(&mut client), server.answer);
                client
            });
            assert_eq!(children(running.pid()).len(), 3);
            clients.into_iter().for_each(|client| drop(finish(client)));
            // A zombie would stay, because this server waits for no child.
            wait_until("no child is left", || children(running.pid()).is_empty());
            running.end(Signal::TERM);
        }
    }
}

pub(crate) fn no_child_becomes_a_zombie_with_sa_nocldwait() {
    let action = SigAction { sa_handler: Disposition::Default, sa_mask: SigSet::empty(), sa_flags: SaFlags::NOCLDWAIT };
    sigaction(Signal::CHLD, &action).unwrap();
    let mut child = child(|| 0);
    wait_until("it is gone, and nobody has waited", || state(id(&child)).is_none());
    assert_eq!(child.wait(), Err(mpserv::errno::Errno::CHILD));
}

pub(crate) fn a_server_that_does_nothing_about_sigchld_collects_zombies() {
    let _network = Network::own();
    for language in IMPLS {
        let running = CODE05.start(language, Output::Pipe);
        for count in 1..=3 {
            let mut client = CODE05.connect(&running);
            assert_eq!(CODE05.exchange(&mut client), CODE05.answer);
            finish(client);
            wait_until("one more zombie", || zombies(running.pid()).len() == count);
        }
        running.end(Signal::TERM);
    }
}
