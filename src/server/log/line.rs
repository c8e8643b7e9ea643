//! A line of the log: the event's name and its fields.

use core::fmt::{self, Display, Write as _};
use core::time::Duration;

use crate::program::text::{CUT, Text};
use crate::server::limits::{LINE_MAX, VALUE_MAX};

/// A line on its way to the log.
pub(super) struct Line {
    text: Text<LINE_MAX>,
    json: bool,
}

/// The highest number of bytes after the last field of a line.
const LINE_END: usize = 2;

impl Line {
    pub(super) const fn new(json: bool) -> Line {
        Line { text: Text::new(), json }
    }

    /// Writes the text before the fields.
    pub(super) fn start(&mut self, start: fmt::Arguments<'_>) {
        // The start of a line is short, so it fits.
        let _ = self.text.write_fmt(start);
    }

    /// Writes the text after the fields, which leave room for it.
    pub(super) fn end(&mut self, end: &str) {
        let _ = self.text.write_str(end);
    }

    pub(super) fn as_bytes(&self) -> &[u8] {
        self.text.as_bytes()
    }

    /// Adds a field that is a number.
    pub(super) fn number(&mut self, name: &str, value: impl Display) {
        self.field(name, |text, _| write!(text, "{value}"));
    }

    /// Adds a field that is a text. A text that is too long is cut, and ends in `...`.
    pub(super) fn text(&mut self, name: &str, value: impl Display) {
        self.field(name, |text, json| {
            let mut look = Look { length: 0, is_plain: true };
            // This sink never fails.
            let _ = write!(look, "{value}");
            let is_plain = look.is_plain && look.length > 0 && !json;
            let quote = if is_plain { "" } else { "\"" };
            text.write_str(quote)?;
            let start = text.len();
            let end = (start + VALUE_MAX).min(LINE_MAX - LINE_END - quote.len());
            if is_plain && start + look.length <= end {
                return write!(text, "{value}");
            }
            let mut escaped = Escaped { text, json, end, cut_at: start };
            if write!(escaped, "{value}").is_err() {
                let cut_at = escaped.cut_at;
                text.truncate(cut_at);
                text.write_str(CUT)?;
            }
            text.write_str(quote)
        });
    }

    /// Adds a field, or nothing if not even a part of its value fits.
    fn field(&mut self, name: &str, fill: impl FnOnce(&mut Text<LINE_MAX>, bool) -> fmt::Result) {
        let before = self.text.len();
        let name = if self.json { write!(self.text, ",\"{name}\":") } else { write!(self.text, " {name}=") };
        let written = name.and_then(|()| fill(&mut self.text, self.json));
        if written.is_err() || self.text.len() > LINE_MAX - LINE_END {
            self.text.truncate(before);
        }
    }
}

/// A sink that notes the length of a value, and whether each of its characters can stand without quotes.
struct Look {
    length: usize,
    is_plain: bool,
}

impl fmt::Write for Look {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.length += text.len();
        self.is_plain &= text.bytes().all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'"' | b'\\' | b'='));
        Ok(())
    }
}

/// A sink that escapes a value. A write fails at the first character that does not fit.
struct Escaped<'a> {
    text: &'a mut Text<LINE_MAX>,
    json: bool,
    /// The highest length of the text.
    end: usize,
    /// The length to which the text is cut if a later character does not fit.
    cut_at: usize,
}

impl Escaped<'_> {
    fn put(&mut self, character: char) -> fmt::Result {
        match character {
            '"' | '\\' => write!(self.text, "\\{character}"),
            _ if !character.is_control() && !is_format(character) => self.text.write_char(character),
            _ if self.json => {
                let mut units = [0; 2];
                let mut units = character.encode_utf16(&mut units).iter();
                units.try_for_each(|unit| write!(self.text, "\\u{unit:04x}"))
            }
            _ => write!(self.text, "{}", character.escape_unicode()),
        }
    }
}

impl fmt::Write for Escaped<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        text.chars().try_for_each(|character| {
            self.put(character)?;
            if self.text.len() + CUT.len() <= self.end {
                self.cut_at = self.text.len();
            }
            if self.text.len() > self.end { Err(fmt::Error) } else { Ok(()) }
        })
    }
}

/// Whether a character changes how others are shown, or is not shown itself: the separators of lines and paragraphs, and
/// Unicode's format characters (`Cf`), except those that stand for a visible sign. Such a character could make a line of
/// the log look like another line.
const fn is_format(character: char) -> bool {
    matches!(
        character,
        '\u{ad}'
            | '\u{61c}'
            | '\u{180e}'
            | '\u{200b}'..='\u{200f}'
            | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{feff}'
            | '\u{fff9}'..='\u{fffb}'
            | '\u{1bca0}'..='\u{1bca3}'
            | '\u{1d173}'..='\u{1d17a}'
            | '\u{e0000}'..='\u{e007f}'
    )
}

/// A time in seconds, to the millisecond.
pub(crate) struct Seconds(pub(crate) Duration);

impl Display for Seconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:03}", self.0.as_secs(), self.0.subsec_millis())
    }
}

#[cfg(test)]
mod tests;
