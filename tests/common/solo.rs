//! A test runner for tests that fork, and so cannot run in a process with threads: each runs in a process of its own,
//! forked from a main function that never starts a thread. Its targets have `harness = false`.

use std::io::{Read, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;
use std::time::Instant;

use mpserv::process::{_exit, Child, Fork, WaitStatus, fork};
use mpserv::signal::{Signal, kill};

use super::wait_for;

/// A test: its name and what it does.
pub type Test = (&'static str, fn());

/// Runs the tests that the command line asks for, as the standard runner would: a word is a part of a name, `--list`,
/// `--exact` and `--skip` are known, further options are not minded.
pub fn main(tests: &[Test]) -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let exact = arguments.iter().any(|argument| argument == "--exact");
    let after_skip = |index: usize| index > 0 && arguments[index - 1] == "--skip";
    let matches = |name: &str, word: &str| if exact { name == word } else { name.contains(word) };
    let (mut words, mut skipped) = (Vec::new(), Vec::new());
    for (index, argument) in arguments.iter().enumerate().filter(|(_, argument)| !argument.starts_with('-')) {
        if after_skip(index) { skipped.push(argument) } else { words.push(argument) }
    }
    let wanted = |name: &str| {
        (words.is_empty() || words.iter().any(|word| matches(name, word)))
            && !skipped.iter().any(|word| matches(name, word))
    };
    let tests: Vec<&Test> = tests.iter().filter(|(name, _)| wanted(name)).collect();
    if arguments.iter().any(|argument| argument == "--list") {
        tests.iter().for_each(|(name, _)| println!("{name}: test"));
        return ExitCode::SUCCESS;
    }
    println!("\nrunning {} tests", tests.len());
    let start = Instant::now();
    let mut failed = 0;
    for (name, test) in &tests {
        let status = run(*test);
        let passed = status.exit_status() == Some(0);
        println!("test {name} ... {}", if passed { "ok".to_owned() } else { format!("FAILED ({status})") });
        failed += usize::from(!passed);
    }
    println!(
        "\ntest result: {}. {} passed; {failed} failed; 0 ignored; 0 measured; 0 filtered out; finished in {:.2}s\n",
        if failed == 0 { "ok" } else { "FAILED" },
        tests.len() - failed,
        start.elapsed().as_secs_f64()
    );
    if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Runs one test in a process of its own, and ends that when its time is over.
fn run(test: fn()) -> WaitStatus {
    let _ = std::io::stdout().flush();
    let mut child = spawn(test);
    let status = catch_unwind(AssertUnwindSafe(|| wait_for("the test ends", || child.try_wait().unwrap())));
    status.unwrap_or_else(|_| {
        let _ = kill(child.pid(), Signal::KILL);
        child.wait().unwrap()
    })
}

/// Runs `function` in a child, which ends with 0, or with 101 after a panic.
pub fn spawn(function: impl FnOnce()) -> Child {
    match fork().expect("a process without threads can fork") {
        Fork::Parent(child) => child,
        Fork::Child => {
            let result = catch_unwind(AssertUnwindSafe(function));
            let _ = std::io::stdout().flush();
            _exit(if result.is_ok() { 0 } else { 101 });
        }
    }
}

/// Waits until a child has ended, without reaping it, and then reaps it.
#[track_caller]
pub fn reap(child: &mut Child) -> WaitStatus {
    wait_for("the child ends", || child.try_wait().unwrap())
}

/// How two processes of a test tell each other how far they are: what one writes, the other reads.
pub struct Channel(std::io::PipeReader, std::io::PipeWriter);

impl Channel {
    pub fn new() -> Channel {
        let (reader, writer) = std::io::pipe().unwrap();
        Channel(reader, writer)
    }

    /// Tells the other process a byte.
    pub fn tell(&self, byte: u8) {
        (&self.1).write_all(&[byte]).unwrap();
    }

    /// Waits until the other process tells a byte.
    pub fn hear(&self) -> u8 {
        let mut byte = [0];
        (&self.0).read_exact(&mut byte).unwrap();
        byte[0]
    }
}
