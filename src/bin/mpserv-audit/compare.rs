//! Two runs against each other: processes paired by place, their calls aligned and compared
//! strictly.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::ops::Range;

use crate::align::align;
use crate::lexer::Lexer;
use crate::normalize::{Name, Normal, Normalizer, Run};
use crate::start::{From, start_of_main};
use crate::trace::Trace;
use crate::tree::{Place, Process, Tree};

/// How one row of two aligned traces came out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Same,
    /// The same call on both sides with something else in it.
    Changed,
    OnlyA,
    OnlyB,
}

/// One row of two aligned traces: an event on each side, or on one.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    a: u32,
    b: u32,
    pub kind: Kind,
}

/// No event on this side.
const NONE: u32 = u32::MAX;

impl Row {
    pub fn a(&self) -> Option<usize> {
        (self.a != NONE).then_some(self.a as usize)
    }

    pub fn b(&self) -> Option<usize> {
        (self.b != NONE).then_some(self.b as usize)
    }

    pub fn is_difference(&self) -> bool {
        self.kind != Kind::Same
    }
}

/// One place in the two trees, with the process that stands there on either side.
#[derive(Debug)]
pub struct Pair {
    pub place: Place,
    pub a: Option<usize>,
    pub b: Option<usize>,
    pub rows: Vec<Row>,
    /// How many events on either side come before main.
    pub before: (usize, usize),
}

impl Pair {
    pub fn differences(&self) -> usize {
        self.rows.iter().filter(|row| row.is_difference()).count()
    }
}

/// What came out of comparing two runs.
#[derive(Debug)]
pub struct Comparison {
    pub pairs: Vec<Pair>,
    /// Events that were compared, on either side.
    pub events: (usize, usize),
}

impl Comparison {
    pub fn differences(&self) -> usize {
        self.pairs.iter().map(Pair::differences).sum()
    }
}

/// One side of a comparison.
#[derive(Debug)]
pub struct Side<'r> {
    pub tree: &'r Tree,
    pub run: &'r Run,
}

/// Compares two runs.
pub fn compare(a: &Side<'_>, b: &Side<'_>, from: From) -> Comparison {
    let mut reader_a = Reader::new(a);
    let mut reader_b = Reader::new(b);
    let mut pairs = Vec::new();
    let mut events = (0, 0);
    for place in places(a.tree, b.tree) {
        let mut ids = Ids::default();
        let side_a = reader_a.read(&place, from, &mut ids);
        let side_b = reader_b.read(&place, from, &mut ids);
        events.0 += side_a.compared();
        events.1 += side_b.compared();
        let rows = rows(&mut reader_a, &side_a, &mut reader_b, &side_b);
        let before = (side_a.before, side_b.before);
        pairs.push(Pair { place, a: side_a.process, b: side_b.process, rows, before });
    }
    Comparison { pairs, events }
}

/// All places of both trees, parents before children.
fn places(a: &Tree, b: &Tree) -> Vec<Place> {
    let mut places: Vec<Place> = a.processes.iter().chain(&b.processes).map(|process| process.place.clone()).collect();
    places.sort();
    places.dedup();
    places
}

/// Numbers for lines: equal text, equal number.
#[derive(Debug, Default)]
struct Ids {
    numbers: HashMap<Box<[u8]>, u32>,
    next: u32,
}

impl Ids {
    fn of(&mut self, text: &[u8]) -> u32 {
        if let Some(id) = self.numbers.get(text) {
            return *id;
        }
        let id = self.fresh();
        self.numbers.insert(text.into(), id);
        id
    }

    /// A number that no other line has.
    fn fresh(&mut self) -> u32 {
        self.next += 1;
        self.next - 1
    }
}

/// One process, reduced to numbers.
#[derive(Debug, Default)]
struct Sequence {
    process: Option<usize>,
    /// The events that are compared, and their ids.
    events: Vec<u32>,
    ids: Vec<u32>,
    /// How many events come before main.
    before: usize,
    /// The ids of those events in whose text there is what may be a process id, if it is none.
    plain: HashMap<usize, u32>,
    /// The names of those events that have any, in the order of the events.
    names: Vec<(u32, Box<[Name]>)>,
}

impl Sequence {
    fn compared(&self) -> usize {
        self.events.len()
    }

    /// The id of what is at this index, and the one that it has if its text holds no process id.
    fn ids_at(&self, at: usize) -> impl Iterator<Item = u32> {
        std::iter::once(self.ids[at]).chain(self.plain.get(&at).copied())
    }
}

/// Reads the processes of one side, parents first, and hands what a parent knew on to its children.
#[derive(Debug)]
struct Reader<'r> {
    tree: &'r Tree,
    run: &'r Run,
    /// What a child knows at its fork, by the parent's index and the fork's event.
    inherited: HashMap<(usize, usize), Normalizer<'r>>,
    forks: HashMap<usize, Vec<usize>>,
    by_place: HashMap<Place, usize>,
}

impl<'r> Reader<'r> {
    fn new(side: &Side<'r>) -> Self {
        let mut forks: HashMap<usize, Vec<usize>> = HashMap::new();
        let mut by_place = HashMap::new();
        for (index, process) in side.tree.processes.iter().enumerate() {
            by_place.insert(process.place.clone(), index);
            if let (Some(parent), Some(event)) = (process.parent, process.forked_at) {
                forks.entry(parent).or_default().push(event);
            }
        }
        Reader { tree: side.tree, run: side.run, inherited: HashMap::new(), forks, by_place }
    }

    fn trace(&self, sequence: &Sequence) -> Option<&'r Trace> {
        sequence.process.map(|index| &self.tree.processes[index].trace)
    }

    fn normalizer_of(&mut self, process: &Process) -> Normalizer<'r> {
        let from = process.parent.zip(process.forked_at);
        from.and_then(|key| self.inherited.remove(&key)).unwrap_or_else(|| Normalizer::new(self.run))
    }

    fn read(&mut self, place: &Place, from: From, ids: &mut Ids) -> Sequence {
        let Some(index) = self.by_place.get(place).copied() else {
            return Sequence::default();
        };
        let tree = self.tree;
        let process = &tree.processes[index];
        let mut normalizer = self.normalizer_of(process);
        let forks = self.forks.remove(&index).unwrap_or_default();
        let mut start = start_of_main(process, from);
        let mut sequence = Sequence { process: Some(index), ..Sequence::default() };
        let mut normal = Normal::default();
        for event in 0..process.trace.len() {
            let packed = u32::try_from(event).unwrap_or(NONE);
            normalizer.rewrite(process.trace.text(event), &mut normal);
            if forks.contains(&event) {
                self.inherited.insert((index, event), normalizer.clone());
            }
            if start.leaves_out(event) {
                sequence.before += 1;
                continue;
            }
            let id = if normal.unparsed { ids.fresh() } else { ids.of(&normal.text) };
            if let Some(plain) = &normal.plain {
                sequence.plain.insert(sequence.ids.len(), ids.of(plain));
            }
            if !normal.names.is_empty() {
                sequence.names.push((packed, normal.names.as_slice().into()));
            }
            sequence.events.push(packed);
            sequence.ids.push(id);
        }
        sequence
    }
}

/// Which thing of A is which of B, as far as the calls have shown.
#[derive(Debug, Default)]
struct Identities {
    forth: HashMap<Name, Name>,
    back: HashMap<Name, Name>,
}

impl Identities {
    /// Whether two lines may mean the same things, and holds them to it from now on.
    fn agree(&mut self, a: &[Name], b: &[Name]) -> bool {
        a.len() == b.len()
            && a.iter().zip(b).all(|(a, b)| bind(&mut self.forth, *a, *b) && bind(&mut self.back, *b, *a))
    }
}

fn bind(known: &mut HashMap<Name, Name>, from: Name, to: Name) -> bool {
    match known.entry(from) {
        Entry::Occupied(entry) => *entry.get() == to,
        Entry::Vacant(entry) => {
            entry.insert(to);
            true
        }
    }
}

/// Walks along the names of one side.
#[derive(Debug)]
struct Names<'s> {
    left: std::iter::Peekable<std::slice::Iter<'s, (u32, Box<[Name]>)>>,
}

impl<'s> Names<'s> {
    fn new(sequence: &'s Sequence) -> Self {
        Names { left: sequence.names.iter().peekable() }
    }

    fn of(&mut self, event: u32) -> &'s [Name] {
        while let Some((at, names)) = self.left.peek() {
            if *at > event {
                break;
            }
            self.left.next();
            if *at == event {
                return names;
            }
        }
        &[]
    }
}

fn rows(reader_a: &mut Reader<'_>, a: &Sequence, reader_b: &mut Reader<'_>, b: &Sequence) -> Vec<Row> {
    let mut rows = Vec::with_capacity(a.ids.len().max(b.ids.len()));
    let traces = (reader_a.trace(a), reader_b.trace(b));
    let mut identities = Identities::default();
    let (mut names_a, mut names_b) = (Names::new(a), Names::new(b));
    let (mut at_a, mut at_b) = (0, 0);
    let end = (a.ids.len(), b.ids.len());
    for (match_a, match_b) in align(&a.ids, &b.ids).into_iter().chain([end]) {
        let gap = Gap { sequences: (a, b), a: at_a..match_a, b: at_b..match_b };
        gap.rows(traces, &mut rows);
        if (match_a, match_b) == end {
            break;
        }
        let (event_a, event_b) = (a.events[match_a], b.events[match_b]);
        let same = identities.agree(names_a.of(event_a), names_b.of(event_b));
        let kind = if same { Kind::Same } else { Kind::Changed };
        rows.push(Row { a: event_a, b: event_b, kind });
        (at_a, at_b) = (match_a + 1, match_b + 1);
    }
    rows
}

/// Events of both sides between two that match.
#[derive(Clone, Debug)]
struct Gap<'s> {
    sequences: (&'s Sequence, &'s Sequence),
    a: Range<usize>,
    b: Range<usize>,
}

/// Up to this many pairs of events a gap is searched for calls of the same name.
const MAX_SEARCH: usize = 1 << 16;

impl Gap<'_> {
    /// Puts calls of the same name beside each other and the others on rows of their own.
    fn rows(self, traces: (Option<&Trace>, Option<&Trace>), rows: &mut Vec<Row>) {
        let (a, b) = self.sequences;
        let only_a = |at: usize| Row { a: a.events[at], b: NONE, kind: Kind::OnlyA };
        let only_b = |at: usize| Row { a: NONE, b: b.events[at], kind: Kind::OnlyB };
        let (Some(trace_a), Some(trace_b)) = traces else {
            rows.extend(self.a.map(only_a));
            rows.extend(self.b.map(only_b));
            return;
        };
        let mut ids = Ids::default();
        let mut heads = |trace: &Trace, events: &[u32]| -> Vec<u32> {
            events.iter().map(|event| ids.of(head(trace.text(*event as usize)))).collect()
        };
        let matches = if self.a.len().saturating_mul(self.b.len()) <= MAX_SEARCH {
            align(&heads(trace_a, &a.events[self.a.clone()]), &heads(trace_b, &b.events[self.b.clone()]))
        } else {
            Vec::new()
        };
        let (mut at_a, mut at_b) = (self.a.start, self.b.start);
        for (match_a, match_b) in matches {
            let (match_a, match_b) = (self.a.start + match_a, self.b.start + match_b);
            rows.extend((at_a..match_a).map(only_a));
            rows.extend((at_b..match_b).map(only_b));
            let same = a.ids_at(match_a).any(|id| b.ids_at(match_b).any(|other| id == other));
            let kind = if same { Kind::Same } else { Kind::Changed };
            rows.push(Row { a: a.events[match_a], b: b.events[match_b], kind });
            (at_a, at_b) = (match_a + 1, match_b + 1);
        }
        rows.extend((at_a..self.a.end).map(only_a));
        rows.extend((at_b..self.b.end).map(only_b));
    }
}

/// What a line is about: the call's or the signal's name.
fn head(line: &[u8]) -> &[u8] {
    if line.starts_with(b"+++ ") {
        return b"+++";
    }
    if let Some(signal) = line.strip_prefix(b"--- ") {
        return Lexer::new(signal).next().map_or(signal, |token| token.text);
    }
    line.split(|byte| *byte == b'(').next().unwrap_or(line)
}

#[cfg(test)]
mod tests;
