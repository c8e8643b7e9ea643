//! The result of an exercise.

/// Result of one exercise.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Grade {
    Passed,
    /// The wrong behaviour of the program.
    NotYet(String),
}
