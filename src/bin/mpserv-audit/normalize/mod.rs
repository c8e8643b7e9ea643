//! Normalization: it replaces values that differ between any two runs of equal programs by names.
//!
//! No normalization drops a call, unless a program makes calls without end. A value can stand for a thing: a mapping,
//! an inode, a port. Then the comparison also requires that each thing of one side corresponds to one thing of the
//! other side: see [`Name`].
//!
//! - [`list`]: the table of normalizations with their reasons
//! - `normalizer`: goes through the lines of a process; `position` is the place of a token in a call, `line` the result
//! - `run`: facts about the whole run
//! - `printing`: the calls that print
//! - `memory`, `ports`, `strings`, `values`: each handles one kind of value; `number` reads numbers

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

#[cfg(test)]
mod tests;
