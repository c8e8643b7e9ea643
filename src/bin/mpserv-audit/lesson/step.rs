//! Shows one step in full: strace's line, the lines of source that made the call, and the kernel's state after it.

use std::fmt::Write as _;

use super::page::Page;
use super::state::{self, Kernel, Life, STANDARD};
use super::steps::Step;
use super::text::{self, NAME, shorten};
use crate::compare::Kind;
use crate::report::html::escape;
use crate::trace::Line;

/// Returns the HTML of one step in full. A browser shows the step only when the step is the target of a link.
pub fn html(page: &Page<'_>, at: usize) -> String {
    let step = &page.steps[at];
    let name = format!("step {} of {}, {}", at + 1, page.steps.len(), page.runs.place(step.lane).title());
    // A link moves the reader's focus into the step.
    let mut out = format!(
        "<div class=\"step\" id=\"s{}\" role=\"group\" aria-label=\"{name}\" tabindex=\"-1\"><p class=\"go\">",
        at + 1
    );
    let neighbour = |next: Option<usize>, arrow: &str| match next {
        Some(next) => format!("<a href=\"#s{}\">{arrow}</a>", next + 1),
        None => "<span></span>".to_owned(),
    };
    let (previous, next) = page.neighbours(at);
    let _ = write!(out, "{}<span>{name}</span>{}</p>", neighbour(previous, "← previous"), neighbour(next, "next →"));
    for (side, column) in page.columns.iter().enumerate() {
        // Both lines are equal, except for values that differ in any two runs. So the first line is shown for both.
        if side == 1 && step.kind == Kind::Same {
            continue;
        }
        if let Some(text) = page.runs.text(step, side) {
            let label = if step.kind == Kind::Same { String::new() } else { format!("{}: ", column.label) };
            let _ = write!(out, "<p>{label}<code>{}</code></p>", escape(&text::whole(text, &page.places)));
        }
    }
    if page.runs.text(step, 0).is_some_and(|text| text.windows(10).any(|part| part == b"= ? ERESTA")) {
        let _ = write!(
            out,
            "<p class=\"soft\">The error behind “?” is inside the kernel only; the program never sees it.{}</p>",
            outcome(page, at)
        );
    }
    out += &lines(page, step);
    out += &kernel_html(page, &step.after);
    out + "</div>"
}

/// Returns the fate of a call that a signal interrupted.
fn outcome(page: &Page<'_>, at: usize) -> String {
    let Some(signal) = page.steps.iter().position(|step| step.interrupts == Some(at)) else {
        return String::new();
    };
    if page.is_ignored(signal) {
        return " No handler runs, so the kernel always makes the call again.".to_owned();
    }
    let back = page.steps.iter().enumerate().find_map(|(back, step)| match page.runs.line(step) {
        Line::Call(call) if call.name == b"rt_sigreturn" && step.handles == Some(signal) => Some((back, call)),
        _ => None,
    });
    match back {
        Some((back, call)) if text::outcome(&call) == "EINTR" => format!(
            " After the handler the call fails with EINTR at <a href=\"#{}\">step {}</a>.",
            page.anchor(back),
            back + 1
        ),
        Some(_) => " After the handler the kernel makes the call again.".to_owned(),
        None => " The signal ends the process.".to_owned(),
    }
}

/// Returns the lines that made a step, and the lines that called their functions.
fn lines(page: &Page<'_>, step: &Step) -> String {
    let mut parts = Vec::new();
    for (side, column) in page.columns.iter().enumerate() {
        if let Some((first, callers)) = step.lines[side].split_first() {
            // The kernel called the handler at the interrupted line.
            let is_return = matches!(page.runs.line(step), Line::Call(call) if call.name == b"rt_sigreturn");
            let signal = step.handles.filter(|_| !is_return).map(|at| &page.steps[at]);
            let interrupted = signal.and_then(|signal| signal.lines[side].first());
            let own = callers.iter().position(|line| interrupted == Some(line)).unwrap_or(callers.len());
            let mut callers: Vec<String> =
                callers[..own].iter().map(|line| format!(", called from line {line}")).collect();
            callers.extend(interrupted.map(|line| format!(", in the handler, interrupting line {line}")));
            parts.push(format!("{} line {first}{}", column.label, callers.concat()));
        }
    }
    if parts.is_empty() {
        return "<p class=\"soft\">No line of the program made this call: the C library did, at the end of the process.</p>".to_owned();
    }
    format!("<p class=\"soft\">{}</p>", escape(&parts.join(" · ")))
}

fn kernel_html(page: &Page<'_>, kernel: &Kernel) -> String {
    let mut out = "<table class=\"kernel\"><caption>What the kernel keeps, after this step</caption>\
                   <tr><th scope=\"col\">process</th><th scope=\"col\">open descriptors</th><th scope=\"col\">children</th><th scope=\"col\">signals</th></tr>"
        .to_owned();
    for (index, process) in kernel.processes.iter().enumerate() {
        let name = page.runs.name_of(index);
        if process.life == Life::Zombie {
            let _ = write!(
                out,
                "<tr><th scope=\"row\">{name}</th><td data-of=\"open: \">none (zombie)</td><td></td><td></td></tr>"
            );
        }
        if process.life != Life::Alive {
            continue;
        }
        let standard = (0..STANDARD).filter(|fd| process.descriptors.contains_key(fd)).map(|fd| fd.to_string());
        let more = process.descriptors.iter().filter(|(fd, _)| **fd >= STANDARD);
        let more = more.map(|(fd, of)| format!("{fd} = {}", escape(&shorten(kernel.name(*of), NAME))));
        let standard = standard.collect::<Vec<_>>().join(" ");
        let open: Vec<String> = std::iter::once(standard).chain(more).filter(|part| !part.is_empty()).collect();
        let children: Vec<String> = kernel
            .children(index)
            .filter_map(|(child, life)| match life {
                Life::Alive => Some(page.runs.name_of(child)),
                Life::Zombie => Some(format!("{} (zombie)", page.runs.name_of(child))),
                Life::Unborn | Life::Gone => None,
            })
            .collect();
        let _ = write!(
            out,
            "<tr><th scope=\"row\">{name}</th>{}{}{}</tr>",
            cell("open", &open.join(", ")),
            cell("children", &children.join(", ")),
            cell("signals", &signals(process))
        );
    }
    out + "</table>"
}

/// Returns a cell of a table. The cell names its column, for a screen too narrow for the table's head.
fn cell(column: &str, text: &str) -> String {
    if text.is_empty() { "<td></td>".to_owned() } else { format!("<td data-of=\"{column}: \">{text}</td>") }
}

fn signals(process: &state::Process) -> String {
    let mut parts = Vec::new();
    for (signal, action) in &process.actions {
        let does = if *action == state::Action::Ignore { "ignored" } else { "handler" };
        parts.push(format!("{signal}: {does}"));
    }
    if !process.blocked.is_empty() {
        parts.push(format!("blocked: {}", state::list(&process.blocked)));
    }
    if !process.pending.is_empty() {
        parts.push(format!("pending: {}", state::list(&process.pending)));
    }
    if let Some(seconds) = process.alarm {
        parts.push(format!("alarm in {seconds} s"));
    }
    parts.join("; ")
}
