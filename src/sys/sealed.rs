//! Traits whose implementations others may rely on in `unsafe` code are this crate's alone.

/// A supertrait that only this crate's types implement.
pub trait Sealed {}
