//! Runs a server from its start to its end, while strace injects faults.

mod start;

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use mpserv::process::WaitStatus;
use mpserv::signal::Signal;

use super::client::{Address, Client, Got};
use super::ending::{Ending, OBEYED};
use super::mode::{Mode, Whose};
use super::process::{TICK, ended, signal_to, wait_for_end};
use crate::faults::case::Case;
use crate::run::processes::{Status, children, processor_time, processor_time_of_all};
use crate::run::{Directory, network};
use crate::trace::Trace;
use crate::tree::{Process, Tree};
use crate::trouble::Trouble;

/// The time after which a server that does nothing counts as hung. A server retries for 5 s when resources are short.
pub const WATCHDOG: Duration = Duration::from_secs(20);
/// The longest time in which a killed or quickly stopped server must end.
pub const ENDING: Duration = Duration::from_secs(1);
/// The longest time to wait for rest.
const SETTLING: Duration = Duration::from_secs(1);
/// The time after which the tool repeats SIGTERM.
const IMPATIENCE: Duration = Duration::from_millis(100);

/// A server, from its start to its end.
pub struct Life {
    directory: Directory,
    /// The server, a child of this process: the first server, or the last successor.
    server: u32,
    /// The process ids of the predecessors.
    before: Vec<u32>,
    mode: Mode,
    whose: Whose,
    watchdog: Duration,
    /// The addresses of the server, once it serves.
    addresses: Vec<Address>,
    /// The process id of strace, while it runs.
    tracer: Option<u32>,
    status: Option<WaitStatus>,
    /// The time at which the tool told the server to stop.
    told: Option<Instant>,
    /// Set when the tool had to kill the server.
    killed: bool,
    /// Whether the server cannot write its log.
    is_mute: bool,
    /// The processor time of this server and of its predecessors.
    processor: [Duration; 2],
    /// The number of open descriptors while no client is connected.
    pub descriptors: usize,
}

impl Life {
    /// Whether the server has begun to serve.
    pub fn serves(&self) -> bool {
        !self.addresses.is_empty()
    }

    pub fn runs(&mut self) -> bool {
        if self.status.is_none() {
            let [own, _] = &mut self.processor;
            *own = processor_time_of_all(self.server).unwrap_or(*own);
            self.status = ended(self.server);
            if let Some(next) = self.status.and_then(|status| self.successor(status)) {
                let [own, others] = self.processor;
                self.processor = [Duration::ZERO, own + others];
                self.before.push(std::mem::replace(&mut self.server, next));
                (self.status, self.told) = (None, None);
            }
        }
        self.status.is_none()
    }

    /// Returns the successor of the server, after the server has ended with this status. If a signal has ended the
    /// server, a successor that was starting goes on.
    fn successor(&self, status: WaitStatus) -> Option<u32> {
        let was_ended = status.exit_status().is_none() && !self.killed;
        if !was_ended && status.exit_status() != Some(OBEYED) {
            return None;
        }
        let ports: Vec<u16> = self.addresses.iter().filter_map(Address::port).collect();
        let listens = |pid: &u32| self.is_mute && ports.iter().any(|port| network::listens(&[*pid], *port));
        let start = Instant::now();
        loop {
            let (log, left) = (self.log(), self.left());
            let has_started = |pid: &u32| was_ended && log.contains(&format!("mpserv: start pid={pid} "));
            // If the successor has ended too, it is a zombie until it is reaped.
            let is_new = |pid: &u32| *pid != self.server && !self.before.contains(pid) && Status::of(*pid).is_some();
            let named = named(&log, "handover by").filter(is_new).last();
            let found = named.or_else(|| left.iter().find(|pid| has_started(pid) || listens(pid)).copied());
            if found.is_some() || !was_ended || left.is_empty() || start.elapsed() > ENDING {
                return found;
            }
            std::thread::sleep(TICK);
        }
    }

    /// Tells the server to start its successor, and waits until the handover has succeeded or failed.
    pub fn hang_up(&mut self, patience: Duration) {
        self.signal(Signal::USR2);
        self.hears_hang_up(patience);
        self.rest();
    }

    /// Waits until a successor has taken over, or until the log says that no successor did. Returns whether one of
    /// these happened in time.
    pub fn hears_hang_up(&mut self, patience: Duration) -> bool {
        let start = Instant::now();
        let patience = if self.is_mute { ENDING } else { patience };
        while self.runs() && self.before.is_empty() && !self.log().contains("mpserv: restart error=") {
            if start.elapsed() > patience {
                return self.is_mute;
            }
            std::thread::sleep(TICK);
        }
        true
    }

    /// Returns the processor time of the server, its predecessors and all their children, as far as this time is known.
    pub fn processor_time(&self) -> Duration {
        let [own, others] = self.processor;
        let own = processor_time_of_all(self.server).unwrap_or(own);
        own + others + self.children().into_iter().filter_map(processor_time).sum::<Duration>()
    }

    /// Waits until nothing moves, so that the next step does not depend on the speed of a process.
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

    /// Returns the server, its children and strace, or `None` when one of them moves.
    fn look(&self) -> Option<Vec<(u32, Option<Status>)>> {
        let all = [self.server].into_iter().chain(self.children()).chain(self.tracer);
        let seen: Vec<_> = all.map(|pid| (pid, Status::of(pid))).collect();
        seen.iter().all(|(_, status)| status.is_none_or(|status| status.is_still())).then_some(seen)
    }

    /// Connects this number of clients, one after another. The clients stay connected.
    pub fn connect(&mut self, count: usize) -> Vec<Client> {
        let addresses = self.addresses.clone();
        let one = |address| {
            let client = Client::connect(address);
            self.rest();
            client
        };
        addresses.iter().cycle().take(count).map(one).collect()
    }

    pub fn is_pool(&self) -> bool {
        self.mode.idle > 0
    }

    /// Whether the server has as many children as without a client.
    pub fn is_idle(&self) -> bool {
        self.children().len() == self.mode.idle
    }

    /// Whether no child is left that could still close a connection.
    pub fn closes_not(&mut self) -> bool {
        !self.runs() || self.children().len() <= self.mode.idle
    }

    fn log(&self) -> String {
        let text = fs::read(self.directory.path.join("log")).unwrap_or_default();
        String::from_utf8_lossy(&text).into_owned()
    }

    /// Whether the server runs and was not told to stop.
    pub fn goes_on(&mut self) -> bool {
        self.runs() && !self.log().contains("mpserv: stop ")
    }

    /// Whether the server still runs after it has had time to end. A server that says that it will end does not count.
    pub fn still_goes_on(&mut self) -> bool {
        let start = Instant::now();
        while self.goes_on() && start.elapsed() < ENDING {
            std::thread::sleep(TICK);
        }
        self.goes_on()
    }

    /// Ends strace, so that no call meets a fault any more.
    pub fn no_more_faults(&mut self) -> Result<(), Trouble> {
        let Some(tracer) = self.tracer.take() else {
            return Ok(());
        };
        // The process was not reaped, so the id is still its own.
        signal_to(tracer, Signal::TERM);
        wait_for_end(tracer, WATCHDOG).then_some(()).ok_or_else(|| Trouble::new("strace does not end"))
    }

    /// Stops the server. Under a fault that lasts, stops the server at once. If the fault keeps the signal from the
    /// server, the server need not stop before the fault is over.
    pub fn end(&mut self, hurried: bool, leaks: bool, violations: &mut Vec<String>) -> Result<(), Trouble> {
        let start = Instant::now();
        while self.runs() {
            // A second SIGTERM makes the server end without waiting for clients. Two pending SIGTERMs count as one.
            if self.told.is_none_or(|told| hurried && told.elapsed() > IMPATIENCE) {
                self.told = Some(Instant::now());
                self.signal(Signal::TERM);
            }
            if hurried && start.elapsed() > ENDING {
                self.no_more_faults()?;
            }
            if start.elapsed() > self.watchdog {
                violations.push("SIGTERM does not end it".to_owned());
                self.signal(Signal::KILL);
                self.killed = true;
            }
            std::thread::sleep(TICK);
        }
        for pid in self.born() {
            if !wait_for_end(pid, self.watchdog.saturating_sub(start.elapsed())) && !leaks {
                violations.push(format!("child {pid} outlives the server"));
            }
        }
        match self.tracer.take() {
            // strace ends after all processes that it traces.
            Some(tracer) if !wait_for_end(tracer, WATCHDOG) => Err(Trouble::new("strace does not end")),
            _ => Ok(()),
        }
    }

    fn signal(&self, signal: Signal) {
        // The process was not reaped, so the id is still its own.
        signal_to(self.server, signal);
    }

    /// Returns the processes of the server: the children that the log names, which may be zombies, and all running
    /// processes.
    fn born(&self) -> Vec<u32> {
        let mut born: Vec<u32> = named(&self.log(), "accept pid").chain(self.left()).collect();
        born.sort_unstable();
        born.dedup();
        born
    }

    /// Returns the running processes that have the server's log open, without the server itself.
    fn left(&self) -> Vec<u32> {
        let identity = |path: PathBuf| fs::metadata(path).map(|file| (file.dev(), file.ino())).ok();
        let log = identity(self.directory.path.join("log"));
        let has_log = |pid: &u32| identity(format!("/proc/{pid}/fd/2").into()) == log;
        let numbers = fs::read_dir("/proc").into_iter().flatten().flatten();
        let pids = numbers.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
        pids.filter(|pid| *pid != self.server && Some(*pid) != self.tracer && has_log(pid)).collect()
    }

    /// Returns the server's children, zombies included.
    pub fn children(&self) -> Vec<u32> {
        children(self.server)
    }

    /// Lists the server's open descriptors.
    pub fn open_descriptors(&self) -> Vec<String> {
        let entries = fs::read_dir(format!("/proc/{}/fd", self.server)).into_iter().flatten().flatten();
        let shown = |entry: fs::DirEntry| {
            let target = fs::read_link(entry.path()).unwrap_or_default();
            format!("{} {}", entry.file_name().to_string_lossy(), target.display())
        };
        entries.map(shown).collect()
    }

    pub fn processes(&self) -> Result<Vec<Process>, Trouble> {
        let mut traces = Vec::new();
        let first = self.before.first().copied().unwrap_or(self.server);
        let root = if self.whose == Whose::Children { first } else { 1 };
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

    /// Describes the server's end, and adds the rule that the end breaks.
    pub fn outcome(&self, got: &[Got], case: Option<&Case>, violations: &mut Vec<String>) -> String {
        let log = self.log();
        if log.contains("panic") {
            violations.push(format!("it panics: {log}"));
        }
        let served = match got {
            _ if !self.serves() => "does not begin".to_owned(),
            [] => "is told to stop".to_owned(),
            got if got.iter().all(|got| *got == Got::Served) => "serves all".to_owned(),
            got => format!("serves {} of {}", got.iter().filter(|got| **got == Got::Served).count(), got.len()),
        };
        let ending = Ending {
            status: self.status.unwrap_or_default(),
            log: &log,
            was_told: self.told.is_some(),
            was_killed: self.killed,
        };
        let (how, violation) = ending.judge(case);
        violations.extend(violation);
        format!("{served}{how}")
    }
}

impl Drop for Life {
    fn drop(&mut self) {
        self.killed = true;
        while self.runs() {
            self.signal(Signal::KILL);
            std::thread::sleep(TICK);
        }
        for pid in self.left() {
            signal_to(pid, Signal::KILL);
            wait_for_end(pid, ENDING);
        }
        // An error cannot be reported from here.
        let _ = self.no_more_faults();
    }
}

/// Returns the processes that the log names in the lines of one event.
fn named(log: &str, event: &str) -> impl Iterator<Item = u32> {
    let pid = move |line: &str| {
        line.strip_prefix("mpserv: ")?.strip_prefix(event)?.strip_prefix('=')?.split(' ').next()?.parse().ok()
    };
    log.lines().filter_map(pid)
}

#[cfg(test)]
mod tests {
    use super::named;

    #[test]
    fn processes_are_named_by_the_lines_of_their_event() {
        let log = "mpserv: accept pid=7 from=127.0.0.1:1\nmpserv: end pid=8 status=0\nmpserv: accept pid=9\n\
                   accept pid=10\nmpserv: accept pid=x from=1\nmpserv: handover by=12 children=0\n";
        assert!(named(log, "accept pid").eq([7, 9]));
        assert!(named(log, "handover by").eq([12]));
    }
}
