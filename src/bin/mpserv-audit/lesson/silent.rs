//! Shows the row of a line that printed without a call, because its text stays in the buffer of stdio.

use super::page::Page;
use super::rows::COLOURS;
use super::text::{quoted, shorten};
use crate::report::html::escape;
use crate::trace::Line;

/// The longest text of a buffered line.
const TEXT: usize = 60;

/// Returns the HTML of the row.
pub fn html(page: &Page<'_>, index: usize) -> String {
    let buffered = &page.buffered[index];
    let written: Vec<String> = buffered
        .written
        .iter()
        .map(|at| {
            let writer = page.runs.place(page.steps[*at].lane).phrase();
            format!("<a href=\"#{}\">step {} by {writer}</a>", page.anchor(*at), at + 1)
        })
        .collect();
    let written =
        if written.is_empty() { never(page, buffered.lane) } else { format!("written at {}", written.join(", ")) };
    let text = match &buffered.text {
        Some(text) => format!("<code>{}</code>", escape(&shorten(&quoted(text), TEXT))),
        None => "what this line prints".to_owned(),
    };
    format!(
        "<li class=\"row p{}\" id=\"b{}\"><span class=\"who\">{}</span><span class=\"what\">no call: {text} stays in the buffer</span>\
         <span class=\"state\">{written}</span></li>\n",
        buffered.lane % COLOURS,
        index + 1,
        page.runs.place(buffered.lane).title(),
    )
}

/// Returns the reason why a text was never written.
fn never(page: &Page<'_>, lane: usize) -> String {
    let end = page.steps.iter().filter(|step| step.lane == lane).find_map(|step| match page.runs.line(step) {
        Line::End { how } => Some(String::from_utf8_lossy(how)),
        _ => None,
    });
    let signal = end.as_deref().and_then(|how| how.strip_prefix("killed by ")?.split(' ').next());
    signal.map_or_else(|| "never written".to_owned(), |signal| format!("never written: {signal} killed the process"))
}
