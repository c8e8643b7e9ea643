//! Injects every fault that a call of `mpserv` may meet, and checks that the server goes on, or stops and gives the
//! reason.

mod client;
mod ending;
mod life;
mod mode;
mod process;

use std::time::{Duration, Instant};

use mpserv::server::limits::{CLIENT_KEPT, RETRY_EVERY};

use super::case::{AGAIN, CHAIN, Case, Cases, Fault};
use crate::options::Extent;
use crate::start::From;
use crate::tree::Process;
use crate::trouble::Trouble;
use client::{Client, Got};
pub use life::WATCHDOG;
use life::{ENDING, Life};
use mode::SLOTS;
pub use mode::{MODES, Mode, NAME, Subject, Whose};
use process::TICK;

/// The most calls in one life. More calls mean a busy loop. The limit has room for an undisturbed life, and for failed
/// tries to start a program for each client.
const CALLS_LIMIT: usize = CALLS_OF_A_LIFE + CALLS_OF_A_TRY * TRIES * (SLOTS + 1);
/// A number of calls that no mode reaches without a fault.
const CALLS_OF_A_LIFE: usize = 1000;
/// A number of calls that the server does not reach when it forks and reaps a child that cannot become the program.
const CALLS_OF_A_TRY: usize = 40;
/// The number of the server's tries for one client.
const TRIES: usize = (CLIENT_KEPT.as_millis() / RETRY_EVERY.as_millis()) as usize;
/// The time for which the tool watches a lasting fault. The server retries each call ten times a second.
const WATCHED: Duration = Duration::from_millis(500);
const CALLS_WATCHED: usize = 300;
/// The greatest processor time of all processes within [`WATCHED`]. The traced calls take less, even on a busy machine.
/// A loop without calls takes all processor time that other runs leave.
const PROCESSOR_WATCHED: Duration = Duration::from_millis(150);
/// The greatest processor time of one life. A process in a loop without calls serves nobody, so the tool waits until
/// the time of the watchdog is over.
const PROCESSOR_LIMIT: Duration = Duration::from_secs(5);
/// The time in which the children of a pool may meet a fault one after another.
const POOL_PATIENCE: Duration = Duration::from_millis(200);
/// The time for which a client waits before the tool checks whether the wait makes sense.
const PATIENCE: Duration = Duration::from_millis(10);
/// The number of runs without a fault after which the server counts as a server that behaves differently each time.
const LOOKS: usize = 5;

/// The result of one case.
#[derive(Debug)]
pub struct Outcome {
    pub happened: bool,
    pub text: String,
    /// The rules that the server broke.
    pub violations: Vec<String>,
}

/// The order that the tool gives the server under the fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Trial {
    /// The server must serve during the fault, and afterwards.
    Serve,
    /// The server must stop during the fault.
    Stop,
}

impl Subject<'_> {
    /// Returns the cases of a mode, from the first life without a fault that equals an earlier life.
    pub fn cases(self, extent: Extent) -> Result<Cases, Trouble> {
        let mut seen: Vec<Cases> = Vec::new();
        for _ in 0..LOOKS {
            let (outcome, processes) = self.live(None, Trial::Serve)?;
            if let Some(violation) = outcome.violations.first() {
                return Err(Trouble::new(format!("{} without a fault: {violation}", self.mode.name)));
            }
            let cases = self.cases_of(&processes, extent)?;
            if seen.contains(&cases) {
                return Ok(cases);
            }
            seen.push(cases);
        }
        Err(Trouble::new(format!("{} makes other calls each time without a fault", self.mode.name)))
    }

    fn cases_of(self, processes: &[Process], extent: Extent) -> Result<Cases, Trouble> {
        let root = processes.iter().filter(|process| process.place.is_root());
        let others = processes.iter().filter(|process| !process.place.is_root());
        let mut cases = match self.whose {
            Whose::Parent => Cases::of(root, From::AnyMain, extent)?,
            Whose::Children => Cases::of(others, From::AnyMain, extent)?,
        };
        if self.mode.restarts && self.whose == Whose::Children {
            let all = cases.possible.len();
            cases.possible.retain(|case| case.fault != Fault::Signal("USR2"));
            *cases.impossible.entry(CHAIN).or_default() += all - cases.possible.len();
        }
        // In this mode, signals have the same effect as in other modes. So `Extent::Part`, which checks every change,
        // leaves signals out.
        if extent == Extent::Part && self.mode.begins_alike {
            cases.possible.retain(|case| !matches!(case.fault, Fault::Signal(_)));
        }
        // A child with a single client meets few more faults when the fault lasts.
        if extent == Extent::All && (self.whose == Whose::Parent || self.mode.idle > 0) {
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

    /// Runs the server under a fault: one life, or two if the fault lasts.
    pub fn try_one(self, case: &Case) -> Result<Outcome, Trouble> {
        let (mut outcome, _) = self.live(Some(case), Trial::Serve)?;
        if case.for_ever {
            let (other, _) = self.live(Some(case), Trial::Stop)?;
            outcome.happened |= other.happened;
            outcome.violations.extend(other.violations);
        }
        Ok(outcome)
    }

    fn live(self, case: Option<&Case>, trial: Trial) -> Result<(Outcome, Vec<Process>), Trouble> {
        let mut life = Life::begin(self, case)?;
        let mut violations = Vec::new();
        // An injected failure of close leaves the descriptor open. A real failure closes the descriptor: see close(2).
        let leaks = case.is_some_and(|case| case.call == "close" && matches!(case.fault, Fault::Error(_)));
        let lasts = case.is_some_and(|case| case.for_ever);
        let mut got = Vec::new();
        let mut clients = Vec::new();
        if life.serves() {
            if self.mode.restarts {
                life.hang_up(if lasts { ENDING } else { self.watchdog });
            }
            // One client connects for each slot, and one more client waits.
            clients = life.connect(SLOTS + 1);
            if trial == Trial::Serve {
                for client in &mut clients {
                    client.send();
                    client.end();
                    life.rest();
                }
                if lasts {
                    watch(&life, &mut violations);
                    life.no_more_faults()?;
                }
                for client in clients.drain(..) {
                    let patience = if got.contains(&Got::Nothing) { ENDING } else { self.watchdog };
                    got.push(receive(client, &mut life, leaks, patience)?);
                }
                if got.contains(&Got::Nothing) && !leaks {
                    violations.push(format!("a client was neither served nor closed: {got:?}"));
                }
                // If the fault is at the server's own calls, the end of the server must meet it, too.
                if self.whose == Whose::Children {
                    life.no_more_faults()?;
                }
                must_serve_again(&mut life, self.watchdog, leaks, &mut violations);
                if self.mode.restarts && !life.hears_hang_up(self.watchdog) {
                    violations.push("SIGUSR2 neither has another server take its place nor is said to fail".to_owned());
                }
            }
        }
        life.end(trial == Trial::Stop, leaks, &mut violations)?;
        drop(clients);
        let processes = life.processes()?;
        let calls: usize = processes.iter().map(|process| process.trace.len()).sum();
        violations.extend(busy((calls, life.processor_time()), (CALLS_LIMIT, PROCESSOR_LIMIT), ""));
        let happened = case.is_none_or(|case| case.happened(processes.iter().map(|process| &process.trace)));
        let text = life.outcome(&got, case, &mut violations);
        Ok((Outcome { happened, text, violations }, processes))
    }
}

/// Waits for the result of a client.
fn receive(mut client: Client, life: &mut Life, leaks: bool, patience: Duration) -> Result<Got, Trouble> {
    let start = Instant::now();
    loop {
        if let Some(got) = client.receive(PATIENCE) {
            return Ok(got);
        }
        // Each replacement in a pool meets the fault too, so no child may be left.
        if life.is_pool() && start.elapsed() > POOL_PATIENCE {
            life.no_more_faults()?;
        }
        if start.elapsed() > patience || (leaks && life.closes_not() && start.elapsed() > ENDING) {
            return Ok(Got::Nothing);
        }
    }
}

/// Checks that a lasting fault makes no process busy.
fn watch(life: &Life, violations: &mut Vec<String>) {
    let (calls, had) = activity(life);
    std::thread::sleep(WATCHED);
    let (all, has) = activity(life);
    let made = (all - calls, has.saturating_sub(had));
    violations.extend(busy(made, (CALLS_WATCHED, PROCESSOR_WATCHED), &format!(" in {WATCHED:?}")));
}

/// Returns the number of calls of all processes, and their processor time.
fn activity(life: &Life) -> (usize, Duration) {
    let calls = life.processes().map_or(0, |all| all.iter().map(|process| process.trace.len()).sum());
    (calls, life.processor_time())
}

/// Describes each of both limits that the activity of a server exceeds.
fn busy((calls, took): (usize, Duration), limits: (usize, Duration), within: &str) -> Vec<String> {
    let by_calls = (calls > limits.0).then(|| format!("a busy loop: {calls} calls{within}"));
    let by_time = (took > limits.1).then(|| format!("a busy loop: {took:?} of the processor{within}"));
    by_calls.into_iter().chain(by_time).collect()
}

/// Checks the server after the fault is over.
fn must_serve_again(life: &mut Life, watchdog: Duration, leaks: bool, violations: &mut Vec<String>) {
    if !life.runs() {
        return;
    }
    let mut clients = life.connect(SLOTS);
    for client in &mut clients {
        client.send();
        // After a first violation the tool does not wait long for further violations.
        let got = client.receive_word(if violations.is_empty() { watchdog } else { ENDING });
        if got != Got::Served && life.still_goes_on() {
            violations.push(format!("afterwards a client is not served: {got:?}"));
        }
    }
    for client in clients {
        drop(client);
        life.rest();
    }
    let start = Instant::now();
    while life.goes_on() && !life.is_idle() {
        if start.elapsed() > watchdog {
            violations.push(format!("children, when nobody is connected: {:?}", life.children()));
            break;
        }
        std::thread::sleep(TICK);
    }
    let descriptors = life.open_descriptors();
    if life.goes_on() && descriptors.len() > life.descriptors && !leaks {
        violations.push(format!("descriptors that stay: {descriptors:?}"));
    }
}

#[cfg(test)]
mod wrong;

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::run::strace::Strace;
    use crate::trace::Trace;
    use crate::tree::Tree;

    /// Returns the faults that a mode meets at the poll of either process, which the other process does not call.
    fn faults(mode: Mode, whose: Whose, extent: Extent) -> (Vec<String>, Cases) {
        let strace = Strace { path: "strace".into(), version: String::new(), has_stacks: false };
        let traces =
            [(1, "poll([], 0, 0) = 0\nfork() = 2\nclose(1) = 0\n"), (2, "poll([], 0, 0) = 0\nlisten(1, 1) = 0\n")];
        let traces = traces.map(|(pid, text)| (pid, Trace::new(text.into(), false).unwrap()));
        let tree = Tree::build(traces.into(), 1);
        let subject = Subject { program: Path::new("mpserv"), mode, whose, strace: &strace, watchdog: WATCHDOG };
        let cases = subject.cases_of(&tree.processes, extent).unwrap();
        let polls = cases.possible.iter().filter(|case| case.call == "poll");
        (polls.map(|case| case.to_string().replace("poll ", "")).collect(), cases)
    }

    fn mode(name: &str) -> Mode {
        *MODES.iter().find(|mode| mode.name == name).unwrap()
    }

    #[test]
    fn each_mode_meets_its_faults() {
        let errors = ["EFAULT at 1", "EINTR at 1", "EINVAL at 1", "ENOMEM at 1"];
        let signals = ["CHLD", "TERM", "INT", "HUP", "USR1", "USR2", "ALRM", "PIPE", "CONT"];
        let signals = signals.map(|name| format!("SIG{name} at 1"));
        // EINTR for ever is impossible.
        let lasting = ["EFAULT at 1+", "EINVAL at 1+", "ENOMEM at 1+"];
        let both = Whose::ALL;
        for (name, whose, extent, has_signals, has_lasting) in [
            ("mpserv, a service", &both[..], Extent::Part, true, false),
            ("mpserv, a service", &both[..1], Extent::All, true, true),
            // A child with a single client meets few more faults.
            ("mpserv, a service", &both[1..], Extent::All, true, false),
            ("mpserv, prefork", &both[..], Extent::All, true, true),
            ("mpserv, prefork on two sockets", &both[..], Extent::Part, false, false),
            ("mpserv, prefork on two sockets", &both[..], Extent::All, true, true),
            ("mpserv, a restart", &both[..1], Extent::All, true, true),
        ] {
            for whose in whose {
                let (found, cases) = faults(mode(name), *whose, extent);
                let mut expected: Vec<String> = errors.map(str::to_owned).to_vec();
                expected.extend(signals.iter().filter(|_| has_signals).cloned());
                expected.extend(lasting.iter().filter(|_| has_lasting).map(|fault| (*fault).to_owned()));
                assert_eq!(found, expected, "{name}, {whose:?}, {extent:?}");
                let own = if *whose == Whose::Parent { "close" } else { "listen" };
                assert!(cases.possible.iter().any(|case| case.call == own), "{name}, {whose:?}");
                let others = if *whose == Whose::Parent { "listen" } else { "close" };
                assert!(!cases.possible.iter().any(|case| case.call == others), "{name}, {whose:?}");
                // EINTR of poll, and of the parent's close.
                let again = if *whose == Whose::Parent { 2 } else { 1 };
                assert_eq!(cases.impossible.get(AGAIN), has_lasting.then_some(&again), "{name}, {whose:?}");
            }
        }
        // No server is told to make place for a successor in the successor's place.
        let (found, cases) = faults(mode("mpserv, a restart"), Whose::Children, Extent::All);
        assert!(!found.iter().any(|fault| fault.contains("USR2")), "{found:?}");
        assert_eq!(cases.impossible[CHAIN], 2, "at poll and at listen");
    }
}
