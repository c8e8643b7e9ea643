//! Errors that prevent a comparison.

use std::fmt;

/// A clear message that names the failed step, the reason, and a remedy.
#[derive(Debug)]
pub struct Trouble(String);

impl Trouble {
    pub fn new(message: impl Into<String>) -> Self {
        Trouble(message.into())
    }

    /// Returns the error for a failed call on a file or the like.
    pub fn of(what: impl fmt::Display, error: impl fmt::Display) -> Self {
        Trouble(format!("{what}: {error}"))
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}
