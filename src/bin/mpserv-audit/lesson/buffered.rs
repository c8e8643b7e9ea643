//! Output without a system call: stdio keeps it in a buffer, and a fork copies the buffer.
//!
//! On a terminal each printf makes its call at once. The same run on a terminal therefore shows which lines printed what,
//! and where between the other calls.

use super::steps::{Runs, Step};
use super::text::{arguments, bytes};
use crate::compare::{Kind, Pair, Side, compare};
use crate::normalize::Run;
use crate::start::From;
use crate::trace::{Line, Trace};

/// A text that a line printed and no call wrote.
#[derive(Clone, Debug)]
pub struct Buffered {
    pub lane: usize,
    /// The lines that printed it, in either source.
    pub lines: [Vec<usize>; 2],
    /// None where no run shows it by itself.
    pub text: Option<Vec<u8>>,
    /// The steps that wrote it: one in each process that had a copy.
    pub written: Vec<usize>,
}

/// Finds what was buffered in `runs`, of which `terminal` are the same on a terminal.
pub fn find(runs: &Runs<'_>, steps: &[Step], terminal: &Runs<'_>) -> Vec<Buffered> {
    let lanes = runs.comparison.pairs.len();
    let mut found: Vec<Buffered> = Vec::new();
    // The buffer of each lane, and its copy at the lane's fork.
    let mut held: Vec<Vec<usize>> = vec![Vec::new(); lanes];
    let [run_a, run_b] = [terminal.trees[0], runs.trees[0]].map(|tree| Run::new(tree, &[], None));
    let sides = (Side { tree: terminal.trees[0], run: &run_a }, Side { tree: runs.trees[0], run: &run_b });
    let comparison = compare(&sides.0, &sides.1, From::Main);
    for pair in &comparison.pairs {
        let Some(lane) = pair.b.and_then(|process| runs.lane_of(process)) else {
            continue;
        };
        Lane { runs, steps, terminal, pair, lane }.walk(&mut held, &mut found);
    }
    found
}

/// Finds lines that printed a part of a line, which stays in the buffer even on a terminal: stdio asks at a process's first
/// output where that goes (fstat), and the first write comes from another line.
pub fn unfinished(runs: &Runs<'_>, steps: &[Step]) -> Vec<Buffered> {
    let mut found: Vec<Buffered> = Vec::new();
    // The text that each lane's buffer holds; a fork copies it.
    let mut held: Vec<Option<usize>> = vec![None; runs.comparison.pairs.len()];
    for (at, step) in steps.iter().enumerate() {
        let Line::Call(call) = runs.line(step) else {
            continue;
        };
        let is_output = arguments(&call).first() == Some(&&b"1"[..]);
        match call.name {
            b"newfstatat" | b"fstat" if is_output && !step.lines[0].is_empty() => {
                held[step.lane] = Some(found.len());
                found.push(Buffered { lane: step.lane, lines: step.lines.clone(), text: None, written: Vec::new() });
            }
            b"write" if is_output => {
                if let Some(index) = held[step.lane].take() {
                    found[index].written.push(at);
                }
            }
            _ => {
                let child = crate::tree::forked(&call)
                    .and_then(|pid| runs.trees[0].processes.iter().position(|process| process.pid == pid));
                if let Some(child) = child.and_then(|child| runs.lane_of(child)) {
                    held[child] = held[step.lane];
                }
            }
        }
    }
    let is_elsewhere =
        |text: &Buffered| text.written.iter().all(|at| steps[*at].lines[0].first() != text.lines[0].first());
    found.retain(is_elsewhere);
    found
}

/// One process, on both outputs.
#[derive(Clone, Copy, Debug)]
struct Lane<'l> {
    runs: &'l Runs<'l>,
    steps: &'l [Step],
    terminal: &'l Runs<'l>,
    pair: &'l Pair,
    lane: usize,
}

impl Lane<'_> {
    fn walk(self, held: &mut [Vec<usize>], found: &mut Vec<Buffered>) {
        let (Some(shown), Some(trace)) = (self.trace_on_terminal(), self.runs.trace(self.lane, 0)) else {
            return;
        };
        for row in &self.pair.rows {
            let printed = row.a().filter(|event| writes_output(shown, *event));
            let step = row.b().and_then(|event| self.step(event));
            let lines = printed.map(|event| self.lines(event));
            // A call at the same line is no buffering.
            let same = row.kind == Kind::Same
                && step.zip(lines.as_ref()).is_some_and(|(step, lines)| self.steps[step].lines[0] == lines[0]);
            let lines = lines.filter(|lines| !lines[0].is_empty());
            if let (Some(event), Some(lines), false) = (printed, lines, same) {
                let text = Some(written(shown, event));
                held[self.lane].push(found.len());
                found.push(Buffered { lane: self.lane, lines, text, written: Vec::new() });
            }
            let (Some(step), Some(event)) = (step, row.b()) else {
                continue;
            };
            if writes_output(trace, event) && !same {
                held[self.lane].drain(..).for_each(|at| found[at].written.push(step));
            }
            if let Some(child) = self.child(trace, event) {
                held[child] = held[self.lane].clone();
            }
        }
    }

    fn trace_on_terminal(&self) -> Option<&Trace> {
        Some(&self.terminal.trees[0].processes[self.pair.a?].trace)
    }

    fn step(&self, event: usize) -> Option<usize> {
        self.steps.iter().position(|step| step.lane == self.lane && step.events[0] == Some(event))
    }

    /// The lines that printed something on the terminal, in either source.
    fn lines(&self, event: usize) -> [Vec<usize>; 2] {
        let pairs = &self.terminal.comparison.pairs;
        let Some(lane) = pairs.iter().position(|pair| pair.a == self.pair.a) else {
            return [Vec::new(), Vec::new()];
        };
        let row = pairs[lane].rows.iter().find(|row| row.a() == Some(event));
        let events = [Some(event), row.and_then(|row| row.b())];
        let numbers = |side: usize| match (self.terminal.trace(lane, side), events[side]) {
            (Some(trace), Some(event)) => {
                self.terminal.sources.lines(trace, event).iter().map(|line| line.number).collect()
            }
            _ => Vec::new(),
        };
        [numbers(0), numbers(1)]
    }

    fn child(&self, trace: &Trace, event: usize) -> Option<usize> {
        let Line::Call(call) = trace.line(event) else {
            return None;
        };
        let pid = crate::tree::forked(&call)?;
        let index = self.runs.trees[0].processes.iter().position(|process| process.pid == pid)?;
        self.runs.lane_of(index)
    }
}

fn writes_output(trace: &Trace, event: usize) -> bool {
    trace.text(event).starts_with(b"write(1, ")
}

fn written(trace: &Trace, event: usize) -> Vec<u8> {
    match trace.line(event) {
        Line::Call(call) => arguments(&call).get(1).map(|text| bytes(text)).unwrap_or_default(),
        _ => Vec::new(),
    }
}
