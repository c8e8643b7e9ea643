//! `HandlerError`: the error of a handler, as text for the log.

use core::error::Error;
use core::fmt;

use crate::program::text::Text;
use crate::server::limits::HANDLER_ERROR_MAX;

/// The error of a handler: a text, which the field `error` of the log's `end` line shows.
///
/// The operator `?` converts any type that implements [`Error`] to a `HandlerError`: an [`Errno`](crate::errno::Errno),
/// and with std an `std::io::Error` as well. A `String` and a `Box<dyn Error>` do not implement `Error`, so use
/// `map_err(HandlerError::new)` for them. Text beyond [`HANDLER_ERROR_MAX`] bytes is cut off. The log escapes
/// characters that cannot stand in a line.
///
/// ```no_run
/// use mpserv::server::{HandlerError, Server};
///
/// Server::new().listen("127.0.0.1:5000").serve(|connection| {
///     let mut number = [0; 8];
///     let length = connection.read(&mut number)?;
///     let number: u32 = core::str::from_utf8(&number[..length])?.trim_ascii().parse()?;
///     if number > 100 {
///         return Err(HandlerError::new(format_args!("{number} is too large")));
///     }
///     connection.write_all(b"thank you\r\n")?;
///     Ok(())
/// })?;
/// # Ok::<(), mpserv::server::Error>(())
/// ```
#[derive(Clone, Copy)]
pub struct HandlerError {
    text: Text<HANDLER_ERROR_MAX>,
}

impl HandlerError {
    /// Returns the error with this text.
    #[must_use]
    pub fn new(text: impl fmt::Display) -> HandlerError {
        HandlerError { text: Text::of(format_args!("{text}")) }
    }

    pub(super) fn as_bytes(&self) -> &[u8] {
        self.text.as_bytes()
    }
}

/// Makes an error with the text of another error. To allow this conversion for every error, `HandlerError` itself does
/// not implement `Error`.
impl<E: Error> From<E> for HandlerError {
    fn from(error: E) -> HandlerError {
        HandlerError::new(error)
    }
}

impl fmt::Display for HandlerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.text.fmt(f)
    }
}

impl fmt::Debug for HandlerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.text.fmt(f)
    }
}
