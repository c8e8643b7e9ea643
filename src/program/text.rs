//! Text in a buffer of a fixed size, for programs without an allocator.
//!
//! # Example
//! ```
//! use mpserv::text::Text;
//!
//! let text = Text::<8>::of(format_args!("{} lines", 1000));
//! assert_eq!(text.as_str(), "1000 lin");
//! ```

use core::fmt;

/// The end of a text that was cut, where a reader is told so.
pub(crate) const CUT: &str = "...";

/// Up to `N` bytes of text. [`write!`] appends to the text.
///
/// Text that does not fit is cut off at the end of a character, and the write fails.
#[derive(Clone, Copy)]
pub struct Text<const N: usize> {
    bytes: [u8; N],
    length: usize,
}

impl<const N: usize> Text<N> {
    /// Returns an empty text.
    #[must_use]
    pub const fn new() -> Text<N> {
        Text { bytes: [0; N], length: 0 }
    }

    /// Formats `arguments`, and cuts off the text that does not fit.
    #[must_use]
    pub fn of(arguments: fmt::Arguments<'_>) -> Text<N> {
        let mut text = Text::new();
        // This function cuts long text off, so the error says nothing new.
        let _ = fmt::write(&mut text, arguments);
        text
    }

    /// Returns the text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        core::str::from_utf8(self.as_bytes()).unwrap_or_default()
    }

    /// Returns the bytes of the text.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..self.length).unwrap_or_default()
    }

    /// Returns the number of bytes of text.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.length
    }

    /// Whether there is no text.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// Cuts the text off after `length` bytes, which must be whole characters. Changes nothing if the text is shorter.
    pub fn truncate(&mut self, length: usize) {
        if self.as_str().is_char_boundary(length) {
            self.length = self.length.min(length);
        }
    }
}

impl<const N: usize> Default for Text<N> {
    fn default() -> Self {
        Text::new()
    }
}

impl<const N: usize> fmt::Write for Text<N> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let mut fits = text.len().min(N - self.length);
        while !text.is_char_boundary(fits) {
            fits -= 1;
        }
        let end = self.length + fits;
        if let (Some(room), Some(text)) = (self.bytes.get_mut(self.length..end), text.as_bytes().get(..fits)) {
            room.copy_from_slice(text);
            self.length = end;
        }
        if fits == text.len() { Ok(()) } else { Err(fmt::Error) }
    }
}

impl<const N: usize> fmt::Display for Text<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl<const N: usize> fmt::Debug for Text<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}
