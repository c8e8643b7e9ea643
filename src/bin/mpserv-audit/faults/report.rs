//! The table of programs, calls, faults and results, as text and as a page.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{self, Write};

use super::errnos::errors_of;
use super::finding::{Finding, Report, Tried, Verdict};
use crate::exit::{DIFFERENT, SAME};
use crate::options::Options;
use crate::report::html::escape;
use crate::report::style::Style;
use crate::report::terminal;
use crate::run::strace::Strace;
use crate::save::save;
use crate::subject::Subject;
use crate::trouble::Trouble;
use crate::words::count;

const STYLE: &str = include_str!("../report/page.css");

/// The number of differing cases that are shown call by call.
const SHOWN: usize = 20;

/// A row of the table: one fault at one call of one program, over all occurrences and outputs.
#[derive(Debug)]
struct Row<'r> {
    program: String,
    call: &'r str,
    fault: String,
    cases: usize,
    differences: usize,
    not_met: usize,
    /// Each outcome, with the occurrences that have it.
    outcomes: BTreeMap<&'r str, Vec<usize>>,
}

impl Verdict {
    /// Whether the programs differ, or the server breaks a rule.
    fn is_bad(&self) -> bool {
        matches!(self, Verdict::Different(_) | Verdict::Violation(_))
    }

    /// Whether the fault was not met or could not be tried.
    fn is_not_met(&self) -> bool {
        matches!(self, Verdict::NotMet | Verdict::Untried(_))
    }
}

impl Row<'_> {
    fn outcome(&self) -> String {
        let one = self.outcomes.len() == 1;
        let each = self.outcomes.iter().map(|(outcome, at)| {
            let at: Vec<String> = at.iter().map(usize::to_string).collect();
            if one { (*outcome).to_owned() } else { format!("{outcome} (at {})", at.join(", ")) }
        });
        each.collect::<Vec<_>>().join("; ")
    }

    fn verdict(&self) -> &'static str {
        match (self.differences, self.not_met) {
            (0, 0) => "good",
            (0, _) => "not met",
            _ => "bad",
        }
    }
}

impl Report {
    /// Returns the name of the finding's subject. The name includes the kind of output if the program was run on
    /// several kinds.
    fn name(&self, finding: &Finding) -> String {
        self.tried[finding.tried].name()
    }

    /// Returns the names of the subjects, each once.
    fn names(&self) -> Vec<String> {
        let mut names: Vec<String> = self.tried.iter().map(Tried::name).collect();
        names.dedup();
        names
    }

    fn rows(&self) -> Vec<Row<'_>> {
        let mut rows: Vec<Row<'_>> = Vec::new();
        for finding in &self.findings {
            let program = self.name(finding);
            let fault = finding.case.fault.to_string();
            let is_it =
                |row: &&mut Row<'_>| row.program == program && row.call == finding.case.call && row.fault == fault;
            let row = match rows.iter_mut().rev().find(is_it) {
                Some(row) => row,
                None => {
                    let call = finding.case.call.as_str();
                    let row =
                        Row { program, call, fault, cases: 0, differences: 0, not_met: 0, outcomes: BTreeMap::new() };
                    rows.push(row);
                    let last = rows.len() - 1;
                    &mut rows[last]
                }
            };
            row.cases += 1;
            row.differences += usize::from(finding.verdict.is_bad());
            row.not_met += usize::from(finding.verdict.is_not_met());
            let at = row.outcomes.entry(&finding.outcome).or_default();
            if !at.contains(&finding.case.when) {
                at.push(finding.case.when);
            }
        }
        rows
    }

    fn count(&self, wanted: impl Fn(&Finding) -> bool) -> usize {
        self.findings.iter().filter(|finding| wanted(finding)).count()
    }

    fn differences(&self) -> usize {
        self.count(|finding| finding.verdict.is_bad())
    }

    fn not_met(&self) -> usize {
        self.count(|finding| finding.verdict.is_not_met())
    }

    /// Writes the requested reports, and returns the exit status.
    pub fn publish(self, options: &Options, strace: &Strace) -> Result<u8, Trouble> {
        if let Some(path) = &options.html {
            save(path, |out| self.page(out, strace))?;
        }
        let status = self.status();
        let mut out = io::BufWriter::new(io::stdout().lock());
        self.text(&mut out).and_then(|()| out.flush()).map_err(|error| Trouble::of("standard output", error))?;
        status
    }

    /// Returns the exit status: the cases are good, or one is bad or was missed. Fails when the user ended the tool.
    fn status(&self) -> Result<u8, Trouble> {
        // The number of a server's calls depends on the moments at which its clients arrive.
        let is_program = |finding: &Finding| !matches!(self.tried[finding.tried], Tried::Server(..));
        let missed = |finding: &Finding| match finding.verdict {
            Verdict::Untried(_) => true,
            Verdict::NotMet => is_program(finding),
            _ => false,
        };
        match self.planned - self.findings.len() {
            0 if self.differences() + self.count(missed) == 0 => Ok(SAME),
            0 => Ok(DIFFERENT),
            left => Err(Trouble::new(format!("interrupted: {} not tried", count(left, "case was", "cases were")))),
        }
    }

    fn text(self, out: &mut impl Write) -> io::Result<()> {
        let rows = self.rows();
        let width = |head: &str, of: &dyn Fn(&Row<'_>) -> usize| rows.iter().map(of).max().unwrap_or(0).max(head.len());
        let (program, call) = (width("program", &|row| row.program.len()), width("call", &|row| row.call.len()));
        let fault = width("fault", &|row| row.fault.len());
        writeln!(out, "{:program$}  {:call$}  {:fault$}  cases  verdict    outcome", "program", "call", "fault")?;
        for row in &rows {
            let (name, verdict, outcome) = (&row.program, row.verdict(), row.outcome());
            let Row { call: of, fault: what, cases, .. } = row;
            writeln!(out, "{name:program$}  {of:call$}  {what:fault$}  {cases:5}  {verdict:9}  {outcome}")?;
        }
        writeln!(out, "\n{:program$}  cases        bad  not met", "program")?;
        for name in self.names() {
            let of = |finding: &Finding| self.name(finding) == name;
            let different = |finding: &Finding| of(finding) && finding.verdict.is_bad();
            let not_met = |finding: &Finding| of(finding) && finding.verdict.is_not_met();
            let (cases, different, not_met) = (self.count(of), self.count(different), self.count(not_met));
            writeln!(out, "{name:program$}  {cases:5}  {different:9}  {not_met:7}")?;
        }
        let (all, differences, not_met) = (self.findings.len(), self.differences(), self.not_met());
        writeln!(out, "\n{all} cases in {:.0} s: {differences} are bad, {not_met} were not met", self.seconds)?;
        let again =
            self.count(|finding| finding.tries > 1 && !finding.verdict.is_bad() && !finding.verdict.is_not_met());
        writeln!(out, "{again} were good only when they were tried again")?;
        for (reason, count) in &self.impossible {
            writeln!(out, "{count} not possible: {reason}")?;
        }
        for finding in &self.findings {
            let (name, case) = (self.name(finding), &finding.case);
            match &finding.verdict {
                Verdict::Untried(trouble) => writeln!(out, "{name} ({case}): {trouble}")?,
                Verdict::Violation(what) => writeln!(out, "{name} ({case}): {what}")?,
                Verdict::NotMet => writeln!(out, "{name} ({case}): was not met")?,
                Verdict::Good | Verdict::Different(_) => {}
            }
        }
        let style = Style::of_stdout();
        let sides = self.sides;
        let [a, b] = sides;
        let mut shown = 0;
        let names: Vec<String> = self.tried.iter().map(Tried::name).collect();
        for finding in self.findings {
            let Verdict::Different(case) = finding.verdict else { continue };
            shown += 1;
            if shown > SHOWN {
                break;
            }
            let name = names[finding.tried].clone();
            let [c, rust] = &case.printed;
            if c.named != rust.named {
                let [c, rust] = [c, rust].map(|printed| String::from_utf8_lossy(&printed.named).into_owned());
                writeln!(out, "\n{name} ({}): prints {c:?} in {a} and {rust:?} in {b}", case.drive)?;
            }
            let subject = Subject { name, cases: vec![*case] };
            terminal::side_by_side(out, style, &subject, sides, false, None)?;
        }
        Ok(())
    }

    fn page(&self, out: &mut impl Write, strace: &Strace) -> io::Result<()> {
        let (all, differences, not_met) = (self.findings.len(), self.differences(), self.not_met());
        let impossible = self.impossible.iter().fold(String::new(), |mut text, (reason, count)| {
            // A write to a string does not fail.
            let _ = write!(text, "<li>{count} not possible: {}", escape(reason));
            text
        });
        write!(
            out,
            "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
             <title>Every fault</title>\n<style>\n{STYLE}</style>\n<main>\n\
             <h1>Every fault</h1>\n\
             <p>Each call that a program makes was made to fail with each error that its manual page documents, to move \
             few bytes, and to be interrupted by signals. Two programs must then do the same; the \
             server must go on, or stop and say why. {all} cases, of which <strong>{differences}</strong> are bad and {not_met} were not met. <small>{}</small></p>\n\
             <ul>{impossible}</ul>\n",
            escape(&strace.version)
        )?;
        let rows = self.rows();
        for name in self.names() {
            let own: Vec<&Row<'_>> = rows.iter().filter(|row| row.program == name).collect();
            let cases: usize = own.iter().map(|row| row.cases).sum();
            let differ: usize = own.iter().map(|row| row.differences).sum();
            writeln!(
                out,
                "<details><summary>{} <small>{cases} cases</small> {differ} bad</summary>\n<table class=\"rows cases\">\
                 <thead><tr><th>call<th>fault<th class=\"r\">cases<th>verdict<th>outcome</thead>",
                escape(&name)
            )?;
            for row in own {
                let class = if row.verdict() == "good" { "same" } else { "different" };
                writeln!(
                    out,
                    "<tr><td>{} <small>{}</small><td>{}<td class=\"r\">{}<td><b class=\"{class}\">{}</b><td>{}",
                    escape(row.call),
                    errors_of(row.call).map_or("", |errors| errors.pages),
                    escape(&row.fault),
                    row.cases,
                    row.verdict(),
                    escape(&row.outcome())
                )?;
            }
            writeln!(out, "</table></details>")?;
        }
        writeln!(out, "</main>\n</html>")
    }
}

#[cfg(test)]
mod tests;
