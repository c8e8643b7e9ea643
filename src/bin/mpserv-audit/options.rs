//! The command line.

use std::ffi::{CStr, CString};
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;
use std::time::Duration;

use mpserv::getopt::{Getopt, HasArg, LongOption, Opt};
use mpserv::program::{Args, Argument};

use crate::level::Level;
use crate::run::output::Output;
use crate::start::From;
use crate::trouble::Trouble;

/// What the user asked for.
#[derive(Clone, Debug)]
pub struct Options {
    pub task: Task,
    /// The kinds of standard output to compare on.
    pub outputs: Vec<Output>,
    pub from: From,
    pub show_output: bool,
    pub diff: bool,
    pub traces: bool,
    /// The exit status is 0 up to this level.
    pub accept: Level,
    pub sources: bool,
    pub html: Option<PathBuf>,
    pub json: Option<PathBuf>,
    pub save: Option<PathBuf>,
    /// Where the lesson goes: a folder for programs, a file for a command.
    pub lesson: Option<PathBuf>,
    pub timeout: Duration,
    /// Compare under faults, and with how many of them.
    pub faults: Option<Extent>,
}

/// How much is tried of what could be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extent {
    All,
    /// What fits into a check of every change.
    Part,
}

/// What to do.
#[derive(Clone, Debug)]
pub enum Task {
    Help,
    Version,
    Normalizations,
    /// Compare any two commands.
    Commands(Commands),
    /// Compare textbook programs; none named means all.
    Programs(Programs),
}

/// Two commands and how to drive them.
#[derive(Clone, Debug)]
pub struct Commands {
    pub a: String,
    pub b: String,
    pub listen: Option<u16>,
    pub drive: Option<String>,
    pub signal: Option<String>,
}

/// Textbook programs and where they are.
#[derive(Clone, Debug)]
pub struct Programs {
    pub names: Vec<String>,
    /// The one drive to compare with, or all.
    pub drive: Option<String>,
    pub c: PathBuf,
    pub rust: PathBuf,
}

/// How long one command may take, unless the user says otherwise.
const TIMEOUT: Duration = Duration::from_secs(60);
/// A day.
const TIMEOUT_MAX: u64 = 86_400;

pub const HELP: &str = "\
Usage: mpserv-audit [OPTION]... --a 'COMMAND' --b 'COMMAND'   any two commands
       mpserv-audit [OPTION]... [PROGRAM]...                  the textbook programs, C against Rust
Shows that two programs make the same system calls, process by process, or where they do not.

Commands:
  -a, --a COMMAND        the one, in words as a shell splits them
  -b, --b COMMAND        the other
  -l, --listen PORT      they are servers: wait until they listen on PORT
  -d, --drive COMMAND    run this, such as a client, once they listen (or run)
  -s, --signal NAME      then, when all is at rest, send this signal to their first process (INT)
Textbook programs:
  -d, --drive NAME       only this drive
      --c DIR            where the C programs are (../c beside this program's directory)
      --rust DIR         where the Rust programs are (this program's directory)
      --faults EXTENT    with every fault that its calls may meet: all, or part of them;
                         PROGRAM may then be mpserv, too
What to compare:
  -o, --stdout KIND      standard output: pty, pipe or file (each in turn)
  -f, --from POINT       begin at main or at execve (main)
      --normalizations   list what may differ, and why
Report:
      --output           what the programs print side by side, and a verdict on it
      --accept LEVEL     exit with 0 up to this level: same, texts, values or different (same)
      --diff             the traces side by side, where they differ
      --traces           the whole traces side by side
      --sources          with each call, the line of source that made it
      --html FILE        a page with pictures
      --json FILE        for machines
      --save DIR         keep strace's files
      --lesson PLACE     sources, system calls and the kernel's state as pages in the folder PLACE;
                         with --a alone, any C program with debugging information as one page
  -t, --timeout SECONDS  how long one run may take (60)
  -h, --help             this text
  -V, --version          the version

Exit status: 0 the same, 1 different, 2 trouble.
";

/// What each option is known by here; letters are below these.
mod value {
    pub(super) const A: i32 = 256;
    pub(super) const B: i32 = 257;
    pub(super) const LISTEN: i32 = 258;
    pub(super) const DRIVE: i32 = 259;
    pub(super) const SIGNAL: i32 = 260;
    pub(super) const STDOUT: i32 = 261;
    pub(super) const FROM: i32 = 262;
    pub(super) const TIMEOUT: i32 = 263;
    pub(super) const HELP: i32 = 264;
    pub(super) const VERSION: i32 = 265;
    pub(super) const C: i32 = 266;
    pub(super) const RUST: i32 = 267;
    pub(super) const NORMALIZATIONS: i32 = 268;
    pub(super) const DIFF: i32 = 269;
    pub(super) const SOURCES: i32 = 270;
    pub(super) const HTML: i32 = 271;
    pub(super) const JSON: i32 = 272;
    pub(super) const SAVE: i32 = 273;
    pub(super) const OUTPUT: i32 = 274;
    pub(super) const FAULTS: i32 = 275;
    pub(super) const LESSON: i32 = 278;
    pub(super) const TRACES: i32 = 276;
    pub(super) const ACCEPT: i32 = 277;

    /// The option that a letter stands for.
    pub(super) fn of_letter(letter: u8) -> Option<i32> {
        Some(match letter {
            b'a' => A,
            b'b' => B,
            b'l' => LISTEN,
            b'd' => DRIVE,
            b's' => SIGNAL,
            b'o' => STDOUT,
            b'f' => FROM,
            b't' => TIMEOUT,
            b'h' => HELP,
            b'V' => VERSION,
            _ => return None,
        })
    }
}

const LETTERS: &CStr = c"+:a:b:l:d:s:o:f:t:hV";

const LONG: [LongOption; 24] = [
    LongOption::new(c"a", HasArg::Required, value::A),
    LongOption::new(c"b", HasArg::Required, value::B),
    LongOption::new(c"listen", HasArg::Required, value::LISTEN),
    LongOption::new(c"drive", HasArg::Required, value::DRIVE),
    LongOption::new(c"signal", HasArg::Required, value::SIGNAL),
    LongOption::new(c"stdout", HasArg::Required, value::STDOUT),
    LongOption::new(c"from", HasArg::Required, value::FROM),
    LongOption::new(c"timeout", HasArg::Required, value::TIMEOUT),
    LongOption::new(c"help", HasArg::No, value::HELP),
    LongOption::new(c"version", HasArg::No, value::VERSION),
    LongOption::new(c"c", HasArg::Required, value::C),
    LongOption::new(c"rust", HasArg::Required, value::RUST),
    LongOption::new(c"normalizations", HasArg::No, value::NORMALIZATIONS),
    LongOption::new(c"output", HasArg::No, value::OUTPUT),
    LongOption::new(c"diff", HasArg::No, value::DIFF),
    LongOption::new(c"sources", HasArg::No, value::SOURCES),
    LongOption::new(c"html", HasArg::Required, value::HTML),
    LongOption::new(c"json", HasArg::Required, value::JSON),
    LongOption::new(c"save", HasArg::Required, value::SAVE),
    LongOption::new(c"traces", HasArg::No, value::TRACES),
    LongOption::new(c"accept", HasArg::Required, value::ACCEPT),
    LongOption::new(c"faults", HasArg::Required, value::FAULTS),
    LongOption::new(c"lesson", HasArg::Required, value::LESSON),
    LongOption::END,
];

/// The options as they come, before they are put together.
#[derive(Debug, Default)]
struct Given {
    a: Option<String>,
    b: Option<String>,
    listen: Option<u16>,
    drive: Option<String>,
    signal: Option<String>,
    c: Option<PathBuf>,
    rust: Option<PathBuf>,
    outputs: Vec<Output>,
    execve: bool,
    show_output: bool,
    diff: bool,
    traces: bool,
    accept: Option<Level>,
    sources: bool,
    html: Option<PathBuf>,
    json: Option<PathBuf>,
    save: Option<PathBuf>,
    lesson: Option<PathBuf>,
    timeout: Option<Duration>,
    faults: Option<Extent>,
    special: Option<Task>,
}

impl Options {
    /// Reads this process's command line.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn from_command_line() -> Result<Self, Trouble> {
        let mut arguments = Vec::new();
        for argument in std::env::args_os() {
            let text = CString::new(argument.into_vec()).map_err(|_| usage("an argument has a NUL in it"))?;
            // The command line stays as long as the program, as C's does.
            arguments.push(Argument::from(&*Box::leak(text.into_boxed_c_str())));
        }
        arguments.push(Argument::END);
        let none = || usage("there is no command line");
        let args = Args::of(arguments.leak()).ok_or_else(none)?;
        let mut options = Getopt::new(args, LETTERS, &LONG).ok_or_else(none)?;
        let mut given = Given::default();
        for option in options.by_ref() {
            match option {
                Opt::Unknown(name) => return Err(usage(&format!("{name}: no such option"))),
                Opt::Missing(name) => return Err(usage(&format!("{name} needs an argument"))),
                Opt::Option(found, argument) => {
                    let letter = u8::try_from(found).ok().and_then(value::of_letter);
                    given.take(letter.unwrap_or(found), argument)?;
                }
            }
        }
        let operands = args.from(options.index()).map(text);
        given.finish(operands.collect::<Result<Vec<_>, _>>()?)
    }
}

fn usage(what: &str) -> Trouble {
    Trouble::new(format!("{what}; mpserv-audit --help lists the options"))
}

fn text(argument: &CStr) -> Result<String, Trouble> {
    let text = argument.to_str().map_err(|_| usage("an argument is not UTF-8"))?;
    Ok(text.to_owned())
}

impl Given {
    fn take(&mut self, option: i32, argument: Option<&CStr>) -> Result<(), Trouble> {
        let argument = argument.map(text).transpose()?.unwrap_or_default();
        match option {
            value::A => self.a = Some(argument),
            value::B => self.b = Some(argument),
            value::LISTEN => {
                let port = argument.parse().ok().filter(|port| *port > 0);
                self.listen = Some(port.ok_or_else(|| usage(&format!("--listen {argument}: not a port")))?);
            }
            value::DRIVE => self.drive = Some(argument),
            value::SIGNAL => self.signal = Some(argument),
            value::STDOUT => {
                let output = Output::named(&argument);
                self.outputs.push(output.ok_or_else(|| usage(&format!("--stdout {argument}: pty, pipe or file")))?);
            }
            value::FROM => {
                self.execve = match argument.as_str() {
                    "main" => false,
                    "execve" => true,
                    _ => return Err(usage(&format!("--from {argument}: main or execve"))),
                }
            }
            value::TIMEOUT => {
                let seconds = argument.parse().ok().filter(|seconds| (1..=TIMEOUT_MAX).contains(seconds));
                let seconds =
                    seconds.ok_or_else(|| usage(&format!("--timeout {argument}: 1 to {TIMEOUT_MAX} seconds")))?;
                self.timeout = Some(Duration::from_secs(seconds));
            }
            value::FAULTS => {
                self.faults = Some(match argument.as_str() {
                    "all" => Extent::All,
                    "part" => Extent::Part,
                    _ => return Err(usage(&format!("--faults {argument}: all or part"))),
                });
            }
            value::HELP => self.special = Some(Task::Help),
            value::VERSION => self.special = Some(Task::Version),
            value::C => self.c = Some(argument.into()),
            value::RUST => self.rust = Some(argument.into()),
            value::NORMALIZATIONS => self.special = Some(Task::Normalizations),
            value::OUTPUT => self.show_output = true,
            value::DIFF => self.diff = true,
            value::TRACES => self.traces = true,
            value::ACCEPT => {
                let level = Level::of_word(&argument);
                self.accept = Some(level.ok_or_else(|| {
                    let words = Level::WORDS.map(|(word, _)| word).join(", ");
                    usage(&format!("--accept {argument}: not one of {words}"))
                })?);
            }
            value::SOURCES => self.sources = true,
            value::HTML => self.html = Some(argument.into()),
            value::JSON => self.json = Some(argument.into()),
            value::SAVE => self.save = Some(argument.into()),
            value::LESSON => self.lesson = Some(argument.into()),
            _ => return Err(usage("an option that is not handled")),
        }
        Ok(())
    }

    fn finish(self, operands: Vec<String>) -> Result<Options, Trouble> {
        let task = match self.special {
            Some(ref task) => task.clone(),
            None => self.task(operands)?,
        };
        let outputs = match (self.outputs.is_empty(), self.faults) {
            (false, _) => self.outputs,
            // A file is to stdio what a pipe is.
            (true, None) if self.lesson.is_some() => vec![Output::Pty, Output::Pipe],
            (true, None) => Output::ALL.to_vec(),
            (true, Some(_)) => vec![Output::Pipe],
        };
        Ok(Options {
            task,
            outputs,
            from: if self.execve { From::Execve } else { From::Main },
            show_output: self.show_output,
            diff: self.diff,
            traces: self.traces,
            accept: self.accept.unwrap_or(Level::Varies),
            sources: self.sources || self.lesson.is_some(),
            html: self.html,
            json: self.json,
            save: self.save,
            lesson: self.lesson,
            timeout: self.timeout.unwrap_or(TIMEOUT),
            faults: self.faults,
        })
    }

    fn task(&self, operands: Vec<String>) -> Result<Task, Trouble> {
        // A lesson of one command shows that one alone.
        let b = if self.lesson.is_some() { self.b.as_ref().or(self.a.as_ref()) } else { self.b.as_ref() };
        match (&self.a, b) {
            (Some(_), Some(_)) if self.faults.is_some() => Err(usage("--faults goes with the textbook programs")),
            (Some(a), Some(b)) => {
                if let Some(operand) = operands.first() {
                    return Err(usage(&format!("{operand}: a program is named beside --a and --b")));
                }
                Ok(Task::Commands(Commands {
                    a: a.clone(),
                    b: b.clone(),
                    listen: self.listen,
                    drive: self.drive.clone(),
                    signal: self.signal.clone(),
                }))
            }
            (None, None) => {
                if self.listen.is_some() || self.signal.is_some() {
                    return Err(usage("--listen and --signal go with --a and --b"));
                }
                let rust = self.rust.clone().map_or_else(own_directory, Ok)?;
                let c = self.c.clone().unwrap_or_else(|| rust.join("../c"));
                Ok(Task::Programs(Programs { names: operands, drive: self.drive.clone(), c, rust }))
            }
            _ => Err(usage("--a and --b go together")),
        }
    }
}

fn own_directory() -> Result<PathBuf, Trouble> {
    let own = std::env::current_exe().map_err(|error| Trouble::new(format!("this program's own path: {error}")))?;
    Ok(own.parent().map(PathBuf::from).unwrap_or_default())
}
