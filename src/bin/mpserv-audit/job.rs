//! Runs pairs of programs and compares them, several pairs at a time.

use std::collections::HashSet;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant, SystemTime};

use crate::compare::{Comparer, Comparison, Sequences, Side};
use crate::kept::Kept;
use crate::level::Level;
use crate::normalize::Run;
use crate::options::Options;
use crate::progress::Progress;
use crate::run::output::Output;
use crate::run::{self, Drive, Ending, Recorded, Request, Sleep};
use crate::sources::lacks_stacks;
use crate::subject::{Case, Printed, Subject};
use crate::tree::Tree;
use crate::trouble::Trouble;

/// The origin of the trace of one side.
#[derive(Debug)]
pub enum Origin<'j> {
    Run(Request<'j>),
    Kept(Kept),
}

impl Origin<'_> {
    /// Runs the command, or reads the kept trace. Only the first run is saved. `again` is the order of a further run.
    fn record(&self, drive: &Drive<'_>, again: Option<Ending>) -> Result<Recorded, Trouble> {
        match (self, again) {
            (Origin::Run(request), Some(ending)) => {
                run::record(&Request { save: None, ending, ..request.clone() }, drive)
            }
            (Origin::Run(request), None) => run::record(request, drive),
            (Origin::Kept(kept), _) => kept.read(),
        }
    }

    /// Whether the kernel, and not this tool, decided the order of processes.
    fn has_kernels_order(&self) -> bool {
        matches!(self, Origin::Kept(kept) if !kept.has_printed())
    }

    fn sleep(&self) -> Sleep {
        match self {
            Origin::Run(request) => request.sleep,
            Origin::Kept(_) => Sleep::Real,
        }
    }

    /// Whether strace was asked for stacks, and gave none.
    fn lacks_stacks(&self, run: &Tree) -> bool {
        matches!(self, Origin::Run(request) if request.stacks) && lacks_stacks(run)
    }
}

/// A comparison to make.
pub struct Job<'j> {
    pub subject: usize,
    pub drive_name: String,
    pub output: Output,
    /// Both commands, or kept traces in their place.
    pub sides: [Origin<'j>; 2],
    pub drive: Box<Drive<'j>>,
    /// Whether the drive came too late in this run.
    pub was_late: Box<dyn Fn(&Tree) -> bool + Sync + 'j>,
    /// The placeholders for each command's own path, when the two paths differ.
    pub own_paths: [Vec<Vec<u8>>; 2],
    /// The ports for which the tool waits. If the ports differ, the comparison ignores them.
    pub listen: [Option<u16>; 2],
    /// The number of further runs of both commands when they differ.
    pub more_runs: usize,
}

/// The number of runs when the drive came too late, the machine was changed or the stacks are missing. If each run is
/// disturbed, the tool shows the difference.
const TRIES: usize = 5;

/// The time after which no run beyond the second begins.
const MORE_RUNS_PATIENCE: Duration = Duration::from_secs(10);

/// Returns the folder for strace's files and their name, if the files are kept.
pub fn save<'j>(options: &'j Options, parts: &[&str]) -> Option<(&'j Path, String)> {
    let name = parts.join(".").replace(' ', "-");
    options.save.as_deref().map(|directory| (directory, name))
}

pub fn parallelism() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// Makes all comparisons, several at a time.
pub fn run_all(
    options: &Options,
    names: Vec<String>,
    jobs: &[Job<'_>],
    workers: usize,
) -> Result<Vec<Subject>, Trouble> {
    let progress = Progress::new(jobs.len());
    let failed = AtomicBool::new(false);
    let done: Mutex<Vec<(usize, Result<Case, Trouble>)>> = Mutex::new(Vec::new());
    let one = |index: usize, job: &Job<'_>| {
        // After one failed run there is no verdict.
        if failed.load(Ordering::Relaxed) {
            return;
        }
        let what = format!("{} ({}, {})", names[job.subject], job.drive_name, job.output.name());
        progress.begins(&what);
        let case = job.compare(options).map_err(|trouble| Trouble::new(format!("{what}: {trouble}")));
        failed.fetch_or(case.is_err(), Ordering::Relaxed);
        if let Ok(mut done) = done.lock() {
            done.push((index, case));
        }
    };
    // Programs that really sleep do hardly anything else, so they need not take turns with busy programs.
    let all = jobs.iter().enumerate();
    let (idle, busy): (Vec<_>, Vec<_>) =
        all.partition(|(_, job)| workers > 1 && job.sides[0].sleep() != Sleep::Skipped);
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

/// Returns the identity of the file by which programs find their shared libraries. The file changes whenever packages
/// are installed.
fn loader_cache() -> Option<(u64, SystemTime)> {
    let found = std::fs::metadata("/etc/ld.so.cache").ok()?;
    Some((found.ino(), found.modified().ok()?))
}

impl Job<'_> {
    /// Runs both sides. Repeats the run if the machine was too busy for the drive, if the machine was changed during
    /// the run, or if strace gave no stacks. On a busy machine, strace 6.1 fails to give them once in many runs.
    fn record(&self, again: Option<Ending>) -> Result<[Recorded; 2], Trouble> {
        for _ in 1..TRIES {
            let cache = loader_cache();
            let runs = self.record_once(again)?;
            let was_late = runs.iter().any(|run| (self.was_late)(&run.tree));
            let lacks_stacks = self.sides.iter().zip(&runs).any(|(side, run)| side.lacks_stacks(&run.tree));
            if loader_cache() == cache && !was_late && !lacks_stacks {
                return Ok(runs);
            }
        }
        self.record_once(again)
    }

    /// Runs both sides. If each side only waits for its alarms, both run at the same time.
    fn record_once(&self, again: Option<Ending>) -> Result<[Recorded; 2], Trouble> {
        let record = |side: &Origin<'_>| side.record(&*self.drive, again);
        let [a, b] = &self.sides;
        if a.sleep() != Sleep::Alarmed {
            return Ok([record(a)?, record(b)?]);
        }
        std::thread::scope(|scope| {
            let a = scope.spawn(|| record(a));
            let b = record(b);
            let a = a.join().unwrap_or_else(|_| Err(Trouble::new("a run ended by a panic")));
            Ok([a?, b?])
        })
    }

    fn run(&self, side: usize, tree: &Tree) -> Run {
        let run = Run::new(tree, &self.own_paths[side], self.listen[side]);
        if self.listen[0] == self.listen[1] { run } else { run.with_listen_aside() }
    }

    /// Normalizes the lines of a run of one side.
    fn read(&self, comparer: &mut Comparer, side: usize, tree: &Tree) -> Sequences {
        comparer.read(&Side { tree, run: &self.run(side, tree) })
    }

    fn compare(&self, options: &Options) -> Result<Case, Trouble> {
        let [a, b] = self.record(None)?;
        let mut comparer = Comparer::new(options.from);
        let read_a = self.read(&mut comparer, 0, &a.tree);
        let read_b = self.read(&mut comparer, 1, &b.tree);
        let first = [(&a.tree, &read_a), (&b.tree, &read_b)];
        let mut comparison = comparer.compare(first[0], first[1]);
        if comparison.level() > Level::Same {
            self.set_aside_what_varies(&mut comparison, comparer, first)?;
        }
        let printed = [(0, a.printed, &a.tree), (1, b.printed, &b.tree)].map(|(side, text, tree)| {
            let run = self.run(side, tree);
            Printed { named: run.with_names(&text), text }
        });
        Ok(Case { drive: self.drive_name.clone(), output: self.output, a: a.tree, b: b.tree, printed, comparison })
    }

    /// Returns the order of a further run. If a side is a trace in the kernel's order, every second run has the
    /// opposite of this tool's order. So the runs show differences that come from the kernel's order.
    fn order(&self, round: usize) -> Ending {
        let is_opposite = round % 2 == 0 && self.sides.iter().any(Origin::has_kernels_order);
        if is_opposite { Ending::ChildFirst } else { Ending::ParentFirst }
    }

    /// Runs both sides again. Marks the differences that a program also shows against itself, or that only some pairs
    /// of runs show.
    fn set_aside_what_varies(
        &self,
        comparison: &mut Comparison,
        mut comparer: Comparer,
        first: [(&Tree, &Sequences); 2],
    ) -> Result<(), Trouble> {
        let start = Instant::now();
        let abouts = |comparison: &Comparison| -> HashSet<String> {
            comparison.kinds.iter().map(|difference| difference.about.clone()).collect()
        };
        let mut real = abouts(comparison);
        let mut more: [Vec<(Tree, Sequences)>; 2] = [Vec::new(), Vec::new()];
        for round in 0..self.more_runs {
            if real.is_empty() || (round > 0 && start.elapsed() > MORE_RUNS_PATIENCE) {
                break;
            }
            let [a, b] = self.record(Some(self.order(round)))?;
            for (side, tree) in [(0, a.tree), (1, b.tree)] {
                let sequences = self.read(&mut comparer, side, &tree);
                let (new, other) = ((&tree, &sequences), 1 - side);
                let all = |side: usize| {
                    std::iter::once(first[side]).chain(more[side].iter().map(|(tree, sequences)| (tree, sequences)))
                };
                for own in all(side) {
                    let varying = abouts(&comparer.compare(own, new));
                    real.retain(|about| !varying.contains(about));
                }
                for known in all(other) {
                    // The sides keep the order of the first comparison, because either of two swapped calls may count
                    // as moved.
                    let (a, b) = if side == 0 { (new, known) } else { (known, new) };
                    let between = abouts(&comparer.compare(a, b));
                    real.retain(|about| between.contains(about));
                }
                more[side].push((tree, sequences));
            }
        }
        for difference in
            comparison.kinds.iter_mut().filter(|difference| difference.may_vary && !real.contains(&difference.about))
        {
            difference.level = Level::Varies;
        }
        Ok(())
    }
}
