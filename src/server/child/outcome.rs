//! The result of a handler, as the exit status of its child.

use core::ffi::c_int;

use crate::server::handler_error::HandlerError;
use crate::server::limits::EXIT_DONE;

/// The result of a handler: nothing, an exit status, or a `Result` of these with [`HandlerError`].
#[diagnostic::on_unimplemented(
    message = "a handler returns `()`, an exit status, or a `Result` of these with `HandlerError`, not `{Self}`",
    note = "a handler that never returns says `-> ()`",
    note = "in a handler whose error is `HandlerError`, `?` takes any type that is an `Error`; for others there is `map_err(HandlerError::new)`"
)]
pub trait Outcome {
    /// Returns the exit status.
    ///
    /// # Errors
    /// The handler's error, which the log shows.
    fn status(self) -> Result<c_int, HandlerError>;
}

/// Ends the child with [`EXIT_DONE`].
impl Outcome for () {
    fn status(self) -> Result<c_int, HandlerError> {
        Ok(EXIT_DONE)
    }
}

/// Ends the child with this number as its exit status. A number that is not from 0 to 255 counts as an error, because the
/// kernel keeps only its lowest 8 bits: 256 would become 0, which is success. The log gives the numbers 1 to 4 and 101 the
/// meaning that they have from the server: see [`limits`](crate::server::limits).
impl Outcome for c_int {
    fn status(self) -> Result<c_int, HandlerError> {
        match u8::try_from(self) {
            Ok(_) => Ok(self),
            Err(_) => Err(HandlerError::new(format_args!("the status {self} is not from 0 to 255"))),
        }
    }
}

/// Ends the child with the status of the value. After an error, ends the child with
/// [`EXIT_FAILED`](crate::server::limits::EXIT_FAILED).
impl<T: Outcome> Outcome for Result<T, HandlerError> {
    fn status(self) -> Result<c_int, HandlerError> {
        self.and_then(Outcome::status)
    }
}
