//! The result of an exercise.

/// Result of one exercise.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Grade {
    Passed,
    /// Not passed: the wrong behaviour that was seen.
    NotYet(String),
}
