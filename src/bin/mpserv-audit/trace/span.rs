//! Parses the times that strace writes around an event: `1764108912.123456 close(3) = 0 <0.000021>` (`-ttt -T`).

/// The beginning of a frame's line.
pub const FRAME: &[u8] = b" > ";

/// The beginning and end of an event, in microseconds of the system's clock.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Span {
    pub begin: u64,
    pub end: u64,
}

/// Removes the times from all events. A frame has no times.
pub(super) fn take(text: &[u8]) -> (Vec<u8>, Vec<Span>) {
    let mut out = Vec::with_capacity(text.len());
    let mut spans = Vec::new();
    for line in text.split_inclusive(|byte| *byte == b'\n') {
        if line.starts_with(FRAME) && !spans.is_empty() {
            out.extend_from_slice(line);
            continue;
        }
        let bare = line.strip_suffix(b"\n").unwrap_or(line);
        let (span, event) = split(bare);
        spans.push(span);
        out.extend_from_slice(event);
        out.extend_from_slice(&line[bare.len()..]);
    }
    (out, spans)
}

/// Splits one line into its times and its event. A line without times is an event as a whole.
pub fn split(line: &[u8]) -> (Span, &[u8]) {
    let space = line.iter().position(|byte| *byte == b' ').unwrap_or(line.len());
    let Some(begin) = microseconds(&line[..space]) else {
        return (Span::default(), line);
    };
    let event = line.get(space + 1..).unwrap_or_default();
    match event.iter().rposition(|byte| *byte == b'<').map(|at| (&event[..at], &event[at + 1..])) {
        Some((before, [spent @ .., b'>'])) if before.ends_with(b" ") => match microseconds(spent) {
            Some(spent) => (Span { begin, end: begin + spent }, before.trim_ascii_end()),
            None => (Span { begin, end: begin }, event),
        },
        _ => (Span { begin, end: begin }, event),
    }
}

/// The number of digits that strace writes after the decimal point.
const FRACTION: usize = 6;

/// Parses seconds with a fraction, such as `12.000345`, to microseconds.
fn microseconds(text: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(text).ok()?;
    let (seconds, fraction) = text.split_once('.')?;
    let is_number = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    if !is_number(seconds) || !is_number(fraction) || fraction.len() != FRACTION {
        return None;
    }
    seconds.parse::<u64>().ok()?.checked_mul(1_000_000)?.checked_add(fraction.parse().ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_taken_off_an_event_and_nothing_else_is() {
        let call = |line: &'static str| split(line.as_bytes());
        let span = |begin, end| Span { begin, end };
        assert_eq!(call("12.000345 close(3) = 0 <0.000021>"), (span(12_000_345, 12_000_366), &b"close(3) = 0"[..]));
        assert_eq!(call("12.000345 exit_group(0) = ?"), (span(12_000_345, 12_000_345), &b"exit_group(0) = ?"[..]));
        assert_eq!(call("1.000000 --- SIGINT {} ---").1, b"--- SIGINT {} ---");
        let cut = "1.000000 accept(3, <unfinished ...>) = ?";
        assert_eq!(call(cut).1, &cut.as_bytes()[9..]);
        assert_eq!(call("close(3) = 0"), (Span::default(), &b"close(3) = 0"[..]));
        for line in ["1.+00001 close(3) = 0", "+1.000001 close(3) = 0", "1.00001 close(3) = 0"] {
            assert_eq!(call(line), (Span::default(), line.as_bytes()));
        }
        assert_eq!(call("1.000000 read(0, <0.000001>").1, b"read(0,");
        assert_eq!(call("1.000000 read(0,<0.000001>").1, b"read(0,<0.000001>");
        // A frame without an event before it counts as an event, so it has times as well.
        assert_eq!(take(b" > main() [0x1]\n").1, [Span::default()]);
        let (text, spans) = take(b"1.000001 a() = 0 <0.000001>\n > main() [0x1]\n1.000009 b() = 0 <0.000002>\n");
        assert_eq!(text, b"a() = 0\n > main() [0x1]\nb() = 0\n");
        assert_eq!(spans, [span(1_000_001, 1_000_002), span(1_000_009, 1_000_011)]);
    }
}
