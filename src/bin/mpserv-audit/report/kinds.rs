//! Writes the kinds of differences under the table, one line each.

use std::io::{self, Write};
use std::path::Path;

use super::escape::visible;
use super::style::{DIM, Style, colour};
use crate::compare::Difference;
use crate::level::Level;
use crate::sources::Sources;
use crate::subject::{Case, Subject};
use crate::words::count;

/// The most kinds of one program that are shown. Further kinds are only counted.
const SHOWN: usize = 20;

/// Writes one line for each kind of difference: the difference, its count, and its first place.
pub fn list(
    out: &mut impl Write,
    style: Style,
    subjects: &[Subject],
    sides: [&str; 2],
    sources: Option<&Sources>,
) -> io::Result<()> {
    let several = subjects.len() > 1;
    for subject in subjects {
        let name = if several { format!("{}: ", subject.name) } else { String::new() };
        let all = subject.kinds();
        let (varying, kinds): (Vec<_>, Vec<_>) = all.iter().partition(|(kind, _)| kind.level == Level::Varies);
        for (difference, case) in kinds.iter().take(SHOWN) {
            let (start, end) = style.paint(colour(difference.level));
            let line = line(difference, case, sides, sources);
            writeln!(out, "  {start}{name}{}{end}", visible(&line))?;
        }
        if let Some(more) = kinds.len().checked_sub(SHOWN).filter(|more| *more > 0) {
            writeln!(
                out,
                "  {name}and {}; --json lists all",
                count(more, "more kind of difference", "more kinds of differences")
            )?;
        }
        if !varying.is_empty() {
            let mut calls: Vec<&str> = varying.iter().map(|(kind, _)| kind.subject()).collect();
            calls.sort_unstable();
            calls.dedup();
            let (start, end) = style.paint(DIM);
            writeln!(out, "  {start}{name}varies from run to run: {}{end}", visible(&calls.join(", ")))?;
        }
    }
    Ok(())
}

/// Returns one kind of difference in one line.
pub fn line(difference: &Difference, case: &Case, sides: [&str; 2], sources: Option<&Sources>) -> String {
    let times = if difference.count == 1 { "once".to_owned() } else { format!("{} times", difference.count) };
    format!("{}, {times}, first {}", difference.text(sides), place(difference, case, sources))
}

/// Returns the place where a difference first occurs: lines of source, or lines of the traces if there is no source.
fn place(difference: &Difference, case: &Case, sources: Option<&Sources>) -> String {
    let (pair, row) = difference.first;
    let Some(pair) = case.comparison.pairs.get(pair) else {
        return "nowhere".to_owned();
    };
    let row = pair.rows.get(row);
    let events = [(&case.a, pair.a, row.and_then(|row| row.a())), (&case.b, pair.b, row.and_then(|row| row.b()))]
        .map(|(tree, process, event)| Some((&tree.processes[process?].trace, event?)));
    let lines = events.map(|event| {
        let (trace, event) = event?;
        sources?.lines(trace, event).first().map(|line| {
            let name = Path::new(line.file).file_name().unwrap_or_default().to_string_lossy();
            format!("{name}:{}", line.number)
        })
    });
    let numbers = events.map(|event| event.map(|(_, event)| (event + 1).to_string()));
    let both = |[a, b]: [Option<String>; 2]| match (a, b) {
        (Some(a), Some(b)) => format!("{a} / {b}"),
        (Some(one), None) | (None, Some(one)) => one,
        (None, None) => String::new(),
    };
    if lines.iter().any(Option::is_some) {
        return format!("at {}", both(lines));
    }
    let place = format!("in {} ({}, {})", pair.place.phrase(), case.drive, case.output.name());
    match both(numbers) {
        numbers if numbers.is_empty() => place,
        numbers => format!("{place} at call {numbers}"),
    }
}
