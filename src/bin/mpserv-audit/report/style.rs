//! Colours and columns of a terminal.

use std::io::{self, IsTerminal};

use crate::level::Level;

/// The width of the output, and whether it has colours.
#[derive(Clone, Copy, Debug)]
pub struct Style {
    pub(super) colour: bool,
    pub(super) width: usize,
}

/// The width of the output if there is no terminal.
const WIDTH: usize = 160;
/// The smallest width of the output with room for two sides.
const WIDTH_MIN: usize = 40;

impl Style {
    /// Returns the style for standard output. The style has colours on a terminal, unless NO_COLOR is set. The width is
    /// that of the terminal, or the value of COLUMNS.
    pub fn of_stdout() -> Self {
        let terminal = io::stdout().is_terminal();
        let colour = terminal && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
        let columns = std::env::var("COLUMNS").ok().and_then(|columns| columns.parse().ok());
        let width = columns.or_else(|| mpserv::pty::width(mpserv::fd::STDOUT).map(usize::from)).unwrap_or(WIDTH);
        Style { colour, width: width.max(WIDTH_MIN) }
    }

    pub(super) fn paint(self, colour: &'static str) -> (&'static str, &'static str) {
        if self.colour { (colour, PLAIN) } else { ("", "") }
    }
}

const PLAIN: &str = "\x1b[0m";
pub(super) const RED: &str = "\x1b[31m";
pub(super) const GREEN: &str = "\x1b[32m";
pub(super) const YELLOW: &str = "\x1b[33m";
pub(super) const BOLD: &str = "\x1b[1m";
pub(super) const DIM: &str = "\x1b[2m";

/// Returns the colour of a level.
pub fn colour(level: Level) -> &'static str {
    match level {
        Level::Same | Level::Varies => GREEN,
        Level::Texts | Level::Values => YELLOW,
        Level::Different => RED,
    }
}

pub fn shorten(text: &str, width: usize) -> String {
    if columns(text) <= width {
        return text.to_owned();
    }
    let mut room = width.saturating_sub(1);
    let fits = |c: &char| room.checked_sub(columns_of(*c)).inspect(|left| room = *left).is_some();
    text.chars().take_while(fits).chain(['…']).collect()
}

/// Returns the number of terminal columns that a text takes.
fn columns(text: &str) -> usize {
    text.chars().map(columns_of).sum()
}

/// Returns 2 for the scripts and signs of East Asia, and 1 for other characters.
fn columns_of(c: char) -> usize {
    match c {
        '\u{1100}'..='\u{115f}'
        | '\u{2e80}'..='\u{a4cf}'
        | '\u{ac00}'..='\u{d7a3}'
        | '\u{f900}'..='\u{faff}'
        | '\u{fe30}'..='\u{fe6f}'
        | '\u{ff00}'..='\u{ff60}'
        | '\u{ffe0}'..='\u{ffe6}' => 2,
        _ => 1,
    }
}

/// Two columns with a mark between them.
#[derive(Clone, Copy, Debug)]
pub(super) struct Columns {
    width: usize,
}

impl Columns {
    pub(super) fn new(total: usize) -> Self {
        Columns { width: (total - 3) / 2 }
    }

    pub(super) fn fit(self, text: &str, pad: bool) -> String {
        let short = shorten(text, self.width);
        let missing = self.width.saturating_sub(columns(&short));
        if pad { short + &" ".repeat(missing) } else { short }
    }

    /// Wraps a call into as many lines as it needs, so that a difference at its end is visible.
    pub(super) fn wrap(self, text: &str) -> Vec<String> {
        let characters: Vec<char> = text.chars().collect();
        characters.chunks(self.width).map(|chunk| chunk.iter().collect()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_cut_where_its_columns_end() {
        for (text, width, shown) in [
            ("", 0, ""),
            ("abc", 3, "abc"),
            ("abcd", 3, "ab…"),
            ("abcd", 1, "…"),
            ("abcd", 0, "…"),
            // A sign of East Asia takes two columns.
            ("日本語", 6, "日本語"),
            ("日本語", 5, "日本…"),
            ("日本語", 4, "日…"),
            ("a日本", 4, "a日…"),
        ] {
            assert_eq!(shorten(text, width), shown, "{text} in {width}");
        }
        for wide in "\u{1100}\u{115f}\u{2e80}\u{a4cf}\u{ac00}\u{d7a3}\u{f900}\u{faff}\u{fe30}\u{fe6f}\u{ff00}\u{ff60}\u{ffe0}\u{ffe6}".chars() {
            assert_eq!(columns_of(wide), 2, "{:x}", u32::from(wide));
        }
        for narrow in "\u{10ff}\u{1160}\u{2e7f}\u{a4d0}\u{abff}\u{d7a4}\u{f8ff}\u{fb00}\u{fe2f}\u{fe70}\u{feff}\u{ff61}\u{ffdf}\u{ffe7}é…".chars() {
            assert_eq!(columns_of(narrow), 1, "{:x}", u32::from(narrow));
        }
    }

    #[test]
    fn two_columns_and_a_mark_fill_the_width() {
        let columns = Columns::new(13);
        assert_eq!(columns.fit("ab", true), "ab   ");
        assert_eq!(columns.fit("ab", false), "ab");
        assert_eq!(columns.fit("日本語", true), "日本…");
        assert_eq!(columns.fit("日本", true), "日本 ");
        assert_eq!(columns.wrap("abcdefghijk"), ["abcde", "fghij", "k"]);
        assert_eq!(columns.wrap("abcde"), ["abcde"]);
    }
}
