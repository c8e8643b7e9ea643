//! Questions about descriptors that two processes have open, and close one after another.

use super::{Page, Question, calls, question, step};
use crate::lesson::state::{Life, STANDARD};
use crate::lesson::text::{arguments, number, sentence};
use crate::report::html::escape;

/// The anchor of the question about the reasons.
pub(in crate::lesson) const WHY: &str = "why-close";

/// A descriptor that a process closes while another process has it open as well.
pub(in crate::lesson) struct Closed<'p> {
    pub(in crate::lesson) at: usize,
    fd: i64,
    object: usize,
    name: &'p str,
    process: usize,
}

/// Returns the first shared close of an object whose name begins with `start`, by a child or by the first process.
pub(in crate::lesson) fn shared_close<'p>(page: &'p Page<'_>, start: &str, by_child: bool) -> Option<Closed<'p>> {
    shared_closes(page, start, by_child).next()
}

/// Returns all closes of such an object by a child or by the first process.
fn shared_closes<'p>(page: &'p Page<'_>, start: &str, by_child: bool) -> impl Iterator<Item = Closed<'p>> {
    calls(page).filter_map(move |(at, lane, call)| {
        let process = page.runs.process(lane, 0)?;
        let fd = number(arguments(&call).first()?).filter(|fd| *fd >= STANDARD && call.name == b"close")?;
        let before = page.before(at);
        let object = before.processes[process].descriptors.get(&fd)?.object;
        let name = before.objects[object].name.as_str();
        let is_shared = before.holders(object).len() > 1 && name.starts_with(start);
        (is_shared && (process > 0) == by_child).then_some(Closed { at, fd, object, name, process })
    })
}

/// Returns the steps whose reason is given: the closes of a listener by children, and of connections by the first
/// process.
pub(in crate::lesson) fn explained(page: &Page<'_>) -> Vec<usize> {
    [("listener", true), ("client", false)]
        .into_iter()
        .flat_map(|(start, by_child)| shared_closes(page, start, by_child).map(|close| close.at))
        .collect()
}

/// Returns the question why each process closes, after a fork, the descriptors that only the other process needs.
pub(super) fn reasons(page: &Page<'_>) -> Option<Question> {
    let (listener, client) = (shared_close(page, "listener", true), shared_close(page, "client", false));
    let all: Vec<&Closed<'_>> = [&listener, &client].into_iter().flatten().collect();
    let acts: Vec<String> = all
        .iter()
        .map(|close| {
            let who = page.runs.phrase_of(close.process);
            format!("{who} close descriptor {} at step {}", close.fd, close.at + 1)
        })
        .collect();
    if acts.is_empty() {
        return None;
    }
    let why = [listener.and_then(|close| why_listener(page, &close)), client.map(|close| why_client(page, &close))];
    let why: Vec<String> = why.into_iter().flatten().map(|text| format!("<p>{text}</p>")).collect();
    let asked = question(
        format!("Why does {}? What if {} did not?", acts.join(", and "), if acts.len() > 1 { "they" } else { "it" }),
        why.concat(),
    )?;
    Some(Question { id: Some(WHY), ..asked })
}

fn why_listener(page: &Page<'_>, close: &Closed<'_>) -> Option<String> {
    let name = page.runs.phrase_of(close.process);
    let end = page.steps.iter().rposition(|step| step.lane == page.steps[close.at].lane)?;
    let after = &page.steps[end].after;
    let holders: Vec<String> = after.holders(close.object).into_iter().map(|of| page.runs.phrase_of(of)).collect();
    let consequence = if after.processes[0].life == Life::Alive {
        format!("In this run nobody would notice, because {} outlives it.", holders.join(" and "))
    } else {
        "In this run it is longer than the server itself.".to_owned()
    };
    let reuses = calls(page).any(|(_, _, call)| contains(call.arguments, "SO_REUSEADDR"));
    let port = if reuses {
        ""
    } else {
        " Even then the port is not free while a client’s connection is open, unless SO_REUSEADDR is set."
    };
    Some(format!(
        "Descriptor {} is the {}. The fork has copied it, but only the first process accepts. If {name} did not close it, {name} would \
         hold it until it ends at {}. {consequence} But a listener stays until the last process has closed it.{port} If the server \
         ended first, clients could still connect to the listener that {name} holds, and nobody would accept them.",
        close.fd,
        escape(close.name),
        step(page, end),
    ))
}

fn why_client(page: &Page<'_>, close: &Closed<'_>) -> String {
    let gone = (close.at..page.steps.len()).find(|at| page.steps[*at].after.holders(close.object).is_empty());
    let holders = page.steps[close.at].after.holders(close.object);
    let child = holders.first().map_or_else(|| "its child".to_owned(), |child| page.runs.phrase_of(*child));
    let end = gone.map_or_else(String::new, |at| format!(" Here that is {child}, at {}.", step(page, at)));
    let name = escape(close.name);
    format!(
        "Descriptor {} is the connection of {name}. The fork has copied it, and only {child} uses it. A connection ends when the last process \
         has closed it.{end} If the first process kept it, {name} would wait in vain for the end, and each further client would leave one \
         more descriptor open, until accept fails with EMFILE.",
        close.fd,
    )
}

/// Returns the question about which of two processes closes a shared descriptor last.
pub(super) fn last(page: &Page<'_>) -> Option<Question> {
    let objects = page.steps.last()?.after.objects.len();
    let held_by_two = |object: &usize| page.steps.iter().any(|step| step.after.holders(*object).len() > 1);
    let object = (3..objects).rev().find(held_by_two)?;
    let last = page
        .steps
        .iter()
        .rposition(|step| step.after.objects.len() > object && !step.after.holders(object).is_empty())?;
    let holder = page.steps[last].after.holders(object).first().copied()?;
    let closing = (last + 1).min(page.steps.len() - 1);
    let name = escape(&page.steps[last].after.objects[object].name);
    question(
        format!("Two processes have “{name}” open. Which one gives it up last, and when?"),
        format!(
            "{}, at {}. Only then the kernel ends what is behind the descriptor.",
            sentence(&page.runs.phrase_of(holder)),
            step(page, closing)
        ),
    )
}

fn contains(text: &[u8], word: &str) -> bool {
    text.windows(word.len()).any(|window| window == word.as_bytes())
}
