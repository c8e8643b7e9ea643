//! Pairs the lines of the two sources: two lines are a pair if they made the same call in the run.

use super::buffered::Buffered;
use super::steps::{Runs, Step};
use super::text;
use crate::compare::Kind;

/// A line on either side. 0 means that the line of that side is unknown.
pub type Pair = [usize; 2];

/// Returns both lines that made a step, if lines of the program made the step.
pub fn of(step: &Step) -> Option<Pair> {
    pair(&step.lines)
}

fn pair(lines: &[Vec<usize>; 2]) -> Option<Pair> {
    let pair = [0, 1].map(|side: usize| lines[side].first().copied().unwrap_or_default());
    (pair != [0, 0]).then_some(pair)
}

/// Returns the pairs of lines whose order differs between the two sides. If the statements of both sources have one
/// order, there are no such pairs.
pub fn crossings(runs: &Runs<'_>, steps: &[Step]) -> Vec<[Pair; 2]> {
    let mut pairs: Vec<Pair> = steps.iter().filter_map(of).filter(is_whole).collect();
    pairs.extend(moved(runs, steps));
    pairs.sort_unstable();
    pairs.dedup();
    let mut found = Vec::new();
    for (at, first) in pairs.iter().enumerate() {
        let crosses = |second: &&Pair| first[0] < second[0] && first[1] > second[1];
        found.extend(pairs[at..].iter().filter(crosses).map(|second| [*first, *second]));
    }
    found
}

fn is_whole(pair: &Pair) -> bool {
    pair[0] != 0 && pair[1] != 0
}

/// Returns equal calls that the comparison found in different places: one side makes these calls earlier.
fn moved(runs: &Runs<'_>, steps: &[Step]) -> Vec<Pair> {
    let of_kind = |kind: Kind| steps.iter().filter(move |step| step.kind == kind);
    let mut pairs = Vec::new();
    for only_a in of_kind(Kind::OnlyA) {
        let form = |step: &Step, side: usize| runs.text(step, side).map(text::in_short);
        let same = |other: &&Step| other.lane == only_a.lane && form(other, 1) == form(only_a, 0);
        if let Some(only_b) = of_kind(Kind::OnlyB).find(same) {
            pairs.extend(only_a.lines[0].first().zip(only_b.lines[1].first()).map(|(a, b)| [*a, *b]));
        }
    }
    pairs
}

/// A part of both sources that ends with the lines of an anchor, and the steps that those lines made.
#[derive(Debug, Default)]
pub struct Block {
    /// The lines on either side, from the first to the last, both included. The part is empty if the first is after the
    /// last.
    pub lines: [(usize, usize); 2],
    pub steps: Vec<usize>,
    /// Output that the lines printed into a buffer.
    pub buffered: Vec<usize>,
}

/// Cuts both sources at the anchors. Steps that no line made are in a separate block at the end.
pub fn blocks(steps: &[Step], buffered: &[Buffered], lengths: [usize; 2]) -> Vec<Block> {
    let silent = buffered.iter().filter_map(|text| pair(&text.lines));
    let mut anchors: Vec<Pair> = steps.iter().filter_map(of).chain(silent).collect();
    anchors.sort_unstable();
    anchors.dedup();
    let mut blocks: Vec<Block> = Vec::new();
    let mut done: Pair = [0, 0];
    let mut keys: Vec<Pair> = Vec::new();
    for anchor in anchors {
        // If lines cross, the second side stays in its place.
        let reached = [anchor[0].max(done[0]), anchor[1].max(done[1])];
        let lines = [(done[0] + 1, reached[0]), (done[1] + 1, reached[1])];
        blocks.push(Block { lines, ..Block::default() });
        keys.push(anchor);
        done = reached;
    }
    blocks.push(Block { lines: [(done[0] + 1, lengths[0]), (done[1] + 1, lengths[1])], ..Block::default() });
    let mut rest = Block { lines: [(1, 0), (1, 0)], ..Block::default() };
    for (index, step) in steps.iter().enumerate() {
        match of(step).and_then(|pair| keys.binary_search(&pair).ok()) {
            Some(at) => blocks[at].steps.push(index),
            None => rest.steps.push(index),
        }
    }
    for (index, text) in buffered.iter().enumerate() {
        if let Some(at) = pair(&text.lines).and_then(|pair| keys.binary_search(&pair).ok()) {
            blocks[at].buffered.push(index);
        }
    }
    if !rest.steps.is_empty() {
        blocks.push(rest);
    }
    blocks
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_sources_are_shown_in_full() {
        let blocks = blocks(&[], &[], [10, 12]);
        assert_eq!(blocks.len(), 1);
        assert_eq!(blocks[0].lines, [(1, 10), (1, 12)]);
    }
}
