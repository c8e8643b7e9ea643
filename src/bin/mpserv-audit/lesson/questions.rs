//! Questions at the end of a page. The run gives the answers, so that they are never out of date.

pub mod closing;

use super::page::Page;
use super::printed::{amount, difference, text as printed_text};
use super::state::{Kernel, Life, STANDARD};
use super::text::{self, number, sentence};
use crate::report::html::escape;
use crate::trace::{Call, Line};

/// A question and its answer. The answer is HTML.
#[derive(Clone, Debug)]
pub struct Question {
    /// The anchor of the answer, if steps lead to it.
    pub id: Option<&'static str>,
    pub ask: String,
    pub answer: String,
}

/// The largest number of questions on a page.
const MOST: usize = 5;

/// Returns the questions of a page.
pub fn of(page: &Page<'_>) -> Vec<Question> {
    type Ask = fn(&Page<'_>) -> Option<Question>;
    let all: [Ask; 11] = [
        processes,
        printed,
        zombies,
        closing::reasons,
        interrupted,
        closing::last,
        alarm,
        failure,
        most_open,
        endings,
        own_calls,
    ];
    all.into_iter().filter_map(|ask| ask(page)).take(MOST).collect()
}

fn question(ask: impl Into<String>, answer: String) -> Option<Question> {
    Some(Question { id: None, ask: ask.into(), answer })
}

/// Returns a link to a step.
fn step(page: &Page<'_>, at: usize) -> String {
    format!("<a href=\"#{}\">step {}</a>", page.anchor(at), at + 1)
}

fn calls<'p>(page: &'p Page<'_>) -> impl Iterator<Item = (usize, usize, Call<'p>)> {
    page.steps.iter().enumerate().filter_map(|(at, step)| match page.runs.line(step) {
        Line::Call(call) => Some((at, step.lane, call)),
        _ => None,
    })
}

fn name_of_lane(page: &Page<'_>, lane: usize) -> String {
    page.runs.place(lane).phrase()
}

fn plural(count: usize, one: &str, many: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { many })
}

fn processes(page: &Page<'_>) -> Option<Question> {
    let lanes = page.runs.comparison.pairs.len();
    if lanes < 2 {
        return None;
    }
    let alive = |kernel: &Kernel| kernel.processes.iter().filter(|process| process.life == Life::Alive).count();
    let (at, most) =
        page.steps.iter().map(|step| alive(&step.after)).enumerate().max_by_key(|(at, n)| (*n, usize::MAX - at))?;
    let fewer = (at..page.steps.len()).find(|later| alive(&page.steps[*later].after) < most);
    let until = fewer.unwrap_or(page.steps.len() - 1);
    question(
        "How many processes does this run have in all, and how many run at the same time at most?",
        format!(
            "{}: the first one and {}. {most} at the same time, from {} to {}.",
            lanes,
            plural(lanes - 1, "child", "children"),
            step(page, at),
            step(page, until)
        ),
    )
}

fn printed(page: &Page<'_>) -> Option<Question> {
    let (terminal, pipe) = (page.printed.terminal.as_ref()?, page.printed.pipe.as_ref()?);
    if terminal.is_empty() {
        return None;
    }
    let [terminal, pipe] = [terminal, pipe].map(|text| printed_text(text));
    let on_terminal = terminal.lines().count();
    question(
        format!(
            "On a terminal this run prints {}. How many lines does a pipe get, and why?",
            plural(on_terminal, "line", "lines")
        ),
        format!(
            "{} {}<pre class=\"out\">{}</pre>",
            escape(&amount(&terminal, &pipe)),
            escape(&difference(&terminal, &pipe, &page.printed.copies)),
            pipe.lines().map(escape).collect::<Vec<_>>().join("\n")
        ),
    )
}

/// Returns the step after which a process is in this state of life for the first time.
fn first(page: &Page<'_>, process: usize, life: Life) -> Option<usize> {
    page.steps.iter().position(|step| step.after.processes[process].life == life)
}

fn zombies(page: &Page<'_>) -> Option<Question> {
    let was_zombie = |process: &usize| first(page, *process, Life::Zombie).is_some();
    let children: Vec<usize> = (1..page.runs.trees[0].processes.len()).collect();
    let zombies: Vec<usize> = children.iter().copied().filter(was_zombie).collect();
    if children.is_empty() {
        return None;
    }
    let lines: Vec<String> = zombies
        .iter()
        .map(|process| {
            let name = sentence(&page.runs.phrase_of(*process));
            let begin = first(page, *process, Life::Zombie).unwrap_or_default();
            let end = (begin..page.steps.len()).find(|at| page.steps[*at].after.processes[*process].life == Life::Gone);
            let waited = |at: usize| matches!(page.runs.line(&page.steps[at]), Line::Call(call) if call.name.starts_with(b"wait"));
            match end {
                Some(at) if waited(at) => format!("{name} ends at {} and is a zombie until its parent waits at {}.", step(page, begin), step(page, at)),
                Some(at) => format!("{name} ends at {}. Nobody waits for it: it is a zombie until its parent ends at {}.", step(page, begin), step(page, at)),
                None => format!("{name} ends at {} and is a zombie to the end of the run.", step(page, begin)),
            }
        })
        .collect();
    let answer = if lines.is_empty() {
        let reasons: Vec<(bool, String)> = children.iter().map(|child| no_zombie(page, *child)).collect();
        let none = if reasons.iter().any(|(is_waited_for, _)| *is_waited_for) {
            "None for longer than a moment."
        } else {
            "None is."
        };
        let reasons: Vec<String> = reasons.into_iter().map(|(_, reason)| reason).collect();
        format!("{none} {}", reasons.join(" "))
    } else {
        format!("A zombie has ended, but its exit status has not been taken by wait. {}", lines.join(" "))
    };
    question("Which children are zombies, and for how long?", answer)
}

/// Returns the reason why a child is no zombie when it ends, and whether init waits for it.
fn no_zombie(page: &Page<'_>, child: usize) -> (bool, String) {
    let name = sentence(&page.runs.phrase_of(child));
    let Some(end) = first(page, child, Life::Gone) else {
        return (false, format!("{name} has not ended when the run is over."));
    };
    let before = page.before(end);
    let parent = before.processes[child].parent.filter(|parent| before.processes[*parent].life == Life::Alive);
    let why = match parent {
        Some(parent) => {
            let keeps_none = before.processes[parent].keeps_no_zombies;
            let choice = if keeps_none { "set SA_NOCLDWAIT" } else { "ignores SIGCHLD" };
            format!("its parent, {}, {choice}, and the kernel keeps no exit status", page.runs.phrase_of(parent))
        }
        None => "its parent ended before it, so init (process 1) adopted it, and waits for it at once".to_owned(),
    };
    (parent.is_none(), format!("{name} ends at {}: {why}.", step(page, end)))
}

fn interrupted(page: &Page<'_>) -> Option<Question> {
    let (at, call_at) = page.steps.iter().enumerate().find_map(|(at, step)| {
        let before = step.interrupts?;
        let Line::Call(call) = page.runs.line(&page.steps[before]) else { return None };
        (text::outcome(&call) == "interrupted" && !page.is_ignored(at)).then_some((at, before))
    })?;
    let Line::Signal { name, .. } = page.runs.line(&page.steps[at]) else { return None };
    let Line::Call(call) = page.runs.line(&page.steps[call_at]) else { return None };
    let lane = page.steps[at].lane;
    let signal = String::from_utf8_lossy(name);
    let returned = (at..page.steps.len()).find(|next| {
        page.steps[*next].lane == lane
            && matches!(page.runs.line(&page.steps[*next]), Line::Call(call) if call.name == b"rt_sigreturn")
    });
    let system_name = String::from_utf8_lossy(call.name);
    let call_name = super::words::function(&system_name);
    let answer = match returned.map(|at| (at, page.runs.line(&page.steps[at]))) {
        Some((back, Line::Call(result))) if result.result.starts_with(b"-1 EINTR") => format!(
            "It interrupts {call_name} ({}). The handler runs. Then {call_name} fails with EINTR ({}), because {}.",
            step(page, call_at),
            step(page, back),
            no_restart(&call)
        ),
        Some((back, _)) => format!(
            "It interrupts {call_name} ({}). The handler runs until {}. Then the kernel makes {call_name} again, and the program \
             does not notice.",
            step(page, call_at),
            step(page, back)
        ),
        None => {
            format!("It interrupts {call_name} ({}). There is no handler, so it ends the process.", step(page, call_at))
        }
    };
    let who = name_of_lane(page, lane);
    question(format!("What does {signal} do to {who} at step {}?", at + 1), answer)
}

/// Returns the reason why an interrupted call is not made again, from the kernel's own error, which strace shows.
fn no_restart(call: &Call<'_>) -> &'static str {
    if call.result.starts_with(b"? ERESTARTSYS") {
        "the handler was installed without SA_RESTART"
    } else {
        "this call is never made again after a handler, not even with SA_RESTART"
    }
}

fn alarm(page: &Page<'_>) -> Option<Question> {
    let (at, _, call) = calls(page).find(|(_, _, call)| call.name == b"alarm")?;
    let seconds = number(call.arguments)?;
    let rings =
        page.steps.iter().filter(|step| matches!(page.runs.line(step), Line::Signal { name: b"SIGALRM", .. })).count();
    let set = calls(page).filter(|(_, _, call)| call.name == b"alarm").count();
    question(
        format!(
            "alarm({seconds}) is called at step {}. How often is it called in all, and how often does SIGALRM come?",
            at + 1
        ),
        format!(
            "alarm is called {}, SIGALRM comes {}. An alarm that is set anew, or whose process ends, does not come.",
            times(set),
            times(rings)
        ),
    )
}

fn times(count: usize) -> String {
    match count {
        0 => "never".to_owned(),
        1 => "once".to_owned(),
        2 => "twice".to_owned(),
        more => format!("{more} times"),
    }
}

fn failure(page: &Page<'_>) -> Option<Question> {
    let failed = |call: &Call<'_>| call.result.starts_with(b"-1 ") && call.name != b"rt_sigreturn";
    let (at, lane, call) = calls(page).find(|(at, _, call)| failed(call) && !page.runs.is_own(&page.steps[*at]))?;
    let why = String::from_utf8_lossy(call.result)
        .split_once('(')
        .map(|(_, why)| why.trim_end_matches(')').to_owned())
        .unwrap_or_default();
    question(
        "Which call is the first to fail, and with which error?",
        format!(
            "{} of {}, at {}, with {}: {}.",
            String::from_utf8_lossy(call.name),
            name_of_lane(page, lane),
            step(page, at),
            text::outcome(&call),
            escape(&why)
        ),
    )
}

fn most_open(page: &Page<'_>) -> Option<Question> {
    let opened = |at: usize| {
        let all = &page.steps[at].after.processes[0].descriptors;
        all.iter().filter(|(fd, _)| **fd >= STANDARD).collect::<Vec<_>>()
    };
    let at = (0..page.steps.len()).max_by_key(|at| (opened(*at).len(), usize::MAX - at))?;
    let kernel = &page.steps[at].after;
    let list: Vec<String> =
        opened(at).iter().map(|(fd, of)| format!("descriptor {fd}, {}", escape(kernel.name(**of)))).collect();
    if list.is_empty() {
        return None;
    }
    question(
        "Beside standard input, output and error, what does the first process have open at most at the same time?",
        format!("At {}: {}.", step(page, at), list.join("; ")),
    )
}

fn endings(page: &Page<'_>) -> Option<Question> {
    let ends: Vec<String> = page
        .steps
        .iter()
        .enumerate()
        .filter_map(|(at, of)| match page.runs.line(of) {
            Line::End { how } => {
                let verb = if how.starts_with(b"killed") { "was " } else { "" };
                let how = String::from_utf8_lossy(how);
                Some(format!("{} {verb}{how} ({})", name_of_lane(page, of.lane), step(page, at)))
            }
            _ => None,
        })
        .collect();
    question("How does each process end?", format!("{}.", sentence(&ends.join("; "))))
}

fn own_calls(page: &Page<'_>) -> Option<Question> {
    // The calls in exit and the return of a handler come from no line of the program.
    let by_library = |at: usize, call: &Call<'_>| {
        page.runs.is_own(&page.steps[at])
            || call.name == b"rt_sigreturn"
            || page.steps[at].lines.iter().all(Vec::is_empty)
    };
    let (library, program): (Vec<_>, Vec<_>) = calls(page).partition(|(at, _, call)| by_library(*at, call));
    let at_end = library.iter().filter(|(_, _, call)| call.name == b"exit_group").count();
    let at_end = match at_end {
        0 => String::new(),
        all if all == library.len() => " (exit_group)".to_owned(),
        some => format!(" ({some} of them exit_group)"),
    };
    // The program asked only once for a call that the kernel made again.
    let (again, program): (Vec<_>, Vec<_>) = program.into_iter().partition(|(at, ..)| page.is_restarted(*at));
    let again = restarted(page, &program, &again);
    question(
        "How many system calls does the program ask for itself, and how many does the C library add?",
        format!("{} by lines of the program, {} by the C library{at_end}.{again}", program.len(), library.len()),
    )
}

/// Returns the reason why there are more calls than the program requested.
fn restarted(page: &Page<'_>, program: &[(usize, usize, Call<'_>)], again: &[(usize, usize, Call<'_>)]) -> String {
    let [(at, lane, call)] = again else {
        let many = |count| format!(" {count} more are calls that the kernel made again after a signal.");
        return if again.is_empty() { String::new() } else { many(again.len()) };
    };
    let system_name = String::from_utf8_lossy(call.name);
    let name = super::words::function(&system_name);
    let which = if program.iter().filter(|(_, _, other)| other.name == call.name).count() == 1 {
        format!("{name}, called once,")
    } else {
        format!("One call of {name}")
    };
    let signal = page.steps[..*at].iter().rposition(|step| step.lane == *lane && step.interrupts.is_some());
    let why = if signal.is_some_and(|signal| page.is_ignored(signal)) {
        "because under strace even an ignored signal interrupts it, and the kernel makes it again"
    } else {
        "because the kernel made it again after the handler"
    };
    format!(" {which} was made twice, {why}.")
}
