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

/// The things of A and those of B that stand for each other, as far as the calls have shown.
#[derive(Debug, Default)]
struct Identities {
    forth: HashMap<Name, Name>,
    back: HashMap<Name, Name>,
}

impl Identities {
    /// Tells whether two lines may mean the same things, and holds them to it from now on.
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

/// Aligns two processes: equal calls beside each other as far as possible, then calls of the same name.
pub(super) fn rows(traces: (Option<&Trace>, Option<&Trace>), a: &Sequence, b: &Sequence) -> Vec<Row> {
    let mut rows = Vec::with_capacity(a.ids.len().max(b.ids.len()));
    let (Some(trace_a), Some(trace_b)) = traces else {
        rows.extend(a.events.iter().map(|event| Row::only_a(*event, Level::Different)));
        rows.extend(b.events.iter().map(|event| Row::only_b(*event, Level::Different)));
        return rows;
    };
    let mut identities = Identities::default();
    let (mut names_a, mut names_b) = (Names::new(a), Names::new(b));
    let (mut at_a, mut at_b) = (0, 0);
    let end = (a.ids.len(), b.ids.len());
    for (match_a, match_b) in align(&a.ids, &b.ids).into_iter().chain([end]) {
        let gap = Gap { sequences: (a, b), a: at_a..match_a, b: at_b..match_b };
        gap.rows((trace_a, trace_b), &mut rows);
        if (match_a, match_b) == end {
            break;
        }
        let (event_a, event_b) = (a.events[match_a], b.events[match_b]);
        let same = identities.agree(names_a.of(event_a), names_b.of(event_b));
        rows.push(Row::both(event_a, event_b, if same { Level::Same } else { Level::Values }));
        (at_a, at_b) = (match_a + 1, match_b + 1);
    }
    if !rows.iter().any(|row| row.level == Level::Different) {
        return rows;
    }
    in_order((trace_a, trace_b), (a, b), &rows).unwrap_or(rows)
}

/// Aligns calls one by one where both sides make calls of the same names in the same order, what they print aside; but not
/// where they make the same calls in another order, which `rows` shows better.
fn in_order(traces: (&Trace, &Trace), sides: (&Sequence, &Sequence), rows: &[Row]) -> Option<Vec<Row>> {
    let (a, b) = sides;
    let calls = |side: &Sequence| -> Vec<usize> { (0..side.ids.len()).filter(|at| !side.prints[*at]).collect() };
    let (calls_a, calls_b) = (calls(a), calls(b));
    let name_a = |at: &usize| head(traces.0.text(a.events[*at] as usize));
    let name_b = |at: &usize| head(traces.1.text(b.events[*at] as usize));
    let is_parallel = calls_a.len() == calls_b.len() && calls_a.iter().map(name_a).eq(calls_b.iter().map(name_b));
    if !is_parallel || is_permuted(sides, rows) {
        return None;
    }
    let mut aligned = Vec::with_capacity(rows.len());
    let (mut at_a, mut at_b) = (0, 0);
    let ends = std::iter::once((a.ids.len(), b.ids.len()));
    for (call_a, call_b) in calls_a.into_iter().zip(calls_b).chain(ends) {
        Gap { sequences: sides, a: at_a..call_a, b: at_b..call_b }.rows(traces, &mut aligned);
        if call_a < a.ids.len() && call_b < b.ids.len() {
            let level = if a.is_same_at(call_a, b, call_b) { Level::Same } else { Level::Values };
            aligned.push(Row::both(a.events[call_a], b.events[call_b], level));
        }
        (at_a, at_b) = (call_a + 1, call_b + 1);
    }
    Some(aligned)
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

/// Events of both sides between two that match.
#[derive(Clone, Debug)]
struct Gap<'s> {
    sequences: (&'s Sequence, &'s Sequence),
    a: Range<usize>,
    b: Range<usize>,
}

impl Gap<'_> {
    /// Puts calls of the same name beside each other and the others on rows of their own.
    fn rows(self, traces: (&Trace, &Trace), rows: &mut Vec<Row>) {
        let (a, b) = self.sequences;
        let level = |prints: bool| if prints { Level::Texts } else { Level::Different };
        let only_a = |at: usize| Row::only_a(a.events[at], level(a.prints[at]));
        let only_b = |at: usize| Row::only_b(b.events[at], level(b.prints[at]));
        let mut numbers: HashMap<(bool, &[u8]), u32> = HashMap::new();
        let mut number = |prints: bool, name| {
            let next = u32::try_from(numbers.len()).unwrap_or(u32::MAX);
            *numbers.entry((prints, name)).or_insert(next)
        };
        // A call that prints stands beside no other.
        let mut heads = |trace, sequence: &Sequence, range: Range<usize>| -> Vec<u32> {
            let name = |at: usize| head(Trace::text(trace, sequence.events[at] as usize));
            range.map(|at| number(sequence.prints[at], name(at))).collect()
        };
        let heads_a = heads(traces.0, a, self.a.clone());
        let heads_b = heads(traces.1, b, self.b.clone());
        let (mut at_a, mut at_b) = (self.a.start, self.b.start);
        for (match_a, match_b) in align(&heads_a, &heads_b) {
            let (match_a, match_b) = (self.a.start + match_a, self.b.start + match_b);
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
        rows.extend((at_a..self.a.end).map(only_a));
        rows.extend((at_b..self.b.end).map(only_b));
    }
}

/// The name of the call or signal of a line.
fn head(line: &[u8]) -> &[u8] {
    if line.starts_with(b"+++ ") {
        return b"+++";
    }
    if let Some(signal) = line.strip_prefix(b"--- ") {
        return Lexer::new(signal).next().map_or(signal, |token| token.text);
    }
    line.split(|byte| *byte == b'(').next().unwrap_or(line)
}
