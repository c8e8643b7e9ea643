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
use sequence::Ids;

pub use difference::{Difference, merge};
pub use row::{Kind, Row};
pub use sequence::{Sequences, Side};

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
    let mut comparer = Comparer::new(from);
    let (read_a, read_b) = (comparer.read(a), comparer.read(b));
    comparer.compare((a.tree, &read_a), (b.tree, &read_b))
}

/// Compares runs with each other. The lines of a run are normalized once, however often the run is compared.
#[derive(Debug)]
pub struct Comparer {
    from: From,
    ids: Ids,
}

impl Comparer {
    pub fn new(from: From) -> Self {
        Comparer { from, ids: Ids::default() }
    }

    /// Normalizes the lines of a run.
    pub fn read(&mut self, side: &Side<'_>) -> Sequences {
        Sequences::read(side, self.from, &mut self.ids)
    }

    /// Compares two runs that this comparer has read.
    pub fn compare(&self, a: (&Tree, &Sequences), b: (&Tree, &Sequences)) -> Comparison {
        let texts = self.ids.texts();
        let mut pairs = Vec::new();
        let mut events = (0, 0);
        let mut kinds = Vec::new();
        for place in places(a.0, b.0) {
            let (side_a, side_b) = (a.1.at(&place), b.1.at(&place));
            events.0 += side_a.compared();
            events.1 += side_b.compared();
            let traces = [side_a.trace(a.0), side_b.trace(b.0)];
            let rows = rows::rows((traces[0], traces[1]), side_a, side_b);
            if rows.iter().any(Row::is_difference) || side_a.process.is_some() != side_b.process.is_some() {
                let sides = (side_a, side_b);
                let compared =
                    Compared { index: pairs.len(), place: &place, rows: &rows, sides, texts: &texts, traces };
                kinds.extend(compared.differences());
            }
            let before = (side_a.before, side_b.before);
            pairs.push(Pair { place, a: side_a.process, b: side_b.process, rows, before });
        }
        Comparison { pairs, events, kinds: merge(&kinds) }
    }
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
