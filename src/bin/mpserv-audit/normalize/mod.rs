//! Normalization: values that differ between any two runs of equal programs are replaced by names.
//!
//! No normalization drops a call, except where calls have no end. Where a value stands for a thing (a mapping, an
//! inode, a port), the comparison also demands that the same thing on one side is the same thing on the other: see
//! [`Name`].
//!
//! - [`list`]: the table of normalizations with their reasons
//! - `normalizer`: walks over the lines of a process; `position` is the place of a token in a call, `line` the outcome
//! - `run`: facts about the whole run
//! - `printing`: which calls print
//! - `memory`, `ports`, `strings`, `values`: one kind of value each; `number` reads numbers

mod line;
pub mod list;
mod memory;
mod normalizer;
mod number;
mod ports;
mod position;
mod printing;
mod run;
mod strings;
mod values;

pub use line::{Name, Normal};
pub use normalizer::Normalizer;
pub use run::Run;
