//! Helpers that the tests share: they run a program in C or in Rust, on a terminal, a pipe or a file, and watch it from
//! outside through /proc. They end every process that they start, by its id, whatever the test does.
#![allow(dead_code, unreachable_pub, reason = "each test uses a part")]

use std::fs::{self, File};
use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, Shutdown, TcpStream};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use mpserv::ffi;

pub mod load;
pub mod network;
pub mod random;
pub mod server;
pub mod servers;
pub mod solo;

/// After this long, an event that a test waits for will not come.
pub const WATCHDOG: Duration = Duration::from_secs(15);

/// Time between two checks of a condition.
const POLL: Duration = Duration::from_millis(1);

/// Waits until `condition` gives a value; fails when it never does.
#[track_caller]
pub fn wait_for<T>(what: &str, condition: impl FnMut() -> Option<T>) -> T {
    wait_within(WATCHDOG, condition).unwrap_or_else(|| panic!("waited {WATCHDOG:?} in vain: {what}"))
}

/// Waits until `condition` gives a value, for so long at most.
pub fn wait_within<T>(limit: Duration, mut condition: impl FnMut() -> Option<T>) -> Option<T> {
    let deadline = Instant::now() + limit;
    loop {
        let value = condition();
        if value.is_some() || Instant::now() >= deadline {
            return value;
        }
        std::thread::sleep(POLL);
    }
}

/// Long enough for what must not happen to happen, if it did.
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

/// Skips the test unless this command is there. Gives its path: servers are not in each user's `PATH`.
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

/// In which language a program is written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Impl {
    C,
    Rust,
}

pub const IMPLS: [Impl; 2] = [Impl::C, Impl::Rust];

impl Impl {
    /// The path of a textbook program.
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

/// A pipe: its reader and its writer.
pub fn std_pipe() -> (File, File) {
    let (reader, writer) = mpserv::fd::pipe2(mpserv::fd::PipeFlags::CLOEXEC).unwrap();
    // SAFETY: the descriptor is open, and `into_raw` has given it away.
    let reader = unsafe { File::from_raw_fd(reader.into_raw()) };
    // SAFETY: as above.
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

/// A folder that goes when the test does.
pub struct TempDir(pub PathBuf);

impl TempDir {
    pub fn new() -> TempDir {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("mpserv-test-{}-{count}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        TempDir(path)
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

/// The two ends of a new terminal that leaves what passes through it as it is.
pub fn terminal() -> (OwnedFd, OwnedFd) {
    // SAFETY: the call has no precondition on memory.
    let master =
        unsafe { ffi::stdlib::posix_openpt(ffi::fcntl::O_RDWR | ffi::fcntl::O_NOCTTY | ffi::fcntl::O_CLOEXEC) };
    assert!(master >= 0, "posix_openpt: {}", std::io::Error::last_os_error());
    // SAFETY: the descriptor was made just now.
    let master = unsafe { OwnedFd::from_raw_fd(master) };
    // SAFETY: the descriptor is that of a terminal's master.
    assert_eq!(unsafe { ffi::stdlib::grantpt(master.as_raw_fd()) }, 0);
    // SAFETY: as above.
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

/// A program that runs, with everything that it prints.
pub struct Running {
    /// The command, for messages.
    name: String,
    child: Child,
    stdout: Collected,
    stderr: Collected,
}

/// Output read from a descriptor, or written to a file.
enum Collected {
    Reader(JoinHandle<()>, Arc<Mutex<Vec<u8>>>),
    File(PathBuf, TempDir),
}

/// End of a program, with its output.
#[derive(Debug, PartialEq, Eq, Clone)]
pub struct Ended {
    pub status: ExitStatus,
    pub stdout: String,
    pub stderr: String,
}

fn collect(mut from: impl Read + Send + 'static) -> Collected {
    let text = Arc::new(Mutex::new(Vec::new()));
    let shared = text.clone();
    let reader = std::thread::spawn(move || {
        let mut buffer = [0; 4096];
        // A terminal answers EIO when no process has its other end any more.
        while let Ok(length @ 1..) = from.read(&mut buffer) {
            shared.lock().unwrap().extend_from_slice(&buffer[..length]);
        }
    });
    Collected::Reader(reader, text)
}

impl Collected {
    fn so_far(&self) -> String {
        let bytes = match self {
            Collected::Reader(_, text) => text.lock().unwrap().clone(),
            Collected::File(path, _) => fs::read(path).unwrap(),
        };
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// All of it: until no process has the other end any more.
    #[track_caller]
    fn all(&self) -> String {
        if let Collected::Reader(reader, _) = self {
            wait_until("nobody holds the output any more", || reader.is_finished());
        }
        self.so_far()
    }
}

impl Running {
    /// Starts a command with its standard output where it is told and its standard error in a pipe. Standard input is
    /// what the command says, else empty.
    pub fn start(command: &mut Command, output: Output) -> Running {
        command.stderr(Stdio::piped());
        let (mut child, stdout) = match output {
            Output::Pipe => {
                let mut child = spawn(command.stdout(Stdio::piped()));
                let stdout = collect(child.stdout.take().unwrap());
                (child, stdout)
            }
            Output::File => {
                let folder = TempDir::new();
                let path = folder.join("stdout");
                let child = spawn(command.stdout(File::create(&path).unwrap()));
                (child, Collected::File(path, folder))
            }
            Output::Terminal => {
                let (master, slave) = terminal();
                let child = spawn(command.stdout(slave));
                // The command holds the other end until it is told something else.
                command.stdout(Stdio::null());
                (child, collect(File::from(master)))
            }
        };
        let stderr = collect(child.stderr.take().unwrap());
        Running { name: format!("{command:?}"), child, stdout, stderr }
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Whether it has ended.
    pub fn has_ended(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }

    /// Writes to the program's standard input, which has to be a pipe, and closes it.
    pub fn input(&mut self, text: &[u8]) {
        self.child.stdin.take().expect("standard input is a pipe").write_all(text).unwrap();
    }

    /// The program's standard output until now.
    pub fn stdout_so_far(&self) -> String {
        self.stdout.so_far()
    }

    /// Whether no process can print anything more on its standard output, and all of it has been read.
    pub fn stdout_is_complete(&self) -> bool {
        matches!(&self.stdout, Collected::Reader(reader, _) if reader.is_finished())
    }

    /// The program's standard error until now.
    pub fn stderr_so_far(&self) -> String {
        self.stderr.so_far()
    }

    /// The port on which it listens, once it does.
    pub fn port(&self) -> u16 {
        wait_for("the server listens", || listening_port(self.pid()))
    }

    /// Waits until it, a server, has no child any more and is back in accept.
    #[track_caller]
    pub fn at_rest(&self) {
        wait_until("the server is back in accept, without children", || {
            children(self.pid()).is_empty() && waits_in(self.pid(), libc::SYS_accept)
        });
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: mpserv::signal::Signal) {
        self::signal(self.pid(), signal);
    }

    /// Waits until it ends by itself.
    #[track_caller]
    pub fn wait(self) -> Ended {
        self.wait_within(WATCHDOG)
    }

    /// Waits until it ends by itself, for so long at most.
    #[track_caller]
    pub fn wait_within(mut self, limit: Duration) -> Ended {
        let Some(status) = wait_within(limit, || self.child.try_wait().unwrap()) else {
            let (stdout, stderr) = (self.stdout_so_far(), self.stderr_so_far());
            panic!("{} has not ended after {limit:?}; it printed {stdout:?}, and as errors {stderr:?}", self.name);
        };
        Ended { status, stdout: self.stdout.all(), stderr: self.stderr.all() }
    }

    /// Ends it with a signal.
    #[track_caller]
    pub fn end(self, signal: mpserv::signal::Signal) -> Ended {
        self.signal(signal);
        self.wait()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Ok(None) = self.child.try_wait() {
            for pid in children(self.pid()) {
                if let Some(pid) = mpserv::process::Pid::from_raw(pid as i32) {
                    let _ = mpserv::signal::kill(pid, mpserv::signal::Signal::KILL);
                }
            }
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}

fn spawn(command: &mut Command) -> Child {
    command.spawn().unwrap_or_else(|error| panic!("{command:?} does not start: {error}"))
}

/// A command that starts a program without an argument, not even its name, and with an empty environment. Before 5.18
/// Linux had argc 0 of that; since then it is 1, and the name is empty.
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

/// Sends a signal to a process that was started here.
#[track_caller]
pub fn signal(pid: u32, signal: mpserv::signal::Signal) {
    mpserv::signal::kill(mpserv::process::Pid::from_raw(pid as i32).unwrap(), signal).unwrap();
}

/// For [`strace`]: sleeps take no time.
pub const NO_SLEEP: &str = "inject=clock_nanosleep:retval=0";
/// For [`strace`]: fork fails.
pub const NO_FORK: &str = "inject=clone:error=EAGAIN";
/// For [`strace`]: a parent goes on one second after its fork, when the child has long done what it does first.
pub const PARENT_LATE: &str = "inject=clone:delay_exit=1000000";
/// For [`strace`]: the same, two seconds after its fork.
pub const PARENT_LATER: &str = "inject=clone:delay_exit=2000000";
/// For [`strace`]: the trace is not wanted.
pub const NOWHERE: &str = "/dev/null";

/// A textbook program under `strace -f`, with expressions (`-e`) that say what else becomes of its calls.
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

/// Output of a command that must succeed, without white space at its ends.
#[track_caller]
pub fn text_of(command: &mut Command) -> String {
    let ended = run(command.stdin(Stdio::null()), Output::Pipe);
    assert!(ended.status.success(), "{command:?}: {}: {}", ended.status, ended.stderr);
    ended.stdout.trim().to_owned()
}

/// The children of a process, zombies among them.
pub fn children(pid: u32) -> Vec<u32> {
    let text = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    text.split_whitespace().map(|pid| pid.parse().unwrap()).collect()
}

/// The state of a process as `ps` shows it (`S`, `R`, `Z`, `T`), or `None` when it is gone.
pub fn state(pid: u32) -> Option<char> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat[stat.rfind(')')? + 2..].chars().next()
}

/// Which of a process's children are zombies.
pub fn zombies(pid: u32) -> Vec<u32> {
    children(pid).into_iter().filter(|&child| state(child) == Some('Z')).collect()
}

/// The port on which a process listens, from /proc: nothing connects.
pub fn listening_port(pid: u32) -> Option<u16> {
    const LISTEN: &str = "0A";
    let sockets: Vec<String> = fs::read_dir(format!("/proc/{pid}/fd"))
        .ok()?
        .filter_map(|fd| fs::read_link(fd.ok()?.path()).ok())
        .filter_map(|link| Some(link.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?.to_owned()))
        .collect();
    ["tcp", "tcp6"].into_iter().find_map(|table| {
        let table = fs::read_to_string(format!("/proc/{pid}/net/{table}")).ok()?;
        table.lines().skip(1).find_map(|line| {
            let fields: Vec<&str> = line.split_whitespace().collect();
            let ours = *fields.get(3)? == LISTEN && sockets.iter().any(|inode| inode == fields[9]);
            ours.then(|| u16::from_str_radix(fields[1].rsplit(':').next()?, 16).ok()).flatten()
        })
    })
}

/// Whether a process waits in the system call with this number.
pub fn waits_in(pid: u32, call: libc::c_long) -> bool {
    fs::read_to_string(format!("/proc/{pid}/syscall"))
        .is_ok_and(|text| text.split_whitespace().next() == Some(&call.to_string()))
}

/// Connects to a port of this machine. Nothing of it waits for longer than the watchdog.
#[track_caller]
pub fn connect(port: u16) -> TcpStream {
    connect_to(Ipv4Addr::LOCALHOST.into(), port)
}

/// Like [`connect`], to another address of this machine.
#[track_caller]
pub fn connect_to(address: IpAddr, port: u16) -> TcpStream {
    let address = (address, port).into();
    let stream = TcpStream::connect_timeout(&address, WATCHDOG).unwrap();
    stream.set_read_timeout(Some(WATCHDOG)).unwrap();
    stream.set_write_timeout(Some(WATCHDOG)).unwrap();
    stream
}

/// A connection from another address of this machine, to its loopback address of the same family.
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
    // SAFETY: the descriptor is open, and `into_raw` has given it away.
    let stream: TcpStream = unsafe { TcpStream::from_raw_fd(fd.into_raw()) };
    stream.set_read_timeout(Some(WATCHDOG)).unwrap();
    stream
}

/// Sends `bytes` and reads as many back.
#[track_caller]
pub fn echo(stream: &mut TcpStream, bytes: &[u8]) -> Vec<u8> {
    stream.write_all(bytes).unwrap();
    let mut back = vec![0; bytes.len()];
    stream.read_exact(&mut back).unwrap();
    back
}

/// Ends our half of a connection and reads until the peer has ended its.
#[track_caller]
pub fn finish(mut stream: TcpStream) -> Vec<u8> {
    stream.shutdown(Shutdown::Write).unwrap();
    let mut rest = Vec::new();
    stream.read_to_end(&mut rest).unwrap();
    rest
}

/// Whether a signal was sent to a process and has not been delivered yet.
pub fn is_pending(pid: u32, signal: mpserv::signal::Signal) -> bool {
    let text = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let mask = text.lines().find_map(|line| line.strip_prefix("ShdPnd:")).unwrap();
    u64::from_str_radix(mask.trim(), 16).unwrap() & (1 << (signal.raw() - 1)) != 0
}

/// Ends a connection so that the peer gets a reset.
pub fn reset(client: TcpStream) {
    mpserv::net::setsockopt(as_fd(&client), mpserv::net::SocketOption::LINGER, Some(0)).unwrap();
}

/// A connection as the wrappers take it.
pub fn as_fd(stream: &TcpStream) -> mpserv::fd::BorrowedFd<'_> {
    // SAFETY: the stream stays open for as long as it is borrowed.
    unsafe { mpserv::fd::BorrowedFd::from_raw(stream.as_raw_fd()) }
}

/// Puts `PID` for every number that follows one of these words, which may differ from run to run.
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
