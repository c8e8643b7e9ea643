//! Shows the other return of a fork: the same call returns once more, in the child.

use super::page::Page;
use super::row::Row;
use super::rows::COLOURS;
use crate::trace::Line;
use crate::tree::{forked, is_fork};

/// Returns the HTML of a row for each child that a row of forks has made. strace shows a fork in the parent only.
pub fn html(page: &Page<'_>, row: &Row) -> String {
    let children = row.shown().into_iter().filter_map(|at| {
        let Line::Call(call) = page.runs.line(&page.steps[at]) else {
            return None;
        };
        let pid = forked(&call).filter(|_| is_fork(call.name))?;
        let lane = page.runs.lane_of(page.runs.trees[0].processes.iter().position(|process| process.pid == pid)?)?;
        Some(format!(
            "<li class=\"row p{}\"><span class=\"who\">{}</span><span class=\"what\"><code>fork()</code> → 0 \
             <span class=\"soft\">the same call returns in the child too, with 0</span></span></li>\n",
            lane % COLOURS,
            page.runs.place(lane).title(),
        ))
    });
    children.collect()
}
