//! What is compared: two commands, each driven in one or several ways, on several kinds of output.

use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::SystemTime;

use mpserv::signal::Signal;
use mpserv::wordexp::{WordError, wordexp};

use crate::compare::{Comparison, Side, compare};
use crate::normalize::Run;
use crate::options::{Commands, Options, Programs};
use crate::programs::{self, Program};
use crate::progress::Progress;
use crate::run::network;
use crate::run::output::Output;
use crate::run::strace::Strace;
use crate::run::{self, Drive, Recorded, Request, Sleep};
use crate::tree::Tree;
use crate::trouble::Trouble;

/// Two programs that are said to be the same.
#[derive(Debug)]
pub struct Subject {
    pub name: String,
    pub cases: Vec<Case>,
}

/// One drive on one kind of output: a run of either program.
#[derive(Debug)]
pub struct Case {
    pub drive: String,
    pub output: Output,
    pub a: Tree,
    pub b: Tree,
    /// What either printed, and the same with names for what may differ.
    pub printed: [Printed; 2],
    pub comparison: Comparison,
}

/// What a program printed on standard output and then on standard error.
#[derive(Debug)]
pub struct Printed {
    pub text: Vec<u8>,
    /// With the places of processes for their ids, and `<program>` for its own path where that differs.
    pub named: Vec<u8>,
}

impl Case {
    pub fn prints_the_same(&self) -> bool {
        self.printed[0].named == self.printed[1].named
    }
}

impl Subject {
    pub fn events(&self) -> (usize, usize) {
        let each = self.cases.iter().map(|case| case.comparison.events);
        each.fold((0, 0), |sum, events| (sum.0 + events.0, sum.1 + events.1))
    }

    pub fn prints_the_same(&self) -> bool {
        self.cases.iter().all(Case::prints_the_same)
    }

    pub fn differences(&self) -> usize {
        self.cases.iter().map(|case| case.comparison.differences()).sum()
    }
}

/// One comparison to be made.
struct Job<'j> {
    subject: usize,
    drive_name: String,
    output: Output,
    /// Both commands.
    requests: [Request<'j>; 2],
    drive: Box<Drive<'j>>,
    /// Whether the drive missed its moment in this run.
    was_late: Box<dyn Fn(&Tree) -> bool + Sync + 'j>,
    /// What stands for each command's own path, where they differ in it.
    own_paths: [Vec<Vec<u8>>; 2],
    listen: Option<u16>,
}

/// How often both are run when the drive came too late, or the machine was changed: where that is so each time, the
/// difference is shown.
const TRIES: usize = 5;

/// What the two sides of textbook programs and of any commands are called.
pub const PROGRAM_SIDES: [&str; 2] = ["C", "Rust"];
pub const COMMAND_SIDES: [&str; 2] = ["A", "B"];

/// Compares textbook programs.
///
/// # Errors
/// When one is not there, or cannot be run.
pub fn programs(options: &Options, places: &Programs, strace: &Strace) -> Result<Vec<Subject>, Trouble> {
    let chosen = choose(places)?;
    let mut jobs = Vec::new();
    for (subject, program) in chosen.iter().enumerate() {
        let wanted = |drive: &programs::Drive| places.drive.as_ref().is_none_or(|name| drive.name == name);
        for drive in program.drives().into_iter().filter(wanted) {
            let of_output = |output| program_job(options, strace, places, *program, drive, output, subject);
            jobs.extend(options.outputs.iter().copied().map(of_output));
        }
    }
    if jobs.is_empty() {
        let name = places.drive.as_deref().unwrap_or_default();
        let mut all: Vec<_> = chosen.iter().flat_map(|program| program.drives()).map(|drive| drive.name).collect();
        all.sort_unstable();
        all.dedup();
        return Err(Trouble::new(format!("--drive {name}: not one of {}", all.join(", "))));
    }
    let names = chosen.iter().map(|program| program.name.to_owned()).collect();
    // Each run has a network of its own, so they do not meet; without one they would.
    let workers = if network::is_own_possible() { parallelism() } else { 1 };
    run_all(options, names, &jobs, workers)
}

pub fn choose(places: &Programs) -> Result<Vec<Program>, Trouble> {
    let named = |name: &String| {
        let all = programs::ALL.map(|program| program.name).join(", ");
        Program::named(name).ok_or_else(|| Trouble::new(format!("{name}: not one of {all}")))
    };
    let chosen = if places.names.is_empty() {
        programs::ALL.to_vec()
    } else {
        places.names.iter().map(named).collect::<Result<_, _>>()?
    };
    for program in &chosen {
        for (directory, how) in [(&places.c, "make c"), (&places.rust, "cargo build")] {
            let path = directory.join(program.name);
            if !path.is_file() {
                return Err(Trouble::new(format!("{} is not there; '{how}' makes it", path.display())));
            }
        }
    }
    Ok(chosen)
}

fn program_job<'j>(
    options: &'j Options,
    strace: &'j Strace,
    places: &'j Programs,
    program: Program,
    drive: programs::Drive,
    output: Output,
    subject: usize,
) -> Job<'j> {
    let words: Vec<String> =
        std::iter::once(format!("./{}", program.name)).chain(drive.arguments.iter().map(ToString::to_string)).collect();
    let request = |directory: &'j Path, side: &str| Request {
        strace,
        words: words.clone(),
        directory: Some(directory),
        input: drive.input,
        output,
        stacks: options.sources,
        sleep: drive.sleep,
        own_network: true,
        occupies: drive.occupies,
        needs_free: drive.needs_free,
        timeout: options.timeout,
        save: save(options, &[program.name, drive.name, output.name(), side]),
        faults: None,
    };
    Job {
        subject,
        drive_name: drive.name.to_owned(),
        output,
        requests: [request(&places.c, PROGRAM_SIDES[0]), request(&places.rust, PROGRAM_SIDES[1])],
        drive: Box::new(move |stage| drive.act(stage)),
        was_late: Box::new(move |run| drive.was_late(run)),
        // Both run in their own directories by the same name.
        own_paths: [Vec::new(), Vec::new()],
        listen: None,
    }
}

/// Where strace's files are kept, if they are, and their name.
fn save<'j>(options: &'j Options, parts: &[&str]) -> Option<(&'j Path, String)> {
    let name = parts.join(".").replace(' ', "-");
    options.save.as_deref().map(|directory| (directory, name))
}

pub fn parallelism() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// Compares two commands.
///
/// # Errors
/// When they cannot be run.
pub fn commands(options: &Options, commands: &Commands, strace: &Strace) -> Result<Vec<Subject>, Trouble> {
    let a = words("--a", &commands.a)?;
    let b = words("--b", &commands.b)?;
    let helper = commands.drive.as_ref().map(|drive| words("--drive", drive)).transpose()?.unwrap_or_default();
    let signal = commands.signal.as_deref().map(signal_named).transpose()?;
    let port = commands.listen;
    let own_paths = if a[0] == b[0] { [Vec::new(), Vec::new()] } else { [own_paths(&a[0]), own_paths(&b[0])] };
    let job = |output: Output| {
        let request = |words: &[String], side: &str| Request {
            strace,
            words: words.to_vec(),
            directory: None,
            input: "",
            output,
            stacks: options.sources,
            sleep: Sleep::Real,
            own_network: false,
            occupies: None,
            needs_free: port,
            timeout: options.timeout,
            save: save(options, &[side, output.name()]),
            faults: None,
        };
        let helper = &helper;
        Job {
            subject: 0,
            drive_name: commands.drive.clone().unwrap_or_else(|| "run".to_owned()),
            output,
            requests: [request(&a, COMMAND_SIDES[0]), request(&b, COMMAND_SIDES[1])],
            drive: Box::new(move |stage| {
                if let Some(port) = port {
                    stage.wait_until_listening(port)?;
                }
                stage.run(helper)?;
                match signal {
                    Some(signal) => stage.settle().and_then(|_| stage.signal(signal)),
                    None => Ok(()),
                }
            }),
            was_late: Box::new(|_| false),
            own_paths: own_paths.clone(),
            listen: port,
        }
    };
    let jobs: Vec<Job<'_>> = options.outputs.iter().copied().map(job).collect();
    let name = if commands.a == commands.b { commands.a.clone() } else { format!("{} : {}", commands.a, commands.b) };
    run_all(options, vec![name], &jobs, 1)
}

fn words(option: &str, command: &str) -> Result<Vec<String>, Trouble> {
    let line = std::ffi::CString::new(command).map_err(|_| Trouble::new(format!("{option}: a NUL in the command")))?;
    let words = wordexp(&line).map_err(|error| {
        Trouble::new(match error {
            WordError::BadCharacter => {
                format!("{option} '{command}': not one command; for what a shell does, give it to one: sh -c '...'")
            }
            WordError::Syntax => format!("{option} '{command}': a quote or bracket does not end"),
            WordError::Other => format!("{option} '{command}': cannot be split into words"),
        })
    })?;
    let words: Vec<String> = words.iter().map(|word| word.to_string_lossy().into_owned()).collect();
    if words.is_empty() {
        return Err(Trouble::new(format!("{option}: there is no command in it")));
    }
    Ok(words)
}

pub fn signal_named(name: &str) -> Result<Signal, Trouble> {
    let bare = |name: &str| name.strip_prefix("SIG").unwrap_or(name).to_owned();
    let all = (1..=i32::from(u8::MAX)).filter_map(Signal::from_raw);
    let mut named = all.filter_map(|signal| signal.name().map(|name| (signal, name)));
    let found = named.find(|(_, known)| bare(known) == bare(name));
    found.map(|(signal, _)| signal).ok_or_else(|| Trouble::new(format!("--signal {name}: no such signal")))
}

/// How a program may name itself: as it was called, in full, and by the last part alone.
fn own_paths(program: &str) -> Vec<Vec<u8>> {
    let mut paths = vec![program.as_bytes().to_vec()];
    if let Ok(full) = std::fs::canonicalize(program) {
        paths.push(full.into_os_string().into_encoded_bytes());
    }
    if let Some(last) = Path::new(program).file_name() {
        paths.push(last.as_encoded_bytes().to_vec());
    }
    paths
}

/// Makes all comparisons, several at a time.
fn run_all(options: &Options, names: Vec<String>, jobs: &[Job<'_>], workers: usize) -> Result<Vec<Subject>, Trouble> {
    let progress = Progress::new(jobs.len());
    let failed = AtomicBool::new(false);
    let done: Mutex<Vec<(usize, Result<Case, Trouble>)>> = Mutex::new(Vec::new());
    let one = |index: usize, job: &Job<'_>| {
        // One that fails is enough to know that there is no verdict.
        if failed.load(Ordering::Relaxed) {
            return;
        }
        let what = format!("{} ({}, {})", names[job.subject], job.drive_name, job.output.name());
        progress.begins(&what);
        let case = job.compare(options).map_err(|trouble| Trouble::new(format!("{what}: {trouble}")));
        failed.fetch_or(case.is_err(), Ordering::Relaxed);
        progress.ends();
        if let Ok(mut done) = done.lock() {
            done.push((index, case));
        }
    };
    // Programs that really sleep do hardly anything else, so they need not take turns with the busy ones.
    let all = jobs.iter().enumerate();
    let (idle, busy): (Vec<_>, Vec<_>) =
        all.partition(|(_, job)| workers > 1 && job.requests[0].sleep != Sleep::Skipped);
    let next = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for (index, job) in idle {
            scope.spawn(move || one(index, job));
        }
        for _ in 0..workers.min(busy.len()) {
            scope.spawn(|| {
                while let Some((index, job)) = busy.get(next.fetch_add(1, Ordering::Relaxed)) {
                    one(*index, job);
                }
            });
        }
    });
    progress.clear();
    let mut done = done.into_inner().unwrap_or_default();
    done.sort_by_key(|(index, _)| *index);
    let mut subjects: Vec<Subject> = names.into_iter().map(|name| Subject { name, cases: Vec::new() }).collect();
    for (index, case) in done {
        subjects[jobs[index].subject].cases.push(case?);
    }
    Ok(subjects)
}

/// Which file every program with shared libraries finds them by: another one whenever packages are installed.
fn loader_cache() -> Option<(u64, SystemTime)> {
    let found = std::fs::metadata("/etc/ld.so.cache").ok()?;
    Some((found.ino(), found.modified().ok()?))
}

impl Job<'_> {
    /// Runs both, again where the machine was too busy for the drive to come in time, or was changed meanwhile.
    fn record(&self) -> Result<[Recorded; 2], Trouble> {
        for _ in 1..TRIES {
            let cache = loader_cache();
            let runs = self.record_once()?;
            if loader_cache() == cache && !runs.iter().any(|run| (self.was_late)(&run.tree)) {
                return Ok(runs);
            }
        }
        self.record_once()
    }

    /// Runs both: at the same time where each has nothing to do but to wait for its alarms.
    fn record_once(&self) -> Result<[Recorded; 2], Trouble> {
        let record = |request| run::record(request, &*self.drive);
        let [a, b] = &self.requests;
        if a.sleep != Sleep::Alarmed {
            return Ok([record(a)?, record(b)?]);
        }
        std::thread::scope(|scope| {
            let a = scope.spawn(|| record(a));
            let b = record(b);
            let a = a.join().unwrap_or_else(|_| Err(Trouble::new("a run ended by a panic")));
            Ok([a?, b?])
        })
    }

    fn compare(&self, options: &Options) -> Result<Case, Trouble> {
        let [a, b] = self.record()?;
        let [printed_a, printed_b] = [a.printed, b.printed];
        let [a, b] = [a.tree, b.tree];
        let run_a = Run::new(&a, &self.own_paths[0], self.listen);
        let run_b = Run::new(&b, &self.own_paths[1], self.listen);
        let printed = [(printed_a, &run_a), (printed_b, &run_b)]
            .map(|(text, run)| Printed { named: run.with_names(&text), text });
        let comparison = compare(&Side { tree: &a, run: &run_a }, &Side { tree: &b, run: &run_b }, options.from);
        Ok(Case { drive: self.drive_name.clone(), output: self.output, a, b, printed, comparison })
    }
}
