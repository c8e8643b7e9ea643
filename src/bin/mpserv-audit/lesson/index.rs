//! The page of all lessons, in the order in which they are learnt.

use std::fmt::Write as _;

use super::count::Count;
use super::frame::head;
use super::notes;
use super::page::Page;
use crate::report::html::escape;

/// One lesson.
#[derive(Debug)]
pub struct Entry {
    pub name: String,
    address: String,
    does: String,
    adds: String,
    calls: usize,
    processes: usize,
    differences: usize,
}

impl Entry {
    pub fn of(page: &Page<'_>, address: String) -> Self {
        let header = page.columns.first().map(|column| notes::header(&column.lines)).unwrap_or_default();
        Entry {
            name: page.name.clone(),
            address,
            does: header.title,
            adds: header.shows,
            calls: Count::of(page).calls,
            processes: page.runs.comparison.pairs.len(),
            differences: page.runs.comparison.differences(),
        }
    }
}

/// Returns the page as HTML.
pub fn html(entries: &[Entry]) -> String {
    let mut out = head("C, Rust, and their system calls", "");
    out += "<body>\n<header>\n<h1>C, Rust, and their system calls</h1>\n\
            <p>Each lesson is a program, written in C and in Rust, and a real run of both. Under each line stand the system calls that it made, \
            process by process, and what they changed in the kernel. Take them in this order: each adds one thing.</p>\n</header>\n<main>\n\
            <table class=\"index\">\n<tr><th scope=\"col\">lesson</th><th scope=\"col\">what it adds</th><th scope=\"col\">processes</th><th scope=\"col\">calls</th></tr>\n";
    for (number, entry) in (1..).zip(entries) {
        let differ = if entry.differences > 0 {
            format!(" <span class=\"bad\">{} differ</span>", entry.differences)
        } else {
            String::new()
        };
        let _ = writeln!(
            out,
            "<tr><th scope=\"row\">{number}. <a href=\"{}\">{}</a></th><td>{}<br><span class=\"soft\">{}</span></td><td>{}</td><td>{}{differ}</td></tr>",
            escape(&entry.address),
            escape(&entry.name),
            escape(&entry.does),
            escape(&entry.adds),
            entry.processes,
            entry.calls
        );
    }
    out + "</table>\n</main>\n<footer><p class=\"soft\">Made by mpserv-audit --lesson from runs under strace.</p></footer>\n</body>\n</html>\n"
}
