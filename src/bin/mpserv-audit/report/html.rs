//! Writes the report as one page without scripts, fonts or other files.

use std::fmt::Write as _;
use std::io::{self, Write};

use crate::compare::{Kind, Pair, Row};
use crate::level::Level;
use crate::library;
pub use crate::report::escape::escape;
use crate::report::kinds;
use crate::report::picture::{Link, Picture, WIDE};
use crate::sources::Sources;
use crate::start::{From, start_of_main};
use crate::subject::{Case, Subject};
use crate::trace::{Line, Trace};
use crate::words::count;

/// The most rows of one process on the page. Further rows are left out.
const ROWS: usize = 1000;
/// The most characters of a line. Longer lines are cut short.
const LINE: usize = 300;

const STYLE: &str = include_str!("page.css");

/// The contents of the page.
#[derive(Debug)]
pub struct Page<'p> {
    pub subjects: &'p [Subject],
    pub sides: [&'p str; 2],
    pub from: From,
    pub strace: &'p str,
    pub sources: Option<&'p Sources>,
}

impl Page<'_> {
    /// Writes the page.
    pub fn write(&self, out: &mut impl Write) -> io::Result<()> {
        let [a, b] = self.sides;
        write!(
            out,
            "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
             <title>{a} and {b}, system call by system call</title>\n<style>\n{STYLE}</style>\n<main>\n"
        )?;
        self.summary(out)?;
        writeln!(out, "{LEGEND}")?;
        for (index, subject) in self.subjects.iter().enumerate() {
            self.subject(out, index, subject)?;
        }
        writeln!(out, "</main>\n</html>")
    }

    fn summary(&self, out: &mut impl Write) -> io::Result<()> {
        let [a, b] = self.sides;
        let from = match self.from {
            From::Main | From::Attached | From::AnyMain => "main",
            From::Execve => "execve",
        };
        let runs: usize = self.subjects.iter().map(|subject| subject.cases.len()).sum();
        let differences: usize = self.subjects.iter().map(Subject::differences).sum();
        let strace = escape(self.strace);
        write!(
            out,
            "<h1>{a} and {b}, system call by system call</h1>\n\
             <p>Each program was run twice, in {a} and in {b}, under strace, and driven the same way: {}. \
             From {from} on, every process made the calls that are counted here; <strong>{differences}</strong> differ. \
             <small>{strace}</small></p>\n\
             <table class=\"summary\"><thead><tr><th>program<th class=\"r\">runs<th class=\"r\">{a}\
             <th class=\"r\">{b}<th class=\"r\">differ<th>verdict</thead>\n",
            count(runs, "pair of runs", "pairs of runs")
        )?;
        for (index, subject) in self.subjects.iter().enumerate() {
            let (events_a, events_b) = subject.events();
            let name = escape(&subject.name);
            let (runs, differences) = (subject.cases.len(), subject.differences());
            writeln!(
                out,
                "<tr><td><a href=\"#p{index}\">{name}</a><td class=\"r\">{runs}<td class=\"r\">{events_a}\
                 <td class=\"r\">{events_b}<td class=\"r\">{differences}<td>{}",
                verdict(subject.level())
            )?;
        }
        writeln!(out, "</table>")
    }

    fn subject(&self, out: &mut impl Write, index: usize, subject: &Subject) -> io::Result<()> {
        writeln!(out, "<section id=\"p{index}\"><h2>{}</h2>", escape(&subject.name))?;
        let mut drives: Vec<&str> = subject.cases.iter().map(|case| case.drive.as_str()).collect();
        drives.dedup();
        let found = subject.kinds();
        if !found.is_empty() {
            writeln!(out, "<ul>")?;
            for (difference, case) in found {
                let line = kinds::line(&difference, case, self.sides, self.sources);
                writeln!(out, "<li>{}: {}", difference.level.name(), escape(&line))?;
            }
            writeln!(out, "</ul>")?;
        }
        // The case with the most processes shows the program best, so it is open.
        let size = |case: &&Case| case.a.processes.len();
        let best = subject.cases.iter().max_by_key(size).map(|case| case.drive.as_str());
        for drive in drives {
            let cases: Vec<&Case> = subject.cases.iter().filter(|case| case.drive == drive).collect();
            self.drive(out, &subject.name, drive, &cases, Some(drive) == best)?;
        }
        writeln!(out, "</section>")
    }

    fn drive(&self, out: &mut impl Write, name: &str, drive: &str, cases: &[&Case], open: bool) -> io::Result<()> {
        let level = cases.iter().map(|case| case.comparison.level()).max().unwrap_or_default();
        let outputs: Vec<&str> = cases.iter().map(|case| case.output.name()).collect();
        writeln!(
            out,
            "<details{}><summary>{} <small>{}</small> {}</summary>",
            if open { " open" } else { "" },
            escape(drive),
            outputs.join(", "),
            verdict(level)
        )?;
        if let Some(case) = cases.first() {
            self.pictures(out, name, case)?;
        }
        for case in cases {
            self.case(out, case)?;
        }
        writeln!(out, "</details>")
    }

    /// Writes one picture if both sides are the same, else a picture for each side, with the differences marked.
    fn pictures(&self, out: &mut impl Write, name: &str, case: &Case) -> io::Result<()> {
        let [a, b] = self.sides;
        let captions =
            if case.comparison.differences() == 0 { vec![format!("{a} and {b}")] } else { vec![a.into(), b.into()] };
        writeln!(out, "<div class=\"pictures\">")?;
        for (side, caption) in captions.iter().enumerate() {
            let tree = [&case.a, &case.b][side];
            let title = format!("{name} in {caption}, {}: its processes and their system calls", case.drive);
            let mark = |process: usize, events: &[usize]| unlike(case, side, process, events);
            let drawn = match Picture::of(tree, &events(case, side), WIDE) {
                Some(picture) => format!("{caption}</figcaption>{}", picture.svg(&title, Some(&mark))),
                None => format!("{caption}: too many processes for a picture</figcaption>"),
            };
            writeln!(out, "<figure><figcaption>{drawn}</figure>")?;
        }
        writeln!(out, "</div>")
    }

    fn case(&self, out: &mut impl Write, case: &Case) -> io::Result<()> {
        let differences = case.comparison.differences();
        let open = if differences > 0 { " open" } else { "" };
        let output = case.output.name();
        writeln!(
            out,
            "<details class=\"trace\"{open}><summary>trace on a {output} {}</summary>",
            verdict(case.comparison.level())
        )?;
        for pair in &case.comparison.pairs {
            self.pair(out, case, pair)?;
        }
        writeln!(out, "</details>")
    }

    fn pair(&self, out: &mut impl Write, case: &Case, pair: &Pair) -> io::Result<()> {
        let [a, b] = self.sides;
        writeln!(
            out,
            "<table class=\"rows\"><caption>{}</caption><thead><tr><th>{a}<th><th>{b}</thead>",
            escape(&pair.place.title())
        )?;
        for row in pair.rows.iter().take(ROWS) {
            self.row(out, case, pair, row)?;
        }
        if let Some(more) = pair.rows.len().checked_sub(ROWS).filter(|more| *more > 0) {
            writeln!(out, "<tr><td colspan=\"3\">{} (--traces shows all)", count(more, "more row", "more rows"))?;
        }
        writeln!(out, "</table>")
    }

    fn row(&self, out: &mut impl Write, case: &Case, pair: &Pair, row: &Row) -> io::Result<()> {
        let a = pair.a.map(|index| &case.a.processes[index].trace).zip(row.a());
        let b = pair.b.map(|index| &case.b.processes[index].trace).zip(row.b());
        let (class, mark) = match row.kind {
            Kind::Same => ("", ""),
            Kind::Changed => (" class=\"changed\"", "≠"),
            Kind::OnlyA => (" class=\"only-a\"", "←"),
            Kind::OnlyB => (" class=\"only-b\"", "→"),
        };
        writeln!(out, "<tr{class}><td>{}<td>{mark}<td>{}", self.event(a), self.event(b))
    }

    fn event(&self, event: Option<(&Trace, usize)>) -> String {
        let Some((trace, event)) = event else {
            return String::new();
        };
        let text = String::from_utf8_lossy(trace.text(event));
        let mut squeezed =
            text.split("  ").filter(|part| !part.is_empty()).map(str::trim).collect::<Vec<_>>().join(" ");
        if squeezed.chars().count() > LINE {
            squeezed = squeezed.chars().take(LINE).chain(['…']).collect();
        }
        let mut cell = escape(&squeezed);
        if let Some(source) = self.sources.and_then(|sources| sources.of(trace, event)) {
            // A write to a string does not fail.
            let _ = write!(cell, "<br><i>{}</i>", escape(&source));
        }
        cell
    }
}

fn verdict(level: Level) -> String {
    let class = if level <= Level::Varies { "same" } else { "different" };
    format!("<b class=\"{class}\">{}</b>", level.name())
}

fn process_of(pair: &Pair, side: usize) -> Option<usize> {
    if side == 0 { pair.a } else { pair.b }
}

fn event_of(row: &Row, side: usize) -> Option<usize> {
    if side == 0 { row.a() } else { row.b() }
}

/// Returns the events of one side that a picture shows, by the index of the process. The events begin at main, and
/// leave out the C library's own calls.
fn events(case: &Case, side: usize) -> Vec<(usize, Vec<usize>)> {
    let tree = [&case.a, &case.b][side];
    let of_pair = |pair: &Pair| {
        let index = process_of(pair, side)?;
        let process = &tree.processes[index];
        let mut start = start_of_main(process, From::AnyMain);
        let is_shown = |event: &usize| {
            let is_own = matches!(process.trace.line(*event), Line::Call(call) if library::is_own(call.name));
            !start.leaves_out(*event) && !is_own
        };
        Some((index, pair.rows.iter().filter_map(|row| event_of(row, side)).filter(is_shown).collect()))
    };
    case.comparison.pairs.iter().filter_map(of_pair).collect()
}

/// Returns the mark of a node in which the two sides differ.
fn unlike(case: &Case, side: usize, process: usize, events: &[usize]) -> Option<Link> {
    let pair = case.comparison.pairs.iter().find(|pair| process_of(pair, side) == Some(process))?;
    let is_here = |row: &&Row| event_of(row, side).is_some_and(|event| events.contains(&event));
    let differs = pair.rows.iter().filter(is_here).any(Row::is_difference);
    differs.then(|| Link { anchor: None, title: "differs".to_owned(), classes: "unlike".to_owned() })
}

const LEGEND: &str = "<h2>How to read the pictures</h2>\n\
<p>Each column is a process; time goes down. <span class=\"k fork\">fork</span> makes a child, and an arrow leads to where \
the child begins: a copy of its parent with the same open descriptors, which is why the child closes the listener and the \
parent the connection. A server waits in <span class=\"k net\">accept</span>; the child \
<span class=\"k read\">reads</span> and <span class=\"k write\">writes</span> until its client is gone, \
<span class=\"k close\">closes</span> and <span class=\"k exit\">exits</span>. It is a zombie (broken line) until its \
parent, told by <span class=\"k signal\">SIGCHLD</span>, <span class=\"k wait\">waits</span> for it. The number after a \
colon is what the call returned; … stands for a call that a signal interrupted. What is at the same height in two columns \
may happen in either order. The calls before main, and those that the C library makes for itself, are in the traces below, and \
not in the pictures. A thick red edge marks a call in which the two sides differ.</p>";
