//! Writes the report to a terminal: a table, and the traces side by side.

use std::io::{self, Write};

use super::style::{BOLD, Columns, DIM, GREEN, RED, Style, YELLOW, colour, shorten};
use crate::compare::{Kind, Pair, Row};
use crate::sources::Sources;
use crate::subject::{Case, Subject};
use crate::trace::Trace;
use crate::words::count;

/// Writes one line for each program.
pub fn table(out: &mut impl Write, style: Style, subjects: &[Subject], sides: [&str; 2]) -> io::Result<()> {
    let longest = subjects.iter().map(|subject| subject.name.chars().count()).max().unwrap_or(0);
    let name_width = longest.clamp("program".len(), 40);
    let (bold, plain) = style.paint(BOLD);
    let [a, b] = sides.map(|side| format!("calls in {side}"));
    writeln!(
        out,
        "{bold}{:name_width$}  {:>5}  {a:>13}  {b:>13}  {:>11}  verdict{plain}",
        "program", "runs", "differences"
    )?;
    for subject in subjects {
        let (events_a, events_b) = subject.events();
        let differences = subject.differences();
        let level = subject.level();
        let (start, end) = style.paint(colour(level));
        let verdict = level.name();
        let runs = subject.cases.len();
        let name = shorten(&subject.name, name_width);
        writeln!(
            out,
            "{name:name_width$}  {runs:>5}  {events_a:>13}  {events_b:>13}  {differences:>11}  {start}{verdict}{end}"
        )?;
    }
    Ok(())
}

/// The number of equal rows shown around a difference.
const CONTEXT: usize = 3;

/// Writes the traces side by side: all rows, or only the rows around differences.
pub fn side_by_side(
    out: &mut impl Write,
    style: Style,
    subject: &Subject,
    sides: [&str; 2],
    whole: bool,
    sources: Option<&Sources>,
) -> io::Result<()> {
    for case in &subject.cases {
        if !whole && case.comparison.differences() == 0 {
            continue;
        }
        let (bold, plain) = style.paint(BOLD);
        writeln!(out, "\n{bold}{} ({}, {}){plain}", subject.name, case.drive, case.output.name())?;
        for pair in &case.comparison.pairs {
            if whole || pair.differences() > 0 {
                pair_rows(out, style, case, pair, sides, whole, sources)?;
            }
        }
    }
    Ok(())
}

fn pair_rows(
    out: &mut impl Write,
    style: Style,
    case: &Case,
    pair: &Pair,
    sides: [&str; 2],
    whole: bool,
    sources: Option<&Sources>,
) -> io::Result<()> {
    let (dim, plain) = style.paint(DIM);
    let columns = Columns::new(style.width);
    let head = |side: &str, process: Option<usize>, before: usize| {
        let there = if process.is_some() { String::new() } else { " (not there)".to_owned() };
        let before = if before > 0 {
            format!(" ({} before main not shown)", count(before, "call", "calls"))
        } else {
            String::new()
        };
        format!("{side}: {}{there}{before}", pair.place.title())
    };
    let left = head(sides[0], pair.a, pair.before.0);
    let right = head(sides[1], pair.b, pair.before.1);
    writeln!(out, "{dim}{}   {}{plain}", columns.fit(&left, true), columns.fit(&right, false))?;
    let shown = shown(&pair.rows, whole);
    let mut gap = false;
    for (row, shown) in pair.rows.iter().zip(shown) {
        if !shown {
            gap = true;
            continue;
        }
        if std::mem::take(&mut gap) {
            writeln!(out, "{dim}...{plain}")?;
        }
        one_row(out, style, columns, case, pair, row, sources)?;
    }
    if gap {
        writeln!(out, "{dim}...{plain}")?;
    }
    Ok(())
}

/// Returns for each row whether it is shown.
fn shown(rows: &[Row], whole: bool) -> Vec<bool> {
    let mut shown = vec![whole; rows.len()];
    for (at, _) in rows.iter().enumerate().filter(|(_, row)| row.is_difference()) {
        let from = at.saturating_sub(CONTEXT);
        let to = (at + CONTEXT + 1).min(rows.len());
        shown[from..to].fill(true);
    }
    shown
}

fn one_row(
    out: &mut impl Write,
    style: Style,
    columns: Columns,
    case: &Case,
    pair: &Pair,
    row: &Row,
    sources: Option<&Sources>,
) -> io::Result<()> {
    let trace_a = pair.a.map(|index| &case.a.processes[index].trace);
    let trace_b = pair.b.map(|index| &case.b.processes[index].trace);
    let left = event_lines(columns, trace_a.zip(row.a()), row, sources);
    let right = event_lines(columns, trace_b.zip(row.b()), row, sources);
    let (mark, colour) = match row.kind {
        Kind::Same => (' ', ""),
        Kind::Changed => ('|', YELLOW),
        Kind::OnlyA => ('<', RED),
        Kind::OnlyB => ('>', GREEN),
    };
    let (start, end) = if colour.is_empty() { ("", "") } else { style.paint(colour) };
    for at in 0..left.len().max(right.len()) {
        let a = columns.fit(left.get(at).map_or("", String::as_str), true);
        let b = columns.fit(right.get(at).map_or("", String::as_str), false);
        let mark = if at == 0 { mark } else { ' ' };
        writeln!(out, "{}", format!("{start}{a} {mark} {b}{end}").trim_end())?;
    }
    Ok(())
}

/// Returns the lines that show one side of a row.
fn event_lines(columns: Columns, event: Option<(&Trace, usize)>, row: &Row, sources: Option<&Sources>) -> Vec<String> {
    let Some((trace, event)) = event else {
        return Vec::new();
    };
    let text = String::from_utf8_lossy(trace.text(event));
    let mut lines = if row.is_difference() { columns.wrap(&text) } else { vec![columns.fit(&text, false)] };
    if let Some(source) = sources.and_then(|sources| sources.of(trace, event)) {
        lines.push(columns.fit(&format!("    {source}"), false));
    }
    lines
}
