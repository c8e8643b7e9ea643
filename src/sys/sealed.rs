//! Seals traits. `unsafe` code relies on the implementations of these traits, so only this crate may implement them.

/// A supertrait that only this crate's types implement.
pub trait Sealed {}
