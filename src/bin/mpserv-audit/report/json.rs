//! Writes the report for machines, in JSON.

use std::fmt::Write as _;
use std::io::{self, Write};

use super::kinds;
use crate::compare::{Kind, Pair};
use crate::level::Level;
use crate::start::From;
use crate::subject::{Case, Subject};
use crate::trace::Trace;

/// Writes all counts, and each difference with both sides' lines.
pub fn write(out: &mut impl Write, subjects: &[Subject], sides: [&str; 2], from: From) -> io::Result<()> {
    let level = subjects.iter().map(Subject::level).max().unwrap_or_default();
    let (same, verdict) = (level <= Level::Varies, level.name());
    let from = match from {
        From::Main | From::Attached | From::AnyMain => "main",
        From::Execve => "execve",
    };
    write!(
        out,
        "{{\"version\":{},\"from\":\"{from}\",\"same\":{same},\"verdict\":\"{verdict}\",",
        quoted(env!("CARGO_PKG_VERSION").as_bytes())
    )?;
    write!(out, "\"a\":{},\"b\":{},\"programs\":", quoted(sides[0].as_bytes()), quoted(sides[1].as_bytes()))?;
    list(out, subjects, |out, one| subject(out, one, sides))?;
    writeln!(out, "}}")
}

/// Writes a list. `write_one` writes each element.
fn list<T, W: Write>(
    out: &mut W,
    elements: impl IntoIterator<Item = T>,
    write_one: impl Fn(&mut W, T) -> io::Result<()>,
) -> io::Result<()> {
    out.write_all(b"[")?;
    for (index, element) in elements.into_iter().enumerate() {
        out.write_all(if index == 0 { b"\n" } else { b",\n" })?;
        write_one(out, element)?;
    }
    out.write_all(b"]")
}

fn subject<W: Write>(out: &mut W, subject: &Subject, sides: [&str; 2]) -> io::Result<()> {
    let (a, b) = subject.events();
    let name = quoted(subject.name.as_bytes());
    let (differences, verdict) = (subject.differences(), subject.level().name());
    write!(out, "{{\"name\":{name},\"calls\":[{a},{b}],\"differences\":{differences},\"verdict\":\"{verdict}\",")?;
    out.write_all(b"\"kinds\":")?;
    list(out, subject.kinds(), |out, (difference, found)| {
        let (level, count) = (difference.level.name(), difference.count);
        let text = quoted(kinds::line(&difference, found, sides, None).as_bytes());
        write!(out, "{{\"level\":\"{level}\",\"count\":{count},\"text\":{text}}}")
    })?;
    out.write_all(b",\"runs\":")?;
    list(out, &subject.cases, case)?;
    out.write_all(b"}")
}

fn case<W: Write>(out: &mut W, case: &Case) -> io::Result<()> {
    let (a, b) = case.comparison.events;
    let (drive, output) = (quoted(case.drive.as_bytes()), case.output.name());
    write!(out, "{{\"drive\":{drive},\"stdout\":\"{output}\",\"calls\":[{a},{b}],")?;
    write!(out, "\"differences\":{},\"processes\":", case.comparison.differences())?;
    list(out, &case.comparison.pairs, |out, pair| process(out, case, pair))?;
    out.write_all(b"}")
}

fn process<W: Write>(out: &mut W, case: &Case, pair: &Pair) -> io::Result<()> {
    let id = |pid: Option<u32>| pid.map_or("null".to_owned(), |pid| pid.to_string());
    let a = pair.a.map(|index| &case.a.processes[index]);
    let b = pair.b.map(|index| &case.b.processes[index]);
    let place = quoted(pair.place.to_string().as_bytes());
    let (pid_a, pid_b) = (id(a.map(|process| process.pid)), id(b.map(|process| process.pid)));
    write!(out, "{{\"place\":{place},\"pids\":[{pid_a},{pid_b}],\"differences\":")?;
    let text = |trace: Option<&Trace>, event: Option<usize>| {
        trace.zip(event).map_or("null".to_owned(), |(trace, event)| quoted(trace.text(event)))
    };
    let different = pair.rows.iter().filter(|row| row.is_difference());
    list(out, different, |out, row| {
        let kind = match row.kind {
            Kind::Same => "same",
            Kind::Changed => "changed",
            Kind::OnlyA => "only a",
            Kind::OnlyB => "only b",
        };
        let (a, b) = (text(a.map(|p| &p.trace), row.a()), text(b.map(|p| &p.trace), row.b()));
        write!(out, "{{\"kind\":\"{kind}\",\"a\":{a},\"b\":{b}}}")
    })?;
    out.write_all(b"}")
}

/// Returns a JSON string. Bytes that are no UTF-8 become U+FFFD.
fn quoted(bytes: &[u8]) -> String {
    let mut out = String::from("\"");
    for character in String::from_utf8_lossy(bytes).chars() {
        match character {
            '"' | '\\' => out.extend(['\\', character]),
            '\n' => out.push_str("\\n"),
            control if control < ' ' => {
                // A write to a string does not fail.
                let _ = write!(out, "\\u{:04x}", u32::from(control));
            }
            other => out.push(other),
        }
    }
    out.push('"');
    out
}

#[cfg(test)]
mod tests {
    use super::quoted;

    #[test]
    fn a_string_holds_what_json_allows() {
        for (bytes, string) in [
            (&b"plain \xc3\xa4 /\x7f"[..], "plain \u{e4} /\x7f"),
            (b"\"\\\n", "\\\"\\\\\\n"),
            (b"\0\t\x1b\x1f ", "\\u0000\\u0009\\u001b\\u001f "),
            (b"\xff", "\u{fffd}"),
        ] {
            assert_eq!(quoted(bytes), format!("\"{string}\""), "{bytes:?}");
        }
    }
}
