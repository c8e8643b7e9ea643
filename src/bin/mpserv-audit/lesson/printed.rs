//! Compares the lines that a run prints on a terminal with those that a pipe gets.

use std::collections::BTreeMap;

use super::buffered::Buffered;
use super::steps::{Runs, Step};
use super::text::{field, number, outcome, sentence};
use crate::trace::Line;

/// A line that stayed in a buffer, with the processes that wrote or lost it.
#[derive(Clone, Debug, Default)]
pub struct Copies {
    line: String,
    /// The number of times that each process wrote the line.
    by: BTreeMap<usize, (String, usize)>,
    /// The number of times that a process printed the line, but did not write it.
    lost: BTreeMap<usize, (String, usize)>,
    /// Set when another process than the printing process wrote the line, from a copy of the buffer.
    is_copied: bool,
    /// If the line is the first text of a process that sleeps before it writes: the process, and the seconds.
    slept: Option<(String, i64)>,
}

/// Returns the lines that stayed in buffers, with the processes that wrote them.
pub fn copies(runs: &Runs<'_>, steps: &[Step], buffered: &[Buffered]) -> Vec<Copies> {
    let mut all: Vec<Copies> = Vec::new();
    for text in buffered {
        let line = form(&self::text(text.text.as_deref().unwrap_or_default()));
        let at = all.iter().position(|copies| copies.line == line).unwrap_or_else(|| {
            all.push(Copies { line, ..Copies::default() });
            all.len() - 1
        });
        let name = |lane: usize| runs.place(lane).phrase();
        let writers: Vec<usize> = text.written.iter().map(|step| steps[*step].lane).collect();
        for lane in &writers {
            all[at].by.entry(*lane).or_insert_with(|| (name(*lane), 0)).1 += 1;
        }
        all[at].is_copied |= writers.iter().any(|lane| *lane != text.lane);
        let is_first =
            buffered.iter().find(|other| other.lane == text.lane).is_some_and(|first| std::ptr::eq(first, text));
        if let (true, Some(until)) = (is_first, text.written.first()) {
            all[at].slept = only_sleep(runs, &steps[..*until], text.lane).map(|seconds| (name(text.lane), seconds));
        }
        if !writers.contains(&text.lane) {
            all[at].lost.entry(text.lane).or_insert_with(|| (name(text.lane), 0)).1 += 1;
        }
    }
    all
}

/// Returns the seconds that a process sleeps in some steps, if it sleeps exactly once.
fn only_sleep(runs: &Runs<'_>, steps: &[Step], lane: usize) -> Option<i64> {
    let mut sleeps = steps.iter().filter(|step| step.lane == lane).filter_map(|step| match runs.line(step) {
        Line::Call(call) if call.name == b"clock_nanosleep" && outcome(&call) == "0" => Some(call),
        _ => None,
    });
    let only = sleeps.next().filter(|_| sleeps.next().is_none())?;
    field(only.arguments, "tv_sec").and_then(number)
}

/// Returns the process and its seconds of sleep, if that sleep changes the first line. The terminal and the pipe then
/// get the same lines in different orders.
fn late<'c>(terminal: &str, pipe: &str, copies: &'c [Copies]) -> Option<&'c (String, i64)> {
    let forms = |text: &str| text.lines().map(form).collect::<Vec<_>>();
    let (shown, written) = (forms(terminal), forms(pipe));
    let is_sorted_anew = |mut a: Vec<String>, mut b: Vec<String>| {
        a.sort_unstable();
        b.sort_unstable();
        a == b
    };
    let first = shown.first().filter(|first| written.first() != Some(first))?;
    let slept = copies.iter().find(|copies| copies.line == *first)?.slept.as_ref()?;
    is_sorted_anew(shown.clone(), written.clone()).then_some(slept)
}

/// Returns the effects of forks, signals and sleeps on the buffers of a run.
pub fn consequences(terminal: &str, pipe: &str, copies: &[Copies]) -> String {
    let mut out = String::new();
    if copies.iter().any(|copies| copies.is_copied) {
        out += " A fork copies the buffer with all other memory.";
    }
    if copies.iter().any(|copies| !copies.lost.is_empty()) {
        out += " A signal that ends the process throws the buffer away.";
    }
    if let Some((who, seconds)) = late(terminal, pipe, copies) {
        let first = pipe.lines().next().map(form).unwrap_or_default();
        // The first line may consist of several texts.
        let writer =
            copies.iter().find(|copies| first.starts_with(&copies.line)).and_then(|copies| copies.by.values().next());
        let other = writer.map_or_else(|| "another line".to_owned(), |(writer, _)| format!("the line of {writer}"));
        out += &format!(" The first line of {who} waits in its buffer for {seconds} s, so {other} comes first.");
    }
    out
}

impl Copies {
    /// Describes the processes that wrote the line, and those whose line was lost.
    fn sentences(&self) -> String {
        let by: Vec<String> = self.by.values().map(|(who, times)| format!("{who} writes {times}")).collect();
        let lost: Vec<String> =
            self.lost.values().map(|(who, times)| format!("{who} loses its own {times} of “{}”", self.line)).collect();
        let parts = [by, lost].concat();
        if parts.is_empty() { String::new() } else { format!(" {}.", sentence(&parts.join(", "))) }
    }
}

/// Returns printed bytes as text with plain ends of lines.
pub fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).replace('\r', "")
}

/// Returns a line without its numbers, because process ids differ from run to run.
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

/// Returns the number of times that each line is printed: on the terminal, and to the pipe.
fn counts(terminal: &str, pipe: &str) -> BTreeMap<String, [usize; 2]> {
    let mut counts: BTreeMap<String, [usize; 2]> = BTreeMap::new();
    for (side, text) in [terminal, pipe].into_iter().enumerate() {
        text.lines().for_each(|line| counts.entry(form(line)).or_default()[side] += 1);
    }
    counts
}

/// Returns the number of lines on the pipe, and the lines themselves.
pub fn amount(terminal: &str, pipe: &str) -> String {
    let [on, to] = [terminal, pipe].map(|text| text.lines().count());
    let unlike: Vec<String> = counts(terminal, pipe)
        .iter()
        .filter(|(_, [on, to])| on != to)
        .map(|(line, [on, to])| {
            let lines = if on.abs_diff(*to) == 1 { "line" } else { "lines" };
            format!("{} “{line}” {lines} {}", on.abs_diff(*to), if to > on { "more" } else { "fewer" })
        })
        .collect();
    match to {
        _ if on == to && !unlike.is_empty() => format!("{to} too, but not the same {to}: {}.", unlike.join(", ")),
        1 => "1 line.".to_owned(),
        _ => format!("{to} lines."),
    }
}

/// Returns the difference between both texts, and its reason.
pub fn difference(terminal: &str, pipe: &str, copies: &[Copies]) -> String {
    let counts = counts(terminal, pipe);
    let list = |is_listed: fn(&[usize; 2]) -> bool| {
        let listed = counts.iter().filter(|(_, times)| is_listed(times));
        let all: Vec<String> = listed
            .map(|(line, [on, to])| {
                let who = copies.iter().find(|copies| copies.line == *line).map_or_else(String::new, Copies::sentences);
                format!("“{line}” ({on} on the terminal, {to} on the pipe).{who}")
            })
            .collect();
        all.join(" ")
    };
    let copied = list(|[on, to]| to > on);
    let lost = list(|[on, to]| to < on);
    let mut out =
        "printf keeps its text in a buffer when standard output is no terminal, and writes it at exit.".to_owned();
    if !copied.is_empty() {
        out += &format!(
            " More often: {copied} fork copies the buffer with all other memory, and each process writes its copy."
        );
    }
    if !lost.is_empty() {
        out += &format!(" Lost: {lost} A process that a signal ends does not write its buffer.");
    }
    if copied.is_empty() && lost.is_empty() {
        let is_equal = terminal.lines().map(form).eq(pipe.lines().map(form));
        out += if is_equal {
            " Here the text is the same; what differs is when write is called."
        } else {
            " Here the lines are the same, but they arrive in another order."
        };
        if let Some((who, seconds)) = late(terminal, pipe, copies) {
            out += &format!(" The first line of {who} waits in its buffer for {seconds} s.");
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_counted_one_by_one() {
        let of = |who: &str, times| BTreeMap::from([(0, (who.to_owned(), times))]);
        let lost = of("the first process", 2);
        let copies = [Copies { line: "new".to_owned(), by: of("child 1", 4), lost, ..Copies::default() }];
        let found = difference("new\nnew\nremoved: 12\nremoved: 7\n", "new\nnew\nnew\nnew\n", &copies);
        assert!(found.contains("Child 1 writes 4, the first process loses its own 2 of “new”."), "{found}");
        assert_eq!(
            amount("new\nremoved: 7\n", "new\nnew\n"),
            "2 too, but not the same 2: 1 “new” line more, 1 “removed: …” line fewer."
        );
        assert_eq!(amount("a\nb\n", "a\n"), "1 line.");
        assert_eq!(
            amount("a\na\na\nb\n", "a\nb\nb\nb\n"),
            "4 too, but not the same 4: 2 “a” lines fewer, 2 “b” lines more."
        );
        assert!(found.contains("More often: “new” (2 on the terminal, 4 on the pipe)."), "{found}");
        assert!(found.contains("Lost: “removed: …” (2 on the terminal, 0 on the pipe)."), "{found}");
        assert!(difference("id: 5\nend\n", "id: 66\nend\n", &[]).contains("the text is the same"));
        let late = |slept| [Copies { line: "a".to_owned(), slept, ..Copies::default() }];
        let slept = late(Some(("the first process".to_owned(), 30)));
        assert!(consequences("a\nb\n", "b\na\n", &slept).contains("for 30 s, so another line comes first"));
        assert_eq!(consequences("a\nb\n", "a\nb\n", &slept), "");
        let child = Copies { line: "b".to_owned(), by: of("child 1", 1), ..Copies::default() };
        let both = [slept[0].clone(), child];
        assert!(consequences("a\nb\n", "bc\na\n", &both).is_empty(), "other lines");
        assert!(consequences("a\nbc\n", "bc\na\n", &both).contains("so the line of child 1 comes first"));
        assert_eq!(consequences("a\nb\n", "b\na\n", &late(None)), "");
        assert!(difference("a\nb\n", "b\na\n", &[]).contains("in another order"));
    }
}
