//! Compares two runs: it pairs processes by place, aligns their calls, and compares the calls strictly.
//!
//! - `sequence`: a process as a sequence of numbers, equal for equal normalized lines
//! - `rows`: aligns two sequences; `row` is the result
//! - `difference`: differences by kind; `describe` puts them into words, with the names in `arguments`

mod arguments;
mod describe;
mod difference;
mod row;
mod rows;
mod sequence;

use crate::level::Level;
use crate::start::From;
use crate::tree::{Place, Tree};
use difference::Compared;
use sequence::{Ids, Reader};

pub use difference::{Difference, merge};
pub use row::{Kind, Row};
pub use sequence::Side;

/// One place in the two trees, with the process of either side at that place.
#[derive(Debug)]
pub struct Pair {
    pub place: Place,
    pub a: Option<usize>,
    pub b: Option<usize>,
    pub rows: Vec<Row>,
    /// The number of events before main on either side.
    pub before: (usize, usize),
}

impl Pair {
    pub fn differences(&self) -> usize {
        self.rows.iter().filter(|row| row.is_difference()).count()
    }
}

/// The result of comparing two runs.
#[derive(Debug)]
pub struct Comparison {
    pub pairs: Vec<Pair>,
    /// Events that were compared, on either side.
    pub events: (usize, usize),
    /// The kinds of differences, in the order in which they first occur.
    pub kinds: Vec<Difference>,
}

impl Comparison {
    pub fn differences(&self) -> usize {
        self.pairs.iter().map(Pair::differences).sum()
    }

    /// Returns the level of the gravest difference.
    pub fn level(&self) -> Level {
        self.kinds.iter().map(|kind| kind.level).max().unwrap_or_default()
    }
}

/// Compares two runs.
pub fn compare(a: &Side<'_>, b: &Side<'_>, from: From) -> Comparison {
    let mut reader_a = Reader::new(a);
    let mut reader_b = Reader::new(b);
    let mut pairs = Vec::new();
    let mut events = (0, 0);
    let mut kinds = Vec::new();
    for place in places(a.tree, b.tree) {
        let mut ids = Ids::default();
        let side_a = reader_a.read(&place, from, &mut ids);
        let side_b = reader_b.read(&place, from, &mut ids);
        events.0 += side_a.compared();
        events.1 += side_b.compared();
        let traces = [reader_a.trace(&side_a), reader_b.trace(&side_b)];
        let rows = rows::rows((traces[0], traces[1]), &side_a, &side_b);
        if rows.iter().any(Row::is_difference) || side_a.process.is_some() != side_b.process.is_some() {
            let (sides, texts) = ((&side_a, &side_b), ids.texts());
            let compared = Compared { index: pairs.len(), place: &place, rows: &rows, sides, texts: &texts, traces };
            kinds.extend(compared.differences());
        }
        let before = (side_a.before, side_b.before);
        pairs.push(Pair { place, a: side_a.process, b: side_b.process, rows, before });
    }
    Comparison { pairs, events, kinds: merge(&kinds) }
}

/// Returns all places of both trees, parents before children.
fn places(a: &Tree, b: &Tree) -> Vec<Place> {
    let mut places: Vec<Place> = a.processes.iter().chain(&b.processes).map(|process| process.place.clone()).collect();
    places.sort();
    places.dedup();
    places
}

#[cfg(test)]
mod long_traces;
#[cfg(test)]
mod masks;
#[cfg(test)]
mod places;
#[cfg(test)]
mod processes;
#[cfg(test)]
mod tests;
