//! Makes the texts of calls readable: separate arguments, strings in characters, processes by name.

use std::collections::HashMap;

use crate::lexer::{Kind, Lexer};
use crate::trace::{Call, Line};
use crate::tree::Place;

/// The longest name of a descriptor's object.
pub const NAME: usize = 32;

/// Returns the list of a call's arguments.
pub fn arguments<'t>(call: &Call<'t>) -> Vec<&'t [u8]> {
    split(call.arguments)
}

/// Splits a text at the commas that stand outside all brackets and strings.
pub fn split(text: &[u8]) -> Vec<&[u8]> {
    let mut parts = Vec::new();
    let (mut depth, mut start) = (0_usize, 0);
    for token in Lexer::new(text) {
        match token.kind {
            Kind::Open => depth += 1,
            Kind::Close => depth = depth.saturating_sub(1),
            Kind::Other if token.text == b"," && depth == 0 => {
                parts.push(text[start..token.end - 1].trim_ascii());
                start = token.end;
            }
            _ => {}
        }
    }
    let last = text[start..].trim_ascii();
    if !last.is_empty() {
        parts.push(last);
    }
    parts
}

/// Returns the number at the beginning of a text.
pub fn number(text: &[u8]) -> Option<i64> {
    let text = std::str::from_utf8(text).ok()?.trim_start();
    let sign = usize::from(text.starts_with('-'));
    let digits = text[sign..].bytes().take_while(u8::is_ascii_digit).count();
    text[..sign + digits].parse().ok()
}

/// Returns the text between `field=` and the next comma or bracket.
pub fn field<'t>(text: &'t [u8], name: &str) -> Option<&'t [u8]> {
    let mark = [name.as_bytes(), b"="].concat();
    let at = text.windows(mark.len()).position(|window| window == mark)? + mark.len();
    let rest = &text[at..];
    let end = rest.iter().position(|byte| matches!(byte, b',' | b'}' | b')')).unwrap_or(rest.len());
    Some(&rest[..end])
}

/// Returns the port in a socket's address: `sin_port=htons(9190)`.
pub fn port(text: &[u8]) -> Option<i64> {
    let value = field(text, "sin_port").or_else(|| field(text, "sin6_port"))?;
    number(value.strip_prefix(b"htons(")?)
}

/// Returns a call's result in a word: a number, the name of an error, or nothing if the call did not return.
pub fn outcome(call: &Call<'_>) -> String {
    let text = String::from_utf8_lossy(call.result);
    let mut words = text.split_whitespace();
    match (words.next().unwrap_or_default(), words.next()) {
        ("-1", Some(error)) => error.to_owned(),
        ("?", Some(_)) => "interrupted".to_owned(),
        ("?" | "", None) => String::new(),
        (value, _) => value.to_owned(),
    }
}

/// Returns the bytes of a string as strace writes it, with its quotes.
pub fn bytes(quoted: &[u8]) -> Vec<u8> {
    let body = quoted.strip_prefix(b"\"").unwrap_or(quoted);
    let body = body.strip_suffix(b"\"").unwrap_or(body);
    let mut out = Vec::with_capacity(body.len());
    let mut rest = body;
    while let Some((first, behind)) = rest.split_first() {
        rest = behind;
        if *first != b'\\' {
            out.push(*first);
            continue;
        }
        // strace uses this form for bytes that are no text.
        let hex = rest.strip_prefix(b"x").and_then(|hex| std::str::from_utf8(hex.get(..2)?).ok());
        if let Some(value) = hex.and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
            out.push(value);
            rest = &rest[3..];
            continue;
        }
        let digits = rest.iter().take(3).take_while(|digit| matches!(digit, b'0'..=b'7')).count();
        if digits > 0 {
            let value = rest[..digits].iter().fold(0_u32, |value, digit| value * 8 + u32::from(digit - b'0'));
            out.push(u8::try_from(value).unwrap_or(u8::MAX));
            rest = &rest[digits..];
            continue;
        }
        if let Some((letter, behind)) = rest.split_first() {
            rest = behind;
            out.push(match letter {
                b'n' => b'\n',
                b't' => b'\t',
                b'r' => b'\r',
                b'v' => 0x0b,
                b'f' => 0x0c,
                other => *other,
            });
        }
    }
    out
}

/// Returns bytes as a string of C. Letters of all languages stay unchanged.
pub fn quoted(bytes: &[u8]) -> String {
    let mut out = String::from("\"");
    for chunk in bytes.utf8_chunks() {
        for letter in chunk.valid().chars() {
            match letter {
                '\n' => out.push_str("\\n"),
                '\0' => out.push_str("\\0"),
                '"' | '\\' => out.extend(['\\', letter]),
                '\t' | '\r' => out.extend(letter.escape_default()),
                control if control.is_control() => {
                    control.encode_utf8(&mut [0; 4]).bytes().for_each(|byte| out.push_str(&format!("\\{byte:03o}")));
                }
                other => out.push(other),
            }
        }
        chunk.invalid().iter().for_each(|byte| out.push_str(&format!("\\{byte:03o}")));
    }
    out + "\""
}

/// Returns a text with a capital letter at the beginning, for a sentence.
pub fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}

/// Returns a text cut to this many characters.
pub fn shorten(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.to_owned();
    }
    text.chars().take(most.saturating_sub(1)).chain(['…']).collect()
}

/// The most characters of a string in a call that is one of many on the page.
const STRING: usize = 28;
const ARGUMENT: usize = 44;

/// Returns one argument in short.
pub fn brief(argument: &[u8]) -> String {
    match argument.first() {
        Some(b'"') => {
            let all = bytes(argument);
            let text = quoted(&all);
            if text.chars().count() <= STRING { text } else { shorten(&text, STRING - 1) + "\"" }
        }
        Some(b'{') => structure(argument),
        Some(b'0') if argument.starts_with(b"0x") => "…".to_owned(),
        _ => shorten(&String::from_utf8_lossy(argument), ARGUMENT),
    }
}

/// Returns a structure in short: only the fields that matter to a reader of the program.
fn structure(text: &[u8]) -> String {
    if let Some(handler) = field(text, "sa_handler") {
        let handler = if handler.starts_with(b"0x") { "handler".into() } else { String::from_utf8_lossy(handler) };
        let flags = field(text, "sa_flags").map(String::from_utf8_lossy).unwrap_or_default();
        let kept: Vec<&str> = flags.split('|').filter(|flag| !matches!(*flag, "SA_RESTORER" | "0")).collect();
        return if kept.is_empty() { format!("{{{handler}}}") } else { format!("{{{handler}, {}}}", kept.join("|")) };
    }
    if let Some(port) = port(text) {
        return format!("{{port {port}}}");
    }
    if let Some(seconds) = field(text, "tv_sec").filter(|_| text.starts_with(b"{tv_sec")) {
        return format!("{{{} s}}", String::from_utf8_lossy(seconds));
    }
    "{…}".to_owned()
}

/// Returns a line of a trace in short, without values that differ in any two runs.
pub fn in_short(line: &[u8]) -> String {
    match Line::parse(line) {
        Line::Call(call) => {
            let list: Vec<String> = arguments(&call).into_iter().map(brief).collect();
            format!("{}({})", String::from_utf8_lossy(call.name), list.join(", "))
        }
        Line::Signal { name, .. } => String::from_utf8_lossy(name).into_owned(),
        _ => String::from_utf8_lossy(line).into_owned(),
    }
}

/// The longest text of a call that a step shows.
const LINE: usize = 400;

/// Returns a line of a trace in full, with strings in characters and the names of processes for their ids.
pub fn whole(line: &[u8], places: &HashMap<u32, Place>) -> String {
    let line = without_environment(line);
    let mut out = String::new();
    let mut end = 0;
    let mut word: &[u8] = b"";
    for token in Lexer::new(&line) {
        match token.kind {
            Kind::String => out.push_str(&quoted(&bytes(token.text))),
            // A comment gives the date for a number, and is left out.
            Kind::Comment => {}
            Kind::Word => {
                let pid = std::str::from_utf8(token.text).ok().and_then(|text| text.parse().ok());
                let names_process = matches!(word, b"si_pid" | b"=") || line.starts_with(b"kill(");
                match pid.and_then(|pid: u32| places.get(&pid)).filter(|_| names_process) {
                    Some(place) => out.push_str(&format!("<{}>", place.title())),
                    None => out.push_str(&String::from_utf8_lossy(token.text)),
                }
                word = token.text;
            }
            _ => {
                // A space is before the sign of a result, and not before that of a field.
                if token.text == b"=" && out.ends_with(' ') {
                    word = b"=";
                }
                out.push_str(&String::from_utf8_lossy(token.text));
            }
        }
        end = token.end;
    }
    out.push_str(&String::from_utf8_lossy(&line[end.min(line.len())..]));
    // strace adds spaces before the result.
    let words: Vec<&str> = out.split("  ").filter(|part| !part.is_empty()).map(str::trim).collect();
    shorten(&words.join(" "), LINE)
}

/// Returns a line without the environment, which comes from the user and is no part of the lesson.
fn without_environment(line: &[u8]) -> Vec<u8> {
    let Some(rest) = line.strip_prefix(b"execve(") else {
        return line.to_vec();
    };
    let parts = split(rest);
    let [program, words, ..] = parts.as_slice() else {
        return line.to_vec();
    };
    let failed = rest.iter().rposition(|byte| *byte == b'=').map(|at| &rest[at..]);
    [b"execve(", *program, b", ", words, b", ...) ", failed.unwrap_or_default()].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_come_apart_at_their_own_commas() {
        let Line::Call(call) = Line::parse(b"bind(3, {sa_family=AF_INET, sin_port=htons(9190)}, 16) = 0") else {
            panic!("a call")
        };
        let parts = arguments(&call);
        assert_eq!(parts, [&b"3"[..], b"{sa_family=AF_INET, sin_port=htons(9190)}", b"16"]);
        assert_eq!(
            (port(parts[1]), number(parts[2]), number(b"-1 EBADF"), number(b"?")),
            (Some(9190), Some(16), Some(-1), None)
        );
        assert_eq!(brief(parts[1]), "{port 9190}");
        assert_eq!(
            brief(b"{sa_handler=0x55, sa_mask=[], sa_flags=SA_RESTORER|SA_RESTART, sa_restorer=0x7f}"),
            "{handler, SA_RESTART}"
        );
    }

    #[test]
    fn strings_are_read_back_to_letters() {
        assert_eq!(bytes(br#""a\n\346\210\220\"\0""#), "a\n成\"\0".as_bytes());
        assert_eq!(quoted("a\n成\"\0".as_bytes()), "\"a\\n成\\\"\\0\"");
        assert_eq!(quoted(b"\xff\x01\t"), "\"\\377\\001\\t\"");
        assert_eq!(bytes(br#""\x7d\x69\xec""#), b"}i\xec");
        let places = HashMap::from([(7, Place::default())]);
        assert_eq!(whole(b"clone(flags=SIGCHLD)  = 7", &places), "clone(flags=SIGCHLD) = <first process>");
        assert_eq!(whole(b"read(7, \"\", 7)   = 0", &places), "read(7, \"\", 7) = 0");
        assert_eq!(whole(b"kill(7, SIGTERM) = 0", &places), "kill(<first process>, SIGTERM) = 0");
        assert_eq!(
            whole(b"--- SIGCHLD {si_pid=7, si_uid=7, si_status=7} ---", &places),
            "--- SIGCHLD {si_pid=<first process>, si_uid=7, si_status=7} ---"
        );
        assert_eq!(
            whole(b"execve(\"./a\", [\"./a\"], [\"SECRET=1\"]) = 0", &places),
            "execve(\"./a\", [\"./a\"], ...) = 0"
        );
    }
}
