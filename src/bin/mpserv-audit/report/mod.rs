//! Reports of a comparison.

mod escape;
pub mod html;
pub mod json;
pub mod kinds;
pub mod output;
pub mod picture;
pub mod style;
pub mod terminal;

#[cfg(test)]
mod tests;
