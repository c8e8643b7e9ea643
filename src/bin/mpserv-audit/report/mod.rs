//! What is shown of a comparison.

pub mod html;
pub mod json;
mod picture;
pub mod terminal;
