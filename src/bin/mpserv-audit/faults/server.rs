//! Every fault that the calls of `mpserv` may meet: whether it goes on, or stops and says why.

use std::fs::{self, File};
use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, Shutdown, TcpStream};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use mpserv::process::{Pid, WaitFor, WaitOptions, waitpid};
use mpserv::signal::{Signal, kill};

use super::case::{AGAIN, Case, Cases, Fault};
use crate::options::Extent;
use crate::run::Directory;
use crate::run::processes::Status;
use crate::run::strace::Strace;
use crate::start::From;
use crate::trace::Trace;
use crate::tree::{Process, Tree};
use crate::trouble::Trouble;

/// What the server is called among the programs.
pub const NAME: &str = "mpserv";

/// A way in which the server serves.
#[derive(Clone, Copy, Debug)]
pub struct Mode {
    pub name: &'static str,
    options: &'static [&'static str],
    program: &'static [&'static str],
    /// How many children it has when nobody is connected.
    idle: usize,
}

/// All of them.
pub const MODES: [Mode; 3] = [
    Mode { name: "mpserv, a service", options: &[], program: &[], idle: 0 },
    Mode { name: "mpserv, a program", options: &[], program: &["/bin/cat"], idle: 0 },
    Mode { name: "mpserv, prefork", options: &["--prefork", "2"], program: &[], idle: 2 },
];

/// Whose calls meet a fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Whose {
    /// The server's own, from its main on.
    Parent,
    /// Its children's, until they execute a program, and its own from when it listens.
    Children,
}

impl Whose {
    pub const ALL: [Whose; 2] = [Whose::Parent, Whose::Children];

    pub fn name(self) -> &'static str {
        match self {
            Whose::Parent => "parent",
            Whose::Children => "children",
        }
    }
}

/// As many clients at once as there are slots, so that a lost one shows.
const SLOTS: usize = 2;
const SLOTS_TEXT: &str = "2";
/// A server that has not done what it must after this hangs: it tries again for 5 s what lacks.
const WATCHDOG: Duration = Duration::from_secs(20);
/// How long a server that was killed may take until that shows.
const ENDING: Duration = Duration::from_secs(1);
const TICK: Duration = Duration::from_millis(1);
/// More calls than this in one life are a busy loop: without a fault, there are some hundred.
const CALLS_LIMIT: usize = 3000;
/// How long a fault that lasts is watched, and the most calls in that time: each is tried ten times a second.
const WATCHED: Duration = Duration::from_millis(500);
const CALLS_WATCHED: usize = 300;
/// What each client sends.
const WORD: &[u8] = b"a word";

/// The server's exit statuses.
const OBEYED: i32 = 0;
const TROUBLE: i32 = 111;

/// How one case came out.
#[derive(Debug)]
pub struct Outcome {
    pub happened: bool,
    pub text: String,
    /// What must not be.
    pub violations: Vec<String>,
}

/// A server in its life.
struct Life {
    directory: Directory,
    server: Child,
    port: Option<u16>,
    tracer: Option<Child>,
    status: Option<ExitStatus>,
    /// How many descriptors it has open when nobody is connected.
    descriptors: usize,
    /// How many children it has when nobody is connected.
    idle: usize,
}

/// What a client got.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Got {
    /// All, and then the end.
    Served,
    /// The end, after something else.
    Cut,
    /// No connection.
    Refused,
    /// Nothing, not even the end.
    Nothing,
}

/// The cases of a mode, from lives without a fault.
pub fn cases(program: &Path, mode: Mode, whose: Whose, strace: &Strace, extent: Extent) -> Result<Cases, Trouble> {
    let (outcome, processes) = live(program, mode, whose, strace, None)?;
    if let Some(violation) = outcome.violations.first() {
        return Err(Trouble::new(format!("{} without a fault: {violation}", mode.name)));
    }
    let root = processes.iter().filter(|process| process.place.is_root());
    let others = processes.iter().filter(|process| !process.place.is_root());
    let mut cases = match whose {
        Whose::Parent => Cases::of(root, From::Main, extent)?,
        Whose::Children => Cases::of(others, From::Execve, extent)?,
    };
    if extent == Extent::All && whose == Whose::Parent {
        let errors = cases.possible.iter().filter(|case| matches!(case.fault, Fault::Error(_)));
        let mut lasting: Vec<Case> = errors.map(Case::for_ever).collect();
        lasting.dedup_by(|a, b| (&a.call, a.fault) == (&b.call, b.fault));
        let all = lasting.len();
        lasting.retain(|case| !matches!(case.fault, Fault::Error("EAGAIN" | "EINTR")));
        *cases.impossible.entry(AGAIN).or_default() += all - lasting.len();
        cases.possible.extend(lasting);
    }
    Ok(cases)
}

/// One life under a fault.
pub fn try_one(program: &Path, mode: Mode, whose: Whose, strace: &Strace, case: &Case) -> Result<Outcome, Trouble> {
    live(program, mode, whose, strace, Some(case)).map(|(outcome, _)| outcome)
}

fn live(
    program: &Path,
    mode: Mode,
    whose: Whose,
    strace: &Strace,
    case: Option<&Case>,
) -> Result<(Outcome, Vec<Process>), Trouble> {
    let mut life = Life::begin(program, mode, whose, strace, case)?;
    let mut violations = Vec::new();
    let is_close = case.is_some_and(|case| case.call == "close" && matches!(case.fault, Fault::Error(_)));
    let lasts = case.is_some_and(|case| case.for_ever);
    let mut got = Vec::new();
    if let Some(port) = life.port {
        // Both at once, and one more, who waits.
        let clients: Vec<_> = (0..=SLOTS).map(|_| TcpStream::connect((Ipv4Addr::LOCALHOST, port))).collect();
        if lasts {
            life.watch(&mut violations);
        } else {
            got = clients
                .into_iter()
                .map(|client| client.map_or(Got::Refused, |client| talk(client, &mut life, is_close)))
                .collect();
        }
        // An injected failure of close leaves open what a real one closes: close(2).
        if got.contains(&Got::Nothing) && !is_close {
            violations.push(format!("a client was neither served nor closed: {got:?}"));
        }
        life.no_more_faults()?;
        if life.runs() && !lasts && !is_close {
            life.must_serve_again(port, &mut violations);
        }
    }
    life.end(lasts, &mut violations)?;
    let processes = life.processes()?;
    let calls: usize = processes.iter().map(|process| process.trace.len()).sum();
    if calls > CALLS_LIMIT {
        violations.push(format!("a busy loop: {calls} calls"));
    }
    let happened = case.is_none_or(|case| case.happened(processes.iter().map(|process| &process.trace)));
    let text = life.outcome(&got, case, &mut violations);
    Ok((Outcome { happened, text, violations }, processes))
}

/// Sends a word and its end, and takes all that comes until the other end.
fn talk(mut client: TcpStream, life: &mut Life, is_close: bool) -> Got {
    // A server that has ended has closed it.
    let _ = client.write_all(WORD).and_then(|()| client.shutdown(Shutdown::Write));
    let _ = client.set_read_timeout(Some(TICK * 50));
    let start = Instant::now();
    let mut all = Vec::new();
    let mut buffer = [0; 1024];
    loop {
        match client.read(&mut buffer) {
            Ok(0) => return if all == WORD { Got::Served } else { Got::Cut },
            Ok(length) => all.extend_from_slice(&buffer[..length]),
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                // Each child of a pool that takes the place of another meets the fault too, and nobody may be left.
                if life.idle > 0 && start.elapsed() > ENDING && life.no_more_faults().is_err() {
                    return Got::Nothing;
                }
                if start.elapsed() > WATCHDOG
                    || (is_close && life.closes_not() && start.elapsed() > Duration::from_secs(1))
                {
                    return Got::Nothing;
                }
            }
            Err(_) => return Got::Cut,
        }
    }
}

impl Life {
    fn begin(program: &Path, mode: Mode, whose: Whose, strace: &Strace, case: Option<&Case>) -> Result<Self, Trouble> {
        let directory = Directory::new()?;
        let file = |name: &str| {
            File::create(directory.path.join(name)).map_err(|error| Trouble::of(directory.path.display(), error))
        };
        let (port, log) = (file("port")?, file("log")?);
        let injection = case.map(|case| format!("inject={}", case.injection()));
        let arguments = ["-1", "-c", SLOTS_TEXT, "127.0.0.1:0"];
        let mut command = match whose {
            Whose::Children => Command::new(program),
            Whose::Parent => {
                let mut command = Command::new(&strace.path);
                command.args(["-D", "-q", "-s", "0", "-o"]).arg(directory.path.join("trace.1"));
                command.args(injection.iter().flat_map(|injection| ["-e", injection]));
                command.arg(program);
                command
            }
        };
        command.args(mode.options).args(arguments).args(mode.program);
        command.stdin(Stdio::null()).stdout(port).stderr(log);
        let server = command.spawn().map_err(|error| Trouble::of(program.display(), error))?;
        let mut life =
            Life { directory, server, port: None, tracer: None, status: None, descriptors: 0, idle: mode.idle };
        let start = Instant::now();
        while life.port.is_none() && life.runs() && start.elapsed() < WATCHDOG {
            let text = fs::read_to_string(life.directory.path.join("port")).unwrap_or_default();
            // A port that could not be printed is in the log.
            let log = life.log();
            let logged = log.split_once("listen address=127.0.0.1:").and_then(|(_, rest)| rest.split_once(' '));
            let serves = log.contains("mpserv: start ");
            life.port = text.trim().parse().ok().filter(|_| text.ends_with('\n'));
            if life.port.is_none() && serves {
                life.port = logged.and_then(|(port, _)| port.parse().ok());
            }
            std::thread::sleep(TICK);
        }
        life.descriptors = descriptors(life.server.id()).len();
        if whose == Whose::Children && life.port.is_some() {
            let mut command = Command::new(&strace.path);
            command.args(["-ff", "-q", "-b", "execve", "-s", "0", "-o"]).arg(life.directory.path.join("trace"));
            command.args(injection.iter().flat_map(|injection| ["-e", injection]));
            while children(life.server.id()).len() < life.idle && start.elapsed() < WATCHDOG {
                std::thread::sleep(TICK);
            }
            let all = [vec![life.server.id()], children(life.server.id())].concat();
            for pid in &all {
                command.args(["-p", &pid.to_string()]);
            }
            command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
            life.tracer = Some(command.spawn().map_err(|error| Trouble::of(strace.path.display(), error))?);
            let traced = |status: Status| status.tracer != 0 && status.state == b'S';
            // A child that has met its fault already is gone.
            while !all.iter().all(|pid| Status::of(*pid).is_none_or(traced)) {
                if start.elapsed() > WATCHDOG {
                    return Err(Trouble::new("strace did not attach to the server"));
                }
                std::thread::sleep(TICK);
            }
        }
        Ok(life)
    }

    fn runs(&mut self) -> bool {
        if self.status.is_none() {
            self.status = self.server.try_wait().ok().flatten();
        }
        self.status.is_none()
    }

    /// Nobody is left who could close a connection but one who forgot it.
    fn closes_not(&mut self) -> bool {
        !self.runs() || children(self.server.id()).len() <= self.idle
    }

    fn log(&self) -> String {
        let text = fs::read(self.directory.path.join("log")).unwrap_or_default();
        String::from_utf8_lossy(&text).into_owned()
    }

    /// A fault that lasts makes nobody hurry.
    fn watch(&mut self, violations: &mut Vec<String>) {
        std::thread::sleep(TICK * 50);
        let lines = |life: &Life| life.processes().map_or(0, |all| all.iter().map(|process| process.trace.len()).sum());
        let before: usize = lines(self);
        std::thread::sleep(WATCHED);
        let after: usize = lines(self);
        if after - before > CALLS_WATCHED {
            violations.push(format!("a busy loop: {} calls in {WATCHED:?}", after - before));
        }
    }

    /// The fault is over.
    fn must_serve_again(&mut self, port: u16, violations: &mut Vec<String>) {
        let mut clients: Vec<_> = (0..SLOTS).map(|_| TcpStream::connect((Ipv4Addr::LOCALHOST, port))).collect();
        for client in &mut clients {
            let got = client.as_mut().map_or(Got::Refused, together);
            if got != Got::Served && self.still_goes_on() {
                violations.push(format!("afterwards a client is not served: {got:?}"));
            }
        }
        drop(clients);
        let start = Instant::now();
        while self.goes_on() && children(self.server.id()).len() != self.idle {
            if start.elapsed() > WATCHDOG {
                violations.push(format!("children, when nobody is connected: {:?}", children(self.server.id())));
                break;
            }
            std::thread::sleep(TICK);
        }
        let descriptors = descriptors(self.server.id());
        if self.goes_on() && descriptors.len() > self.descriptors {
            violations.push(format!("descriptors that stay: {descriptors:?}"));
        }
    }

    /// The same once it has had time to end, or to say that it will.
    fn still_goes_on(&mut self) -> bool {
        let start = Instant::now();
        while self.goes_on() && start.elapsed() < ENDING {
            std::thread::sleep(TICK);
        }
        self.goes_on()
    }

    /// Takes strace from the children, so that later ones meet no fault.
    fn no_more_faults(&mut self) -> Result<(), Trouble> {
        let Some(tracer) = &mut self.tracer else {
            return Ok(());
        };
        if let Ok(None) = tracer.try_wait() {
            // It has not been waited for, so the id is its own.
            signal_to(tracer.id(), Signal::INT);
        }
        tracer.wait().map(drop).map_err(|error| Trouble::of("strace", error))
    }

    /// Whether it runs and has not been told to stop.
    fn goes_on(&mut self) -> bool {
        self.runs() && !self.log().contains("mpserv: stop ")
    }

    /// Has it stop.
    fn end(&mut self, lasts: bool, violations: &mut Vec<String>) -> Result<(), Trouble> {
        let start = Instant::now();
        let mut told = 0;
        while self.runs() {
            // Told twice, it does not wait for clients that a lasting fault keeps.
            if told == 0 || (lasts && told == 1 && start.elapsed() > TICK * 100) {
                told += 1;
                self.signal(Signal::TERM);
            }
            if start.elapsed() > WATCHDOG {
                if !lasts {
                    violations.push("SIGTERM does not end it".to_owned());
                }
                self.signal(Signal::KILL);
                self.status = self.server.wait().ok();
            }
            std::thread::sleep(TICK);
        }
        for pid in self.born() {
            // Only a server that took over still has to be told. No other process can have its number: it is not waited
            // for, and this process has adopted it.
            if self.named("start").contains(&pid) {
                signal_to(pid, Signal::TERM);
            }
            while let Some(status) = Status::of(pid).filter(|_| start.elapsed() < WATCHDOG) {
                if let Some(own) =
                    i32::try_from(pid).ok().and_then(Pid::from_raw).filter(|_| status.parent == std::process::id())
                {
                    // An orphan, which this process has adopted.
                    let _ = waitpid(WaitFor::Child(own), None, WaitOptions::NOHANG);
                }
                std::thread::sleep(TICK);
            }
            if Status::of(pid).is_some() && !lasts {
                violations.push(format!("child {pid} outlives the server"));
            }
        }
        if let Some(tracer) = &mut self.tracer {
            tracer.wait().map_err(|error| Trouble::of("strace", error))?;
        }
        Ok(())
    }

    fn signal(&self, signal: Signal) {
        // It has not been waited for, so the id is its own.
        signal_to(self.server.id(), signal);
    }

    /// The processes that the log names: the children, and the servers that SIGHUP has put in the place of others.
    fn born(&self) -> Vec<u32> {
        let mut born = self.named("accept");
        born.extend(self.named("start").into_iter().filter(|pid| *pid != self.server.id()));
        born.sort_unstable();
        born.dedup();
        born
    }

    /// The processes that the log names in the lines of one event.
    fn named(&self, event: &str) -> Vec<u32> {
        let log = self.log();
        let start = format!("mpserv: {event} pid=");
        let pid = |line: &str| line.strip_prefix(&start)?.split(' ').next()?.parse().ok();
        log.lines().filter_map(pid).collect()
    }

    fn processes(&self) -> Result<Vec<Process>, Trouble> {
        let mut traces = Vec::new();
        let root = if self.tracer.is_some() { self.server.id() } else { 1 };
        for entry in fs::read_dir(&self.directory.path).into_iter().flatten().flatten() {
            let name = entry.file_name();
            let id = name.to_str().and_then(|name| name.strip_prefix("trace.")?.parse().ok());
            if let Some(id) = id {
                let bytes = fs::read(entry.path()).map_err(|error| Trouble::of(entry.path().display(), error))?;
                let trace = Trace::new(bytes, false).map_err(|_| Trouble::new("a trace longer than 4 GiB"))?;
                traces.push((id, trace));
            }
        }
        Ok(Tree::build(traces, root).processes)
    }

    /// How it ended, and whether it may.
    fn outcome(&self, got: &[Got], case: Option<&Case>, violations: &mut Vec<String>) -> String {
        use std::os::unix::process::ExitStatusExt;
        let log = self.log();
        let status = self.status.unwrap_or_default();
        if log.contains("panic") {
            violations.push(format!("it panics: {log}"));
        }
        let served = match (self.port, got) {
            (None, _) => "does not begin".to_owned(),
            (_, []) => "is told to stop".to_owned(),
            (_, got) if got.iter().all(|got| *got == Got::Served) => "serves all".to_owned(),
            (_, got) => format!("serves {} of {}", got.iter().filter(|got| **got == Got::Served).count(), got.len()),
        };
        // What it cannot write it cannot say.
        let is_mute = case.is_some_and(|case| matches!(case.call.as_str(), "write" | "writev" | "sendmsg"));
        match (status.code(), status.signal()) {
            (Some(OBEYED), _) => served,
            (Some(code), _) => {
                let line = log.lines().last().unwrap_or_default().to_owned();
                let says = line.starts_with("mpserv: cannot ") || line.starts_with("mpserv: ");
                let lasts = case.is_some_and(|case| case.for_ever);
                if code != TROUBLE || !(says || is_mute || lasts) {
                    violations.push(format!("it ends with {code} and says {line:?}"));
                }
                format!("{served}; ends with {code}: {line}")
            }
            (None, signal) => {
                let signal = signal.and_then(Signal::from_raw).and_then(Signal::name).unwrap_or("a signal");
                let own = case.map(|case| case.fault);
                let injected = matches!(own, Some(Fault::Signal(name)) if signal.ends_with(name));
                let lasts = case.is_some_and(|case| case.for_ever);
                if !injected && !lasts {
                    violations.push(format!("it is killed by {signal}"));
                }
                format!("{served}; dies of {signal}")
            }
        }
    }
}

impl Drop for Life {
    fn drop(&mut self) {
        if self.runs() {
            self.signal(Signal::KILL);
            let _ = self.server.wait();
        }
        if let Some(tracer) = &mut self.tracer {
            let _ = tracer.wait();
        }
    }
}

fn signal_to(pid: u32, signal: Signal) {
    if let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) {
        // It may have ended.
        let _ = kill(pid, signal);
    }
}

/// A client that is served while others are.
fn together(client: &mut TcpStream) -> Got {
    let _ = client.set_read_timeout(Some(WATCHDOG));
    let mut back = [0; WORD.len()];
    match client.write_all(WORD).and_then(|()| client.read_exact(&mut back)) {
        Ok(()) if back == *WORD => Got::Served,
        Ok(()) => Got::Cut,
        Err(_) => Got::Nothing,
    }
}

/// The children of a process, those that wait to be waited for too.
fn children(pid: u32) -> Vec<u32> {
    let text = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    text.split_whitespace().filter_map(|child| child.parse().ok()).collect()
}

/// What a process has open.
fn descriptors(pid: u32) -> Vec<String> {
    let entries = fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten();
    entries
        .map(|entry| {
            let target = fs::read_link(entry.path()).unwrap_or_default();
            format!("{} {}", entry.file_name().to_string_lossy(), target.display())
        })
        .collect()
}
