//! The end of a page, after the sources: printed text, questions, exercises.

use std::fmt::Write as _;

use super::page::Page;
use super::printed;
use super::questions;
use crate::report::html::escape;

/// Shows the program's output on a terminal and to a pipe.
pub fn outputs(page: &Page<'_>) -> String {
    let (Some(terminal), Some(pipe)) = (&page.printed.terminal, &page.printed.pipe) else {
        return String::new();
    };
    let shown = |text: &[u8]| {
        let text = String::from_utf8_lossy(text).replace('\r', "");
        let text = if text.is_empty() { "(nothing)".to_owned() } else { text };
        text.lines().map(escape).collect::<Vec<_>>().join("\n")
    };
    format!(
        "<h2 id=\"prints\">What it prints</h2>\n<div class=\"outputs\"><div><h3>on a terminal</h3><pre class=\"out\">{}</pre></div>\
         <div><h3>to a pipe</h3><pre class=\"out\">{}</pre></div></div>\n\
         <p class=\"text soft\">On a terminal printf makes its call at the end of each line. To a pipe it keeps the text in a buffer in the \
         process’s memory, and writes it when the buffer is full or the process exits.{}</p>\n",
        shown(terminal),
        shown(pipe),
        escape(&printed::consequences(&printed::text(terminal), &printed::text(pipe), &page.printed.copies))
    )
}

/// Returns the questions, with their answers folded.
pub fn questions(page: &Page<'_>) -> String {
    let mut out = "<h2 id=\"questions\">Questions</h2>\n".to_owned();
    for question in questions::of(page) {
        let _ = writeln!(
            out,
            "<details><summary>{}</summary><div{}>{}</div></details>",
            escape(&question.ask),
            question.id.map_or_else(String::new, |id| format!(" id=\"{id}\"")),
            question.answer
        );
    }
    out
}

/// Returns the exercises, with the commands that grade them.
pub fn exercises(page: &Page<'_>) -> String {
    if page.exercises.is_empty() {
        return String::new();
    }
    let mut out =
        "<h2 id=\"exercises\">Exercises</h2>\n<p class=\"text\">In the repository: copy the C program, mend the copy, and have it graded.</p>\n".to_owned();
    let name = escape(&page.name);
    let _ = writeln!(out, "<pre class=\"shell\">cp src/bin/textbook/{name}.c mine.c</pre>");
    for (idea, command) in &page.exercises {
        let _ = writeln!(out, "<p class=\"text\">{}</p><pre class=\"shell\">{}</pre>", escape(idea), escape(command));
    }
    out
}
