//! Writes the report: a Markdown table for the terminal and the documents, and JSON for programs.

use std::fmt::Write;
use std::fs;
use std::path::Path;
use std::time::Instant;

use crate::Result;
use crate::machine::{Machine, ProcessorTime};
use crate::options::Options;
use crate::row::{Row, Unit, Wanted};
use crate::statistics::Median;

/// The document that the bench writes.
const DOCUMENT: &str = "src/docs/benchmarks.md";
const HEADING: &str = "## Results\n";

pub struct Report {
    begin: Instant,
    processors: ProcessorTime,
    machine: Machine,
    command: String,
}

impl Report {
    pub fn begin(options: &Options) -> Result<Report> {
        let machine = Machine::here()?;
        eprintln!("bench: {machine}");
        let command = match options.given.as_slice() {
            [] => "make bench".to_owned(),
            given => format!("make bench ARGS='{}'", given.join(" ")),
        };
        Ok(Report { begin: Instant::now(), processors: ProcessorTime::now()?, machine, command })
    }

    pub fn write(&self, rows: &[Row], options: &Options) -> Result<()> {
        let table = self.markdown(rows, options)?;
        fs::create_dir_all(&options.out)?;
        fs::write(options.out.join("results.md"), &table)?;
        fs::write(options.out.join("results.json"), self.json(rows)?)?;
        println!("{table}");
        eprintln!("bench: {}/{{results.md,results.json}}", options.out.display());
        if options.is_whole() {
            let document = Path::new(env!("CARGO_MANIFEST_DIR")).join(DOCUMENT);
            let text = fs::read_to_string(&document)?;
            let (before, _) = text.split_once(HEADING).ok_or(format!("{DOCUMENT} has no line {HEADING}"))?;
            fs::write(&document, format!("{before}{HEADING}\n{table}"))?;
            eprintln!("bench: {DOCUMENT} has the new results");
        }
        Ok(())
    }

    fn markdown(&self, rows: &[Row], options: &Options) -> Result<String> {
        let mut text = String::new();
        let (machine, seconds) = (&self.machine, self.begin.elapsed().as_secs());
        writeln!(text, "Written by `{}`. {machine}.", self.command)?;
        let stolen = ProcessorTime::now()?.stolen_since(self.processors);
        writeln!(
            text,
            "It took {seconds} s. Others of the host had {stolen:.1} % of the processors' time. An interval"
        )?;
        writeln!(text, "contains the true median with a confidence of 95 % or more ({} rounds).\n", options.rounds)?;
        writeln!(text, "| what | measured | interval | required | |\n|---|---|---|---|---|")?;
        for row in rows {
            let wanted = match row.wanted {
                Wanted::AtLeast(least) => format!("{} or more", number(least, row.unit)),
                Wanted::AtLeastWithin(least) => format!("{} or more, within the interval", number(least, row.unit)),
                Wanted::AtMost(most) => format!("{} or less", number(most, row.unit)),
                Wanted::Nothing => String::new(),
            };
            let verdict = match (row.wanted, row.holds()) {
                (Wanted::Nothing, _) => "",
                (_, true) => "holds",
                (_, false) => "**fails**",
            };
            let (value, interval) = match &row.value {
                Ok(value) => (number(value.value, row.unit) + row.unit.name(), interval(value, row.unit)),
                Err(why) => (format!("not measured: {}", why.replace(['|', '\n'], " ")), String::new()),
            };
            writeln!(text, "| {} | {value} | {interval} | {wanted} | {verdict} |", row.name)?;
        }
        Ok(text)
    }

    fn json(&self, rows: &[Row]) -> Result<String> {
        let mut text = String::new();
        writeln!(
            text,
            "{{\"date\":{},\"machine\":{},\"command\":{},\"rows\":[",
            quoted(&self.machine.date),
            quoted(&self.machine.to_string()),
            quoted(&self.command)
        )?;
        for (index, row) in rows.iter().enumerate() {
            let (value, why) = match &row.value {
                Ok(Median { value, low, high }) => {
                    (format!("\"value\":{value},\"low\":{low},\"high\":{high}"), "null".to_owned())
                }
                Err(why) => ("\"value\":null".to_owned(), quoted(why)),
            };
            let (least, most) = match row.wanted {
                Wanted::AtLeast(least) | Wanted::AtLeastWithin(least) => (least.to_string(), "null".to_owned()),
                Wanted::AtMost(most) => ("null".to_owned(), most.to_string()),
                Wanted::Nothing => ("null".to_owned(), "null".to_owned()),
            };
            let (name, unit, holds) = (quoted(&row.name), quoted(row.unit.name().trim()), row.holds());
            let comma = if index + 1 < rows.len() { "," } else { "" };
            writeln!(
                text,
                "{{\"name\":{name},\"unit\":{unit},{value},\"at_least\":{least},\"at_most\":{most},\"holds\":{holds},\
                 \"not_measured\":{why}}}{comma}"
            )?;
        }
        text.push_str("]}\n");
        Ok(text)
    }
}

fn interval(value: &Median, unit: Unit) -> String {
    if value.low < value.high {
        format!("{} to {}", number(value.low, unit), number(value.high, unit))
    } else {
        String::new()
    }
}

/// Returns a number with its significant digits, such as 12,346 for 12345.6/s.
fn number(value: f64, unit: Unit) -> String {
    match unit {
        Unit::Ratio | Unit::Milliseconds | Unit::Calls => format!("{value:.2}"),
        Unit::PerSecond | Unit::Kilobytes => {
            let digits = format!("{value:.0}");
            let mut text = String::new();
            for (index, digit) in digits.chars().enumerate() {
                if index > 0 && (digits.len() - index) % 3 == 0 {
                    text.push(',');
                }
                text.push(digit);
            }
            text
        }
    }
}

/// Returns a text as a JSON string, with quotes.
fn quoted(text: &str) -> String {
    let mut quoted = String::from("\"");
    for character in text.chars() {
        match character {
            '"' | '\\' => quoted.extend(['\\', character]),
            control if control.is_control() => quoted.push_str(&format!("\\u{:04x}", u32::from(control))),
            other => quoted.push(other),
        }
    }
    quoted.push('"');
    quoted
}
