//! Makes a page that shows a C program, the same program in Rust, and the system calls that each line made in a real
//! run.
//!
//! | file | content |
//! |---|---|
//! | `steps` | the events of all processes in the order of time |
//! | `state` | the state that the kernel keeps for them: descriptors, children, signals |
//! | `anchors` | the lines of the two sources that belong together |
//! | `buffered` | the texts that printf kept back |
//! | `notes` | the notes in the source |
//! | `words` | a prototype and a sentence for each call |
//! | `text` | calls as text |
//! | `page` | the contents of one page |
//! | `row` | the steps of a line, put in rows |
//! | `html` | a page as HTML, made of the parts below |
//! | `frame`, `tour`, `after` | its head, its tour, and the part after the sources |
//! | `rows`, `step` | the calls under the lines; one call in full |
//! | `child` | the row of a fork's return in the child |
//! | `count` | the number of steps, by kind |
//! | `glossary` | the words that a page uses |
//! | `header` | the header that a program includes |
//! | `silent` | the row of a line that printed into a buffer |
//! | `printed` | the lines on a terminal beside those on a pipe |
//! | `questions` | questions that the run answers |
//! | `index` | the page of all lessons |

mod after;
mod anchors;
mod buffered;
mod child;
mod count;
mod frame;
mod glossary;
mod header;
mod html;
mod index;
mod notes;
mod page;
mod printed;
mod questions;
mod row;
mod rows;
mod silent;
mod state;
mod step;
mod steps;
mod text;
mod tour;
mod words;

use std::collections::HashMap;
use std::fs;
use std::path::Path;
use std::thread;

use crate::commands::compare as compare_commands;
use crate::compare::{Comparison, Side, compare};
use crate::exercise;
use crate::normalize::Run;
use crate::options::{Commands, Options, Programs};
use crate::run::output::Output;
use crate::run::strace::Strace;
use crate::sources::Sources;
use crate::start::From;
use crate::subject::{Case, PROGRAM_SIDES, Subject};
use crate::textbook;
use crate::tree::Tree;
use crate::trouble::Trouble;
use frame::Tab;
use page::{Column, Page, Printed, Tabs};
use printed::Copies;
use steps::Runs;

/// The order in which the programs are learnt.
pub const ORDER: [&str; 14] = [
    "fork",
    "zombie",
    "wait",
    "waitpid",
    "signal",
    "sigaction",
    "remove_zombie",
    "echo_mpserv",
    "echo_mpclient",
    "rot13_serv",
    "code05",
    "code04",
    "socket_serve",
    "socket_client",
];

/// Writes the pages of textbook programs into a folder. Returns whether all sources could be aligned.
///
/// # Errors
/// Fails when a program cannot be run, or a page cannot be written.
pub fn of_programs(options: &Options, programs: &Programs, strace: &Strace, folder: &Path) -> Result<bool, Trouble> {
    let subjects = textbook::compare(options, programs, strace)?;
    let sources = Sources::of_all(&subjects)?;
    fs::create_dir_all(folder).map_err(|error| Trouble::of(folder.display(), error))?;
    let made: Vec<&str> = subjects.iter().map(|subject| subject.name.as_str()).collect();
    let write_one = |subject| write_pages(subject, &sources, &made, folder);
    let write_one = &write_one;
    let all: Vec<Result<Written, Trouble>> = thread::scope(|scope| {
        let writers: Vec<_> = subjects.iter().map(|subject| scope.spawn(move || write_one(subject))).collect();
        let panicked = |_| Err(Trouble::new("the pages of a program ended by a panic"));
        writers.into_iter().map(|writer| writer.join().unwrap_or_else(panicked)).collect()
    });
    let mut is_aligned = true;
    let mut entries = Vec::new();
    for written in all {
        let written = written?;
        is_aligned &= written.crossings.is_empty();
        written.crossings.iter().for_each(|crossing| eprintln!("mpserv-audit: {crossing}"));
        entries.push(written.entry);
    }
    if entries.len() > 1 {
        entries.sort_by_key(|entry| ORDER.iter().position(|name| *name == entry.name));
        write(&folder.join(INDEX), &index::html(&entries))?;
    }
    Ok(is_aligned)
}

/// The result of writing the pages of one program.
struct Written {
    entry: index::Entry,
    /// A sentence for each two pairs of lines that cross.
    crossings: Vec<String>,
}

/// Writes the pages of one program. `made` are all programs that get pages.
fn write_pages(subject: &Subject, sources: &Sources, made: &[&str], folder: &Path) -> Result<Written, Trouble> {
    let best = best(subject);
    let mut entry = None;
    let mut crossings = Vec::new();
    // A drive has the same copies on each output.
    let mut copies: HashMap<&str, Vec<Copies>> = HashMap::new();
    for case in &subject.cases {
        let mut page = page_of(subject, case, sources)?;
        page.printed.copies = copies.entry(&case.drive).or_insert_with(|| copies_of(subject, case, sources)).clone();
        page.tabs = tabs(subject, case, made);
        page.exercises = exercises(&subject.name);
        crossings.extend(page.crossings().into_iter().map(|[first, second]| {
            format!(
                "{}, {}: the lines do not have one order: C {} goes with Rust {}, but C {} with Rust {}",
                subject.name, case.drive, first[0], first[1], second[0], second[1]
            )
        }));
        write(&folder.join(address(subject, case)), &page.html())?;
        if std::ptr::eq(case, best) {
            entry = Some(index::Entry::of(&page, address(subject, case)));
        }
    }
    let entry = entry.ok_or_else(|| Trouble::new("there is nothing to show"))?;
    Ok(Written { entry, crossings })
}

/// Writes the page of any C program. The page shows a single source.
///
/// # Errors
/// Fails when the program cannot be run or has no debugging information, or the page cannot be written.
pub fn of_command(options: &Options, commands: &Commands, strace: &Strace, file: &Path) -> Result<(), Trouble> {
    let subjects = compare_commands(options, commands, strace)?;
    let sources = Sources::of_all(&subjects)?;
    let subject = subjects.first().ok_or_else(|| Trouble::new("there is nothing to show"))?;
    let case = best(subject);
    let comparison = with_itself(&case.a);
    let runs = Runs { trees: [&case.a, &case.a], comparison: &comparison, sources: &sources, output: case.output };
    let column = column("the program", &runs, 0)?;
    let buffered = |steps: &[steps::Step]| buffered::unfinished(&runs, steps);
    let mut page = Page::new(&commands.a, &case.drive, runs, vec![column], buffered);
    page.printed = printed(subject, case);
    write(file, &page.html())
}

fn with_itself(tree: &Tree) -> Comparison {
    let run = Run::new(tree, &[], None);
    let side = || Side { tree, run: &run };
    compare(&side(), &side(), From::Main)
}

const INDEX: &str = "index.html";

fn write(path: &Path, html: &str) -> Result<(), Trouble> {
    fs::write(path, html).map_err(|error| Trouble::of(path.display(), error))
}

/// Returns the case on a terminal that shows a program best. The case without a drive comes first, then the case with
/// the most processes, and then the case with the most calls.
fn best(subject: &Subject) -> &Case {
    let worth = |case: &Case| {
        let is_plain = case.drive == "run";
        (case.output == Output::Pty, is_plain, case.a.processes.len(), case.comparison.events.0)
    };
    let first = subject.cases.first().unwrap_or_else(|| unreachable!("a subject has a case"));
    subject.cases.iter().fold(first, |best, case| if worth(case) > worth(best) { case } else { best })
}

/// Returns the name of a page's file. For the best case, the file has the name of the program.
fn address(subject: &Subject, case: &Case) -> String {
    if std::ptr::eq(case, best(subject)) {
        return format!("{}.html", subject.name);
    }
    format!("{}-{}-{}.html", subject.name, case.drive.replace(' ', "-"), case.output.name())
}

fn tabs(subject: &Subject, case: &Case, made: &[&str]) -> Tabs {
    let tab = |other: &Case, text: &str| Tab {
        text: text.to_owned(),
        to: (!std::ptr::eq(other, case)).then(|| address(subject, other)),
    };
    let same_output = |other: &&Case| other.output == case.output;
    let same_drive = |other: &&Case| other.drive == case.drive;
    let output = |output: Output| match output {
        Output::Pty => "on a terminal",
        Output::Pipe => "to a pipe",
        Output::File => "to a file",
    };
    Tabs {
        drives: subject.cases.iter().filter(same_output).map(|other| tab(other, &other.drive)).collect(),
        outputs: subject.cases.iter().filter(same_drive).map(|other| tab(other, output(other.output))).collect(),
        lessons: if made.len() > 1 { lessons(&subject.name, made) } else { Vec::new() },
    }
}

/// Returns the exercises of a program, each with its task and the command that grades it.
fn exercises(program: &str) -> Vec<(String, String)> {
    let command = |name: &str| format!("make exercise PROGRAM={program} EXERCISE={name} C=mine.c");
    let all = exercise::of_program(program);
    all.iter().map(|exercise| (exercise.task.to_owned(), command(exercise.name))).collect()
}

/// Returns links to the lesson before, to all lessons, and to the next lesson, among the lessons that are made.
fn lessons(name: &str, made: &[&str]) -> Vec<Tab> {
    let order: Vec<&str> = ORDER.into_iter().filter(|other| made.contains(other)).collect();
    let at = order.iter().position(|other| *other == name).unwrap_or_default();
    let link = |name: &str, text: String| Tab { text, to: Some(format!("{name}.html")) };
    let before = at.checked_sub(1).map(|before| link(order[before], format!("← {}", order[before])));
    let next = order.get(at + 1).map(|next| link(next, format!("{next} →")));
    before.into_iter().chain([link("index", "all lessons".to_owned())]).chain(next).collect()
}

fn page_of<'p>(subject: &'p Subject, case: &'p Case, sources: &'p Sources) -> Result<Page<'p>, Trouble> {
    let runs = runs_of(case, sources);
    let [c, rust] = PROGRAM_SIDES;
    let column = |label, side| {
        column(label, &runs, side)
            .map_err(|trouble| Trouble::of(format_args!("{}, {}", subject.name, case.drive), trouble))
    };
    let columns = vec![column(c, 0)?, column(rust, 1)?];
    let terminal = on(subject, case, Output::Pty).filter(|other| other.output != case.output);
    let buffered = |steps: &[steps::Step]| match terminal {
        Some(terminal) => buffered::find(&runs, steps, &runs_of(terminal, sources)),
        None => buffered::unfinished(&runs, steps),
    };
    let mut page = Page::new(&subject.name, &case.drive, runs, columns, buffered);
    page.printed = printed(subject, case);
    Ok(page)
}

fn runs_of<'r>(case: &'r Case, sources: &'r Sources) -> Runs<'r> {
    Runs { trees: [&case.a, &case.b], comparison: &case.comparison, sources, output: case.output }
}

/// Returns the case of the same drive on another output.
fn on<'s>(subject: &'s Subject, case: &Case, output: Output) -> Option<&'s Case> {
    subject.cases.iter().find(|other| other.drive == case.drive && other.output == output)
}

fn printed(subject: &Subject, case: &Case) -> Printed {
    let text = |output| on(subject, case, output).map(|case| case.printed[0].text.clone());
    Printed { terminal: text(Output::Pty), pipe: text(Output::Pipe), copies: Vec::new() }
}

/// Returns the processes that wrote each line to the pipe, in the drive of a case.
fn copies_of(subject: &Subject, case: &Case, sources: &Sources) -> Vec<Copies> {
    let (Some(terminal), Some(pipe)) = (on(subject, case, Output::Pty), on(subject, case, Output::Pipe)) else {
        return Vec::new();
    };
    let (terminal, pipe) = (runs_of(terminal, sources), runs_of(pipe, sources));
    let steps = pipe.steps();
    printed::copies(&pipe, &steps, &buffered::find(&pipe, &steps, &terminal))
}

/// Returns the source of one side: the file with its main.
fn column(label: &str, runs: &Runs<'_>, side: usize) -> Result<Column, Trouble> {
    let traces = runs.trees[side].processes.iter().map(|process| &process.trace);
    let events = traces.flat_map(|trace| (0..trace.len()).map(move |event| (trace, event)));
    let file = events.clone().find_map(|(trace, event)| runs.sources.lines(trace, event).first().map(|line| line.file));
    let file = file.ok_or_else(|| {
        let what = "no call can be traced to a line of its source: compile it with -g, and do not strip it";
        let longest = events.max_by_key(|(trace, event)| trace.frames(*event).count());
        let why = longest.and_then(|(trace, event)| runs.sources.of(trace, event)).unwrap_or_default();
        Trouble::of(label, format_args!("{what} {why}"))
    })?;
    let name = Path::new(file).file_name().unwrap_or_default().to_string_lossy().into_owned();
    let lines = runs.sources.text(file).map_err(|trouble| Trouble::of(label, trouble))?.to_vec();
    Ok(Column { label: label.to_owned(), file: name, lines })
}
