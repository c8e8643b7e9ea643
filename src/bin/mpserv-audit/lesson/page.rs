//! The contents of a page: two sources aligned by the run, and the steps that the run made.

use std::collections::HashMap;

use super::anchors;
use super::buffered::Buffered;
use super::frame::Tab;
use super::notes::{self, Stop};
use super::printed::Copies;
use super::questions::closing;
use super::row;
use super::state::{Kernel, Life};
use super::steps::{Runs, Step};
use super::text;
use crate::trace::Line;
use crate::tree::Place;

/// One source.
#[derive(Clone, Debug, Default)]
pub struct Column {
    /// The language, or the name of the file if there is only one source.
    pub label: String,
    pub file: String,
    pub lines: Vec<String>,
}

/// The output of the same run on a terminal, and to a pipe.
#[derive(Clone, Debug, Default)]
pub struct Printed {
    pub terminal: Option<Vec<u8>>,
    pub pipe: Option<Vec<u8>>,
    /// The processes that wrote each line to the pipe.
    pub copies: Vec<Copies>,
}

impl Printed {
    /// Whether both outputs can be shown beside each other.
    pub fn is_known(&self) -> bool {
        self.terminal.is_some() && self.pipe.is_some()
    }
}

/// The links of a page.
#[derive(Clone, Debug, Default)]
pub struct Tabs {
    pub drives: Vec<Tab>,
    pub outputs: Vec<Tab>,
    pub lessons: Vec<Tab>,
}

/// The contents of a page.
#[derive(Debug)]
pub struct Page<'p> {
    pub name: String,
    pub drive: String,
    pub runs: Runs<'p>,
    pub steps: Vec<Step>,
    pub columns: Vec<Column>,
    pub buffered: Vec<Buffered>,
    pub printed: Printed,
    pub tabs: Tabs,
    /// The exercises, each with its task and the command that grades it.
    pub exercises: Vec<(String, String)>,
    pub places: HashMap<u32, Place>,
    /// The calls of close whose reason is given at the end of the page.
    pub(super) explained: Vec<usize>,
    beginning: Kernel,
    /// For each step, the step that is shown in its place.
    pub(super) anchors: Vec<usize>,
}

impl<'p> Page<'p> {
    pub fn new(
        name: &str,
        drive: &str,
        runs: Runs<'p>,
        columns: Vec<Column>,
        buffered: impl Fn(&[Step]) -> Vec<Buffered>,
    ) -> Self {
        let steps = runs.steps();
        let buffered = buffered(&steps);
        let mut page = Page {
            name: name.to_owned(),
            drive: drive.to_owned(),
            places: runs.trees[0].places(),
            beginning: runs.beginning(),
            runs,
            steps,
            columns,
            buffered,
            printed: Printed::default(),
            tabs: Tabs::default(),
            exercises: Vec::new(),
            explained: Vec::new(),
            anchors: Vec::new(),
        };
        page.explained = closing::explained(&page);
        page.anchors = page.find_anchors();
        page
    }

    /// Returns, for each step, the step that is shown in its place: itself, or another step of the same row.
    fn find_anchors(&self) -> Vec<usize> {
        let mut anchors: Vec<usize> = (0..self.steps.len()).collect();
        for block in self.blocks() {
            for row in row::of_block(&self.runs, &self.steps, &block) {
                let shown = row.shown();
                let stand_in = shown[shown.len() - 1];
                row.steps.iter().filter(|at| !shown.contains(at)).for_each(|at| anchors[*at] = stand_in);
            }
        }
        anchors
    }

    pub(super) fn blocks(&self) -> Vec<anchors::Block> {
        let length = |side: usize| self.columns.get(side).map_or(0, |column| column.lines.len());
        anchors::blocks(&self.steps, &self.buffered, [length(0), length(1)])
    }

    /// Returns the pairs of lines that cross.
    pub fn crossings(&self) -> Vec<[anchors::Pair; 2]> {
        if self.columns.len() > 1 { anchors::crossings(&self.runs, &self.steps) } else { Vec::new() }
    }

    /// Returns the anchor of a step.
    pub fn anchor(&self, at: usize) -> String {
        format!("s{}", self.anchors[at] + 1)
    }

    /// Whether a step is shown itself, and not represented by another step of its row.
    pub(super) fn is_shown(&self, at: usize) -> bool {
        self.anchors[at] == at
    }

    /// Returns the shown steps before and after a step.
    pub fn neighbours(&self, at: usize) -> (Option<usize>, Option<usize>) {
        let is_shown = |at: &usize| self.is_shown(*at);
        ((0..at).rev().find(is_shown), (at + 1..self.steps.len()).find(is_shown))
    }

    /// Returns the state of the kernel before a step.
    pub fn before(&self, at: usize) -> &Kernel {
        at.checked_sub(1).map_or(&self.beginning, |before| &self.steps[before].after)
    }

    pub fn stops(&self) -> Vec<Stop> {
        self.columns.first().map(|column| notes::stops(&column.lines)).unwrap_or_default()
    }

    /// Whether a signal had no handler, and did not end the process.
    pub fn is_ignored(&self, signal: usize) -> bool {
        let lane = self.steps[signal].lane;
        let is_handled = self.steps.iter().any(|step| step.handles == Some(signal));
        let next = self.steps[signal + 1..].iter().find(|step| step.lane == lane);
        !is_handled && !next.is_some_and(|next| matches!(self.runs.line(next), Line::End { .. }))
    }

    /// Whether the end of a process makes a zombie.
    pub(super) fn leaves_zombie(&self, at: usize) -> bool {
        let step = &self.steps[at];
        let process = self.runs.process(step.lane, 0);
        process.is_some_and(|process| step.after.processes[process].life == Life::Zombie)
    }

    /// Whether the kernel made this call again by itself, after a signal had interrupted it.
    pub fn is_restarted(&self, at: usize) -> bool {
        let step = &self.steps[at];
        let Line::Call(call) = self.runs.line(step) else {
            return false;
        };
        for before in self.steps[..at].iter().rev().filter(|before| before.lane == step.lane) {
            match self.runs.line(before) {
                // If the interrupted call failed with EINTR, the program made the next call itself.
                Line::Call(back) if back.name == b"rt_sigreturn" && back.result.starts_with(b"-1 EINTR") => {
                    return false;
                }
                Line::Call(_) if before.handles.is_some() && step.handles.is_none() => {}
                Line::Call(first) => return first.name == call.name && text::outcome(&first) == "interrupted",
                _ => {}
            }
        }
        false
    }
}
