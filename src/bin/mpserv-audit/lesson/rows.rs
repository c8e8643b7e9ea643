//! Shows the calls under the lines that made them: a row for each process and call. Each result is a link to the step
//! in full.

use std::fmt::Write as _;

use super::page::Page;
use super::questions::closing::WHY;
use super::row::{LAST, Row, SHOWN};
use super::state::{self, Kernel, Life, STANDARD};
use super::step;
use super::text::{self, NAME, arguments, brief, shorten};
use super::words;
use crate::compare::Kind;
use crate::report::html::escape;
use crate::trace::{Call, Line};
use crate::tree::is_fork;

/// The number of processes that have a colour of their own.
pub const COLOURS: usize = 8;

/// Returns the function that a program called, with the arguments that it gave.
fn form<'c>(call: &Call<'c>) -> (String, Vec<&'c [u8]>) {
    let name = String::from_utf8_lossy(call.name);
    let all = arguments(call);
    let first = |count: usize| all.iter().copied().take(count).collect();
    match call.name {
        b"clone" | b"clone3" => ("fork".to_owned(), Vec::new()),
        b"exit_group" => ("exit_group".to_owned(), all),
        b"rt_sigreturn" => (name.into_owned(), Vec::new()),
        b"clock_nanosleep" => ("sleep".to_owned(), all.get(2).copied().into_iter().collect()),
        b"wait4" | b"rt_sigaction" | b"rt_sigprocmask" => (words::function(&name).to_owned(), first(3)),
        b"recvfrom" | b"sendto" => (words::function(&name).to_owned(), first(4)),
        b"execve" => (name.into_owned(), first(2)),
        _ => (name.into_owned(), all),
    }
}

/// Returns the result of a call, with names for processes.
fn result(page: &Page<'_>, call: &Call<'_>) -> String {
    let outcome = text::outcome(call);
    let returns_process =
        matches!(call.name, b"clone" | b"clone3" | b"fork" | b"vfork" | b"wait4" | b"getpid" | b"getppid");
    let place = outcome.parse().ok().filter(|_| returns_process).and_then(|pid: u32| page.places.get(&pid));
    match place {
        // A fork shows the id of the new process.
        Some(place) if is_fork(call.name) => format!("{} = {outcome}", place.title()),
        Some(place) => place.title(),
        None => outcome,
    }
}

/// Returns the end of a handler: the interrupted call goes on, or returns.
fn after_handler(page: &Page<'_>, at: usize, call: &Call<'_>) -> String {
    let interrupted = page.steps[at].handles.and_then(|signal| page.steps[signal].interrupts);
    match interrupted.map(|before| page.runs.line(&page.steps[before])) {
        Some(Line::Call(before)) if text::outcome(call) == "EINTR" => {
            format!("{} now returns EINTR", form(&before).0)
        }
        _ => "goes on".to_owned(),
    }
}

/// Returns the calls of a row as one call, without the arguments that differ.
fn together(calls: &[Call<'_>]) -> String {
    let forms: Vec<(String, Vec<&[u8]>)> = calls.iter().map(form).collect();
    let Some((name, first)) = forms.first() else {
        return String::new();
    };
    let argument = |at: usize| {
        let all_same = forms.iter().all(|(_, other)| other.get(at) == first.get(at));
        if all_same { brief(first[at]) } else { "…".to_owned() }
    };
    let list: Vec<String> = (0..first.len()).map(argument).collect();
    format!("{name}({})", list.join(", "))
}

/// Returns the HTML of a row.
pub fn html(page: &Page<'_>, row: &Row) -> String {
    let first = &page.steps[row.steps[0]];
    let unlike = first.kind != Kind::Same;
    let is_own = page.runs.is_own(first);
    let class = if unlike {
        " differs"
    } else if is_own {
        " own"
    } else {
        ""
    };
    let colour = row.lane % COLOURS;
    let place = page.runs.place(row.lane).title();
    let mut out =
        format!("<div class=\"row p{colour}{class}\"><span class=\"who\">{place}</span><span class=\"what\">");
    out += &what(page, row);
    out += "</span>";
    let state = state_of(page, row);
    if !state.is_empty() {
        let _ = write!(out, "<span class=\"state\">{state}</span>");
    }
    out += "<div class=\"full\">";
    row.shown().iter().for_each(|at| out += &step::html(page, *at));
    out + "</div></div>\n"
}

fn what(page: &Page<'_>, row: &Row) -> String {
    let calls: Vec<Call<'_>> = row
        .steps
        .iter()
        .filter_map(|at| match page.runs.line(&page.steps[*at]) {
            Line::Call(call) => Some(call),
            _ => None,
        })
        .collect();
    let first = row.steps[0];
    let link = |at: usize, text: &str, label: &str| link(page, at, text, label);
    match page.runs.line(&page.steps[first]) {
        Line::Call(_) if page.runs.is_own(&page.steps[first]) => {
            let names = row.shown();
            let name = |at: &usize| match page.runs.line(&page.steps[*at]) {
                Line::Call(call) => {
                    let name = String::from_utf8_lossy(call.name);
                    link(*at, &name, &name)
                }
                _ => String::new(),
            };
            let all: Vec<String> = names.iter().map(name).collect();
            format!("the C library’s own: {}", results(&all))
        }
        Line::Call(_) => {
            let mut out = format!("<code>{}</code>", escape(&together(&calls)));
            let restarted = row.steps.iter().filter(|at| page.is_restarted(**at)).count();
            if row.steps.len() > restarted + 1 {
                let _ = write!(out, " ×{}", row.steps.len() - restarted);
            }
            let shown = row.shown();
            let links: Vec<String> = shown
                .iter()
                .map(|at| match page.runs.line(&page.steps[*at]) {
                    Line::Call(call) => {
                        let text = match call.name {
                            b"rt_sigreturn" => after_handler(page, *at, &call),
                            _ => result(page, &call),
                        };
                        let text = if text.is_empty() { "no return".to_owned() } else { text };
                        link(*at, &text, &label(&call, &text))
                    }
                    _ => String::new(),
                })
                .collect();
            let gap = (shown.len() < row.steps.len()).then(|| format!("… {} more …", row.steps.len() - shown.len()));
            let (before, after) = links.split_at(if gap.is_some() { SHOWN - LAST } else { links.len() });
            let all: Vec<String> = before.iter().chain(&gap).chain(after).cloned().collect();
            let _ = write!(out, " → {}", results(&all));
            if restarted > 0 {
                out += &restart(page, row, form(&calls[0]).0.as_str());
            }
            if row.steps.iter().any(|at| page.explained.contains(at)) {
                let _ = write!(out, " <a href=\"#{WHY}\">why?</a>");
            }
            out + &in_handler(page, first) + &written(page, row) + &only_one(page, first)
        }
        Line::Signal { name, .. } => {
            let times = if row.steps.len() > 1 { format!(" ×{}", row.steps.len()) } else { String::new() };
            let all: Vec<String> = row
                .steps
                .iter()
                .map(|at| {
                    let source = signal_source(page, *at);
                    link(*at, &source, &format!("{} {source}", String::from_utf8_lossy(name)))
                })
                .collect();
            format!("<code>{}</code>{times} {}", String::from_utf8_lossy(name), results(&all))
        }
        Line::End { how } => {
            let how = String::from_utf8_lossy(how);
            results(&[link(first, &how, &how)])
        }
        _ => results(&[link(first, "?", "?")]),
    }
}

/// Returns the link to a step: its number, and its result.
fn link(page: &Page<'_>, at: usize, text: &str, label: &str) -> String {
    let (step, place) = (at + 1, page.runs.place(page.steps[at].lane).title());
    format!(
        "<a href=\"#s{step}\" aria-label=\"step {step}, {place}: {}\"><small>{step}</small> {}</a>",
        escape(label),
        escape(text)
    )
}

fn results(links: &[String]) -> String {
    format!("<span class=\"results\">{}</span>", links.join(" "))
}

/// Returns a call and its result in words, for a reader who hears the link without its row.
fn label(call: &Call<'_>, result: &str) -> String {
    let returns = call.name != b"rt_sigreturn" && !matches!(text::outcome(call).as_str(), "" | "interrupted");
    let verb = if returns { " returned" } else { "," };
    format!("{}{verb} {result}", together(std::slice::from_ref(call)))
}

/// Returns the sender of a signal, and the call that the signal interrupted.
fn signal_source(page: &Page<'_>, at: usize) -> String {
    let step = &page.steps[at];
    let Line::Signal { info, .. } = page.runs.line(step) else {
        return String::new();
    };
    let sender = text::field(info, "si_pid").and_then(text::number).and_then(|pid| u32::try_from(pid).ok());
    let from = match sender.and_then(|pid| page.places.get(&pid)) {
        Some(place) => format!("from {}", place.phrase()),
        None if text::field(info, "si_code") == Some(b"SI_KERNEL") => "from the kernel".to_owned(),
        None => "from outside".to_owned(),
    };
    let interrupted = step.interrupts.map(|before| &page.steps[before]);
    match interrupted.map(|before| (page.runs.line(before), before.lines[0].first())) {
        Some((_, Some(line))) if page.is_ignored(at) => format!("{from} at line {line}: no handler, ignored"),
        Some((Line::Call(call), Some(line))) if text::outcome(&call) == "interrupted" => {
            format!("{from}, interrupts {} at line {line}", form(&call).0)
        }
        Some((_, Some(line))) => format!("{from}, behind line {line}"),
        _ => from,
    }
}

/// Returns the note at a call that a signal interrupted and the kernel made again.
fn restart(page: &Page<'_>, row: &Row, name: &str) -> String {
    let is_ignored = |at: &usize| {
        page.steps[*at..]
            .iter()
            .zip(*at..)
            .any(|(step, signal)| step.interrupts == Some(*at) && page.is_ignored(signal))
    };
    let why = if row.steps.iter().any(is_ignored) {
        "Under strace even an ignored signal interrupts the call, and the kernel makes it again."
    } else {
        "After the handler the kernel makes the call again."
    };
    let times = if row.steps.iter().filter(|at| !page.is_restarted(**at)).count() == 1 { " once" } else { "" };
    format!(" <span class=\"soft\">The program called {}{times}. {why}</span>", escape(name))
}

/// Returns the note at a call that a handler made.
fn in_handler(page: &Page<'_>, at: usize) -> String {
    match page.steps[at].handles {
        Some(signal) => {
            let line = page.steps[signal].lines[0].first().map_or(String::new(), |line| format!(" line {line}"));
            format!(
                " <span class=\"soft\">in the handler, which <a href=\"#{}\">interrupted{line}</a></span>",
                page.anchor(signal)
            )
        }
        None => String::new(),
    }
}

/// Returns the note at a call that wrote buffered text.
fn written(page: &Page<'_>, row: &Row) -> String {
    let parts: Vec<String> = page
        .buffered
        .iter()
        .enumerate()
        .filter(|(_, text)| text.written.iter().any(|at| row.steps.contains(at)))
        .map(|(index, text)| {
            let line = text.lines[0].first().copied().unwrap_or_default();
            let whose = if text.lane == row.lane {
                String::new()
            } else {
                format!(" of {}", page.runs.place(text.lane).phrase())
            };
            format!("<a href=\"#b{}\">line {line}{whose}</a>", index + 1)
        })
        .collect();
    if parts.is_empty() {
        String::new()
    } else {
        format!(" <span class=\"soft\">writes what was buffered at {}</span>", parts.join(", "))
    }
}

fn only_one(page: &Page<'_>, at: usize) -> String {
    let side = match page.steps[at].kind {
        Kind::OnlyA => 0,
        Kind::OnlyB => 1,
        Kind::Changed => return " <span class=\"bad\">differs</span>".to_owned(),
        Kind::Same => return String::new(),
    };
    format!(" <span class=\"bad\">only in {}</span>", page.columns.get(side).map_or("", |column| &column.label))
}

/// Returns the descriptors of all living processes, if a process has more than the standard descriptors.
fn descriptors(page: &Page<'_>, kernel: &Kernel) -> String {
    if kernel.processes.iter().all(|process| process.descriptors.keys().all(|fd| *fd < STANDARD)) {
        return String::new();
    }
    let alive = kernel.processes.iter().enumerate().filter(|(_, process)| process.life == Life::Alive);
    let list = |(index, process): (usize, &state::Process)| {
        let entry = |(fd, of): (&i64, &state::Descriptor)| format!("{fd} {}", escape(&shorten(kernel.name(*of), NAME)));
        let all: Vec<String> = process.descriptors.iter().filter(|(fd, _)| **fd >= STANDARD).map(entry).collect();
        let all = if all.is_empty() { "nothing more".to_owned() } else { all.join(", ") };
        format!("<b>{}</b> {all}", page.runs.name_of(index))
    };
    alive.map(list).collect::<Vec<_>>().join(" · ")
}

fn tables_differ(before: &Kernel, after: &Kernel) -> bool {
    let all = before.processes.iter().zip(&after.processes);
    before.objects != after.objects || all.into_iter().any(|(old, new)| old.descriptors != new.descriptors)
}

/// Returns the changes in the kernel by the first steps of a row. If the row has several steps, each change names its
/// step.
fn state_of(page: &Page<'_>, row: &Row) -> String {
    let mut groups: Vec<(usize, String)> = Vec::new();
    let first = row.steps[0];
    for at in row.steps.iter().copied().take(LAST) {
        let mut parts = Vec::new();
        if at == first && tables_differ(page.before(first), &page.steps[first].after) {
            let open = descriptors(page, &page.steps[first].after);
            parts.extend((!open.is_empty()).then(|| format!("open: {open}")));
        }
        let found = state::changes(page.before(at), &page.steps[at].after, |process| page.runs.phrase_of(process));
        parts.extend(found.iter().map(|change| escape(change)));
        if !parts.is_empty() {
            groups.push((at, parts.join("; ")));
        }
    }
    groups.dedup_by(|later, earlier| later.1 == earlier.1);
    let text = |(at, text): &(usize, String)| {
        if row.steps.len() > 1 { format!("after step {}: {text}", at + 1) } else { text.clone() }
    };
    groups.iter().map(text).collect::<Vec<_>>().join("; ")
}
