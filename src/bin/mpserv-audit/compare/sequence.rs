//! Turns the processes of one side into sequences of numbers, which are quick to compare.

use std::collections::HashMap;

use crate::normalize::{Name, Normal, Normalizer, Run};
use crate::start::{From, start_of_main};
use crate::trace::Trace;
use crate::tree::{Place, Process, Tree};

/// One side of a comparison.
#[derive(Debug)]
pub struct Side<'r> {
    pub tree: &'r Tree,
    pub run: &'r Run,
}

/// The beginning of the text for a line that cannot be parsed.
pub(super) const UNPARSED: &[u8] = b"unreadable line: ";

/// Numbers for lines. Equal texts have equal numbers.
#[derive(Debug, Default)]
pub(super) struct Ids {
    numbers: HashMap<Box<[u8]>, u32>,
    /// Lines that cannot be parsed. Each has a number of its own.
    unparsed: Vec<(u32, Box<[u8]>)>,
    next: u32,
}

impl Ids {
    pub(super) fn of(&mut self, text: &[u8]) -> u32 {
        if let Some(id) = self.numbers.get(text) {
            return *id;
        }
        let id = self.fresh();
        self.numbers.insert(text.into(), id);
        id
    }

    /// Returns the texts, by their numbers.
    pub(super) fn texts(&self) -> Vec<&[u8]> {
        let mut texts: Vec<&[u8]> = vec![b""; self.next as usize];
        for (text, number) in &self.numbers {
            texts[*number as usize] = text;
        }
        for (number, text) in &self.unparsed {
            texts[*number as usize] = text;
        }
        texts
    }

    /// Returns the number of a line that cannot be parsed.
    fn of_unparsed(&mut self, text: &[u8]) -> u32 {
        let id = self.fresh();
        self.unparsed.push((id, [UNPARSED, text].concat().into()));
        id
    }

    /// Returns a number that no other line has.
    fn fresh(&mut self) -> u32 {
        self.next += 1;
        self.next - 1
    }
}

/// One process, reduced to numbers.
#[derive(Debug, Default)]
pub(super) struct Sequence {
    pub(super) process: Option<usize>,
    /// The events that are compared, and their ids.
    pub(super) events: Vec<u32>,
    pub(super) ids: Vec<u32>,
    /// The number of events before main.
    pub(super) before: usize,
    /// For each event whose text has a number that may be a process id: the event's id if the number is no process id.
    pub(super) plain: HashMap<usize, u32>,
    /// The names in events, in the order of the events.
    pub(super) names: Vec<(u32, Box<[Name]>)>,
    /// For each event, whether it prints.
    pub(super) prints: Vec<bool>,
}

impl Sequence {
    pub(super) fn compared(&self) -> usize {
        self.events.len()
    }

    /// Returns the trace of the process, which is in this tree.
    pub(super) fn trace<'t>(&self, tree: &'t Tree) -> Option<&'t Trace> {
        self.process.map(|index| &tree.processes[index].trace)
    }

    /// Returns the id of an event of the process.
    pub(super) fn id_of(&self, event: usize) -> Option<u32> {
        let event = u32::try_from(event).ok()?;
        self.events.binary_search(&event).ok().map(|at| self.ids[at])
    }

    /// Whether the event at an index equals the event at an index of another sequence.
    pub(super) fn is_same_at(&self, at: usize, other: &Sequence, other_at: usize) -> bool {
        self.ids_at(at).any(|id| other.ids_at(other_at).any(|other| id == other))
    }

    /// Returns the id of the event at this index, and the id that the event has if its text holds no process id.
    fn ids_at(&self, at: usize) -> impl Iterator<Item = u32> {
        std::iter::once(self.ids[at]).chain(self.plain.get(&at).copied())
    }
}

/// The processes of one run, by their places.
#[derive(Debug)]
pub struct Sequences {
    by_place: HashMap<Place, Sequence>,
    /// The sequence of a place without a process.
    none: Sequence,
}

impl Sequences {
    pub(super) fn read(side: &Side<'_>, from: From, ids: &mut Ids) -> Self {
        let mut reader = Reader::new(side);
        let mut places: Vec<Place> = reader.by_place.keys().cloned().collect();
        // Parents come before their children.
        places.sort();
        let read = |place: Place| {
            let sequence = reader.read(&place, from, ids);
            (place, sequence)
        };
        Sequences { by_place: places.into_iter().map(read).collect(), none: Sequence::default() }
    }

    pub(super) fn at(&self, place: &Place) -> &Sequence {
        self.by_place.get(place).unwrap_or(&self.none)
    }
}

/// Reads the processes of one side, parents first. Each child inherits the state of its parent.
#[derive(Debug)]
struct Reader<'r> {
    tree: &'r Tree,
    run: &'r Run,
    /// The state that a child inherits at its fork, by the parent's index and the fork's event.
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
            let packed = u32::try_from(event).unwrap_or(u32::MAX);
            normalizer.rewrite(process.trace.text(event), &mut normal);
            if forks.contains(&event) {
                self.inherited.insert((index, event), normalizer.clone());
            }
            if start.leaves_out(event) {
                sequence.before += 1;
                continue;
            }
            let id = if normal.unparsed { ids.of_unparsed(&normal.text) } else { ids.of(&normal.text) };
            if let Some(plain) = &normal.plain {
                sequence.plain.insert(sequence.ids.len(), ids.of(plain));
            }
            if !normal.names.is_empty() {
                sequence.names.push((packed, normal.names.as_slice().into()));
            }
            sequence.events.push(packed);
            sequence.ids.push(id);
            sequence.prints.push(normal.prints);
        }
        sequence
    }
}
