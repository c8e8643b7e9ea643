//! Tests that each have a process to themselves, with one thread, so that they can fork, and a network of their own,
//! so that two which use the same port do not meet.
//!
//! This is the main function of a test without the standard harness: it runs its own executable once for each test.

use std::fs::{self, File};
use std::io::ErrorKind;
use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use super::{TempDir, state};

/// One test and its name.
pub type Test = (&'static str, fn());

/// Lists tests by their functions: `tests![zombies: a_zombie_goes, …]` are functions of the module `zombies`.
#[macro_export]
macro_rules! tests {
    ($($module:ident: $($name:ident),+;)+) => {
        &[$($((stringify!($name), $module::$name as fn()),)+)+]
    };
}

/// How long one test may take. Some programs sleep for half a minute, and a port that others use has to be waited for.
const LIMIT: Duration = Duration::from_secs(240);
/// How often a test is looked at.
const POLL: Duration = Duration::from_millis(5);
/// How many run at once. Most of them sleep most of the time.
const AT_ONCE: usize = 8;

const ALONE: &str = "--alone";
const EXACT: &str = "--exact";
const LIST: &str = "--list";

/// Runs the tests whose names have one of the arguments in them, or all.
pub fn main(tests: &[Test]) -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [alone, name] = &arguments[..]
        && alone == ALONE
    {
        let (_, test) = tests.iter().find(|(known, _)| known == name).expect("the name is one of ours");
        test();
        return ExitCode::SUCCESS;
    }
    let (options, names): (Vec<_>, Vec<_>) = arguments.iter().partition(|argument| argument.starts_with('-'));
    if let Some(option) = options.iter().find(|option| ![EXACT, LIST].contains(&option.as_str())) {
        eprintln!("{option}: this test has no such option; it takes names, {EXACT} and {LIST}");
        return ExitCode::FAILURE;
    }
    let has = |option: &str| options.iter().any(|given| *given == option);
    let is_meant = |test: &str, name: &str| if has(EXACT) { test == name } else { test.contains(name) };
    let chosen: Vec<&str> = tests.iter().map(|(test, _)| *test).collect();
    let chosen: Vec<&str> =
        chosen.into_iter().filter(|test| names.is_empty() || names.iter().any(|name| is_meant(test, name))).collect();
    if has(LIST) {
        chosen.iter().for_each(|test| println!("{test}: test"));
        return ExitCode::SUCCESS;
    }
    println!("\nrunning {} tests", chosen.len());
    let (next, failed) = (AtomicUsize::new(0), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                while let Some(test) = chosen.get(next.fetch_add(1, Ordering::Relaxed)) {
                    match run_alone(test) {
                        Ok(()) => println!("test {test} ... ok"),
                        Err(why) => {
                            failed.fetch_add(1, Ordering::Relaxed);
                            println!("test {test} ... FAILED\n{why}");
                        }
                    }
                }
            });
        }
    });
    let failed = failed.into_inner();
    let result = if failed == 0 { "ok" } else { "FAILED" };
    println!("\ntest result: {result}. {} passed; {failed} failed; 0 ignored\n", chosen.len() - failed);
    if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Runs one test in a process, and process group, of its own; gives what it said when it fails.
fn run_alone(test: &str) -> Result<(), String> {
    let folder = TempDir::new();
    let said = folder.join("said");
    let file = File::create(&said).unwrap();
    let mut process = Command::new(std::env::current_exe().unwrap())
        .args([ALONE, test])
        .stdin(Stdio::null())
        .stdout(file.try_clone().unwrap())
        .stderr(file)
        .process_group(0)
        .spawn()
        .unwrap();
    let deadline = Instant::now() + LIMIT;
    let id = process.id();
    while state(id) != Some('Z') && Instant::now() < deadline {
        std::thread::sleep(POLL);
    }
    let ended = state(id) == Some('Z');
    // What the test has left running. The process was not waited for, so its id is still that of its group.
    // SAFETY: the call has no precondition on memory.
    unsafe { libc::killpg(id.cast_signed(), libc::SIGKILL) };
    let status = process.wait().unwrap();
    let said = || fs::read_to_string(&said).unwrap_or_default();
    match ended {
        true if status.success() => Ok(()),
        true => Err(format!("{}{status}", said())),
        false => Err(format!("{}not done after {LIMIT:?}", said())),
    }
}

/// A network in which nobody else is: the kernel's, or, where this process may have none of its own, the machine's,
/// which other tests wait for.
pub struct Network(#[allow(dead_code, reason = "it is held")] Option<File>);

/// The ports that programs have built in.
const FIXED_PORTS: [u16; 2] = [5051, 43211];

impl Network {
    /// Takes it, for this thread and what it starts from now on. A process that takes its first has no other thread yet.
    pub fn own() -> Network {
        if unshare().is_ok() {
            return Network(None);
        }
        let path = std::env::temp_dir().join("mpserv-test-ports");
        let file = File::options().create(true).append(true).open(&path).unwrap();
        lock(&file);
        while is_taken() {
            std::thread::sleep(POLL);
        }
        Network(Some(file))
    }
}

/// Whether a connection that has ended not long ago, or another program, still has one of the ports.
fn is_taken() -> bool {
    let table = fs::read_to_string("/proc/self/net/tcp").unwrap();
    let port = |line: &str| u16::from_str_radix(line.split_whitespace().nth(1)?.rsplit(':').next()?, 16).ok();
    table.lines().skip(1).filter_map(port).any(|port| FIXED_PORTS.contains(&port))
}

fn lock(file: &File) {
    use std::os::fd::AsRawFd;
    loop {
        // SAFETY: the call has no precondition on memory.
        if unsafe { libc::flock(file.as_raw_fd(), libc::LOCK_EX) } == 0 {
            return;
        }
        let error = std::io::Error::last_os_error();
        assert_eq!(error.kind(), ErrorKind::Interrupted, "flock: {error}");
    }
}

/// Leaves the machine's network for one with a loopback interface and nothing else: as root, else as the owner of a
/// user namespace in which the ids stay what they are.
fn unshare() -> std::io::Result<()> {
    // SAFETY: the call has no precondition on memory.
    let own = |flags| match unsafe { libc::unshare(flags) } {
        0 => Ok(()),
        _ => Err(std::io::Error::last_os_error()),
    };
    // SAFETY: the call has no precondition.
    let (user, group) = unsafe { (libc::geteuid(), libc::getegid()) };
    if own(libc::CLONE_NEWNET).is_err() {
        own(libc::CLONE_NEWUSER | libc::CLONE_NEWNET)?;
        fs::write("/proc/self/setgroups", "deny")?;
        fs::write("/proc/self/uid_map", format!("{user} {user} 1"))?;
        fs::write("/proc/self/gid_map", format!("{group} {group} 1"))?;
    }
    let socket = std::net::UdpSocket::bind("0.0.0.0:0")?;
    // SAFETY: the type is plain numbers and null pointers, for which zeros are values.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    for (to, from) in request.ifr_name.iter_mut().zip(b"lo") {
        *to = from.cast_signed();
    }
    request.ifr_ifru.ifru_flags = libc::IFF_UP as libc::c_short;
    // SAFETY: the kernel reads the name and the flags of the request.
    match unsafe { libc::ioctl(std::os::fd::AsRawFd::as_raw_fd(&socket), libc::SIOCSIFFLAGS, &raw const request) } {
        0 => Ok(()),
        _ => Err(std::io::Error::last_os_error()),
    }
}
