//! The number of steps, by kind.

use super::page::Page;
use crate::trace::Line;

/// The steps of a run.
#[derive(Clone, Copy, Debug, Default)]
pub struct Count {
    pub calls: usize,
    signals: usize,
    ends: usize,
}

impl Count {
    pub fn of(page: &Page<'_>) -> Self {
        let mut count = Count::default();
        for step in &page.steps {
            match page.runs.line(step) {
                Line::Call(_) => count.calls += 1,
                Line::Signal { .. } => count.signals += 1,
                Line::End { .. } => count.ends += 1,
                _ => {}
            }
        }
        count
    }

    /// Returns the counts of all kinds that occur: `14 calls, 2 ends`.
    pub fn kinds(self) -> String {
        let kinds = [(self.calls, "call"), (self.signals, "signal"), (self.ends, "end of a process")];
        let text = |(count, name): &(usize, &str)| match (*count, *name) {
            (1, name) => format!("1 {name}"),
            (count, "end of a process") => format!("{count} ends of processes"),
            (count, name) => format!("{count} {name}s"),
        };
        kinds.iter().filter(|(count, _)| *count > 0).map(text).collect::<Vec<_>>().join(", ")
    }
}
