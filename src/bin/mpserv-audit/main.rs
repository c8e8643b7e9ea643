//! Shows whether two programs make the same system calls, process by process, and where they differ.
//!
//! strace traces both programs. The processes are paired by their place in the tree. Normalizations replace values that
//! differ between any two runs by names. Everything else is compared strictly.

#![allow(unreachable_pub, reason = "in a program, nothing is reached from outside")]

mod align;
mod command_line;
mod commands;
mod compare;
mod drives;
mod exercise;
mod exit;
mod faults;
mod foreign;
mod job;
mod kept;
mod lesson;
mod level;
mod lexer;
mod library;
mod normalize;
mod options;
mod programs;
mod progress;
mod report;
mod run;
mod save;
mod sources;
mod start;
mod subject;
mod textbook;
mod trace;
mod tree;
mod trouble;
mod words;

use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;

use mpserv::process;
use mpserv::signal::{Disposition, Signal, signal};

use exit::{DIFFERENT, SAME, TROUBLE};
use foreign::Compiled;
use level::Level;
use options::{Options, Task};
use report::html::Page;
use report::json;
use report::kinds;
use report::output;
use report::style::Style;
use report::terminal;
use run::interrupt::INTERRUPTED;
use run::network;
use run::strace::Strace;
use save::save;
use sources::Sources;
use subject::{COMMAND_SIDES, PROGRAM_SIDES, Subject};
use trouble::Trouble;

fn main() -> ExitCode {
    match run() {
        Ok(status) => ExitCode::from(status),
        Err(trouble) => {
            // Without standard error there is no place for a message.
            let _ = writeln!(io::stderr(), "mpserv-audit: {trouble}");
            ExitCode::from(TROUBLE)
        }
    }
}

fn run() -> Result<u8, Trouble> {
    let options = Options::from_command_line()?;
    match &options.task {
        Task::Help => print(&options::help()),
        Task::Version => print(concat!("mpserv-audit ", env!("CARGO_PKG_VERSION"), "\n")),
        Task::Normalizations => print(&normalizations_text()),
        Task::Commands(_) | Task::Programs(_) | Task::Exercise(_) => audit(options),
    }
}

fn print(text: &str) -> Result<u8, Trouble> {
    let written = io::stdout().write_all(text.as_bytes()).and_then(|()| io::stdout().flush());
    written.map(|()| SAME).map_err(|error| Trouble::of("standard output", error))
}

fn normalizations_text() -> String {
    let start = "Two calls are the same when they are equal but for this:\n";
    let each = normalize::list::ALL
        .iter()
        .map(|one| format!("\n{}\n  what: {}\n  why:  {}\n", one.name, one.what, one.reason));
    std::iter::once(start.to_owned()).chain(each).collect()
}

fn lesson(options: &Options, strace: &Strace, place: &Path) -> Result<u8, Trouble> {
    match &options.task {
        Task::Commands(commands) => lesson::of_command(options, commands, strace, place).map(|()| SAME),
        Task::Programs(programs) => {
            network::make_own_possible();
            let is_aligned = lesson::of_programs(options, programs, strace, place)?;
            Ok(if is_aligned { SAME } else { DIFFERENT })
        }
        Task::Exercise(_) | Task::Help | Task::Version | Task::Normalizations => Ok(SAME),
    }
}

fn status(level: Level, options: &Options) -> u8 {
    if level <= options.accept { SAME } else { DIFFERENT }
}

fn audit(mut options: Options) -> Result<u8, Trouble> {
    let strace = Strace::find()?;
    if options.sources && !strace.has_stacks {
        return Err(Trouble::new(format!("{} cannot show stacks, which --sources needs", strace.version)));
    }
    for ending in [Signal::INT, Signal::TERM, Signal::HUP] {
        signal(ending, Disposition::Flag(&INTERRUPTED)).map_err(|errno| Trouble::of("signal", errno))?;
    }
    // A traced process that outlives its parent becomes a child of this process, which waits for it and ends it.
    process::adopt_orphans().map_err(|errno| Trouble::of("prctl", errno))?;
    // The compiled program is kept until the report has named its lines.
    let _compiled = match &mut options.task {
        Task::Programs(programs) => Compiled::of(programs)?,
        _ => None,
    };
    let options = &options;
    if let Some(extent) = options.faults {
        return faults::run(options, extent, &strace);
    }
    if let Some(place) = &options.lesson {
        return lesson(options, &strace, place);
    }
    let (subjects, sides) = match &options.task {
        Task::Commands(commands) => (commands::compare(options, commands, &strace)?, COMMAND_SIDES),
        Task::Programs(programs) => {
            network::make_own_possible();
            (textbook::compare(options, programs, &strace)?, PROGRAM_SIDES)
        }
        Task::Exercise(answer) => {
            return Ok(if exercise::grade(answer, &strace)? { SAME } else { DIFFERENT });
        }
        Task::Help | Task::Version | Task::Normalizations => return Ok(SAME),
    };
    let sources = options.sources.then(|| Sources::of_all(&subjects)).transpose()?;
    if let Some(path) = &options.json {
        save(path, |out| json::write(out, &subjects, sides, options.from))?;
    }
    if let Some(path) = &options.html {
        let (strace, sources) = (strace.version.as_str(), sources.as_ref());
        let page = Page { subjects: &subjects, sides, from: options.from, strace, sources };
        save(path, |out| page.write(out))?;
    }
    let level_of = if options.show_output { Subject::level_with_output } else { Subject::level };
    let level = subjects.iter().map(level_of).max().unwrap_or_default();
    if [&options.json, &options.html].into_iter().flatten().any(|path| save::is_stdout(path)) {
        return Ok(status(level, options));
    }
    let mut out = io::BufWriter::new(io::stdout().lock());
    let style = Style::of_stdout();
    let whole = options.traces || options.sources;
    let mut show = || {
        if options.show_output {
            output::side_by_side(&mut out, style, &subjects, sides)?;
        } else {
            terminal::table(&mut out, style, &subjects, sides)?;
            kinds::list(&mut out, style, &subjects, sides, sources.as_ref())?;
        }
        for subject in subjects.iter().filter(|subject| whole || (options.diff && subject.differences() > 0)) {
            terminal::side_by_side(&mut out, style, subject, sides, whole, sources.as_ref())?;
        }
        if options.show_output {
            output::table(&mut out, style, &subjects, &options.outputs)?;
            kinds::list(&mut out, style, &subjects, sides, sources.as_ref())?;
        }
        out.flush()
    };
    show().map_err(|error| Trouble::of("standard output", error))?;
    Ok(status(level, options))
}
