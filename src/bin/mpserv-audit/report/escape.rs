//! Text in HTML, and text on a terminal.

/// Returns text that may stand in HTML and in an attribute.
pub fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            // A control character that is copied to a terminal could act as a command.
            control if control.is_control() => out.push('\u{fffd}'),
            other => out.push(other),
        }
    }
    out
}

/// Returns the text without control characters, which a terminal would obey.
pub fn visible(text: &str) -> String {
    let shown = |c: char| if c.is_control() { c.escape_default().to_string() } else { c.to_string() };
    text.chars().map(shown).collect()
}

#[cfg(test)]
mod tests {
    use super::{escape, visible};

    #[test]
    fn a_terminal_obeys_nothing() {
        assert_eq!(visible("a\x1b[2J\t\\ \u{9b}\u{e4}"), "a\\u{1b}[2J\\t\\ \\u{9b}\u{e4}");
    }

    #[test]
    fn no_text_ends_an_attribute_or_acts_as_a_command() {
        assert_eq!(escape("<a href=\"x\">&'</a>"), "&lt;a href=&quot;x&quot;&gt;&amp;'&lt;/a&gt;");
        assert_eq!(
            escape("\0\x1b\x1f \x7f\u{85}\u{9b}\u{a0}\u{e4}"),
            "\u{fffd}\u{fffd}\u{fffd} \u{fffd}\u{fffd}\u{fffd}\u{a0}\u{e4}"
        );
    }
}
