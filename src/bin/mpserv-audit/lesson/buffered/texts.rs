//! Finds the texts that stay in a buffer, as the run itself printed them.

use crate::lesson::steps::Runs;
use crate::lesson::text::{arguments, bytes};
use crate::trace::{Line, Trace};

/// Returns the text that a call of write wrote.
pub(super) fn written(trace: &Trace, event: usize) -> Vec<u8> {
    match trace.line(event) {
        Line::Call(call) => arguments(&call).get(1).map(|text| bytes(text)).unwrap_or_default(),
        _ => Vec::new(),
    }
}

/// Returns the string in the first source at the line that made a call, if printf prints it as it is.
pub(super) fn literal(runs: &Runs<'_>, lane: usize, event: Option<usize>) -> Option<Vec<u8>> {
    let line = runs.sources.lines(runs.trace(lane, 0)?, event?).into_iter().next()?;
    let text = runs.sources.text(line.file).ok()?.get(line.number.checked_sub(1)?)?;
    string(text)
}

/// Returns the first string of a line of C, without a conversion.
fn string(line: &str) -> Option<Vec<u8>> {
    let (_, rest) = line.split_once('"')?;
    let mut is_escaped = false;
    let end = rest.find(|letter| {
        let is_end = letter == '"' && !is_escaped;
        is_escaped = letter == '\\' && !is_escaped;
        is_end
    })?;
    let text = bytes(&rest.as_bytes()[..end]);
    (!text.contains(&b'%')).then_some(text)
}

/// Returns a text in which each number with a counterpart is replaced by this counterpart.
pub(super) fn with_numbers(text: &[u8], counterpart: impl Fn(i64) -> Option<i64>) -> Vec<u8> {
    let mut out = Vec::new();
    for part in text.chunk_by(|a, b| a.is_ascii_digit() == b.is_ascii_digit()) {
        let number = std::str::from_utf8(part).ok().and_then(|part| part.parse().ok());
        match number.and_then(&counterpart) {
            Some(other) => out.extend(other.to_string().bytes()),
            None => out.extend(part),
        }
    }
    out
}

/// Returns the length of the beginning that equals the expected text, except for its numbers.
pub(super) fn same_start(text: &[u8], expected: &[u8]) -> Option<usize> {
    let digits = |text: &[u8]| text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let (mut at, mut wanted) = (0, 0);
    while wanted < expected.len() {
        let (here, there) = (digits(&text[at..]), digits(&expected[wanted..]));
        if (here > 0) != (there > 0) || (there == 0 && text.get(at) != Some(&expected[wanted])) {
            return None;
        }
        at += here.max(1);
        wanted += there.max(1);
    }
    Some(at)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_told_from_their_numbers() {
        assert_eq!(same_start(b"id: 2200\nend", b"id: 17\n"), Some(9));
        assert_eq!(same_start(b"id: x\n", b"id: 17\n"), None);
        assert_eq!(same_start(b"id", b"id: 17\n"), None);
        let counterpart = |pid| (pid == 17).then_some(2200);
        assert_eq!(with_numbers(b"id: 17 5\n", counterpart), b"id: 2200 5\n");
    }

    #[test]
    fn strings_are_read_from_the_source() {
        assert_eq!(string("\tprintf(\"a \\\"b\\\"\\n\"); // \"c\""), Some(b"a \"b\"\n".to_vec()));
        assert_eq!(string("printf(\"%d\", 1);"), None);
    }
}
