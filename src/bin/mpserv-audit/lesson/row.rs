//! The rows under a line: one for each process and call.

use super::anchors::Block;
use super::steps::{Runs, Step};
use crate::trace::Line;

/// The most equal calls in a sequence that are all shown. Of a longer sequence, only the first and the last are shown.
pub const SHOWN: usize = 12;
pub const LAST: usize = 3;

/// Steps of one process that made the same call at the same line.
#[derive(Debug)]
pub struct Row {
    pub lane: usize,
    pub steps: Vec<usize>,
}

impl Row {
    /// Returns the steps that are shown one by one.
    pub fn shown(&self) -> Vec<usize> {
        if self.steps.len() <= SHOWN {
            return self.steps.clone();
        }
        let (first, last) = (&self.steps[..SHOWN - LAST], &self.steps[self.steps.len() - LAST..]);
        [first, last].concat()
    }
}

/// Returns the key of a step. Steps with equal keys share one row.
fn head(runs: &Runs<'_>, step: &Step) -> Vec<u8> {
    match runs.line(step) {
        Line::Call(_) if runs.is_own(step) => b"library".to_vec(),
        Line::Call(call) => call.name.to_vec(),
        Line::Signal { name, .. } => [b"---", name].concat(),
        Line::End { .. } => b"+++".to_vec(),
        _ => b"?".to_vec(),
    }
}

/// Returns the rows of a block, in the order of their first steps.
pub fn of_block(runs: &Runs<'_>, steps: &[Step], block: &Block) -> Vec<Row> {
    let mut rows: Vec<(Row, Vec<u8>)> = Vec::new();
    for at in &block.steps {
        let step = &steps[*at];
        let head = head(runs, step);
        let same = |(row, other): &&mut (Row, Vec<u8>)| {
            row.lane == step.lane && *other == head && steps[row.steps[0]].kind == step.kind
        };
        match rows.iter_mut().find(same) {
            Some((row, _)) => row.steps.push(*at),
            None => rows.push((Row { lane: step.lane, steps: vec![*at] }, head)),
        }
    }
    rows.into_iter().map(|(row, _)| row).collect()
}
