//! Runs `mpserv`, reads its log, and acts as its clients.

use std::collections::HashMap;
use std::io::{ErrorKind, Read};
use std::net::TcpStream;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use mpserv::signal::{Disposition, MaskHow, SaFlags, SigAction, SigSet, Signal, sigaction, sigprocmask};

use super::{Ended, Output, Running, children, listeners, wait_for, wait_until};

/// The path of `mpserv`.
pub const MPSERV: &str = env!("CARGO_BIN_EXE_mpserv");

/// The number of further tries to start a server under strace.
const STARTS: usize = 3;

/// A running server.
pub struct Served {
    pub running: Running,
    /// The ports on which the server listens, in the order of its addresses.
    pub ports: Vec<u16>,
}

/// A line of the log.
#[derive(Clone, Debug)]
pub struct Line {
    pub event: String,
    pub fields: HashMap<String, String>,
}

impl Line {
    pub fn get(&self, name: &str) -> &str {
        self.fields.get(name).unwrap_or_else(|| panic!("no {name} in {self:?}"))
    }

    pub fn number(&self, name: &str) -> u64 {
        self.get(name).parse().unwrap_or_else(|_| panic!("{name} is no number in {self:?}"))
    }
}

/// Parses the lines of a log in text. Fails for a line that is not the server's.
#[track_caller]
pub fn parse_log(log: &str) -> Vec<Line> {
    log.split_terminator('\n').map(|line| parse_line(line).unwrap_or_else(|| panic!("not a line: {line:?}"))).collect()
}

/// Returns the line without the time, if the line begins with a time: `2026-11-25T23:05:59.123Z `.
pub fn without_time(line: &str) -> &str {
    let shape = "dddd-dd-ddTdd:dd:dd.dddZ ";
    let is_time = line.len() >= shape.len()
        && line
            .bytes()
            .zip(shape.bytes())
            .all(|(byte, of)| if of == b'd' { byte.is_ascii_digit() } else { byte == of });
    if is_time { &line[shape.len()..] } else { line }
}

fn parse_line(line: &str) -> Option<Line> {
    let mut rest = without_time(line).strip_prefix("mpserv: ")?;
    let end = rest.find(' ').unwrap_or(rest.len());
    let event = rest[..end].to_owned();
    rest = &rest[end..];
    let mut fields = HashMap::new();
    while !rest.is_empty() {
        let (name, value) = rest.strip_prefix(' ')?.split_once('=')?;
        let (value, after) = match value.strip_prefix('"') {
            Some(quoted) => quoted.split_once('"')?,
            None => value.split_at(value.find(' ').unwrap_or(value.len())),
        };
        fields.insert(name.to_owned(), value.to_owned());
        rest = after;
    }
    Some(Line { event, fields })
}

/// Returns a command that runs `mpserv` with these arguments and prints its ports.
pub fn mpserv(arguments: &[&str]) -> Command {
    let mut command = Command::new(MPSERV);
    command.arg("-1").args(arguments).stdin(Stdio::null());
    command
}

/// Returns a command that runs `mpserv` under strace with these options. The started process itself is `mpserv`. Only
/// the parent is traced, into `trace`.
pub fn traced(options: &[&str], trace: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new("strace");
    command.args(["-D", "-q", "-o"]).arg(trace).args(options).arg(MPSERV).arg("-1").args(arguments);
    command.stdin(Stdio::null());
    command
}

/// Starts a strace of a process that runs already, with these options, into `trace`. Returns when the process can make
/// no further call that strace does not see.
#[track_caller]
pub fn attach(options: &[&str], trace: &Path, pid: u32) -> Running {
    let mut command = Command::new("strace");
    command.args(options).arg("-o").arg(trace).args(["-p", &pid.to_string()]).stdin(Stdio::null());
    let strace = Running::start(&mut command, Output::Pipe);
    // The process has a tracer a moment before it is stopped by it. strace prints this line when it has asked for both.
    wait_until("strace is attached", || strace.stderr_so_far().contains("attached"));
    strace
}

/// Returns a command that runs `mpserv` where `/dev/log` is `socket`. It needs root.
pub fn with_log_daemon(socket: &Path, arguments: &[&str]) -> Command {
    let script =
        "mount -t tmpfs none /dev && mknod -m 666 /dev/null c 1 3 && ln -s \"$0\" /dev/log && exec \"$@\" </dev/null";
    let mut command = Command::new("unshare");
    command.args(["--mount", "sh", "-c", script]).arg(socket).args([MPSERV, "-1"]).args(arguments);
    command
}

/// The state of the signals that a parent leaves to its children.
#[derive(Clone, Copy, Debug)]
pub struct Left {
    pub is_ignored: bool,
    pub is_blocked: bool,
}

impl Left {
    /// Each state except the default state.
    pub const ALL: [Left; 3] = [
        Left { is_ignored: true, is_blocked: false },
        Left { is_ignored: false, is_blocked: true },
        Left { is_ignored: true, is_blocked: true },
    ];

    /// Starts a command with all signals in this state.
    pub fn to(self, command: &mut Command) -> &mut Command {
        let leave = move || {
            // The parent of the tests may have left other states, too.
            let sa_handler = if self.is_ignored { Disposition::Ignore } else { Disposition::Default };
            let action = SigAction { sa_handler, sa_mask: SigSet::empty(), sa_flags: SaFlags::NONE };
            // Two signals cannot be ignored.
            (1..=64).filter_map(Signal::from_raw).for_each(|signal| _ = sigaction(signal, &action));
            let mask = if self.is_blocked { SigSet::full() } else { SigSet::empty() };
            sigprocmask(MaskHow::Set, &mask);
            Ok(())
        };
        // SAFETY: sigaction and sigprocmask are async-signal-safe, and the closure calls nothing else.
        unsafe { command.pre_exec(leave) }
    }
}

/// Returns the signals of a set, such as `SigBlk`, in the text of a process's status.
#[track_caller]
pub fn signals_in(status: &str, set: &str) -> u64 {
    let line = status.lines().find_map(|line| line.strip_prefix(set)?.strip_prefix(':'));
    let signals = u64::from_str_radix(line.unwrap_or_else(|| panic!("no {set}: {status}")).trim(), 16).unwrap();
    // Two signals belong to the C library, for its threads. A program cannot change whether these signals are ignored.
    signals & !(0b11 << 31)
}

impl Served {
    /// Starts `mpserv` and waits until it serves on at least one port.
    #[track_caller]
    pub fn start(arguments: &[&str]) -> Served {
        Served::start_command(&mut mpserv(arguments))
    }

    #[track_caller]
    pub fn start_command(command: &mut Command) -> Served {
        Served::start_ports(command, 1)
    }

    /// Starts a command and waits until it has printed this many ports and its first lines.
    #[track_caller]
    pub fn start_ports(command: &mut Command, count: usize) -> Served {
        // If strace cannot attach within 3 seconds on a busy machine, its option -D has the command end by SIGALRM.
        let is_untraced = |ended: &Ended| ended.status.signal() == Some(Signal::ALRM.raw());
        let mut tries = 0..STARTS;
        loop {
            match Served::try_ports(command, count) {
                Ok(served) => return served,
                Err(ended) if is_untraced(&ended) && tries.next().is_some() => {}
                Err(ended) => panic!("the server does not start: {ended:?}"),
            }
        }
    }

    /// Starts a command once. Returns the end of a command that has ended before it printed its ports.
    #[track_caller]
    fn try_ports(command: &mut Command, count: usize) -> Result<Served, Ended> {
        let running = Running::start(command, Output::Pipe);
        let mut served = None;
        wait_until("the server prints its ports", || {
            // The check comes first, so that the text read afterwards is complete.
            let is_complete = running.stdout_is_complete();
            let text = running.stdout_so_far();
            let ports: Vec<u16> = text.split_terminator('\n').filter_map(|port| port.parse().ok()).collect();
            if ports.len() == count && text.ends_with('\n') {
                served = Some(ports);
            }
            served.is_some() || is_complete
        });
        match served {
            Some(ports) => Ok(Served { running, ports }),
            None => Err(running.wait()),
        }
    }

    pub fn pid(&self) -> u32 {
        self.running.pid()
    }

    pub fn port(&self) -> u16 {
        self.ports[0]
    }

    #[track_caller]
    pub fn connect(&self) -> TcpStream {
        super::connect(self.port())
    }

    /// Connects a client, and returns it after its first echo, which shows that it is served.
    #[track_caller]
    pub fn client(&self) -> TcpStream {
        let mut client = self.connect();
        assert_eq!(super::echo(&mut client, b"first"), b"first");
        client
    }

    /// Connects this many clients, and waits until each has had an answer.
    #[track_caller]
    pub fn clients(&self, count: usize) -> Vec<TcpStream> {
        (0..count).map(|_| self.client()).collect()
    }

    /// Returns the lines of the log until now, without an incomplete last line.
    #[track_caller]
    pub fn log(&self) -> Vec<Line> {
        let text = self.running.stderr_so_far();
        parse_log(&text[..text.rfind('\n').map_or(0, |end| end + 1)])
    }

    /// Returns the lines of one event.
    #[track_caller]
    pub fn events(&self, event: &str) -> Vec<Line> {
        self.log().into_iter().filter(|line| line.event == event).collect()
    }

    /// Waits until there are at least this many lines of an event.
    #[track_caller]
    pub fn wait_events(&self, event: &str, count: usize) -> Vec<Line> {
        wait_for(&format!("{count} lines {event}"), || Some(self.events(event)).filter(|lines| lines.len() >= count))
    }

    /// Waits until every child has ended and was reaped.
    #[track_caller]
    pub fn wait_childless(&self) {
        wait_until("the server has no children", || children(self.pid()).is_empty());
    }

    /// Stops the server, and checks that it ended properly.
    #[track_caller]
    pub fn stop(self) -> Vec<Line> {
        let ended = self.running.end(Signal::TERM);
        assert_eq!(ended.status.code(), Some(0), "{}", ended.stderr);
        let log = parse_log(&ended.stderr);
        assert_eq!(log.last().map(|line| line.event.as_str()), Some("stopped"), "{}", ended.stderr);
        log
    }

    /// Returns the processor time of the server. The fields `utime` and `stime` are too coarse, because they count in
    /// ticks of ten milliseconds.
    pub fn processor_time(&self) -> Duration {
        let schedstat = std::fs::read_to_string(format!("/proc/{}/schedstat", self.pid())).unwrap();
        Duration::from_nanos(schedstat.split(' ').next().unwrap().parse().unwrap())
    }

    /// Returns the number of open descriptors.
    pub fn descriptors(&self) -> usize {
        std::fs::read_dir(format!("/proc/{}/fd", self.pid())).unwrap().count()
    }

    /// Returns the server's anonymous memory, in kilobytes.
    pub fn anonymous_memory(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).unwrap();
        line.trim().trim_end_matches(" kB").parse().unwrap()
    }
}

/// Runs `mpserv` with arguments that make it end by itself.
#[track_caller]
pub fn run_mpserv(arguments: &[&str]) -> Ended {
    run_to_end(Command::new(MPSERV).args(arguments).stdin(Stdio::null()))
}

/// Runs a command that makes `mpserv` end by itself. Fails at once if it serves in place of that.
#[track_caller]
pub fn run_to_end(command: &mut Command) -> Ended {
    let mut running = Running::start(command, Output::Pipe);
    wait_until(&format!("{command:?} ends"), || running.has_ended() || running.stderr_so_far().contains(" start pid="));
    assert!(running.has_ended(), "{command:?} serves: {}", running.stderr_so_far());
    running.wait()
}

/// Reads everything until the peer has closed or reset the connection.
pub fn read_all(client: &mut TcpStream) -> Vec<u8> {
    let mut all = Vec::new();
    match client.read_to_end(&mut all) {
        Ok(_) => {}
        Err(error) if error.kind() == ErrorKind::ConnectionReset => {}
        Err(error) => panic!("the connection is neither closed nor reset: {error}"),
    }
    all
}

/// Whether nothing comes for this long. A wrong message could still come later, but it usually comes within this time.
pub fn is_silent(client: &TcpStream, time: Duration) -> bool {
    client.set_read_timeout(Some(time)).unwrap();
    let result = client.peek(&mut [0]);
    client.set_read_timeout(Some(super::WATCHDOG)).unwrap();
    matches!(result, Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut))
}

/// Returns the share of one processor that a server uses over a time, in percent.
pub fn processor_percent(server: &Served, time: Duration) -> f64 {
    let before = server.processor_time();
    let start = Instant::now();
    std::thread::sleep(time);
    (server.processor_time() - before).as_secs_f64() / start.elapsed().as_secs_f64() * 100.0
}

/// Starts a server under strace, which injects this fault into the parent process.
pub fn faulty(fault: &str, trace: &Path, arguments: &[&str]) -> Served {
    let call = fault.split(':').next().unwrap();
    let options = ["-e".to_owned(), format!("trace={call}"), "-e".to_owned(), format!("inject={fault}")];
    let options: Vec<&str> = options.iter().map(String::as_str).collect();
    Served::start_command(&mut traced(&options, trace, arguments))
}

/// Starts `mpserv` under strace, and waits until it has stopped itself (SIGSTOP) after its first call that matches.
/// `calls` is an expression of strace.
#[track_caller]
pub fn stopped_after(calls: &str, trace: &Path, arguments: &[&str]) -> Running {
    let mut command = Command::new("strace");
    command.args(["-D", "-q", "-o"]).arg(trace).args(["-e", &format!("trace={calls}"), "-e"]);
    command.arg(format!("inject={calls}:signal=STOP:when=1")).arg(MPSERV).args(arguments).stdin(Stdio::null());
    let running = Running::start(&mut command, Output::Pipe);
    wait_until(&format!("mpserv stops after {calls}"), || {
        std::fs::read_to_string(trace).is_ok_and(|text| text.contains("stopped by SIGSTOP"))
    });
    running
}

/// Returns the output that one client gets from a program that only prints.
#[track_caller]
pub fn output_of(server: &Served) -> String {
    String::from_utf8(read_all(&mut server.connect())).unwrap()
}

/// Returns the output of a program for a client that sends nothing.
#[track_caller]
pub fn program_output(arguments: &[&str]) -> String {
    let server = Served::start(arguments);
    let text = String::from_utf8(super::finish(server.connect())).unwrap();
    server.stop();
    text
}

/// Whether a connection to a port of this machine is refused. While a socket listens at the port, no connection is made,
/// because a server would count it as a client.
pub fn nobody_listens(port: u16) -> bool {
    if listeners("/proc/thread-self/net/tcp").any(|(at, _)| at == port) {
        return false;
    }
    // Where a process listens and none accepts, the connection may wait for room.
    let connected = TcpStream::connect_timeout(&([127, 0, 0, 1], port).into(), Duration::from_secs(1));
    connected.is_err_and(|error| error.kind() == ErrorKind::ConnectionRefused)
}

/// Checks that a number of seconds is between two times. It has three digits after the decimal point.
#[track_caller]
pub fn assert_between(seconds: &str, least: Duration, most: Duration) {
    let range = least.as_secs_f64() - 0.001..=most.as_secs_f64() + 0.001;
    assert!(range.contains(&seconds.parse().unwrap()), "{seconds} is not in {range:?}");
}

/// Sends a signal to the process that a line of the log names.
#[track_caller]
pub fn send(pid: u64, signal: Signal) {
    super::signal(u32::try_from(pid).unwrap(), signal);
}

/// The status of a wrong command line.
pub const USAGE: i32 = 100;
/// The status after a call that failed.
pub const TROUBLE: i32 = 111;

/// Checks that `mpserv` ends with this status, and with one line on standard error that has all the words.
#[track_caller]
pub fn refused(arguments: &[&str], code: i32, words: &[&str]) {
    is_refusal(&run_mpserv(arguments), code, words);
}

/// Checks the same as [`refused`], for a command that has been run.
#[track_caller]
pub fn is_refusal(ended: &Ended, code: i32, words: &[&str]) {
    assert_eq!((ended.status.code(), ended.stdout.as_str()), (Some(code), ""), "{}", ended.stderr);
    assert!(ended.stderr.starts_with("mpserv: ") && ended.stderr.lines().count() == 1, "{}", ended.stderr);
    for word in words {
        assert!(ended.stderr.contains(word), "no {word:?} in {}", ended.stderr);
    }
}

/// Copies a program by `cp`. If this process wrote the file, another test could start a process at that moment. That
/// process would hold the file open for writing, and no process could run it.
#[track_caller]
pub fn copy_to(program: &str, copy: &Path) {
    assert!(Command::new("cp").arg("--remove-destination").arg(program).arg(copy).status().unwrap().success());
}

/// Copies a program to a place that any user can reach, and returns the path.
#[track_caller]
pub fn copy_program(program: &str, folder: &super::TempDir) -> std::path::PathBuf {
    let copy = folder.join("program");
    copy_to(program, &copy);
    copy
}

/// Returns a user without processes, which no other test takes at the same time.
pub fn user_of_nothing() -> u32 {
    const FIRST: u32 = 2_000_000_000;
    FIRST + std::process::id()
}
