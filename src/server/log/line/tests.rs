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

#[test]
fn an_empty_value_stands_in_quotes() {
    assert_eq!(fields(false, "n", ""), " n=\"\"");
    assert_eq!(fields(true, "n", ""), ",\"n\":\"\"");
}

/// Checks that a value which is too long is cut after a whole character, and ends in a mark.
#[test]
fn a_value_that_is_too_long_is_cut() {
    const MARK: usize = CUT.len();
    for (piece, text, json) in [
        ("x", "x", "x"),
        ("a b", "a b", "a b"),
        ("\u{1}", "\\u{1}", "\\u0001"),
        ("\u{10ffff} ", "\u{10ffff} ", "\u{10ffff} "),
        ("\"", "\\\"", "\\\""),
    ] {
        for (is_json, shown) in [(false, text), (true, json)] {
            for count in [VALUE_MAX / shown.len(), VALUE_MAX / shown.len() + 1, LINE_MAX * 4] {
                let field = fields(is_json, "n", &piece.repeat(count));
                let value = field.trim_start_matches(|c| c != '=' && c != ':').get(1..).unwrap().trim_matches('"');
                let whole = shown.repeat(count);
                if whole.len() <= VALUE_MAX {
                    assert_eq!(value, whole.trim_matches('"'), "{is_json} {piece:?} {count}");
                    continue;
                }
                let kept = value.strip_suffix(CUT).unwrap();
                assert!(whole.starts_with(kept), "{is_json} {piece:?} {count}: {value}");
                // The longest character takes eight bytes when it is escaped.
                assert!(
                    (VALUE_MAX - MARK - 8..=VALUE_MAX - MARK).contains(&kept.len()),
                    "{is_json} {piece:?}: {value}"
                );
                assert_eq!(kept.matches('\\').count(), kept.len() * whole.matches('\\').count() / whole.len());
            }
        }
    }
}

/// Checks that a value is cut to the room that is left, and that a field for which there is no room is left out. A
/// later field and the end of the line still fit.
#[test]
fn a_value_takes_the_room_that_is_left() {
    for json in [false, true] {
        let overhead = fields(json, "n", "x").len() - 1;
        for room in 0..=overhead + 2 * CUT.len() {
            let mut line = Line::new(json);
            line.start(format_args!("{}", "s".repeat(LINE_MAX - LINE_END - room)));
            let before = line.text.len();
            line.text("n", "x".repeat(2 * LINE_MAX));
            let fits = room >= overhead + CUT.len();
            assert_eq!(line.text.len() - before, if fits { room } else { 0 }, "json {json}, {room} bytes");
            let end = if json { "}\n" } else { "\n" };
            assert!(line.text.write_str(end).is_ok(), "json {json}, {room} bytes");
            assert!(line.text.as_str().ends_with(end));
        }
        let mut line = Line::new(json);
        line.text("n", "x".repeat(2 * LINE_MAX));
        line.text("hint", "help");
        let help = fields(json, "hint", "help");
        assert!(line.text.as_str().ends_with(&help), "json {json}");
    }
}

#[test]
fn times_are_shown_to_the_millisecond() {
    let shown: Vec<String> =
        [(0, 0), (1, 5_000_000), (59, 999_999_999)].map(|(s, n)| format!("{}", Seconds(Duration::new(s, n)))).into();
    assert_eq!(shown, ["0.000", "1.005", "59.999"]);
}
