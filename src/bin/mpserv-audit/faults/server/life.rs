//! A server in its life, of which strace makes what it is told to.

use std::fs::{self, File};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use mpserv::process::{Pid, WaitFor, WaitOptions, waitpid};
use mpserv::signal::{Signal, kill};

use super::client::{Address, Client, Got};
use super::{Case, Fault, SLOTS, Subject, Whose};
use crate::run::processes::Status;
use crate::run::{Directory, network};
use crate::trace::Trace;
use crate::tree::{Process, Tree};
use crate::trouble::Trouble;

/// A server that has not done what it must after this hangs: it tries again for 5 s what lacks.
pub const WATCHDOG: Duration = Duration::from_secs(20);
/// How long a server that was killed, or told to stop at once, may take until that shows.
pub const ENDING: Duration = Duration::from_secs(1);
pub const TICK: Duration = Duration::from_millis(1);
/// How long it is waited for that nothing moves.
const SETTLING: Duration = Duration::from_secs(1);
/// When a server that was told to stop is told so again.
const IMPATIENCE: Duration = Duration::from_millis(100);

/// The server's exit statuses.
const OBEYED: i32 = 0;
const TROUBLE: i32 = 111;

/// A server in its life.
pub struct Life {
    directory: Directory,
    server: Child,
    whose: Whose,
    /// Where it serves, once it does.
    pub address: Option<Address>,
    /// Strace, while there is one.
    tracer: Option<u32>,
    status: Option<ExitStatus>,
    /// This had to kill it.
    killed: bool,
    /// How many descriptors it has open when nobody is connected.
    pub descriptors: usize,
    /// How many children it has when nobody is connected.
    idle: usize,
}

impl Life {
    pub fn begin(subject: Subject<'_>, case: Option<&Case>) -> Result<Self, Trouble> {
        let Subject { program, mode, whose, strace } = subject;
        let directory = Directory::new()?;
        let file = |name: &str| {
            File::create(directory.path.join(name)).map_err(|error| Trouble::of(directory.path.display(), error))
        };
        let (port, log) = (file("port")?, file("log")?);
        let injection = case.map(|case| format!("inject={}", case.injection()));
        let injection: Vec<&str> = injection.iter().flat_map(|injection| ["-e", injection.as_str()]).collect();
        let mut command = match whose {
            Whose::Children => Command::new(program),
            Whose::Parent => {
                let mut command = Command::new(&strace.path);
                // As -D has it, the server is this process's child; -I2 has strace end when it is told to.
                command.args(["-D", "-I2", "-q", "-s", "0", "-o"]).arg(directory.path.join("trace.1"));
                command.args(&injection).arg(program);
                command
            }
        };
        let socket = mode.is_unix.then(|| directory.path.join("socket"));
        let address = socket.as_ref().map_or("127.0.0.1:0".to_owned(), |path| format!("unix:{}", path.display()));
        command.args(mode.options).args(["-1", "-c", &SLOTS.to_string(), &address]).args(mode.program);
        command.stdin(Stdio::null()).stdout(port).stderr(log);
        let server = command.spawn().map_err(|error| Trouble::of(program.display(), error))?;
        let mut life = Life {
            directory,
            server,
            whose,
            address: None,
            tracer: None,
            status: None,
            killed: false,
            descriptors: 0,
            idle: mode.idle,
        };
        life.wait_until_ready(socket);
        let start = Instant::now();
        while life.address.is_some() && life.runs() && life.children().len() < mode.idle && start.elapsed() < ENDING {
            std::thread::sleep(TICK);
        }
        life.rest();
        life.descriptors = life.open_descriptors().len();
        if whose == Whose::Children && life.address.is_some() {
            let mut command = Command::new(&strace.path);
            command.args(["-ff", "-q", "-b", "execve", "-s", "0", "-o"]).arg(life.directory.path.join("trace"));
            command.args(&injection);
            life.attach(command)?;
            life.rest();
        }
        Ok(life)
    }

    /// Waits until it serves, which it says in its log, by its port, or by its socket; or has ended.
    fn wait_until_ready(&mut self, socket: Option<PathBuf>) {
        let start = Instant::now();
        while self.address.is_none() && self.runs() && start.elapsed() < WATCHDOG {
            if self.whose == Whose::Parent {
                let tracer = Status::of(self.server.id()).map(|status| status.tracer).filter(|tracer| *tracer != 0);
                self.tracer = self.tracer.or(tracer);
            }
            let log = self.log();
            self.address = match &socket {
                Some(path) => path.exists().then(|| Address::Path(path.clone())),
                None => {
                    // A port that was printed in pieces under a fault is no port, so the log comes first.
                    let logged = log.split_once("listen address=127.0.0.1:").and_then(|(_, rest)| rest.split_once(' '));
                    let logged = logged.filter(|_| log.contains("mpserv: start ")).map(|(port, _)| port.to_owned());
                    let printed = || fs::read_to_string(self.directory.path.join("port")).unwrap_or_default();
                    let printed = || Some(printed()).filter(|text| text.ends_with('\n'));
                    logged.or_else(printed).and_then(|port| port.trim().parse().ok()).map(Address::Port)
                }
            };
            std::thread::sleep(TICK);
        }
        self.rest();
    }

    /// Has strace trace the server and its children.
    fn attach(&mut self, mut strace: Command) -> Result<(), Trouble> {
        let all = [vec![self.server.id()], self.children()].concat();
        for pid in &all {
            strace.args(["-p", &pid.to_string()]);
        }
        strace.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let tracer = strace.spawn().map_err(|error| Trouble::of("strace", error))?;
        self.tracer = Some(tracer.id());
        let traced = |status: Status| status.tracer != 0 && status.state == b'S';
        let start = Instant::now();
        // A child that has met its fault already is gone.
        while !all.iter().all(|pid| Status::of(*pid).is_none_or(traced)) {
            if start.elapsed() > WATCHDOG {
                return Err(Trouble::new("strace did not attach to the server"));
            }
            std::thread::sleep(TICK);
        }
        Ok(())
    }

    pub fn runs(&mut self) -> bool {
        if self.status.is_none() {
            self.status = self.server.try_wait().ok().flatten();
        }
        self.status.is_none()
    }

    /// Waits until nothing moves, so that what comes next does not depend on who is faster.
    pub fn rest(&mut self) {
        let start = Instant::now();
        let mut before = None;
        while self.runs() && start.elapsed() < SETTLING {
            let now = self.look();
            if now.is_some() && now == before && !network::is_delivering() {
                return;
            }
            before = now;
            std::thread::sleep(TICK);
        }
    }

    /// The server, its children and strace, or none when one of them is not still.
    fn look(&self) -> Option<Vec<(u32, Option<Status>)>> {
        let all = [self.server.id()].into_iter().chain(self.children()).chain(self.tracer);
        let seen: Vec<_> = all.map(|pid| (pid, Status::of(pid))).collect();
        seen.iter().all(|(_, status)| status.is_none_or(|status| status.is_still())).then_some(seen)
    }

    /// So many clients, one after the other, who stay.
    pub fn connect(&mut self, count: usize) -> Vec<Client> {
        let Some(address) = self.address.clone() else {
            return Vec::new();
        };
        let one = |_| {
            let client = Client::connect(&address);
            self.rest();
            client
        };
        (0..count).map(one).collect()
    }

    pub fn is_pool(&self) -> bool {
        self.idle > 0
    }

    /// As many children as when nobody is connected.
    pub fn is_idle(&self) -> bool {
        self.children().len() == self.idle
    }

    /// Nobody is left who could close a connection but one who forgot it.
    pub fn closes_not(&mut self) -> bool {
        !self.runs() || self.children().len() <= self.idle
    }

    fn log(&self) -> String {
        let text = fs::read(self.directory.path.join("log")).unwrap_or_default();
        String::from_utf8_lossy(&text).into_owned()
    }

    /// Whether it runs and has not been told to stop.
    pub fn goes_on(&mut self) -> bool {
        self.runs() && !self.log().contains("mpserv: stop ")
    }

    /// The same once it has had time to end, or to say that it will.
    pub fn still_goes_on(&mut self) -> bool {
        let start = Instant::now();
        while self.goes_on() && start.elapsed() < ENDING {
            std::thread::sleep(TICK);
        }
        self.goes_on()
    }

    /// Takes strace away, so that nothing meets a fault any more.
    pub fn no_more_faults(&mut self) -> Result<(), Trouble> {
        let Some(tracer) = self.tracer.take() else {
            return Ok(());
        };
        // It has not been waited for, so the id is its own.
        signal_to(tracer, Signal::TERM);
        wait_for_end(tracer, WATCHDOG).then_some(()).ok_or_else(|| Trouble::new("strace does not end"))
    }

    /// Has it stop, in a hurry under a fault that lasts. Under one by which it cannot hear of it, it need not until that
    /// is over.
    pub fn end(&mut self, hurried: bool, leaks: bool, violations: &mut Vec<String>) -> Result<(), Trouble> {
        let start = Instant::now();
        let mut told = None;
        while self.runs() {
            // Told again, it does not wait for its clients. Two that it has not heard of are one.
            if told.is_none_or(|told: Instant| hurried && told.elapsed() > IMPATIENCE) {
                told = Some(Instant::now());
                self.signal(Signal::TERM);
            }
            if hurried && start.elapsed() > ENDING {
                self.no_more_faults()?;
            }
            if start.elapsed() > WATCHDOG {
                violations.push("SIGTERM does not end it".to_owned());
                self.signal(Signal::KILL);
                self.killed = true;
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
            if !wait_for_end(pid, WATCHDOG.saturating_sub(start.elapsed())) && !leaks {
                violations.push(format!("child {pid} outlives the server"));
            }
        }
        match self.tracer.take() {
            // It ends when all have.
            Some(tracer) if !wait_for_end(tracer, WATCHDOG) => Err(Trouble::new("strace does not end")),
            _ => Ok(()),
        }
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

    /// The server's children, those that wait to be waited for too.
    pub fn children(&self) -> Vec<u32> {
        let pid = self.server.id();
        let text = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
        text.split_whitespace().filter_map(|child| child.parse().ok()).collect()
    }

    /// What the server has open.
    pub fn open_descriptors(&self) -> Vec<String> {
        let entries = fs::read_dir(format!("/proc/{}/fd", self.server.id())).into_iter().flatten().flatten();
        let shown = |entry: fs::DirEntry| {
            let target = fs::read_link(entry.path()).unwrap_or_default();
            format!("{} {}", entry.file_name().to_string_lossy(), target.display())
        };
        entries.map(shown).collect()
    }

    pub fn processes(&self) -> Result<Vec<Process>, Trouble> {
        let mut traces = Vec::new();
        let root = if self.whose == Whose::Children { self.server.id() } else { 1 };
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
    pub fn outcome(&self, got: &[Got], case: Option<&Case>, violations: &mut Vec<String>) -> String {
        use std::os::unix::process::ExitStatusExt;
        let log = self.log();
        let status = self.status.unwrap_or_default();
        if log.contains("panic") {
            violations.push(format!("it panics: {log}"));
        }
        let served = match (&self.address, got) {
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
                if code != TROUBLE || !(line.starts_with("mpserv: ") || is_mute) {
                    violations.push(format!("it ends with {code} and says {line:?}"));
                }
                format!("{served}; ends with {code}: {line}")
            }
            (None, signal) => {
                let signal = signal.and_then(Signal::from_raw).and_then(Signal::name).unwrap_or("a signal");
                let own = case.map(|case| case.fault);
                let injected = matches!(own, Some(Fault::Signal(name)) if signal.ends_with(name));
                if !injected && !self.killed {
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
        // There is nobody to tell.
        let _ = self.no_more_faults();
    }
}

fn signal_to(pid: u32, signal: Signal) {
    if let Some(pid) = own(pid) {
        // It may have ended.
        let _ = kill(pid, signal);
    }
}

fn own(pid: u32) -> Option<Pid> {
    i32::try_from(pid).ok().and_then(Pid::from_raw)
}

/// Waits for the end of a process that is this one's child, or may become it as an orphan; whether it has ended.
fn wait_for_end(pid: u32, patience: Duration) -> bool {
    let start = Instant::now();
    while let Some(status) = Status::of(pid) {
        if status.parent == std::process::id()
            && let Some(pid) = own(pid)
        {
            let _ = waitpid(WaitFor::Child(pid), None, WaitOptions::NOHANG);
        }
        if start.elapsed() > patience {
            return Status::of(pid).is_none();
        }
        std::thread::sleep(TICK);
    }
    true
}
