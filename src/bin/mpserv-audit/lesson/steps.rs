//! Turns one run into a sequence of steps: the events of all processes in the order of time, with the lines that made
//! them.

use std::collections::HashMap;

use super::state::{Action, Kernel};
use crate::compare::{Comparison, Kind};
use crate::library;
use crate::run::output::Output;
use crate::sources::Sources;
use crate::trace::{Line, Trace};
use crate::tree::{Place, Tree, forked};

/// The two runs on a page, or the same run twice.
#[derive(Clone, Copy, Debug)]
pub struct Runs<'r> {
    pub trees: [&'r Tree; 2],
    pub comparison: &'r Comparison,
    pub sources: &'r Sources,
    pub output: Output,
}

/// An event of a process, in both runs or in one of them.
#[derive(Clone, Debug)]
pub struct Step {
    /// The pair of processes, which is a lane of the picture.
    pub lane: usize,
    /// The event in the first run, and in the second.
    pub events: [Option<usize>; 2],
    pub kind: Kind,
    /// The lines of the program that made the event, in either run: the innermost line first, then the lines that
    /// called it.
    pub lines: [Vec<usize>; 2],
    /// For a signal, the call that the process was making or had just made.
    pub interrupts: Option<usize>,
    /// The signal whose handler made the event.
    pub handles: Option<usize>,
    /// The state of the kernel after the event.
    pub after: Kernel,
}

impl Runs<'_> {
    /// Returns the process in one run that belongs to a lane.
    pub fn process(&self, lane: usize, side: usize) -> Option<usize> {
        let pair = &self.comparison.pairs[lane];
        if side == 0 { pair.a } else { pair.b }
    }

    pub fn trace(&self, lane: usize, side: usize) -> Option<&Trace> {
        self.process(lane, side).map(|index| &self.trees[side].processes[index].trace)
    }

    /// Returns the event of a step: the first run's, else the second's.
    pub fn line(&self, step: &Step) -> Line<'_> {
        self.text(step, 0).or_else(|| self.text(step, 1)).map_or(Line::Note(b""), Line::parse)
    }

    /// Whether a step is a call that the C library makes for itself.
    pub fn is_own(&self, step: &Step) -> bool {
        match self.line(step) {
            Line::Call(call) if call.name == b"rt_sigprocmask" => self.is_in_fork(step),
            Line::Call(call) => library::is_own(call.name),
            _ => false,
        }
    }

    /// Whether a step is in the C library's `fork()`, which blocks signals for a moment in some C libraries.
    fn is_in_fork(&self, step: &Step) -> bool {
        let side = usize::from(step.events[0].is_none());
        let (Some(trace), Some(event)) = (self.trace(step.lane, side), step.events[side]) else {
            return false;
        };
        trace.frames(event).any(|frame| library::FORKS.contains(&frame.function))
    }

    /// Returns the line of strace for a step in one run.
    pub fn text(&self, step: &Step, side: usize) -> Option<&[u8]> {
        Some(self.trace(step.lane, side)?.text(step.events[side]?))
    }

    /// Returns the lane of a process of the first run.
    pub fn lane_of(&self, process: usize) -> Option<usize> {
        self.comparison.pairs.iter().position(|pair| pair.a == Some(process))
    }

    /// Returns the name of a process of the first run.
    pub fn name_of(&self, process: usize) -> String {
        self.trees[0].processes.get(process).map_or_else(|| "?".to_owned(), |process| process.place.title())
    }

    /// Returns the name of a process of the first run, for use within a sentence.
    pub fn phrase_of(&self, process: usize) -> String {
        self.trees[0].processes.get(process).map_or_else(|| "?".to_owned(), |process| process.place.phrase())
    }

    /// Returns the place of a lane's processes in the tree.
    pub fn place(&self, lane: usize) -> &Place {
        &self.comparison.pairs[lane].place
    }

    /// Returns the state at the beginning of the run.
    pub fn beginning(&self) -> Kernel {
        Kernel::new(self.trees[0], self.output)
    }

    /// Returns all steps.
    pub fn steps(&self) -> Vec<Step> {
        let mut steps = Vec::new();
        let mut kernel = self.beginning();
        for (lane, row) in self.order() {
            let row = &self.comparison.pairs[lane].rows[row];
            let events = [row.a(), row.b()];
            let line = |side: usize| match (self.trace(lane, side), events[side]) {
                (Some(trace), Some(event)) => self.sources.lines(trace, event),
                _ => Vec::new(),
            };
            let found = [line(0), line(1)];
            let lines = found.map(|lines| lines.iter().map(|line| line.number).collect());
            let mut step =
                Step { lane, events, kind: row.kind, lines, interrupts: None, handles: None, after: kernel.clone() };
            if let (Some(process), Some(text)) = (self.process(lane, 0), self.text(&step, 0)) {
                kernel.apply(self.trees[0], process, &Line::parse(text));
            }
            step.after = kernel.clone();
            steps.push(step);
        }
        self.place_signals(&mut steps);
        steps
    }

    /// Gives lines to signals, to returns of handlers, and to ends. Such steps have no line of their own, so they get
    /// the line that the process was executing.
    fn place_signals(&self, steps: &mut [Step]) {
        let mut last: HashMap<usize, usize> = HashMap::new();
        // The signals whose handlers run, from the outermost to the innermost.
        let mut running: HashMap<usize, Vec<usize>> = HashMap::new();
        for at in 0..steps.len() {
            let lane = steps[at].lane;
            let open = running.entry(lane).or_default();
            let before = last.get(&lane).copied();
            match self.line(&steps[at]) {
                Line::Call(call) if call.name == b"rt_sigreturn" => {
                    steps[at].handles = open.pop();
                    let back = steps[at].handles.and_then(|signal| steps[signal].interrupts);
                    if let Some(back) = back {
                        steps[at].lines = steps[back].lines.clone();
                    }
                    last.extend(back.map(|back| (lane, back)));
                }
                Line::Call(_) => {
                    steps[at].handles = open.last().copied();
                    last.insert(lane, at);
                }
                Line::Signal { name, .. } => {
                    steps[at].interrupts = before;
                    if self.has_handler(&steps[at], name) {
                        open.push(at);
                    }
                    place(steps, at, before);
                }
                _ => place(steps, at, before),
            }
        }
    }

    /// Whether the process has a handler for the signal of a step.
    fn has_handler(&self, step: &Step, signal: &[u8]) -> bool {
        let name = String::from_utf8_lossy(signal);
        let process = self.process(step.lane, 0).map(|index| &step.after.processes[index]);
        matches!(process.and_then(|process| process.actions.get(name.as_ref())), Some(Action::Handler { .. }))
    }

    /// Returns the rows of all lanes in the order of time: lane and row.
    fn order(&self) -> Vec<(usize, usize)> {
        let lanes = self.comparison.pairs.len();
        let mut queue = Queue { runs: self, next: vec![0; lanes], born: vec![false; lanes], over: vec![false; lanes] };
        let mut order = Vec::new();
        while let Some(lane) = queue.first() {
            order.push((lane, queue.take(lane)));
        }
        order
    }
}

/// Gives a step the lines of the step before it.
fn place(steps: &mut [Step], at: usize, before: Option<usize>) {
    if let Some(before) = before {
        steps[at].lines = steps[before].lines.clone();
    }
}

/// The rows that are not yet in order.
#[derive(Debug)]
struct Queue<'q, 'r> {
    runs: &'q Runs<'r>,
    next: Vec<usize>,
    /// The lanes whose fork was seen, and those whose end was seen.
    born: Vec<bool>,
    over: Vec<bool>,
}

impl Queue<'_, '_> {
    fn rows(&self, lane: usize) -> usize {
        self.runs.comparison.pairs[lane].rows.len()
    }

    fn events(&self, lane: usize) -> (Option<usize>, Option<usize>) {
        let row = &self.runs.comparison.pairs[lane].rows[self.next[lane]];
        (row.a(), row.b())
    }

    /// Returns the end of the next row of a lane. A row that only the second run has follows the row before it.
    fn time(&self, lane: usize) -> u64 {
        match (self.runs.trace(lane, 0), self.events(lane).0) {
            (Some(trace), Some(event)) => trace.span(event).end,
            _ => 0,
        }
    }

    /// Returns the lane whose turn it is.
    fn first(&self) -> Option<usize> {
        let waiting = (0..self.next.len()).filter(|lane| self.next[*lane] < self.rows(*lane));
        let mut lane = waiting.min_by_key(|lane| (self.time(*lane), *lane))?;
        // Times are taken one by one, so an effect may seem to come a moment before its cause.
        for _ in 0..self.next.len() {
            match self.cause(lane) {
                Some(earlier) if self.next[earlier] < self.rows(earlier) => lane = earlier,
                _ => break,
            }
        }
        Some(lane)
    }

    /// Returns the lane that has to go first: the parent that forks this process, or the child whose end this process
    /// notices.
    fn cause(&self, lane: usize) -> Option<usize> {
        let process = &self.runs.trees[0].processes[self.runs.process(lane, 0)?];
        if let Some(parent) = process.parent.filter(|_| !self.born[lane]) {
            return self.runs.lane_of(parent);
        }
        let line = process.trace.line(self.events(lane).0?);
        let pid = match line {
            Line::Signal { name: b"SIGCHLD", info } => super::text::field(info, "si_pid").and_then(super::text::number),
            Line::Call(call) if call.name == b"wait4" => super::text::number(call.result),
            _ => None,
        };
        let child = self.runs.trees[0].processes.iter().position(|process| Some(i64::from(process.pid)) == pid)?;
        self.runs.lane_of(child).filter(|child| !self.over[*child])
    }

    fn take(&mut self, lane: usize) -> usize {
        let row = self.next[lane];
        if let (Some(trace), Some(event)) = (self.runs.trace(lane, 0), self.events(lane).0) {
            match trace.line(event) {
                Line::Call(call) => {
                    let child = forked(&call);
                    let all = &self.runs.trees[0].processes;
                    let index = child.and_then(|pid| all.iter().position(|process| process.pid == pid));
                    if let Some(child) = index.and_then(|index| self.runs.lane_of(index)) {
                        self.born[child] = true;
                    }
                }
                Line::End { .. } => self.over[lane] = true,
                _ => {}
            }
        }
        self.next[lane] += 1;
        row
    }
}
