//! A page as HTML: its head, the sources with their calls, and the picture.

use std::fmt::Write as _;

use super::after;
use super::child;
use super::count::Count;
use super::frame::{Tab, head, labelled_tabs, tabs};
use super::glossary;
use super::header;
use super::notes::{self, Stop};
use super::page::{Column, Page};
use super::row::{self, Row};
use super::rows;
use super::silent;
use super::steps::Step;
use super::tour;
use super::words;
use crate::compare::Kind;
use crate::report::html::escape;
use crate::report::picture::{Link, NARROW, Picture};
use crate::run::output::Output;
use crate::trace::Line;

impl Page<'_> {
    /// Returns the page as HTML.
    pub fn html(&self) -> String {
        let picture = self.picture();
        let title = format!("{}, {}", self.name, self.drive);
        let mut out = head(&escape(&title), &self.marks());
        out += "<body>\n<header>\n";
        out += &self.heading();
        out += &self.contents(picture.is_some());
        out += "</header>\n<main>\n";
        out += &tour::html(self);
        out += glossary::PLACE;
        let class = if self.columns.len() > 1 { "two" } else { "one" };
        let (with, style) = match &picture {
            Some((_, width)) => (" with-picture", format!(" style=\"--picture:{width}px\"")),
            None => ("", String::new()),
        };
        let _ = writeln!(
            out,
            "<div class=\"layout{with}\"{style}>\n<section class=\"{class}\" aria-labelledby=\"sources\">\n\
             <h2 id=\"sources\">The sources, and the calls of each line</h2>"
        );
        out += &self.sources();
        out += "</section>\n";
        if let Some((svg, _)) = picture {
            let _ = writeln!(
                out,
                "<aside aria-labelledby=\"picture\"><h2 id=\"picture\">The processes: one row a step, time downwards</h2>\
                 <p class=\"soft caption\">A call stands where it returns; it may have begun, and waited, long before.</p>{svg}</aside>"
            );
        }
        out += "</div>\n";
        out += &after::outputs(self);
        out += &after::questions(self);
        out += &after::exercises(self);
        out += &header::html(self);
        out = glossary::insert(&out);
        out + "</main>\n" + &self.foot() + "</body>\n</html>\n"
    }

    fn heading(&self) -> String {
        let header = self.columns.first().map(|column| notes::header(&column.lines)).unwrap_or_default();
        let (a, b) = self.runs.comparison.events;
        let differences = self.runs.comparison.differences();
        let kinds = Count::of(self).kinds();
        let verdict = match (self.columns.len() > 1, differences) {
            (false, _) => format!("{a} steps ({kinds})"),
            (true, 0) => {
                format!("C and Rust make the same {a} steps ({kinds}): <span class=\"same\">no difference</span>")
            }
            (true, count) => {
                format!("{a} steps in C, {b} in Rust: <span class=\"bad\">{count} differ</span>")
            }
        };
        let before = self.runs.comparison.pairs.first().map_or(0, |pair| pair.before.0);
        let output = match self.runs.output {
            Output::Pty => "a terminal",
            Output::Pipe => "a pipe",
            Output::File => "a file",
        };
        let mut out = tabs("Lessons", &self.tabs.lessons);
        let _ = write!(
            out,
            "<h1>{}</h1>\n<p>{}</p>\n<p>{verdict}, from main on, with standard output to {output}. \
             <span class=\"soft\">Before main the program loader (ld.so) makes {before} more, which are not shown.</span></p>\n",
            escape(&self.name),
            escape(&header.title),
        );
        out += &labelled_tabs("What happens to the program", &self.tabs.drives);
        out += &labelled_tabs("Standard output", &self.tabs.outputs);
        out
    }

    /// Returns links to the parts of the page, so that a reader can skip parts.
    fn contents(&self, has_picture: bool) -> String {
        let parts = [
            ("sources", "sources", true),
            ("picture", "processes", has_picture),
            ("prints", "what it prints", self.printed.is_known()),
            ("questions", "questions", true),
            ("exercises", "exercises", !self.exercises.is_empty()),
        ];
        let there = parts.into_iter().filter(|(.., is_there)| *is_there);
        let links: Vec<Tab> =
            there.map(|(id, text, _)| Tab { text: text.to_owned(), to: Some(format!("#{id}")) }).collect();
        labelled_tabs("On this page", &links)
    }

    fn sources(&self) -> String {
        let mut out = "<div class=\"heads\">".to_owned();
        for column in &self.columns {
            let _ = write!(
                out,
                "<div>{} <span class=\"soft\">{}</span></div>",
                escape(&column.label),
                escape(&column.file)
            );
        }
        out += "</div>\n";
        let stops = self.stops();
        let mut known: Vec<String> = Vec::new();
        for block in self.blocks() {
            out += "<div class=\"block\">";
            if block.lines.iter().any(|(first, last)| first <= last) {
                let has_calls = !block.steps.is_empty() || !block.buffered.is_empty();
                // The lines that made the calls stand at the same height. The lines above these lines begin at the same
                // height.
                let parts = block.lines.map(|lines| split(lines, has_calls));
                out += &self.pair(parts.map(|(above, _)| above), false, &stops);
                out += &self.pair(parts.map(|(_, made)| made), true, &stops);
            } else {
                out += "<p class=\"text soft\">At the end of a process, when main returns or exit is called: what exit does.</p>";
            }
            let mut calls = String::new();
            for row in row::of_block(&self.runs, &self.steps, &block) {
                let _ = write!(calls, "<li>{}{}</li>", rows::html(self, &row), self.word(&row, &mut known));
                calls += &child::html(self, &row);
            }
            block.buffered.iter().for_each(|index| calls += &silent::html(self, *index));
            if !calls.is_empty() {
                let _ = writeln!(out, "<ul class=\"calls\">\n{calls}</ul>");
            }
            out += "</div>\n";
        }
        out
    }

    /// Returns some lines of both sources, side by side.
    fn pair(&self, lines: [(usize, usize); 2], is_anchor: bool, stops: &[Stop]) -> String {
        if lines.iter().all(|(first, last)| first > last) {
            return String::new();
        }
        let mut out = format!("<div class=\"pair{}\">", if is_anchor { " made" } else { "" });
        for (side, column) in self.columns.iter().enumerate() {
            out += &code(column, side, lines[side], is_anchor, stops);
        }
        out + "</div>"
    }

    /// Returns a prototype and a sentence, if a row shows a call, a handler or a zombie for the first time.
    fn word(&self, row: &Row, known: &mut Vec<String>) -> String {
        let mut out = String::new();
        for at in &row.steps {
            let names = match self.runs.line(&self.steps[*at]) {
                Line::Call(call) => vec![String::from_utf8_lossy(call.name).into_owned()],
                Line::Signal { .. } if self.steps.iter().any(|step| step.handles == Some(*at)) => {
                    vec!["handler".to_owned()]
                }
                Line::End { how } => {
                    let exited = how.starts_with(b"exited").then(|| "exited".to_owned());
                    exited.into_iter().chain(self.leaves_zombie(*at).then(|| "zombie".to_owned())).collect()
                }
                _ => continue,
            };
            for name in names {
                if known.contains(&name) {
                    continue;
                }
                if let Some(word) = words::of(&name) {
                    let form = escape(&word.prototype.unwrap_or_else(|| name.clone()));
                    let made = words::system_call(&name);
                    let _ = writeln!(out, "<p class=\"word\"><code>{form}</code> {}{made}</p>", escape(&word.sentence));
                }
                known.push(name);
            }
        }
        out
    }

    fn foot(&self) -> String {
        format!(
            "<footer>{}<p class=\"soft\">Made by mpserv-audit --lesson from a run under strace.</p></footer>\n",
            tabs("More lessons", &self.tabs.lessons)
        )
    }

    /// Returns the picture, and its width.
    fn picture(&self) -> Option<(String, usize)> {
        let is_asked_for = |at: &usize| !self.runs.is_own(&self.steps[*at]);
        let of_lane = |lane: usize| {
            let process = self.runs.process(lane, 0)?;
            let own = (0..self.steps.len()).filter(|at| self.steps[*at].lane == lane).filter(is_asked_for);
            Some((process, own.filter_map(|at| self.steps[at].events[0]).collect()))
        };
        let events: Vec<_> = (0..self.runs.comparison.pairs.len()).filter_map(of_lane).collect();
        let order = |process: usize, event: usize| {
            let lane = self.runs.lane_of(process)?;
            self.steps.iter().position(|step| step.lane == lane && step.events[0] == Some(event))
        };
        let picture = Picture::of(self.runs.trees[0], &events, NARROW)?.in_order(order);
        let link = |process: usize, events: &[usize]| {
            let lane = self.runs.lane_of(process)?;
            let is_one = |step: &Step| step.lane == lane && step.events[0].is_some_and(|event| events.contains(&event));
            let steps: Vec<usize> = (0..self.steps.len()).filter(|at| is_one(&self.steps[*at])).collect();
            let mut shown: Vec<usize> = steps.iter().map(|at| self.anchors[*at]).collect();
            shown.dedup();
            let mut classes: Vec<String> = shown.iter().map(|at| format!("m{}", at + 1)).collect();
            if steps.iter().any(|at| self.steps[*at].kind != Kind::Same) {
                classes.push("unlike".to_owned());
            }
            let first = *steps.first()?;
            Some(Link {
                anchor: Some(self.anchor(first)),
                classes: classes.join(" "),
                title: format!("step {}", first + 1),
            })
        };
        let title = format!("{}: its processes and their system calls", self.name);
        Some((picture.svg(&title, Some(&link)), picture.width()))
    }

    /// Returns the rules that mark a target's place in the picture.
    fn marks(&self) -> String {
        let shown = (0..self.steps.len()).filter(|at| self.is_shown(*at)).map(|at| at + 1);
        let rule = |step: usize| format!("body:has(#s{step}:target) .m{step} .n{{stroke:var(--ink);stroke-width:3}}\n");
        shown.map(rule).collect()
    }
}

/// The width of an indentation.
const INDENT: usize = 4;
const DEPTHS: usize = 7;

/// Splits lines into the last line, if it made calls, and the lines above.
fn split((first, last): (usize, usize), has_calls: bool) -> ((usize, usize), (usize, usize)) {
    if has_calls && first <= last { ((first, last - 1), (last, last)) } else { ((first, last), (1, 0)) }
}

/// Returns some lines of a source.
fn code(column: &Column, side: usize, (first, last): (usize, usize), is_anchor: bool, stops: &[Stop]) -> String {
    if first > last {
        return "<div></div>".to_owned();
    }
    let mut out = format!(
        "<div><span class=\"side\">{}<span class=\"file\"> {}</span></span><pre>",
        escape(&column.label),
        escape(&column.file)
    );
    for number in first..=last {
        let text = column.lines.get(number - 1).map_or("", String::as_str);
        let has_line = |stop: &&Stop| (stop.comment..stop.line.max(stop.comment + 1)).contains(&number);
        let stop = stops.iter().find(has_line).filter(|_| side == 0);
        let class = match (is_anchor, stop) {
            (true, _) => " anchor",
            (false, Some(stop)) if stop.mended => " mended",
            (false, Some(_)) => " stop",
            (false, None) => "",
        };
        let id = if side == 0 { format!(" id=\"c{number}\"") } else { format!(" id=\"r{number}\"") };
        let text = if text.is_empty() { " ".to_owned() } else { text.replace('\t', "    ") };
        // A long line continues below its beginning.
        let depth = (text.len() - text.trim_start().len()) / INDENT;
        let _ = writeln!(
            out,
            "<span{id} class=\"i{}{class}\" data-n=\"{number}\">{}</span>",
            depth.min(DEPTHS),
            escape(&text)
        );
    }
    out + "</pre></div>"
}
