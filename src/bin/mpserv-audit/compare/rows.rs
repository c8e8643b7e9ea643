//! Aligns the events of two processes row by row.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::ops::Range;

use super::row::Row;
use super::sequence::Sequence;
use crate::align::align;
use crate::level::Level;
use crate::lexer::Lexer;
use crate::normalize::Name;
use crate::trace::Trace;

/// The things of A and of B that correspond to each other, as the calls so far have shown.
#[derive(Debug, Default)]
struct Identities {
    forth: HashMap<Name, Name>,
    back: HashMap<Name, Name>,
}

impl Identities {
    /// Returns whether two lines may mean the same things. If they may, the things of later lines must correspond in
    /// the same way.
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

/// Goes through the names of one side.
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

/// Aligns two processes: puts equal calls beside each other as far as possible, then calls of the same name.
///
/// If that leaves calls that only one side makes, two other ways are tried. The first way aligns the calls, and the
/// printed texts afterwards. The second way aligns calls one by one, if both sides make calls of the same names in the
/// same order.
pub(super) fn rows(traces: (Option<&Trace>, Option<&Trace>), a: &Sequence, b: &Sequence) -> Vec<Row> {
    let (Some(trace_a), Some(trace_b)) = traces else {
        let rows_a = a.events.iter().map(|event| Row::only_a(*event, Level::Different));
        return rows_a.chain(b.events.iter().map(|event| Row::only_b(*event, Level::Different))).collect();
    };
    let sides = Sides { traces: (trace_a, trace_b), sequences: (a, b) };
    let strict = sides.rows(align(&a.ids, &b.ids));
    if count_different(&strict) == 0 {
        return strict;
    }
    let (calls_a, calls_b) = (calls(a), calls(b));
    let ids = |side: &Sequence, calls: &[usize]| -> Vec<u32> { calls.iter().map(|at| side.ids[*at]).collect() };
    let matches = align(&ids(a, &calls_a), &ids(b, &calls_b));
    let calls_first = sides.rows(matches.into_iter().map(|(at_a, at_b)| (calls_a[at_a], calls_b[at_b])).collect());
    let rows = if count_different(&calls_first) < count_different(&strict) { calls_first } else { strict };
    let name_a = |at: &usize| head(trace_a.text(a.events[*at] as usize));
    let name_b = |at: &usize| head(trace_b.text(b.events[*at] as usize));
    let is_parallel = calls_a.len() == calls_b.len() && calls_a.iter().map(name_a).eq(calls_b.iter().map(name_b));
    // The same calls in another order are shown as moved calls.
    if count_different(&rows) == 0 || !is_parallel || is_permuted((a, b), &rows) {
        return rows;
    }
    sides.rows(calls_a.into_iter().zip(calls_b).collect())
}

/// Returns the number of rows whose call only one side makes.
fn count_different(rows: &[Row]) -> usize {
    rows.iter().filter(|row| row.level == Level::Different).count()
}

/// Returns the indices of the events that do not print.
fn calls(side: &Sequence) -> Vec<usize> {
    (0..side.ids.len()).filter(|at| !side.prints[*at]).collect()
}

/// Two processes that are to be aligned.
#[derive(Clone, Copy, Debug)]
struct Sides<'s> {
    traces: (&'s Trace, &'s Trace),
    sequences: (&'s Sequence, &'s Sequence),
}

impl Sides<'_> {
    /// Puts the events of these indices beside each other, and between them calls of the same name.
    fn rows(self, matches: Vec<(usize, usize)>) -> Vec<Row> {
        let (a, b) = self.sequences;
        let mut rows = Vec::with_capacity(a.ids.len().max(b.ids.len()));
        let mut identities = Identities::default();
        let (mut names_a, mut names_b) = (Names::new(a), Names::new(b));
        let (mut at_a, mut at_b) = (0, 0);
        for (match_a, match_b) in matches {
            self.gap(at_a..match_a, at_b..match_b, &mut rows);
            let (event_a, event_b) = (a.events[match_a], b.events[match_b]);
            let same = a.is_same_at(match_a, b, match_b) && identities.agree(names_a.of(event_a), names_b.of(event_b));
            rows.push(Row::both(event_a, event_b, if same { Level::Same } else { Level::Values }));
            (at_a, at_b) = (match_a + 1, match_b + 1);
        }
        self.gap(at_a..a.ids.len(), at_b..b.ids.len(), &mut rows);
        rows
    }

    /// Puts calls of the same name beside each other and the other calls on rows of their own.
    fn gap(self, of_a: Range<usize>, of_b: Range<usize>, rows: &mut Vec<Row>) {
        let (a, b) = self.sequences;
        let level = |prints: bool| if prints { Level::Texts } else { Level::Different };
        let only_a = |at: usize| Row::only_a(a.events[at], level(a.prints[at]));
        let only_b = |at: usize| Row::only_b(b.events[at], level(b.prints[at]));
        let mut numbers: HashMap<(bool, &[u8]), u32> = HashMap::new();
        let mut number = |prints: bool, name| {
            let next = u32::try_from(numbers.len()).unwrap_or(u32::MAX);
            *numbers.entry((prints, name)).or_insert(next)
        };
        // A call that prints is put beside no other call.
        let mut heads = |trace, sequence: &Sequence, range: Range<usize>| -> Vec<u32> {
            let name = |at: usize| head(Trace::text(trace, sequence.events[at] as usize));
            range.map(|at| number(sequence.prints[at], name(at))).collect()
        };
        let heads_a = heads(self.traces.0, a, of_a.clone());
        let heads_b = heads(self.traces.1, b, of_b.clone());
        let (mut at_a, mut at_b) = (of_a.start, of_b.start);
        for (match_a, match_b) in align(&heads_a, &heads_b) {
            let (match_a, match_b) = (of_a.start + match_a, of_b.start + match_b);
            rows.extend((at_a..match_a).map(only_a));
            rows.extend((at_b..match_b).map(only_b));
            let level = match (a.is_same_at(match_a, b, match_b), a.prints[match_a]) {
                (true, _) => Level::Same,
                (false, true) => Level::Texts,
                (false, false) => Level::Values,
            };
            rows.push(Row::both(a.events[match_a], b.events[match_b], level));
            (at_a, at_b) = (match_a + 1, match_b + 1);
        }
        rows.extend((at_a..of_a.end).map(only_a));
        rows.extend((at_b..of_b.end).map(only_b));
    }
}

/// Whether the calls that only one side makes in each place are the same on both sides.
fn is_permuted(sides: (&Sequence, &Sequence), rows: &[Row]) -> bool {
    let mut counts: HashMap<u32, i64> = HashMap::new();
    for row in rows.iter().filter(|row| row.level == Level::Different) {
        if let Some(id) = row.a().and_then(|event| sides.0.id_of(event)) {
            *counts.entry(id).or_default() += 1;
        }
        if let Some(id) = row.b().and_then(|event| sides.1.id_of(event)) {
            *counts.entry(id).or_default() -= 1;
        }
    }
    counts.values().all(|count| *count == 0)
}

/// Returns the name of the call or signal of a line.
fn head(line: &[u8]) -> &[u8] {
    if line.starts_with(b"+++ ") {
        return b"+++";
    }
    if let Some(signal) = line.strip_prefix(b"--- ") {
        return Lexer::new(signal).next().map_or(signal, |token| token.text);
    }
    line.split(|byte| *byte == b'(').next().unwrap_or(line)
}
