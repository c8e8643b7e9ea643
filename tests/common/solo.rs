//! A test runner for tests that fork, and so cannot run in a process with threads: each runs in a process of its own,
//! forked from a main function that never starts a thread. Its targets have `harness = false`.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::os::fd::AsRawFd;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use mpserv::process::{_exit, Child, Fork, WaitStatus, fork};
use mpserv::signal::{Disposition, Signal, SignalFlag, signal};

use super::{TempDir, state, wait_for};

/// A test: its name and what it does.
pub type Test = (&'static str, fn());

/// Lists tests by their functions: `tests![zombies: a_zombie_goes, …;]` are functions of the module `zombies`.
#[macro_export]
macro_rules! tests {
    ($($module:ident: $($name:ident),+;)+) => {
        &[$($((stringify!($name), $module::$name as fn()),)+)+]
    };
}

/// How many tests run at once. Most of them wait most of the time.
const AT_ONCE: usize = 8;
/// How long one test may take. Some programs sleep for long, and a port that others use has to be waited for.
const LIMIT: Duration = Duration::from_secs(480);
/// How often the tests that run are looked at.
const POLL: Duration = Duration::from_millis(2);

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
    let failed = run_all(&tests);
    println!(
        "\ntest result: {}. {} passed; {failed} failed; 0 ignored; 0 measured; 0 filtered out; finished in {:.2}s\n",
        if failed == 0 { "ok" } else { "FAILED" },
        tests.len() - failed,
        start.elapsed().as_secs_f64()
    );
    if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Raised when somebody wants the tests to end, who would reach this process but not theirs.
static INTERRUPTED: SignalFlag = SignalFlag::new();
const INTERRUPTS: [Signal; 2] = [Signal::INT, Signal::TERM];

/// Runs the tests, several at once, and gives how many failed.
fn run_all(tests: &[&Test]) -> usize {
    let mut failed = 0;
    for interrupt in INTERRUPTS {
        signal(interrupt, Disposition::Flag(&INTERRUPTED)).unwrap();
    }
    let mut waiting = tests.iter();
    let mut running: Vec<Running> = Vec::new();
    loop {
        running.extend(waiting.by_ref().take(AT_ONCE - running.len()).map(|test| Running::start(test)));
        if running.is_empty() {
            return failed;
        }
        if INTERRUPTED.is_raised() {
            running.iter_mut().for_each(|test| _ = test.end());
            println!("interrupted");
            return failed + running.len() + waiting.len();
        }
        running.retain_mut(|test| {
            let Some(verdict) = test.verdict() else { return true };
            println!("test {} ... {}", test.name, verdict.as_ref().map_or_else(String::as_str, |()| "ok"));
            failed += usize::from(verdict.is_err());
            false
        });
        std::thread::sleep(POLL);
    }
}

/// A test that runs in a process, and process group, of its own.
struct Running {
    name: &'static str,
    child: Child,
    start: Instant,
    folder: TempDir,
}

impl Running {
    fn start(&(name, test): &Test) -> Running {
        let folder = TempDir::new();
        let _ = std::io::stdout().flush();
        let child = child(|| {
            let said = File::create(folder.join("said")).unwrap();
            for standard in [libc::STDOUT_FILENO, libc::STDERR_FILENO] {
                // SAFETY: the call takes numbers, and nothing here holds what either descriptor was.
                unsafe { libc::dup2(said.as_raw_fd(), standard) };
            }
            // SAFETY: the call takes numbers.
            unsafe { libc::setpgid(0, 0) };
            drop(said);
            for interrupt in INTERRUPTS {
                signal(interrupt, Disposition::Default).unwrap();
            }
            test();
            0
        });
        Running { name, child, start: Instant::now(), folder }
    }

    /// How it ended, or why it had to be, with what it said; `None` while it runs.
    fn verdict(&mut self) -> Option<Result<(), String>> {
        let has_ended = state(self.child.pid().raw().cast_unsigned()) == Some('Z');
        if !has_ended && self.start.elapsed() < LIMIT {
            return None;
        }
        let status = self.end();
        let said = fs::read_to_string(self.folder.join("said")).unwrap_or_default();
        Some(match (has_ended, status.exit_status()) {
            (true, Some(0)) => Ok(()),
            (true, _) => Err(format!("FAILED ({status})\n{said}")),
            (false, _) => Err(format!("FAILED (not done after {LIMIT:?})\n{said}")),
        })
    }

    /// Ends it, if it has not ended, and what it has left running.
    fn end(&mut self) -> WaitStatus {
        let _ = self.child.kill(Signal::KILL);
        // The group has its id, which is nobody else's before it is waited for.
        // SAFETY: the call takes numbers.
        unsafe { libc::killpg(self.child.pid().raw(), libc::SIGKILL) };
        self.child.wait().unwrap()
    }
}

/// The status of a child that panicked.
const PANICKED: i32 = 101;

/// Runs `function` in a child, which ends with what it returns, or with 101 after a panic.
pub fn child(function: impl FnOnce() -> i32) -> Child {
    match fork().expect("a process without threads can fork") {
        Fork::Parent(child) => child,
        Fork::Child => {
            let status = catch_unwind(AssertUnwindSafe(function)).unwrap_or(PANICKED);
            let _ = std::io::stdout().flush();
            _exit(status);
        }
    }
}

/// Runs `function` in a child, which ends with 0, or with 101 after a panic.
pub fn spawn(function: impl FnOnce()) -> Child {
    child(|| {
        function();
        0
    })
}

/// Waits until a child has ended, and reaps it.
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

    /// The end that is read.
    pub const fn reader(&self) -> &std::io::PipeReader {
        &self.0
    }
}
