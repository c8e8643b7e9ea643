use std::format;
use std::string::String;
use std::vec::Vec;

use super::*;

fn fields(json: bool, name: &str, value: &str) -> String {
    let mut line = Line::new(json);
    line.text(name, value);
    line.text.as_str().into()
}

#[test]
fn a_plain_value_stands_as_it_is() {
    for value in ["127.0.0.1:80", "[::1]:80", "a/b,c;d'e~", "SIGTERM"] {
        assert_eq!(fields(false, "n", value), format!(" n={value}"));
        assert_eq!(fields(true, "n", value), format!(",\"n\":\"{value}\""));
    }
}

#[test]
fn a_value_that_could_be_mistaken_stands_in_quotes() {
    for (value, text, json) in [
        ("a b", "a b", "a b"),
        ("a=b", "a=b", "a=b"),
        ("a\"b", "a\\\"b", "a\\\"b"),
        ("a\\b", "a\\\\b", "a\\\\b"),
        ("ä", "ä", "ä"),
        ("\n", "\\u{a}", "\\u000a"),
        ("\u{1b}[31m", "\\u{1b}[31m", "\\u001b[31m"),
        // The first and the last control characters of each range: C0, DEL and C1.
        ("\0", "\\u{0}", "\\u0000"),
        ("\u{1f}", "\\u{1f}", "\\u001f"),
        ("\u{7f}", "\\u{7f}", "\\u007f"),
        ("\u{80}", "\\u{80}", "\\u0080"),
        ("\u{9f}", "\\u{9f}", "\\u009f"),
        ("\u{a0}", "\u{a0}", "\u{a0}"),
        // Characters that turn the direction of a text or end a line, and their neighbours.
        ("\u{202e}", "\\u{202e}", "\\u202e"),
        ("\u{2028}\u{2029}", "\\u{2028}\\u{2029}", "\\u2028\\u2029"),
        ("\u{2027}\u{202f}", "\u{2027}\u{202f}", "\u{2027}\u{202f}"),
        ("\u{2066}\u{2069}", "\\u{2066}\\u{2069}", "\\u2066\\u2069"),
        ("\u{200b}\u{200f}", "\\u{200b}\\u{200f}", "\\u200b\\u200f"),
        ("\u{feff}", "\\u{feff}", "\\ufeff"),
        // JSON writes a character above 16 bits as two halves.
        ("\u{e0001}", "\\u{e0001}", "\\udb40\\udc01"),
        ("\u{1f600}", "\u{1f600}", "\u{1f600}"),
    ] {
        assert_eq!(fields(false, "n", value), format!(" n=\"{text}\""), "{value:?}");
        assert_eq!(fields(true, "n", value), format!(",\"n\":\"{json}\""), "{value:?}");
    }
}

/// Checks that a field which leaves no room for the end of the line is left out, and that a field which just fits
/// stays.
#[test]
fn a_field_fits_or_is_left_out() {
    for json in [false, true] {
        let overhead = fields(json, "n", "").len();
        let longest = LINE_MAX - LINE_END - overhead;
        for (length, fits) in [(longest - 1, true), (longest, true), (longest + 1, false), (LINE_MAX, false)] {
            let mut line = Line::new(json);
            line.text("n", "x".repeat(length).as_str());
            assert_eq!(line.text.len(), if fits { overhead + length } else { 0 }, "json {json}, {length} bytes");
            // A later field is tried as well, and the end always fits.
            line.number("m", 1);
            let end = if json { "}\n" } else { "\n" };
            assert!(line.text.write_str(end).is_ok(), "json {json}, {length} bytes");
            assert!(line.text.as_str().ends_with(end));
        }
    }
}

#[test]
fn times_are_shown_to_the_millisecond() {
    let shown: Vec<String> =
        [(0, 0), (1, 5_000_000), (59, 999_999_999)].map(|(s, n)| format!("{}", Seconds(Duration::new(s, n)))).into();
    assert_eq!(shown, ["0.000", "1.005", "59.999"]);
}
