//! One row of two aligned traces.

use crate::level::Level;

/// The result for one row of two aligned traces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Same,
    /// The same call on both sides, with a difference in it.
    Changed,
    OnlyA,
    OnlyB,
}

/// One row of two aligned traces: an event on each side, or on one side.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    a: u32,
    b: u32,
    pub kind: Kind,
    pub level: Level,
}

/// No event on this side.
const NONE: u32 = u32::MAX;

impl Row {
    /// Returns a row with two events, which are as similar as `level` says.
    pub(super) fn both(a: u32, b: u32, level: Level) -> Self {
        Row { a, b, kind: if level == Level::Same { Kind::Same } else { Kind::Changed }, level }
    }

    pub(super) fn only_a(a: u32, level: Level) -> Self {
        Row { a, b: NONE, kind: Kind::OnlyA, level }
    }

    pub(super) fn only_b(b: u32, level: Level) -> Self {
        Row { a: NONE, b, kind: Kind::OnlyB, level }
    }

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
