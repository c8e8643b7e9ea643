//! Two programs that are compared, and the result.

use crate::compare::{Comparison, Difference};
use crate::level::Level;
use crate::run::output::Output;
use crate::tree::Tree;

/// The names of the two sides, for textbook programs and for any commands.
pub const PROGRAM_SIDES: [&str; 2] = ["C", "Rust"];
pub const COMMAND_SIDES: [&str; 2] = ["A", "B"];

/// Two programs to compare.
#[derive(Debug)]
pub struct Subject {
    pub name: String,
    pub cases: Vec<Case>,
}

/// One drive on one kind of output, with a run of either program.
#[derive(Debug)]
pub struct Case {
    pub drive: String,
    pub output: Output,
    pub a: Tree,
    pub b: Tree,
    /// The output of either side, and the same output with names for values that may differ.
    pub printed: [Printed; 2],
    pub comparison: Comparison,
}

/// The output of a program: standard output, then standard error.
#[derive(Debug)]
pub struct Printed {
    pub text: Vec<u8>,
    /// The output with the places of processes in place of their ids, and with `<program>` for the program's own path
    /// where the two paths differ.
    pub named: Vec<u8>,
}

impl Case {
    pub fn prints_the_same(&self) -> bool {
        self.printed[0].named == self.printed[1].named
    }
}

impl Subject {
    pub fn events(&self) -> (usize, usize) {
        let each = self.cases.iter().map(|case| case.comparison.events);
        each.fold((0, 0), |sum, events| (sum.0 + events.0, sum.1 + events.1))
    }

    pub fn prints_the_same(&self) -> bool {
        self.cases.iter().all(Case::prints_the_same)
    }

    /// Returns the number of different rows, without cases in which each program differs from itself as much.
    pub fn differences(&self) -> usize {
        let differ = self.cases.iter().filter(|case| case.comparison.level() > Level::Varies);
        differ.map(|case| case.comparison.differences()).sum()
    }

    /// Returns the level of the gravest difference in any case.
    pub fn level(&self) -> Level {
        self.cases.iter().map(|case| case.comparison.level()).max().unwrap_or_default()
    }

    /// Returns the level, with the printed texts taken into account.
    pub fn level_with_output(&self) -> Level {
        if self.prints_the_same() { self.level() } else { self.level().max(Level::Texts) }
    }

    /// Returns the kinds of differences, the gravest first, each with the case in which it first occurs.
    pub fn kinds(&self) -> Vec<(Difference, &Case)> {
        let mut kinds: Vec<(Difference, &Case)> = Vec::new();
        for case in &self.cases {
            for difference in &case.comparison.kinds {
                match kinds.iter_mut().find(|(known, _)| known.is_like(difference)) {
                    Some((known, _)) => {
                        known.level = known.level.max(difference.level);
                        known.add(difference);
                    }
                    None => kinds.push((difference.clone(), case)),
                }
            }
        }
        kinds.sort_by_key(|(difference, _)| std::cmp::Reverse(difference.level));
        kinds
    }
}
