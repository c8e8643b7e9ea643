//! Helpers that the tests share. The helpers run a program in C or in Rust, on a terminal, a pipe or a file, and watch
//! the program through /proc. They also end every process that they start, by its id, even if a test fails.
#![allow(dead_code, unreachable_pub, reason = "each test uses a part")]

use std::fs::{self, File};
use std::io::{ErrorKind, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Shutdown, TcpStream};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use mpserv::ffi;

pub mod load;
pub mod network;
pub mod processes;
pub mod random;
pub mod running;
pub mod server;
pub mod servers;
pub mod solo;

pub use processes::*;
pub use running::{Ended, Running};

/// The longest time for which a test waits for an event.
pub const WATCHDOG: Duration = Duration::from_secs(15);

/// The shortest and the longest time between two checks of a condition. The checks become rarer while a test waits,
/// because they take processor time from other tests.
const POLL: [Duration; 2] = [Duration::from_millis(1), Duration::from_millis(10)];
/// The number of checks in the time that a test has waited so far.
const CHECKS: u32 = 100;

/// Waits until `condition` gives a value. Fails if `condition` gives no value in time.
#[track_caller]
pub fn wait_for<T>(what: &str, condition: impl FnMut() -> Option<T>) -> T {
    wait_within(WATCHDOG, condition).unwrap_or_else(|| panic!("waited {WATCHDOG:?} in vain: {what}"))
}

/// Waits until `condition` gives a value, but at most for `limit`.
pub fn wait_within<T>(limit: Duration, mut condition: impl FnMut() -> Option<T>) -> Option<T> {
    let start = Instant::now();
    loop {
        let value = condition();
        let waited = start.elapsed();
        if value.is_some() || waited >= limit {
            return value;
        }
        std::thread::sleep((waited / CHECKS).clamp(POLL[0], POLL[1]));
    }
}

/// A time that is long enough for a wrong event to happen.
pub const A_WHILE: Duration = Duration::from_millis(300);

/// Whether this process is root.
pub fn is_root() -> bool {
    mpserv::user::geteuid() == 0
}

/// Skips the test unless this process is root.
pub fn needs_root() {
    if !is_root() {
        solo::skip("not root");
    }
}

/// Skips the test unless this command is installed. Returns the command's path, because some users' `PATH` lacks the
/// folders of servers.
pub fn needs_command(command: &str) -> PathBuf {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).chain(["/usr/sbin".into(), "/sbin".into()]);
    let found = folders.map(|folder| folder.join(command)).find(|path| path.is_file());
    found.unwrap_or_else(|| solo::skip(&format!("no {command}")))
}

/// Skips the test unless this machine has IPv6.
pub fn needs_ipv6() {
    if std::net::TcpListener::bind((std::net::Ipv6Addr::LOCALHOST, 0)).is_err() {
        solo::skip("no IPv6");
    }
}

/// Waits until `condition` holds.
#[track_caller]
pub fn wait_until(what: &str, mut condition: impl FnMut() -> bool) {
    wait_for(what, || condition().then_some(()));
}

/// The language of a program.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Impl {
    C,
    Rust,
}

pub const IMPLS: [Impl; 2] = [Impl::C, Impl::Rust];

impl Impl {
    /// Returns the path of a textbook program.
    pub fn path(self, program: &str) -> PathBuf {
        let path = match self {
            Impl::C => Path::new(env!("MPSERV_C_DIR")).join(program),
            Impl::Rust => Path::new(env!("CARGO_BIN_EXE_echo_mpserv")).with_file_name(program),
        };
        assert!(
            path.exists(),
            "{} is not there; is there a C compiler (apt-get install gcc libc6-dev)?",
            path.display()
        );
        path
    }
}

/// Returns a pipe: its reader and its writer.
pub fn std_pipe() -> (File, File) {
    let (reader, writer) = mpserv::fd::pipe2(mpserv::fd::PipeFlags::CLOEXEC).unwrap();
    // SAFETY: the descriptor is open, and nothing else owns it after `into_raw`.
    let reader = unsafe { File::from_raw_fd(reader.into_raw()) };
    // SAFETY: the reason above holds here as well.
    let writer = unsafe { File::from_raw_fd(writer.into_raw()) };
    (reader, writer)
}

/// The target of a program's standard output.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Output {
    Terminal,
    Pipe,
    File,
}

pub const OUTPUTS: [Output; 3] = [Output::Terminal, Output::Pipe, Output::File];

/// A folder that is removed with the test.
pub struct TempDir(pub PathBuf);

impl TempDir {
    pub fn new() -> TempDir {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        loop {
            let count = COUNT.fetch_add(1, Ordering::Relaxed);
            let path = std::env::temp_dir().join(format!("mpserv-test-{}-{count}", std::process::id()));
            match fs::create_dir(&path) {
                Ok(()) => return TempDir(path),
                // An earlier process of the same id was killed and has left it.
                Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
                Err(error) => panic!("{}: {error}", path.display()),
            }
        }
    }

    pub fn join(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for TempDir {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Writes a file that can be run, and makes its folder.
pub fn write_executable(path: &Path, text: &str) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
}

/// Returns the two ends of a new terminal in raw mode, in which the terminal changes no byte.
pub fn terminal() -> (OwnedFd, OwnedFd) {
    // SAFETY: the call has no precondition on memory.
    let master =
        unsafe { ffi::stdlib::posix_openpt(ffi::fcntl::O_RDWR | ffi::fcntl::O_NOCTTY | ffi::fcntl::O_CLOEXEC) };
    assert!(master >= 0, "posix_openpt: {}", std::io::Error::last_os_error());
    // SAFETY: the descriptor was made just now.
    let master = unsafe { OwnedFd::from_raw_fd(master) };
    // SAFETY: the descriptor is that of a terminal's master.
    assert_eq!(unsafe { ffi::stdlib::grantpt(master.as_raw_fd()) }, 0);
    // SAFETY: the reason above holds here as well.
    assert_eq!(unsafe { ffi::stdlib::unlockpt(master.as_raw_fd()) }, 0);
    let mut name = [0; 64];
    // SAFETY: the buffer is valid for writes of the length that is passed with it.
    assert_eq!(unsafe { ffi::stdlib::ptsname_r(master.as_raw_fd(), name.as_mut_ptr(), name.len()) }, 0);
    // SAFETY: the call has put a string with its NUL there.
    let name = unsafe { std::ffi::CStr::from_ptr(name.as_ptr()) };
    let slave = File::options().read(true).write(true).open(name.to_str().unwrap()).unwrap();
    let raw = Command::new("stty").args(["raw", "-echo"]).stdin(slave.try_clone().unwrap()).status().unwrap();
    assert!(raw.success());
    (master, slave.into())
}

/// Returns a command that starts a program without an argument, not even its name, and with an empty environment.
/// Before Linux 5.18 argc is 0 in such a program. Since then argc is 1, and the name is empty.
pub fn nameless(program: &Path) -> Command {
    let mut command = Command::new(program);
    let path = std::ffi::CString::new(program.as_os_str().as_encoded_bytes()).unwrap();
    let become_nameless = move || {
        let empty = [std::ptr::null()];
        // SAFETY: the path ends in a NUL, and both arrays in a null pointer.
        unsafe { libc::execve(path.as_ptr(), empty.as_ptr(), empty.as_ptr()) };
        Err(std::io::Error::last_os_error())
    };
    // SAFETY: the closure calls nothing but execve, and reads errno.
    unsafe { command.stdin(Stdio::null()).pre_exec(become_nameless) };
    command
}

/// The expression for [`strace`] that makes sleeps take no time.
pub const NO_SLEEP: &str = "inject=clock_nanosleep:retval=0";
/// The expression for [`strace`] that makes fork fail.
pub const NO_FORK: &str = "inject=clone:error=EAGAIN";
/// The expression for [`strace`] that kills a program at its 50th call of one of these kinds, so that a program that goes
/// on for ever ends soon. No textbook program makes as many.
pub const NO_LOOP: &str = "inject=wait4,read,write:signal=KILL:when=50+";
/// The expression for [`strace`] that delays a parent for four seconds after its fork, so that the child runs first.
pub const PARENT_LATE: &str = "inject=clone:delay_exit=4000000";
/// The path for [`strace`] if the trace is not needed.
pub const NOWHERE: &str = "/dev/null";

/// Checks how often the program `waitpid` asked in vain. It sleeps each time, so the time of its run limits the number.
#[track_caller]
pub fn assert_asked(asked: usize, took: Duration, what: &str) {
    const SLEEP: u64 = 3;
    let most = took.as_secs() / SLEEP;
    assert!((1..=most).contains(&(asked as u64)), "{what}: asked {asked} times in {took:?}");
}

/// Returns the command for a textbook program under `strace -f`, with further expressions (`-e`).
pub fn strace(expressions: &[&str], trace: impl AsRef<Path>, language: Impl, program: &str) -> Command {
    let mut command = Command::new("strace");
    command.args(["-f", "-qq", "-o"]).arg(trace.as_ref());
    expressions.iter().for_each(|expression| _ = command.args(["-e", expression]));
    command.arg("--").arg(language.path(program)).stdin(Stdio::null());
    command
}

/// Runs a command to its end.
#[track_caller]
pub fn run(command: &mut Command, output: Output) -> Ended {
    Running::start(command, output).wait()
}

/// Returns the output of a command that must succeed. White space at its ends is removed.
#[track_caller]
pub fn text_of(command: &mut Command) -> String {
    let ended = run(command.stdin(Stdio::null()), Output::Pipe);
    assert!(ended.status.success(), "{command:?}: {}: {}", ended.status, ended.stderr);
    ended.stdout.trim().to_owned()
}

/// Connects to a port of this machine. No call on the connection waits for longer than the watchdog.
#[track_caller]
pub fn connect(port: u16) -> TcpStream {
    connect_to(Ipv4Addr::LOCALHOST.into(), port)
}

/// Connects as [`connect`] does, but to another address of this machine.
#[track_caller]
pub fn connect_to(address: IpAddr, port: u16) -> TcpStream {
    let address = (address, port).into();
    watched(TcpStream::connect_timeout(&address, WATCHDOG).unwrap())
}

/// Returns a connection on which no call waits for longer than the watchdog.
#[track_caller]
pub fn watched<S: AsRawFd>(stream: S) -> S {
    use mpserv::net::{SocketOption, setsockopt};
    for timeout in [SocketOption::RCVTIMEO, SocketOption::SNDTIMEO] {
        // SAFETY: the stream stays open for as long as it is borrowed.
        setsockopt(unsafe { mpserv::fd::BorrowedFd::from_raw(stream.as_raw_fd()) }, timeout, WATCHDOG).unwrap();
    }
    stream
}

/// Connects from another address of this machine to its loopback address of the same family.
#[track_caller]
pub fn connect_from(source: &str, port: u16) -> TcpStream {
    use mpserv::net::{AddressFamily, Protocol, SocketType, bind, connect, socket};
    let source: IpAddr = source.parse().unwrap();
    let (family, server) = match source {
        IpAddr::V4(_) => (AddressFamily::INET, Ipv4Addr::LOCALHOST.into()),
        IpAddr::V6(_) => (AddressFamily::INET6, std::net::Ipv6Addr::LOCALHOST.into()),
    };
    let fd = socket(family, SocketType::STREAM, Protocol::DEFAULT).unwrap();
    bind(&fd, &std::net::SocketAddr::new(source, 0)).unwrap();
    connect(&fd, &std::net::SocketAddr::new(server, port)).unwrap();
    // SAFETY: the descriptor is open, and nothing else owns it after `into_raw`.
    watched(unsafe { TcpStream::from_raw_fd(fd.into_raw()) })
}

/// Sends `bytes` and reads as many back.
#[track_caller]
pub fn echo(stream: &mut TcpStream, bytes: &[u8]) -> Vec<u8> {
    stream.write_all(bytes).unwrap();
    let mut back = vec![0; bytes.len()];
    stream.read_exact(&mut back).unwrap();
    back
}

/// Ends our half of a connection, and reads until the peer has ended the other half.
#[track_caller]
pub fn finish(mut stream: TcpStream) -> Vec<u8> {
    stream.shutdown(Shutdown::Write).unwrap();
    let mut rest = Vec::new();
    stream.read_to_end(&mut rest).unwrap();
    rest
}

/// Ends a connection so that the peer gets a reset.
pub fn reset(client: TcpStream) {
    mpserv::net::setsockopt(as_fd(&client), mpserv::net::SocketOption::LINGER, Some(0)).unwrap();
}

/// Returns a connection's descriptor in the form for the wrappers.
pub fn as_fd(stream: &TcpStream) -> mpserv::fd::BorrowedFd<'_> {
    // SAFETY: the stream stays open for as long as it is borrowed.
    unsafe { mpserv::fd::BorrowedFd::from_raw(stream.as_raw_fd()) }
}

/// Replaces every number that follows one of these words by `PID`, because such numbers differ from run to run.
pub fn without_pids(text: &str, words: &[&str]) -> String {
    let mut result = String::new();
    let mut rest = text;
    while let Some((at, word)) = words.iter().filter_map(|word| Some((rest.find(word)?, word))).min() {
        let (before, after) = rest.split_at(at + word.len());
        result.push_str(before);
        let digits = after.find(|c: char| !c.is_ascii_digit()).unwrap_or(after.len());
        if digits > 0 {
            result.push_str("PID");
        }
        rest = &after[digits..];
    }
    result + rest
}
