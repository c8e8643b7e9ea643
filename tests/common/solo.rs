//! The runner of all tests. Each test runs in its own process, which is forked from a main function without threads. So
//! tests may fork, block signals and end their process. Targets have `harness = false`.
//!
//! A test that cannot run here calls [`skip`]. Results are printed in the form of the standard runner, so that `make
//! test` can add up all results.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use mpserv::namespace::own_network;
use mpserv::process::{_exit, Child, Fork, Pid, WaitStatus, fork};
use mpserv::signal::{Disposition, Signal, SignalFlag, signal};

use super::{TempDir, WATCHDOG, wait_for};

/// A test. Use [`tests!`](crate::tests) to list the functions of a module.
#[derive(Clone, Copy)]
pub struct Test {
    /// The path of the test, `target::module::function`.
    path: &'static str,
    function: fn(),
    /// Whether the test takes minutes, and so runs only with `--ignored` or `--include-ignored`.
    is_ignored: bool,
}

impl Test {
    pub const fn new(path: &'static str, function: fn()) -> Test {
        Test { path, function, is_ignored: false }
    }

    pub const fn ignored(path: &'static str, function: fn()) -> Test {
        Test { path, function, is_ignored: true }
    }

    /// Returns the path of the test without the target.
    fn name(&self) -> &'static str {
        self.path.split_once("::").map_or(self.path, |(_, name)| name)
    }

    /// Returns the longest time of the test.
    const fn limit(&self) -> Duration {
        if self.is_ignored { IGNORED_LIMIT } else { LIMIT }
    }
}

/// Lists the [`Test`]s of a module: `tests![a_zombie_goes, …; ignored: a_thousand_go, …]`.
#[macro_export]
macro_rules! tests {
    ($($module:ident: $($name:ident),+;)+) => {
        &[$($($crate::common::solo::Test::new(
            concat!(module_path!(), "::", stringify!($module), "::", stringify!($name)),
            $module::$name,
        ),)+)+]
    };
    ($($name:ident),* $(,)? $(; ignored: $($ignored:ident),+ $(,)?)?) => {
        &[
            $($crate::common::solo::Test::new(concat!(module_path!(), "::", stringify!($name)), $name),)*
            $($($crate::common::solo::Test::ignored(
                concat!(module_path!(), "::", stringify!($ignored)),
                $ignored,
            ),)+)?
        ]
    };
}

/// The number of tests that run at once. Most tests wait most of the time.
const AT_ONCE: usize = 8;
/// The longest time of a test on a very busy machine, with many events. A wait for one event ends after [`WATCHDOG`].
const LIMIT: Duration = Duration::from_secs(400);
/// The longest time of an ignored test.
const IGNORED_LIMIT: Duration = Duration::from_secs(3600);
/// The shortest time of a test that is printed.
const SLOW: Duration = Duration::from_secs(5);
/// The time between two looks at the running tests.
const POLL: Duration = Duration::from_millis(2);

/// The options of the command line, with the names of the standard runner. Other options are ignored.
struct Arguments {
    /// The words of the command line. A test runs if its name contains one of the words, or if there are no words.
    words: Vec<String>,
    /// The words of `--skip`. A test does not run if its name contains one of these words.
    skipped: Vec<String>,
    is_exact: bool,
    is_list: bool,
    with_ignored: bool,
    without_others: bool,
}

impl Arguments {
    fn read() -> Arguments {
        let mut read = Arguments {
            words: Vec::new(),
            skipped: Vec::new(),
            is_exact: false,
            is_list: false,
            with_ignored: false,
            without_others: false,
        };
        let mut arguments = std::env::args().skip(1);
        while let Some(argument) = arguments.next() {
            match argument.as_str() {
                "--exact" => read.is_exact = true,
                "--list" => read.is_list = true,
                "--ignored" => (read.with_ignored, read.without_others) = (true, true),
                "--include-ignored" => read.with_ignored = true,
                "--skip" => read.skipped.extend(arguments.next()),
                option if option.starts_with('-') => {}
                _ => read.words.push(argument),
            }
        }
        read
    }

    fn asks_for(&self, test: &Test) -> bool {
        let matches = |word: &String| if self.is_exact { test.name() == word } else { test.name().contains(word) };
        (self.words.is_empty() || self.words.iter().any(matches)) && !self.skipped.iter().any(matches)
    }

    fn runs(&self, test: &Test) -> bool {
        if test.is_ignored { self.with_ignored } else { !self.without_others }
    }
}

/// Runs the tests that the command line names.
pub fn main(modules: &[&[Test]]) -> ExitCode {
    let arguments = Arguments::read();
    let all: usize = modules.iter().map(|tests| tests.len()).sum();
    let asked: Vec<Test> = modules.iter().copied().flatten().copied().filter(|test| arguments.asks_for(test)).collect();
    if arguments.is_list {
        asked.iter().for_each(|test| println!("{}: test", test.name()));
        return ExitCode::SUCCESS;
    }
    let tests: Vec<Test> = asked.iter().copied().filter(|test| arguments.runs(test)).collect();
    // The loader of each program would seek its libraries in the folders that cargo sets.
    // SAFETY: the process has no other thread.
    unsafe { std::env::remove_var("LD_LIBRARY_PATH") };
    // Under nohup the servers of the tests would ignore SIGHUP.
    // SAFETY: this is the main thread at its start, and installs no handler.
    unsafe { libc::signal(libc::SIGHUP, libc::SIG_DFL) };
    println!("\nrunning {} tests", tests.len());
    let start = Instant::now();
    let results = run_all(&tests);
    if !results.failed.is_empty() {
        println!("\nfailures:");
        results.failed.iter().for_each(|name| println!("    {name}"));
    }
    println!(
        "\ntest result: {}. {} passed; {} failed; {} ignored; {} skipped; {} filtered out; finished in {:.2}s\n",
        if results.failed.is_empty() { "ok" } else { "FAILED" },
        results.passed,
        results.failed.len(),
        asked.len() - tests.len(),
        results.skipped,
        all - asked.len(),
        start.elapsed().as_secs_f64()
    );
    if results.failed.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

#[derive(Default)]
struct Results {
    passed: usize,
    skipped: usize,
    /// The names of the tests that failed.
    failed: Vec<&'static str>,
}

/// The flag of a signal that ends the tests. The signal reaches this process, but not the tests' processes.
static INTERRUPTED: SignalFlag = SignalFlag::new();
const INTERRUPTS: [Signal; 2] = [Signal::INT, Signal::TERM];

/// Runs the tests, several at once.
fn run_all(tests: &[Test]) -> Results {
    let mut results = Results::default();
    for interrupt in INTERRUPTS {
        signal(interrupt, Disposition::Flag(&INTERRUPTED)).unwrap();
    }
    let mut waiting = tests.iter();
    let mut running: Vec<Running> = Vec::new();
    loop {
        running.extend(waiting.by_ref().take(AT_ONCE - running.len()).map(Running::start));
        if running.is_empty() {
            return results;
        }
        if INTERRUPTED.is_raised() {
            running.iter_mut().for_each(|test| _ = test.end());
            println!("interrupted");
            results.failed.extend(running.iter().map(|running| running.test.name()));
            results.failed.extend(waiting.map(Test::name));
            return results;
        }
        running.retain_mut(|test| {
            let Some(verdict) = test.verdict() else { return true };
            let (name, seconds) = (test.test.name(), test.start.elapsed());
            let time = if seconds < SLOW { String::new() } else { format!(" ({:.0} s)", seconds.as_secs_f64()) };
            match verdict {
                Verdict::Passed => {
                    println!("test {name} ... ok{time}");
                    results.passed += 1;
                }
                Verdict::Skipped(reason) => {
                    println!("test {name} ... skipped: {reason}");
                    results.skipped += 1;
                }
                Verdict::Failed(why) => {
                    println!("test {name} ... FAILED{time}: {why}");
                    results.failed.push(name);
                }
            }
            false
        });
        std::thread::sleep(POLL);
    }
}

/// Returns the processes of a group, each with its state and the number of its present system call.
fn processes_of_group(group: Pid) -> String {
    let mut all = String::new();
    for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
        let read = |file: &str| fs::read_to_string(entry.path().join(file)).unwrap_or_default();
        let stat = read("stat");
        let Some((name, rest)) = stat.rsplit_once(") ") else { continue };
        let mut fields = rest.split(' ');
        let state = fields.next().unwrap_or_default();
        if fields.nth(1).and_then(|field| field.parse().ok()) == Some(group.raw()) {
            let command = read("cmdline").replace('\0', " ");
            let call = read("syscall");
            let call = call.split(' ').next().unwrap_or_default().trim();
            all += &format!("    {name}) {state}, system call {call}: {command}\n");
        }
    }
    all
}

/// The result of a test.
enum Verdict {
    Passed,
    /// The test cannot run here, for this reason.
    Skipped(String),
    /// The end of the test's process, and its output.
    Failed(String),
}

/// The status of a child that panicked.
const PANICKED: i32 = 101;
/// The status of a test that was skipped. Other test suites use this status as well.
const SKIPPED: i32 = 77;

/// Ends a test that cannot run here. The reason is a few words, such as "no IPv6". Tests with the same reason use the
/// same words.
pub fn skip(reason: &str) -> ! {
    println!("{reason}");
    let _ = std::io::stdout().flush();
    _exit(SKIPPED);
}

/// A test that runs in its own process and process group.
struct Running {
    test: Test,
    child: Child,
    start: Instant,
    folder: TempDir,
}

impl Running {
    fn start(&test: &Test) -> Running {
        let folder = TempDir::new();
        let _ = std::io::stdout().flush();
        let child = child(|| {
            let said = File::create(folder.join("said")).unwrap();
            for standard in [libc::STDOUT_FILENO, libc::STDERR_FILENO] {
                // SAFETY: the call takes numbers, and nothing here relies on the old file of the descriptor.
                unsafe { libc::dup2(said.as_raw_fd(), standard) };
            }
            // SAFETY: the call takes numbers.
            unsafe { libc::setpgid(0, 0) };
            drop(said);
            for interrupt in INTERRUPTS {
                signal(interrupt, Disposition::Default).unwrap();
            }
            // Where the process may, the test has a network without other processes: nobody else takes a port that the
            // test gives back.
            let _ = own_network();
            (test.function)();
            0
        });
        Running { test, child, start: Instant::now(), folder }
    }

    /// Returns the result of the test once it has ended or has been ended, or `None` while it runs.
    fn verdict(&mut self) -> Option<Verdict> {
        let has_ended = has_ended(&self.child);
        let limit = self.test.limit();
        if !has_ended && self.start.elapsed() < limit {
            return None;
        }
        let left = if has_ended { String::new() } else { processes_of_group(self.child.pid()) };
        let status = self.end();
        let said = fs::read_to_string(self.folder.join("said")).unwrap_or_default();
        Some(match (has_ended, status.exit_status()) {
            (true, Some(0)) => Verdict::Passed,
            (true, Some(SKIPPED)) => Verdict::Skipped(said.lines().last().unwrap_or_default().to_owned()),
            (true, _) => Verdict::Failed(format!("{status}\n{said}")),
            (false, _) => Verdict::Failed(format!("not done after {limit:?}; it runs:\n{left}\n{said}")),
        })
    }

    /// Ends the test's process, if it still runs, and all processes of its group.
    fn end(&mut self) -> WaitStatus {
        let _ = self.child.kill(Signal::KILL);
        // The group has the id of the process. No other process gets this id before the process is reaped. SAFETY: the
        // call takes numbers.
        unsafe { libc::killpg(self.child.pid().raw(), libc::SIGKILL) };
        self.child.wait().unwrap()
    }
}

/// Whether a child has ended. The child stays a zombie.
fn has_ended(child: &Child) -> bool {
    // SAFETY: a structure of zeros is valid.
    let mut ended: libc::siginfo_t = unsafe { std::mem::zeroed() };
    let options = libc::WEXITED | libc::WNOHANG | libc::WNOWAIT;
    // SAFETY: the pointer is to a siginfo_t.
    let result = unsafe { libc::waitid(libc::P_PID, child.pid().raw() as libc::id_t, &raw mut ended, options) };
    // A child that has not ended leaves the structure as it is.
    result == 0 && ended.si_signo == libc::SIGCHLD
}

/// Runs `function` in a child. The child ends with the function's result, or with 101 after a panic.
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

/// Runs `function` in a child. The child ends with 0, or with 101 after a panic.
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

/// Repeats a call for as long as signals interrupt it.
fn retry_on_eintr(mut call: impl FnMut() -> libc::c_int) -> libc::c_int {
    loop {
        let result = call();
        if result >= 0 || std::io::Error::last_os_error().kind() != std::io::ErrorKind::Interrupted {
            return result;
        }
    }
}

/// Synchronizes two processes of a test: one process writes its progress, and the other process reads it.
pub struct Channel(UnixStream, UnixStream);

impl Channel {
    pub fn new() -> Channel {
        let (reader, writer) = UnixStream::pair().unwrap();
        Channel(reader, writer)
    }

    /// Sends the other process a byte.
    pub fn tell(&self, byte: u8) {
        (&self.1).write_all(&[byte]).unwrap();
    }

    /// Waits until the other process sends a byte.
    #[track_caller]
    pub fn hear(&self) -> u8 {
        let mut poll = libc::pollfd { fd: self.0.as_raw_fd(), events: libc::POLLIN, revents: 0 };
        let timeout = libc::c_int::try_from(WATCHDOG.as_millis()).unwrap();
        // SAFETY: the pointer is to one pollfd.
        let ready = retry_on_eintr(|| unsafe { libc::poll(&raw mut poll, 1, timeout) });
        assert!(ready > 0, "the other process of the test said nothing for {WATCHDOG:?}");
        let mut byte = [0];
        (&self.0).read_exact(&mut byte).unwrap();
        byte[0]
    }

    /// Returns the reading end.
    pub const fn reader(&self) -> &UnixStream {
        &self.0
    }
}
