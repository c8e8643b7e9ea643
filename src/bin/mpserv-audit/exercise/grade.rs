//! The result of an exercise.

/// The result of one exercise.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Grade {
    Passed,
    /// The exercise is not passed, because of this wrong behaviour.
    NotYet(String),
}
