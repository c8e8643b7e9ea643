//! The lines that a run prints on a terminal, beside those that a pipe gets.

use std::collections::BTreeMap;

/// Printed bytes as text with plain ends of lines.
pub fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).replace('\r', "")
}

/// A line without its numbers: process ids differ from run to run.
fn form(line: &str) -> String {
    let mut out = String::new();
    for letter in line.chars() {
        let letter = if letter.is_ascii_digit() { '…' } else { letter };
        if letter != '…' || !out.ends_with('…') {
            out.push(letter);
        }
    }
    out.trim_end().to_owned()
}

/// The number of times that each line is printed: on the terminal, and to the pipe.
fn counts(terminal: &str, pipe: &str) -> BTreeMap<String, [usize; 2]> {
    let mut counts: BTreeMap<String, [usize; 2]> = BTreeMap::new();
    for (side, text) in [terminal, pipe].into_iter().enumerate() {
        text.lines().for_each(|line| counts.entry(form(line)).or_default()[side] += 1);
    }
    counts
}

/// The difference between both texts, and its reason.
pub fn difference(terminal: &str, pipe: &str) -> String {
    let counts = counts(terminal, pipe);
    let list = |is_listed: fn(&[usize; 2]) -> bool| {
        let listed = counts.iter().filter(|(_, times)| is_listed(times));
        let all: Vec<String> =
            listed.map(|(line, [on, to])| format!("“{line}” ({on} on the terminal, {to} on the pipe)")).collect();
        all.join(", ")
    };
    let copied = list(|[on, to]| to > on);
    let lost = list(|[on, to]| to < on);
    let mut out =
        "printf keeps its text in a buffer when standard output is no terminal, and writes it at exit.".to_owned();
    if !copied.is_empty() {
        out += &format!(
            " More often: {copied}. fork copies the buffer with all other memory, and each process writes its copy."
        );
    }
    if !lost.is_empty() {
        out += &format!(" Lost: {lost}. A process that a signal ends does not write its buffer.");
    }
    if copied.is_empty() && lost.is_empty() {
        let is_equal = terminal.lines().map(form).eq(pipe.lines().map(form));
        out += if is_equal {
            " Here the text is the same; what differs is when write is called."
        } else {
            " Here the lines are the same, but they arrive in another order."
        };
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_counted_one_by_one() {
        let found = difference("new\nnew\nremoved: 12\nremoved: 7\n", "new\nnew\nnew\nnew\n");
        assert!(found.contains("More often: “new” (2 on the terminal, 4 on the pipe)."), "{found}");
        assert!(found.contains("Lost: “removed: …” (2 on the terminal, 0 on the pipe)."), "{found}");
        assert!(difference("id: 5\nend\n", "id: 66\nend\n").contains("the text is the same"));
        assert!(difference("a\nb\n", "b\na\n").contains("in another order"));
    }
}
