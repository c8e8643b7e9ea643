//! Injects every fault that a program's calls may meet. Checks that C and Rust behave the same under each fault.

mod case;
mod drive;
mod errnos;
mod finding;
mod pair;
mod report;
mod server;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use mpserv::server::keep_from_programs;

use crate::commands::Pair;
use crate::compare::{Side, compare};
use crate::job::parallelism;
use crate::level::Level;
use crate::normalize::Run;
use crate::options::{Extent, Options, Programs, Task};
use crate::programs::{Kind, Program};
use crate::progress::Progress;
use crate::run::interrupt::INTERRUPTED;
use crate::run::network;
use crate::run::output::Output;
use crate::run::stage::Standing;
use crate::run::strace::Strace;
use crate::run::{self, Ending, Recorded, Request, Sleep};
use crate::start::From;
use crate::subject::{self, COMMAND_SIDES, PROGRAM_SIDES, Printed};
use crate::textbook;
use crate::trace::Line;
use crate::trouble::Trouble;
use case::{Case, Cases};
use finding::{Finding, Report, Tried, Verdict};
use server::{Mode, Subject, Whose};

/// The number of runs at the same time for each processor. A run mostly waits.
const RUNS_PER_PROCESSOR: usize = 2;

/// The number of tries of a case that may have failed by chance.
const TRIES: usize = 3;

/// The number of events compared for a process that was ended because it made calls without end. The tool ends such a
/// process at a random point. Fewer events already show that both programs repeat the same calls.
const ENDLESS_EVENTS: usize = 500;

/// Tries all cases of the chosen programs and writes the reports.
///
/// # Errors
/// Fails when a program is missing, or cannot be run.
pub fn run(options: &Options, extent: Extent, strace: &Strace) -> Result<u8, Trouble> {
    let start = Instant::now();
    let (subjects, sides) = match &options.task {
        Task::Programs(places) => (Subjects::Programs(places), PROGRAM_SIDES),
        Task::Commands(commands) => (Subjects::Pair(Pair::of(commands)?), COMMAND_SIDES),
        _ => return Err(Trouble::new("--faults goes with programs or with --a and --b")),
    };
    network::make_own_possible();
    // A program must behave the same whatever descriptors this tool has inherited.
    keep_from_programs().map_err(|errno| Trouble::new(format!("close_range: {errno}")))?;
    let bench = Bench { options, subjects, sides, strace };
    let tried = bench.choose()?;
    let mut jobs = Vec::new();
    let mut impossible: BTreeMap<&'static str, usize> = BTreeMap::new();
    for (index, what) in tried.iter().enumerate() {
        let cases = bench.cases(what, extent)?;
        jobs.extend(cases.possible.into_iter().map(|case| (index, case)));
        for (reason, count) in cases.impossible {
            *impossible.entry(reason).or_default() += count;
        }
    }
    let findings = bench.try_all(&tried, &jobs);
    let seconds = start.elapsed().as_secs_f64();
    let report = Report { tried, findings, impossible, seconds, planned: jobs.len(), sides };
    report.publish(options, strace)
}

/// The subjects of the fault injection.
enum Subjects<'b> {
    /// Textbook programs and the server.
    Programs(&'b Programs),
    Pair(Pair),
}

struct Bench<'b> {
    options: &'b Options,
    subjects: Subjects<'b>,
    sides: [&'static str; 2],
    strace: &'b Strace,
}

impl Bench<'_> {
    /// Returns the programs that the user named, or all programs.
    fn choose(&self) -> Result<Vec<Tried>, Trouble> {
        let places = match &self.subjects {
            Subjects::Programs(places) => places,
            Subjects::Pair(pair) => {
                let [a, b] = pair.words.each_ref().map(|words| words.join(" "));
                // The name stays until the tool ends, as the command line does.
                let name: &'static str = Box::leak(format!("{a} : {b}").into_boxed_str());
                return Ok(self.options.outputs.iter().map(|output| Tried::Pair(name, *output)).collect());
            }
        };
        let is_server = |name: &String| name == server::NAME;
        let names: Vec<String> = places.names.iter().filter(|name| !is_server(name)).cloned().collect();
        let all = places.names.is_empty();
        let mut tried = Vec::new();
        if all || !names.is_empty() {
            for program in textbook::choose(&Programs { names, ..(*places).clone() })? {
                tried.extend(self.options.outputs.iter().map(|output| Tried::Program(program, *output)));
            }
        }
        if all || places.names.iter().any(is_server) {
            let of_mode = |mode: Mode| Whose::ALL.map(|whose| Tried::Server(mode, whose));
            tried.extend(server::MODES.into_iter().flat_map(of_mode));
        }
        Ok(tried)
    }

    /// Returns the path of the server.
    fn server(&self) -> PathBuf {
        match &self.subjects {
            Subjects::Programs(places) => places.rust.join(server::NAME),
            Subjects::Pair(_) => PathBuf::from(server::NAME),
        }
    }

    fn subject<'s>(&'s self, program: &'s Path, mode: Mode, whose: Whose) -> Subject<'s> {
        Subject { program, mode, whose, strace: self.strace, watchdog: server::WATCHDOG }
    }

    /// Returns the cases of a subject, from a run without faults.
    fn cases(&self, tried: &Tried, extent: Extent) -> Result<Cases, Trouble> {
        match *tried {
            Tried::Server(mode, whose) => self.subject(&self.server(), mode, whose).cases(extent),
            Tried::Program(..) | Tried::Pair(..) => match self.compare(tried, None)? {
                (Verdict::Good, recorded, _) => Cases::of(&recorded.tree.processes, From::Attached, extent),
                (Verdict::Different(case), ..) => {
                    let texts = if case.prints_the_same() { Level::Same } else { Level::Texts };
                    let (name, level) = (tried.name(), case.comparison.level().max(texts).name());
                    Err(Trouble::new(format!("{name}, without a fault: {level}; --accept LEVEL takes less for good")))
                }
                _ => Err(Trouble::new(format!("{} cannot be compared without a fault", tried.name()))),
            },
        }
    }

    /// Tries a case, and repeats a bad result that may be chance. On a busy machine the tool may take a running process
    /// for a resting process, and then two runs differ. A faulty program is faulty each time. A server's violation is
    /// never tried again.
    fn try_well(&self, tried: &Tried, case: &Case) -> (Result<(Verdict, String), Trouble>, usize) {
        let mut tries = 1;
        loop {
            let found = self.try_one(tried, case);
            let is_sure = matches!(found, Ok((Verdict::Good | Verdict::Violation(_), _)));
            if tries == TRIES || is_sure || INTERRUPTED.is_raised() {
                return (found, tries);
            }
            tries += 1;
        }
    }

    fn try_one(&self, tried: &Tried, case: &Case) -> Result<(Verdict, String), Trouble> {
        match *tried {
            Tried::Program(..) | Tried::Pair(..) => {
                self.compare(tried, Some(case)).map(|(verdict, _, outcome)| (verdict, outcome))
            }
            Tried::Server(mode, whose) => {
                let outcome = self.subject(&self.server(), mode, whose).try_one(case)?;
                let verdict = match (outcome.violations.is_empty(), outcome.happened) {
                    (true, true) => Verdict::Good,
                    (true, false) => Verdict::NotMet,
                    (false, _) => Verdict::Violation(outcome.violations.join("; ")),
                };
                Ok((verdict, outcome.text))
            }
        }
    }

    fn try_all(&self, tried: &[Tried], jobs: &[(usize, Case)]) -> Vec<Finding> {
        let progress = Progress::new(jobs.len());
        let next = AtomicUsize::new(0);
        let done = Mutex::new(Vec::new());
        std::thread::scope(|scope| {
            // Without network namespaces, two servers would use one port.
            let workers = if network::is_own_possible() { parallelism() * RUNS_PER_PROCESSOR } else { 1 };
            for _ in 0..workers {
                scope.spawn(|| {
                    while let Some((index, case)) = jobs.get(next.fetch_add(1, Ordering::Relaxed)) {
                        if INTERRUPTED.is_raised() {
                            break;
                        }
                        progress.begins(&format!("{} ({case})", tried[*index].name()));
                        let (found, tries) = self.try_well(&tried[*index], case);
                        let (verdict, outcome) = found
                            .unwrap_or_else(|trouble| (Verdict::Untried(trouble), "could not be tried".to_owned()));
                        if let Ok(mut done) = done.lock() {
                            done.push(Finding { tried: *index, case: case.clone(), outcome, verdict, tries });
                        }
                    }
                });
            }
        });
        progress.clear();
        let mut findings: Vec<Finding> = done.into_inner().unwrap_or_default();
        findings.sort_by(|a, b| (a.tried, &a.case).cmp(&(b.tried, &b.case)));
        findings
    }

    /// Runs and compares both programs under one fault, or without a fault.
    fn compare(&self, tried: &Tried, case: Option<&Case>) -> Result<(Verdict, Recorded, String), Trouble> {
        let mut sides = [self.record(tried, 0, case)?, self.record(tried, 1, case)?];
        let standings = [sides[0].standing, sides[1].standing];
        if standings == [Standing::Endless; 2] {
            cut(&mut sides);
        }
        let [mut c, mut rust] = sides;
        let (paths, listen) = match &self.subjects {
            Subjects::Programs(_) => ([Vec::new(), Vec::new()], [None, None]),
            Subjects::Pair(pair) => (pair.own_paths(), pair.listen),
        };
        let (run_c, run_rust) = (Run::new(&c.tree, &paths[0], listen[0]), Run::new(&rust.tree, &paths[1], listen[1]));
        let comparison =
            compare(&Side { tree: &c.tree, run: &run_c }, &Side { tree: &rust.tree, run: &run_rust }, From::Attached);
        let printed = [(&mut c, &run_c), (&mut rust, &run_rust)].map(|(recorded, run)| {
            let text = std::mem::take(&mut recorded.printed);
            Printed { named: run.with_names(&text), text }
        });
        let traces = || c.tree.processes.iter().chain(&rust.tree.processes).map(|process| &process.trace);
        let happened = case.is_none_or(|case| case.happened(traces()));
        let outcome = outcome(&rust);
        let accept = self.options.accept;
        let prints_the_same = printed[0].named == printed[1].named || accept >= Level::Texts;
        let same = standings[0] == standings[1] && comparison.level() <= accept && prints_the_same;
        let (verdict, c) = if !same {
            let drive = case.map_or_else(|| "no fault".to_owned(), Case::to_string);
            let tree = std::mem::take(&mut rust.tree);
            let output = match tried {
                Tried::Program(_, output) | Tried::Pair(_, output) => *output,
                Tried::Server(..) => Output::Pipe,
            };
            let shown = subject::Case { drive, output, a: c.tree, b: tree, printed, comparison };
            (Verdict::Different(Box::new(shown)), rust)
        } else if happened {
            (Verdict::Good, c)
        } else {
            (Verdict::NotMet, c)
        };
        Ok((verdict, c, outcome))
    }

    /// Runs one side under one fault, or without a fault.
    fn record(&self, tried: &Tried, side: usize, case: Option<&Case>) -> Result<Recorded, Trouble> {
        match (*tried, &self.subjects) {
            (Tried::Program(program, output), Subjects::Programs(places)) => {
                let directory = if side == 0 { &places.c } else { &places.rust };
                let request = self.request(program, output, (side, directory), case);
                run::record(&request, &|stage| drive::act(program.kind, stage))
            }
            (Tried::Pair(_, output), Subjects::Pair(pair)) => {
                let request = Request {
                    strace: self.strace,
                    side: self.sides[side],
                    words: pair.words[side].clone(),
                    directory: None,
                    input: "",
                    output,
                    stacks: false,
                    sleep: Sleep::Skipped,
                    ending: Ending::ParentFirst,
                    own_network: pair.listen[side].is_some(),
                    occupies: None,
                    needs_free: pair.listen[side],
                    timeout: self.options.timeout,
                    save: self.kept("pair", output, side, case),
                    faults: Some(case.map(Case::injection).into_iter().collect()),
                };
                run::record(&request, &|stage| pair::act(pair, stage))
            }
            _ => Err(Trouble::new(format!("{} is not a pair of programs", tried.name()))),
        }
    }

    /// Returns the folder for the traces of a run, if they are kept.
    fn kept(&self, name: &str, output: Output, side: usize, case: Option<&Case>) -> Option<(&Path, String)> {
        let case = case.map_or_else(|| "none".to_owned(), Case::to_string).replace(' ', "-");
        let folder = self.options.save.as_deref()?;
        Some((folder, format!("{name}.{case}.{}.{}", output.name(), self.sides[side])))
    }

    fn request<'r>(
        &'r self,
        program: Program,
        output: Output,
        (side, directory): (usize, &'r Path),
        case: Option<&Case>,
    ) -> Request<'r> {
        let (arguments, input, port): (&[&str], _, _) = match program.kind {
            Kind::Alone { .. } => (&[], "", None),
            Kind::Server { arguments, server, .. } => (arguments, "", Some(server.port)),
            Kind::Client { arguments, input, port, .. } => (arguments, input, Some(port)),
        };
        let name = [format!("./{}", program.name)];
        Request {
            strace: self.strace,
            side: self.sides[side],
            words: name.into_iter().chain(arguments.iter().map(ToString::to_string)).collect(),
            directory: Some(directory),
            input,
            output,
            stacks: false,
            sleep: if matches!(program.kind, Kind::Alone { alarms: true }) { Sleep::Alarmed } else { Sleep::Skipped },
            ending: Ending::ParentFirst,
            own_network: port.is_some(),
            occupies: port.filter(|_| matches!(program.kind, Kind::Client { .. })),
            needs_free: port,
            timeout: self.options.timeout,
            save: self.kept(program.name, output, side, case),
            faults: Some(case.map(Case::injection).into_iter().collect()),
        }
    }
}

/// Cuts both traces to the length of the shorter trace.
fn cut(sides: &mut [Recorded; 2]) {
    for process in sides.iter_mut().flat_map(|side| &mut side.tree.processes) {
        process.trace.truncate(ENDLESS_EVENTS);
    }
    let length = sides[0].printed.len().min(sides[1].printed.len());
    sides.iter_mut().for_each(|side| side.printed.truncate(length));
}

/// Describes the end of the root process.
fn outcome(recorded: &Recorded) -> String {
    match recorded.standing {
        Standing::Waiting => return "waits for ever".to_owned(),
        Standing::Endless => return "makes calls for ever".to_owned(),
        Standing::Ended => {}
    }
    let trace = recorded.tree.processes.first().map(|root| &root.trace);
    let end = trace.and_then(|trace| match trace.line(trace.len().checked_sub(1)?) {
        Line::End { how } => Some(String::from_utf8_lossy(how).into_owned()),
        _ => None,
    });
    end.unwrap_or_else(|| "ends".to_owned())
}

#[cfg(test)]
mod runs;

#[cfg(test)]
mod tests;
