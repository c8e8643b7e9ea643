//! Output without a system call: stdio keeps the output in a buffer, and a fork copies the buffer.
//!
//! On a terminal each printf makes its call at once. So the same run on a terminal shows the text of each line, and its
//! place between the other calls. The page shows the texts of the run itself, because process ids differ from run to
//! run.

mod texts;

use super::steps::{Runs, Step};
use super::text::{arguments, number};
use crate::compare::{Kind, Pair, Side, compare};
use crate::normalize::Run;
use crate::start::From;
use crate::trace::{Line, Trace};
use texts::{literal, same_start, written};

/// A text that a line printed and no call wrote.
#[derive(Clone, Debug)]
pub struct Buffered {
    pub lane: usize,
    /// The lines that printed the text, in either source.
    pub lines: [Vec<usize>; 2],
    /// The text, or none if no run shows the text alone.
    pub text: Option<Vec<u8>>,
    /// The steps that wrote the text: one in each process that had a copy.
    pub written: Vec<usize>,
}

/// Finds the buffered texts in `runs`. `terminal` are the same runs on a terminal.
pub fn find(runs: &Runs<'_>, steps: &[Step], terminal: &Runs<'_>) -> Vec<Buffered> {
    let lanes = runs.comparison.pairs.len();
    let mut found: Vec<Buffered> = Vec::new();
    // The buffer of each lane, and its copy at the lane's fork.
    let mut held: Vec<Vec<usize>> = vec![Vec::new(); lanes];
    let [run_a, run_b] = [terminal.trees[0], runs.trees[0]].map(|tree| Run::new(tree, &[], None));
    let sides = (Side { tree: terminal.trees[0], run: &run_a }, Side { tree: runs.trees[0], run: &run_b });
    let comparison = compare(&sides.0, &sides.1, From::Main);
    let mut writes: Vec<(usize, Vec<usize>)> = Vec::new();
    for pair in &comparison.pairs {
        let Some(lane) = pair.b.and_then(|process| runs.lane_of(process)) else {
            continue;
        };
        Lane { runs, steps, terminal, pair, lane }.walk(&mut held, &mut found, &mut writes);
    }
    take_from_writes(runs, steps, &writes, &mut found);
    found
}

/// Takes each text from a call that wrote it. `writes` are steps, each with the texts that it wrote, in order.
fn take_from_writes(runs: &Runs<'_>, steps: &[Step], writes: &[(usize, Vec<usize>)], found: &mut [Buffered]) {
    for (step, all) in writes {
        let (Some(trace), Some(event)) = (runs.trace(steps[*step].lane, 0), steps[*step].events[0]) else {
            continue;
        };
        let text = written(trace, event);
        let mut rest = &text[..];
        for at in all {
            let Some(taken) = found[*at].text.as_deref().and_then(|expected| same_start(rest, expected)) else {
                break;
            };
            found[*at].text = Some(rest[..taken].to_vec());
            rest = &rest[taken..];
        }
    }
}

/// Finds lines that printed only a part of a line, which stays in the buffer even on a terminal. Such a line causes the
/// fstat of a process's first output, and another line causes the first write.
pub fn unfinished(runs: &Runs<'_>, steps: &[Step]) -> Vec<Buffered> {
    let mut found: Vec<Buffered> = Vec::new();
    // The text in the buffer of each lane. A fork copies the text.
    let mut held: Vec<Option<usize>> = vec![None; runs.comparison.pairs.len()];
    for (at, step) in steps.iter().enumerate() {
        let Line::Call(call) = runs.line(step) else {
            continue;
        };
        let is_output = arguments(&call).first() == Some(&&b"1"[..]);
        match call.name {
            b"newfstatat" | b"fstat" if is_output && !step.lines[0].is_empty() => {
                held[step.lane] = Some(found.len());
                let text = literal(runs, step.lane, step.events[0]);
                found.push(Buffered { lane: step.lane, lines: step.lines.clone(), text, written: Vec::new() });
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
    /// Adds the texts that the process printed to `found`. Adds each call that wrote texts to `writes`, with these
    /// texts.
    fn walk(self, held: &mut [Vec<usize>], found: &mut Vec<Buffered>, writes: &mut Vec<(usize, Vec<usize>)>) {
        let (Some(shown), Some(trace)) = (self.trace_on_terminal(), self.runs.trace(self.lane, 0)) else {
            return;
        };
        // A text that began a line: even the terminal got this text only with the rest of the line.
        let mut begun: Option<Vec<u8>> = None;
        // The child for which the process waited last: on the terminal, and in the run.
        let mut reaped: [Option<i64>; 2] = [None, None];
        for row in &self.pair.rows {
            reaped = [
                row.a().and_then(|event| waited(shown, event)).or(reaped[0]),
                row.b().and_then(|event| waited(trace, event)).or(reaped[1]),
            ];
            if let Some((lines, text)) = row.a().and_then(|event| self.beginning(shown, event)) {
                held[self.lane].push(found.len());
                found.push(Buffered { lane: self.lane, lines, text: Some(text.clone()), written: Vec::new() });
                begun = Some(text);
            }
            let printed = row.a().filter(|event| writes_output(shown, *event));
            let step = row.b().and_then(|event| self.step(event));
            let lines = printed.map(|event| self.lines(event));
            // If the line made a call in the run as well, nothing was buffered.
            let same = row.kind == Kind::Same
                && step.zip(lines.as_ref()).is_some_and(|(step, lines)| self.steps[step].lines[0] == lines[0]);
            let lines = lines.filter(|lines| !lines[0].is_empty());
            if let (Some(event), Some(lines), false) = (printed, lines, same) {
                let mut text = written(shown, event);
                if let Some(rest) = begun.take().and_then(|begun| Some(text.strip_prefix(begun.as_slice())?.to_vec())) {
                    text = rest;
                }
                let text = Some(self.with_ids(&text, reaped));
                held[self.lane].push(found.len());
                found.push(Buffered { lane: self.lane, lines, text, written: Vec::new() });
            }
            let (Some(step), Some(event)) = (step, row.b()) else {
                continue;
            };
            if writes_output(trace, event) && !same {
                let all: Vec<usize> = held[self.lane].drain(..).collect();
                all.iter().for_each(|at| found[*at].written.push(step));
                writes.push((step, all));
            }
            if let Some(child) = self.child(trace, event) {
                held[child] = held[self.lane].clone();
            }
        }
    }

    /// Returns the beginning of a line that the terminal got later: the lines of source that printed it, and its text.
    fn beginning(&self, shown: &Trace, event: usize) -> Option<([Vec<usize>; 2], Vec<u8>)> {
        let text = shown.text(event);
        if !text.starts_with(b"newfstatat(1, ") && !text.starts_with(b"fstat(1, ") {
            return None;
        }
        let write = (event..shown.len()).find(|later| writes_output(shown, *later))?;
        let lines = self.lines(event);
        if lines[0].is_empty() || lines[0].first() == self.lines(write)[0].first() {
            return None;
        }
        let lane = self.terminal.lane_of(self.pair.a?)?;
        let text = literal(self.terminal, lane, Some(event))?;
        written(shown, write).starts_with(&text).then_some((lines, text))
    }

    /// Returns a text of the terminal's run with the process ids of the run itself.
    fn with_ids(&self, text: &[u8], reaped: [Option<i64>; 2]) -> Vec<u8> {
        let counterpart = |pid: i64| {
            if reaped[0] == Some(pid) {
                return reaped[1];
            }
            let all = &self.terminal.trees[0].processes;
            let process = all.iter().find(|process| i64::from(process.pid) == pid)?;
            let here = self.runs.trees[0].processes.iter().find(|other| other.place == process.place)?;
            Some(here.pid.into())
        };
        texts::with_numbers(text, counterpart)
    }

    fn trace_on_terminal(&self) -> Option<&Trace> {
        Some(&self.terminal.trees[0].processes[self.pair.a?].trace)
    }

    fn step(&self, event: usize) -> Option<usize> {
        self.steps.iter().position(|step| step.lane == self.lane && step.events[0] == Some(event))
    }

    /// Returns the lines that printed something on the terminal, in either source.
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

/// Returns the child for which a call waited.
fn waited(trace: &Trace, event: usize) -> Option<i64> {
    match trace.line(event) {
        Line::Call(call) if call.name == b"wait4" => number(call.result).filter(|pid| *pid > 0),
        _ => None,
    }
}
