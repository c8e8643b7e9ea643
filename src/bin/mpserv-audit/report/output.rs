//! Shows the programs' output side by side, and a verdict for each kind of standard output.

use std::io::{self, Write};

use super::escape::visible;
use super::style::{BOLD, Columns, DIM, GREEN, RED, Style, YELLOW, colour};
use crate::run::output::Output;
use crate::subject::{Case, Printed, Subject};

const SAME: &str = "same";
const DIFFERENT: &str = "different";
/// The number of spaces between columns.
const GAP: usize = 2;

/// Writes one line for each program: a verdict for each kind of standard output, over all drives, and a verdict for the
/// calls.
pub fn table(out: &mut impl Write, style: Style, subjects: &[Subject], outputs: &[Output]) -> io::Result<()> {
    let name_width =
        subjects.iter().map(|subject| subject.name.chars().count()).max().unwrap_or(0).max("program".len());
    let width = DIFFERENT.len();
    let (bold, plain) = style.paint(BOLD);
    write!(out, "\n{bold}{:name_width$}", "program")?;
    outputs.iter().try_for_each(|output| write!(out, "  {:width$}", output.name()))?;
    writeln!(out, "  calls{plain}")?;
    for subject in subjects {
        write!(out, "{:name_width$}", subject.name)?;
        let printed_on = |output: &Output| {
            let mut cases = subject.cases.iter().filter(|case| case.output == *output);
            cases.all(Case::prints_the_same)
        };
        let mut gap = GAP;
        for same in outputs.iter().map(printed_on) {
            let (colour, verdict) = if same { (GREEN, SAME) } else { (RED, DIFFERENT) };
            let (start, end) = style.paint(colour);
            let missing = width - verdict.len();
            write!(out, "{:gap$}{start}{verdict}{end}", "")?;
            gap = GAP + missing;
        }
        let level = subject.level();
        let (start, end) = style.paint(colour(level));
        writeln!(out, "{:gap$}{start}{}{end}", "", level.name())?;
    }
    Ok(())
}

/// Writes the printed text of either side in each run.
pub fn side_by_side(out: &mut impl Write, style: Style, subjects: &[Subject], sides: [&str; 2]) -> io::Result<()> {
    let columns = Columns::new(style.width);
    let (bold, plain) = style.paint(BOLD);
    let (dim, _) = style.paint(DIM);
    for (subject, case) in subjects.iter().flat_map(|subject| subject.cases.iter().map(move |case| (subject, case))) {
        writeln!(out, "\n{bold}{} ({}, {}){plain}", subject.name, case.drive, case.output.name())?;
        writeln!(out, "{dim}{}   {}{plain}", columns.fit(sides[0], true), columns.fit(sides[1], false))?;
        let [a, b] = &case.printed;
        let (lines_a, lines_b) = (Lines::of(a), Lines::of(b));
        for at in 0..lines_a.named.len().max(lines_b.named.len()) {
            let (mark, colour) = match (lines_a.named.get(at), lines_b.named.get(at)) {
                (Some(a), Some(b)) if a == b => (' ', ""),
                (Some(_), Some(_)) => ('|', YELLOW),
                (Some(_), None) => ('<', RED),
                (None, _) => ('>', GREEN),
            };
            let (start, end) = if colour.is_empty() { ("", "") } else { style.paint(colour) };
            let [a, b] = [&lines_a, &lines_b].map(|lines| lines.shown.get(at).map_or("", String::as_str));
            let row = format!("{} {mark} {}", columns.fit(a, true), columns.fit(b, false));
            writeln!(out, "{start}{}{end}", row.trim_end())?;
        }
    }
    Ok(())
}

/// The output of one side, line by line.
struct Lines<'p> {
    /// The output, with control characters escaped.
    shown: Vec<String>,
    named: Vec<&'p [u8]>,
}

impl<'p> Lines<'p> {
    fn of(printed: &'p Printed) -> Self {
        let shown = lines(&printed.text).map(|line| visible(&String::from_utf8_lossy(line)));
        Lines { shown: shown.collect(), named: lines(&printed.named).collect() }
    }
}

/// Returns the lines of a text, without an empty line at its end, and without the carriage returns that a terminal
/// adds.
fn lines(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    let lines = text.strip_suffix(b"\n").unwrap_or(text).split(|byte| *byte == b'\n').filter(|_| !text.is_empty());
    lines.map(|line| line.strip_suffix(b"\r").unwrap_or(line))
}
