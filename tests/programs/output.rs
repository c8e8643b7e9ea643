//! Tests the output of the programs that need no peer.

use std::process::Command;
use std::time::{Duration, Instant};

use crate::common::*;
use crate::{same, same_everywhere};

const PIDS: [&str; 5] =
    ["child process ID: ", "child process one ID: ", "child process two1 ID: ", "Child proc id: ", "Removed proc id: "];

/// The longest time of a program that sleeps. No program sleeps for more than about 30 seconds.
const SLEEPS: Duration = Duration::from_secs(45);

/// Returns the output of a program under strace, which ends after the last process of the program.
fn traced(expressions: &[&str], language: Impl, program: &str, output: Output) -> Ended {
    let mut command = strace(expressions, NOWHERE, language, program);
    let mut ended = Running::start(&mut command, output).wait_within(SLEEPS);
    ended.stdout = without_pids(&ended.stdout, &PIDS);
    ended
}

/// Removes all lines equal to `line` from a text. Returns their number.
fn take_lines(text: &mut String, line: &str) -> usize {
    let count = text.matches(line).count();
    *text = text.replace(line, "");
    count
}

/// Sorts the lines of a program whose order the kernel decides.
fn sorted(mut ended: Ended) -> Ended {
    let mut lines: Vec<&str> = ended.stdout.split_inclusive('\n').collect();
    lines.sort_unstable();
    ended.stdout = lines.concat();
    ended
}

fn ends_well(stdout: &str) -> (String, String, Option<i32>) {
    (stdout.to_owned(), String::new(), Some(0))
}

pub(crate) fn fork_prints_from_both_processes() {
    let ended = same_everywhere("fork", |language, output| sorted(traced(&[], language, "fork", output)));
    assert_eq!(ended, ends_well("Child proc: [13 27] \nparent proc: [9 23] \n"));
}

pub(crate) fn zombie_prints_from_both_processes() {
    let ended = same_everywhere("zombie", |language, output| sorted(traced(&[NO_SLEEP], language, "zombie", output)));
    let lines = "END parent process\nHi, I am a child processEND child process\nchild process ID: PID\n";
    assert_eq!(ended, ends_well(lines));
}

pub(crate) fn wait_prints_each_status() {
    let runs = same("wait", |language, output| {
        let mut ended = traced(&[NO_SLEEP], language, "wait", output);
        // The kernel decides which child is reaped first.
        let pid =
            ended.stdout.lines().find_map(|line| line.strip_prefix("child process two2 ID: ")).unwrap().to_owned();
        ended.stdout = ended.stdout.replace(&pid, "PID");
        for (seven_first, three_first) in [("one: 7", "one: 3"), ("two: 3", "two: 7")] {
            ended.stdout = ended.stdout.replace(seven_first, three_first);
        }
        ended
    });
    for (output, ended) in runs {
        let one = "child process one ID: PID\n";
        // The second child inherits the text that its parent has not written yet, and exit writes that text.
        let inherited = if output == Output::Terminal { "" } else { one };
        let rest = "child process two1 ID: PID\nchild sen one: 3\nchild process two2 ID: PID\nchild sen two: 7\n";
        assert_eq!(ended.stdout, format!("{inherited}{one}{rest}"), "{output:?}");
    }
}

pub(crate) fn waitpid_prints_while_it_waits() {
    // The program runs in real time. How often it asks depends on the machine.
    let ended = same_everywhere("waitpid", |language, output| {
        let start = Instant::now();
        let mut ended = Running::start(&mut Command::new(language.path("waitpid")), output).wait_within(SLEEPS);
        let took = start.elapsed();
        let asked = take_lines(&mut ended.stdout, "sleep 3sec.\n");
        assert_asked(asked, took, &format!("{language:?}, {output:?}"));
        ended
    });
    assert_eq!(ended, ends_well("Child send 24 \n"));
}

fn prints_at_each_alarm(program: &str) {
    // The program runs in real time, with an alarm every 2 seconds.
    let ended = same_everywhere(program, |language, output| {
        Running::start(&mut Command::new(language.path(program)), output).wait_within(SLEEPS)
    });
    assert_eq!(ended, ends_well(&"wait...\nTime out!\n".repeat(3)));
}

pub(crate) fn signal_prints_at_each_alarm() {
    prints_at_each_alarm("signal");
}

pub(crate) fn sigaction_prints_at_each_alarm() {
    prints_at_each_alarm("sigaction");
}

pub(crate) fn remove_zombie_prints_each_child_that_it_removes() {
    // The program runs in real time. Each fork returns to the parent four seconds late, so the children end four seconds
    // apart. The machine decides when the other lines come.
    let ended = same_everywhere("remove_zombie", |language, output| {
        let mut ended = traced(&[PARENT_LATE], language, "remove_zombie", output);
        // On a pipe or file the second child inherits the text that its parent has not written yet.
        let ids = if output == Output::Terminal { 2 } else { 3 };
        for (line, count) in [("wait...\n", 5), ("Hi! I'm child process\n", 2), ("Child proc id: PID \n", ids)] {
            assert_eq!(take_lines(&mut ended.stdout, line), count, "{line:?}, {language:?}, {output:?}");
        }
        ended
    });
    let removed = |status| format!("Removed proc id: PID \nChild send: {status} \n");
    assert_eq!(ended, ends_well(&(removed(12) + &removed(24))));
}
