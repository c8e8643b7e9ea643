//! What is shown of a comparison.

pub mod html;
pub mod json;
pub mod output;
pub mod picture;
pub mod terminal;
