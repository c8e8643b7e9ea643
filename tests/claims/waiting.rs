//! Claims about wait and waitpid.

use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use mpserv::errno::Errno;
use mpserv::process::{_exit, Fork, WaitFor, WaitOptions, WaitStatus, fork, wait, waitpid};
use mpserv::signal::Signal;

use crate::common::network::Network;
use crate::common::solo::{Channel, child};
use crate::common::*;
use crate::{id, status};

/// The longest time of a program that sleeps. waitpid sleeps for about 18 seconds.
const SLEEPS: Duration = Duration::from_secs(45);

pub(crate) fn wait_blocks_until_a_child_ends() {
    let channel = Channel::new();
    let waiter = child(|| {
        let _child = child(|| {
            channel.hear();
            7
        });
        let mut status = WaitStatus::default();
        wait(Some(&mut status)).unwrap();
        status.exit_status().unwrap()
    });
    wait_until("it is in wait", || waits_in(id(&waiter), libc::SYS_wait4));
    channel.tell(b'!');
    assert_eq!(status(waiter), Some(7));
}

pub(crate) fn wait_without_any_child_returns_echild_at_once() {
    assert_eq!(wait(None), Err(Errno::CHILD));

    for language in IMPLS {
        // fork fails, so there is no child, and the last sleep takes no time. If the first wait blocked, the program
        // would stay there.
        let ended = run(&mut strace(&[NO_FORK, NO_SLEEP, NO_LOOP], NOWHERE, language, "wait"), Output::Pipe);
        let without_a_child = "child process one ID: -1\nchild process two1 ID: -1\nchild sen one: 0\n\
                               child process two2 ID: -1\nchild sen two: 0\n";
        assert_eq!((ended.stdout.as_str(), ended.status.code()), (without_a_child, Some(0)), "{language:?}");
    }
}

pub(crate) fn waitpid_with_wnohang_returns_0_while_children_live() {
    let channel = Channel::new();
    let child = child(|| {
        channel.hear();
        24
    });
    let ask = |status: &mut WaitStatus| waitpid(WaitFor::AnyChild, Some(status), WaitOptions::NOHANG);
    let mut status = WaitStatus::default();
    assert_eq!(ask(&mut status), Ok(None), "0 in C");
    channel.tell(b'!');
    wait_until("the child has ended", || state(id(&child)) == Some('Z'));
    assert_eq!(ask(&mut status), Ok(Some(child.pid())));
    assert_eq!(status.exit_status(), Some(24));

    let folder = TempDir::new();
    let answers = |language: Impl| {
        let trace = folder.join(&format!("{language:?}"));
        let start = Instant::now();
        let mut command = strace(&[], &trace, language, "waitpid");
        let ended = Running::start(&mut command, Output::Pipe).wait_within(SLEEPS);
        let took = start.elapsed();
        let trace = std::fs::read_to_string(&trace).unwrap();
        // If another process came between, the call takes two lines. The second line has the answer.
        let answers = trace.lines().filter(|line| line.contains("WNOHANG") && !line.contains("unfinished"));
        let answers: Vec<_> = answers.map(|line| line.rsplit(' ').next().unwrap().to_owned()).collect();
        let asked_in_vain = answers.len() - 1;
        assert_eq!(ended.stdout, "sleep 3sec.\n".repeat(asked_in_vain) + "Child send 24 \n", "{language:?}");
        assert_asked(asked_in_vain, took, &format!("{language:?}, {answers:?}"));
        answers
    };
    thread::scope(|scope| {
        for runs in IMPLS.map(|language| scope.spawn(move || answers(language))) {
            let answers = runs.join().unwrap();
            let (last, before) = answers.split_last().unwrap();
            assert!(before.iter().all(|answer| answer == "0"), "{answers:?}");
            assert!(last.parse::<u32>().unwrap() > 0);
        }
    });
}

pub(crate) fn minus_1_as_the_id_means_any_child() {
    let channel = Channel::new();
    let first = child(|| {
        channel.hear();
        1
    });
    let second = child(|| 2);
    let any = || waitpid(WaitFor::AnyChild, None, WaitOptions::NONE).unwrap();
    assert_eq!(any(), Some(second.pid()), "the one that has ended, though the other is older");
    channel.tell(b'!');
    assert_eq!(any(), Some(first.pid()));
}

pub(crate) fn a_status_comes_by_return_and_by_exit() {
    for language in IMPLS {
        let ended = run(&mut strace(&[NO_SLEEP], NOWHERE, language, "wait"), Output::Terminal);
        let lines: Vec<&str> = ended.stdout.lines().collect();
        let [one, two, first, last, second] = lines[..] else { panic!("{language:?}: {lines:?}") };
        let one = one.strip_prefix("child process one ID: ").unwrap();
        let two = two.strip_prefix("child process two1 ID: ").unwrap();
        // The kernel decides which child ends first.
        match last.strip_prefix("child process two2 ID: ").unwrap() {
            last if last == two => assert_eq!([first, second], ["child sen one: 3", "child sen two: 7"]),
            last if last == one => assert_eq!([first, second], ["child sen one: 7", "child sen two: 3"]),
            last => panic!("{language:?}: {last} is neither {one} nor {two}"),
        }
    }
}

pub(crate) fn only_the_low_8_bits_of_a_status_arrive() {
    for (given, arrives) in [(256 + 5, 5), (-1, 255), (256, 0)] {
        match fork().unwrap() {
            Fork::Child => _exit(given),
            Fork::Parent(child) => assert_eq!(status(child), Some(arrives), "{given}"),
        }
    }

    let _network = Network::own();
    for language in IMPLS {
        for program in ["code04", "socket_client"] {
            let ended = run(&mut Command::new(language.path(program)), Output::Pipe);
            assert_eq!(ended.status.code(), Some(255), "{program} {language:?}: it has no server, and returns -1");
        }
    }
}

pub(crate) fn death_by_a_signal_is_not_an_exit() {
    let channel = Channel::new();
    let mut child = child(|| {
        channel.hear();
        0
    });
    child.kill(Signal::TERM).unwrap();
    let status = child.wait().unwrap();
    assert_eq!((status.exit_status(), status.term_signal()), (None, Some(Signal::TERM)));

    for language in IMPLS {
        let running = Running::start(&mut Command::new(language.path("waitpid")), Output::Pipe);
        wait_until("the parent has asked once and sleeps", || waits_in(running.pid(), libc::SYS_clock_nanosleep));
        signal(children(running.pid())[0], Signal::KILL);
        let ended = running.wait();
        assert_eq!(ended.stdout, "sleep 3sec.\n", "{language:?}: WIFEXITED is false");
        assert!(ended.status.success());
    }
}
