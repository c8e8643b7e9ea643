//! A fork makes two processes out of one process.

use std::io::{Read, Write};
use std::process::{Command, Stdio};

use mpserv::process::{Fork, fork, getpid};
use mpserv::signal::Signal;

use crate::common::solo::child;
use crate::common::*;
use crate::status;

/// Returns the lines of `fork`, in any order.
fn lines_of_fork(language: Impl, output: Output) -> Vec<String> {
    // The child may end after its parent. The run is over when neither has the output any more.
    let ended = run(Command::new(language.path("fork")).stdin(Stdio::null()), output);
    assert!(ended.status.success());
    let mut lines: Vec<String> = ended.stdout.lines().map(str::to_owned).collect();
    lines.sort();
    lines
}

pub(crate) fn fork_returns_twice() {
    let (mut reader, mut writer) = std_pipe();
    match fork().unwrap() {
        Fork::Child => {
            writer.write_all(b"c").unwrap();
            mpserv::process::_exit(0);
        }
        Fork::Parent(mut child) => {
            writer.write_all(b"p").unwrap();
            child.wait().unwrap();
        }
    }
    drop(writer);
    let mut returned = Vec::new();
    reader.read_to_end(&mut returned).unwrap();
    returned.sort_unstable();
    assert_eq!(returned, b"cp");

    for language in IMPLS {
        assert_eq!(lines_of_fork(language, Output::Pipe).len(), 2, "{language:?}");
    }
}

pub(crate) fn each_process_has_its_own_copy_of_memory() {
    let mut number = 1;
    let child = child(|| {
        number += 1;
        number
    });
    assert_eq!((status(child), number), (Some(2), 1));

    for language in IMPLS {
        for output in OUTPUTS {
            let lines = lines_of_fork(language, output);
            assert_eq!(lines, ["Child proc: [13 27] ", "parent proc: [9 23] "], "{language:?} {output:?}");
        }
    }
}

pub(crate) fn pid_0_is_the_child_and_the_parent_gets_its_id() {
    let (mut reader, mut writer) = std_pipe();
    let child = child(|| {
        writer.write_all(&getpid().raw().to_ne_bytes()).unwrap();
        0
    });
    let mut own = [0; size_of::<i32>()];
    reader.read_exact(&mut own).unwrap();
    assert_eq!(child.pid().raw(), i32::from_ne_bytes(own));
    assert_eq!(status(child), Some(0));

    for language in IMPLS {
        let running = Running::start(&mut Command::new(language.path("zombie")), Output::Terminal);
        let child = wait_for("a child", || children(running.pid()).first().copied());
        let line = format!("child process ID: {child}\n");
        wait_until("the parent names its child", || running.stdout_so_far().contains(&line));
        wait_until("the child has taken the branch of pid 0", || running.stdout_so_far().contains("Hi, I am a child"));
        running.end(Signal::TERM);
    }
}
