//! The result of a handler, as the exit status of its child.

use core::ffi::c_int;

use crate::server::limits::{EXIT_DONE, EXIT_FAILED};

/// The result of a handler, from which the exit status of its child comes.
pub trait Outcome {
    /// The exit status.
    fn status(self) -> c_int;
}

/// [`EXIT_DONE`].
impl Outcome for () {
    fn status(self) -> c_int {
        EXIT_DONE
    }
}

/// The status itself.
impl Outcome for c_int {
    fn status(self) -> c_int {
        self
    }
}

/// The status of the value, or [`EXIT_FAILED`].
impl<T: Outcome, E> Outcome for Result<T, E> {
    fn status(self) -> c_int {
        self.map_or(EXIT_FAILED, Outcome::status)
    }
}
