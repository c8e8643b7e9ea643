//! Differences by kind. Each kind is listed once, with the number of its occurrences.

use std::collections::HashMap;

use super::describe;
use super::row::{Kind, Row};
use super::sequence::{Sequence, UNPARSED};
use crate::level::Level;
use crate::trace::Trace;
use crate::tree::Place;
use crate::words::count;

/// The end of [`Difference::about`] for a call or a signal that one side has at a place where the other has none.
const AT_A_PLACE: &str = " at a place";

/// One kind of difference.
#[derive(Clone, Debug)]
pub struct Difference {
    pub level: Level,
    what: What,
    key: String,
    /// The kind without values and sides, in which two runs of one program may differ, too.
    pub about: String,
    /// Whether two runs of one program may differ in this way. False for a line that cannot be read, because its
    /// meaning is unknown.
    pub may_vary: bool,
    pub count: usize,
    /// The pair of processes and the row in which the difference first occurs, by their indices.
    pub first: (usize, usize),
}

#[derive(Clone, Debug)]
enum What {
    Changed(String),
    /// Only this side makes the call.
    Only(usize, String),
    /// This side makes the call earlier than the other side.
    Earlier(usize, String),
    /// The text that each side prints, or none if a side prints elsewhere.
    Printed([Option<String>; 2]),
    /// A call beside the text, such as the first call of stdio: what differs, or the call that only this side makes.
    Printing(Option<usize>, String),
    /// Only this side has the process, which makes this many calls.
    Process(usize, Place, usize),
}

impl Difference {
    /// Returns the difference in one line, with these names for the sides.
    pub fn text(&self, sides: [&str; 2]) -> String {
        match &self.what {
            What::Changed(text) => text.clone(),
            What::Only(side, call) => format!("{call} only in {}", sides[*side]),
            What::Earlier(side, call) => format!("{call} earlier in {} than in {}", sides[*side], sides[1 - *side]),
            What::Printed([Some(a), Some(b)]) => format!("printed: {a} / {b}"),
            What::Printed([Some(text), None]) => format!("printed: {text} only in {}", sides[0]),
            What::Printed([None, text]) => {
                format!("printed: {} only in {}", text.as_deref().unwrap_or_default(), sides[1])
            }
            What::Printing(None, text) => format!("printing: {text}"),
            What::Printing(Some(side), call) => format!("printing: {call} only in {}", sides[*side]),
            What::Process(side, place, calls) => {
                format!("{place} only in {}, {}", sides[*side], count(*calls, "call", "calls"))
            }
        }
    }

    /// Returns the subject of the difference: the call, the signal, the printed text, or the process.
    pub fn subject(&self) -> &str {
        let about = self.about.strip_suffix(AT_A_PLACE).unwrap_or(&self.about);
        about.split(['(', ':']).next().unwrap_or(about)
    }

    /// Whether two differences are of one kind.
    pub fn is_like(&self, other: &Difference) -> bool {
        self.key == other.key
    }

    /// Counts another difference of the same kind. A difference with printed texts replaces a difference without texts,
    /// because it says more.
    pub fn add(&mut self, other: &Difference) {
        self.count += other.count;
        if let (What::Printing(..), What::Printed(_)) = (&self.what, &other.what) {
            self.what = other.what.clone();
        }
    }
}

/// Puts differences of one kind together.
pub fn merge<'d>(all: impl IntoIterator<Item = &'d Difference>) -> Vec<Difference> {
    let mut merged: Vec<Difference> = Vec::new();
    let mut known: HashMap<&str, usize> = HashMap::new();
    for difference in all {
        match known.get(difference.key.as_str()) {
            Some(at) => merged[*at].add(difference),
            None => {
                known.insert(&difference.key, merged.len());
                merged.push(difference.clone());
            }
        }
    }
    merged
}

/// Two processes that were compared.
#[derive(Debug)]
pub(super) struct Compared<'c> {
    pub(super) index: usize,
    pub(super) place: &'c Place,
    pub(super) rows: &'c [Row],
    pub(super) sides: (&'c Sequence, &'c Sequence),
    /// The normalized lines, by id.
    pub(super) texts: &'c [&'c [u8]],
    pub(super) traces: [Option<&'c Trace>; 2],
}

impl Compared<'_> {
    /// Returns the kinds of differences between the processes.
    pub(super) fn differences(&self) -> Vec<Difference> {
        let (a, b) = self.sides;
        let alone = match (a.process, b.process) {
            (Some(_), None) => Some((0, a.events.len())),
            (None, Some(_)) => Some((1, b.events.len())),
            _ => None,
        };
        if let Some((side, calls)) = alone {
            let what = What::Process(side, self.place.clone(), calls);
            let about = format!("process {}", self.place);
            return vec![self.difference(Level::Different, what, about.clone(), about, 0)];
        }
        let moved = self.moved();
        let mut all: Vec<Difference> = Vec::new();
        for (at, row) in self.rows.iter().enumerate().filter(|(_, row)| row.is_difference()) {
            all.extend(self.of_row(at, row, &moved));
        }
        merge(&all)
    }

    fn difference(&self, level: Level, what: What, key: String, about: String, row: usize) -> Difference {
        Difference { level, what, key, about, may_vary: true, count: 1, first: (self.index, row) }
    }

    fn line(&self, sequence: &Sequence, event: Option<usize>) -> &[u8] {
        event.and_then(|event| sequence.id_of(event)).map_or(b"", |id| self.texts[id as usize])
    }

    fn of_row(&self, at: usize, row: &Row, moved: &HashMap<usize, Option<usize>>) -> Option<Difference> {
        let (a, b) = (self.line(self.sides.0, row.a()), self.line(self.sides.1, row.b()));
        if row.level == Level::Texts {
            // The text is shown as it was printed, because a reader looks for that text, not for the normalized text.
            let events = [row.a(), row.b()];
            let printed = |side: usize| describe::printed(self.traces[side]?.text(events[side]?));
            let what = match ([printed(0), printed(1)], row.kind) {
                ([None, None], Kind::OnlyA) => What::Printing(Some(0), describe::call(a)),
                ([None, None], Kind::OnlyB) => What::Printing(Some(1), describe::call(b)),
                ([None, None], _) => What::Printing(None, describe::changed(a, b).what),
                (texts, _) => What::Printed(texts),
            };
            return Some(self.difference(Level::Texts, what, "printed".to_owned(), "printed".to_owned(), at));
        }
        if let Some(line) = [a, b].into_iter().find(|line| line.starts_with(UNPARSED)) {
            let text = describe::call(line);
            let difference = self.difference(Level::Different, What::Changed(text.clone()), text.clone(), text, at);
            return Some(Difference { may_vary: false, ..difference });
        }
        let (side, line) = match row.kind {
            Kind::OnlyA => (0, a),
            Kind::OnlyB => (1, b),
            _ => {
                let description = describe::changed(a, b);
                let what = What::Changed(description.what);
                return Some(self.difference(row.level, what, description.key, description.about, at));
            }
        };
        let call = describe::call(line);
        let about = format!("{call}{AT_A_PLACE}");
        match moved.get(&at) {
            // The earlier of the two rows has already shown this difference.
            Some(None) => None,
            Some(Some(side)) => {
                let key = format!("{call} earlier in {side}");
                Some(self.difference(row.level, What::Earlier(*side, call), key, about, at))
            }
            None => {
                let key = format!("{call} only in {side}");
                Some(self.difference(row.level, What::Only(side, call), key, about, at))
            }
        }
    }

    /// Returns the rows of calls that both sides make, but at different places. The first of two such rows has the side
    /// on which the call comes earlier, and the second has no side.
    fn moved(&self) -> HashMap<usize, Option<usize>> {
        let mut waiting: HashMap<(usize, u32), Vec<usize>> = HashMap::new();
        let mut moved = HashMap::new();
        for (at, row) in self.rows.iter().enumerate().filter(|(_, row)| row.level == Level::Different) {
            let (side, id) = match row.kind {
                Kind::OnlyA => (0, row.a().and_then(|event| self.sides.0.id_of(event))),
                Kind::OnlyB => (1, row.b().and_then(|event| self.sides.1.id_of(event))),
                _ => continue,
            };
            let Some(id) = id else {
                continue;
            };
            let others = waiting.entry((1 - side, id)).or_default();
            if others.is_empty() {
                waiting.entry((side, id)).or_default().push(at);
            } else {
                moved.insert(others.remove(0), Some(1 - side));
                moved.insert(at, None);
            }
        }
        moved
    }
}
