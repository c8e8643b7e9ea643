//! Traits whose implementations others may rely on in `unsafe` code are this crate's alone.

/// What only this crate's types are.
pub trait Sealed {}
