//! A first tour: the most important calls, and the places that the source marks as wrong.

use super::header;
use super::page::Page;
use super::questions::closing::shared_close;
use super::state::{Kernel, Life, STANDARD};
use super::steps::Step;
use crate::report::html::escape;
use crate::trace::Line;
use crate::tree::is_fork;

/// Returns the stops of the tour: the most important calls, and the places that the source marks as wrong.
pub fn html(page: &Page<'_>) -> String {
    let mut items = Vec::new();
    let called = |name: &[u8]| {
        let is_it = |at: &usize| matches!(page.runs.line(&page.steps[*at]), Line::Call(call) if call.name == name);
        (0..page.steps.len()).find(is_it)
    };
    let mut stop = |at: Option<usize>, text: &str| {
        items.extend(at.map(|at| format!("<a href=\"#{}\">{text}</a>", page.anchor(at))));
    };
    let fork = (0..page.steps.len())
        .find(|at| matches!(page.runs.line(&page.steps[*at]), Line::Call(call) if is_fork(call.name)));
    if let Some(fork) = fork {
        let has_more =
            page.steps[fork].after.processes.iter().any(|process| process.descriptors.keys().any(|fd| *fd >= STANDARD));
        let shared = if has_more { ", and with the same open descriptors" } else { "" };
        stop(Some(fork), &format!("fork: one process becomes two, each with its own copy of the variables{shared}"));
    }
    let closed = |name: &str, by_child: bool| shared_close(page, name, by_child).map(|close| close.at);
    stop(closed("listener", true), "close in the child: what only its parent needs");
    stop(closed("client", false), "close in the parent: what only its child needs");
    stop(called(b"shutdown"), "shutdown: nothing more will be sent, but the connection can still be read");
    let signal = (0..page.steps.len()).find(|at| page.steps[*at].handles.is_some());
    stop(signal.and_then(|at| page.steps[at].handles), "the signal, and the handler that it starts");
    let zombie = (0..page.steps.len()).find(|at| {
        let is_zombie = |kernel: &Kernel| kernel.processes.iter().any(|process| process.life == Life::Zombie);
        is_zombie(&page.steps[*at].after)
    });
    stop(zombie, "the first zombie");
    if page.printed.is_known() {
        items.push("<a href=\"#prints\">what is printed</a>, on a terminal and to a pipe".to_owned());
    }
    for stop in page.stops() {
        let kind = if stop.mended { "mended" } else { "a known mistake, left in on purpose" };
        items.push(format!(
            "<a href=\"#c{}\">line {}</a>, {kind}: {}",
            stop.line,
            stop.line,
            header::link(page, &escape(&stop.text))
        ));
    }
    if items.is_empty() {
        return String::new();
    }
    format!(
        "<h2>Look first</h2>\n<ol class=\"tour\">\n<li>{}</li>\n</ol>\n<p class=\"text soft\">Below a line are the calls it made: step number (grey), result (blue). \
         The colour of the bar is the process.{} Click for details.</p>\n",
        items.join("</li>\n<li>"),
        one_process(page)
    )
}

/// Returns the names of the first process, if it is the parent of all others.
fn one_process(page: &Page<'_>) -> &'static str {
    let children = page.runs.trees[0].processes.get(1..).unwrap_or_default();
    if children.is_empty() || children.iter().any(|child| child.parent != Some(0)) {
        return "";
    }
    let listens = |step: &Step| step.after.objects.iter().any(|object| object.name.starts_with("listener"));
    if page.steps.iter().any(listens) {
        " “First process”, “parent” and “server” are one process."
    } else {
        " “First process” and “parent” are one process."
    }
}
