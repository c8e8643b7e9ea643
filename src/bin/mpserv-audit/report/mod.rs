//! What is shown of a comparison.

pub mod terminal;
