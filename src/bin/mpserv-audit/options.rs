//! The command line.

mod table;

use std::ffi::{CStr, CString};
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;
use std::time::Duration;

use mpserv::options::Parsed;
use mpserv::program::{Args, Argument};

use crate::exercise::Answer;
use crate::level::Level;
use crate::run::output::Output;
use crate::start::From;
use crate::trouble::Trouble;
pub use table::help;
use table::{Choice, TABLE};

/// The user's request.
#[derive(Clone, Debug)]
pub struct Options {
    pub task: Task,
    /// The kinds of standard output for the comparison.
    pub outputs: Vec<Output>,
    /// Whether the user named these kinds.
    pub names_outputs: bool,
    pub from: From,
    pub show_output: bool,
    pub diff: bool,
    pub traces: bool,
    /// The level up to which the exit status is 0.
    pub accept: Level,
    pub sources: bool,
    pub html: Option<PathBuf>,
    pub json: Option<PathBuf>,
    pub save: Option<PathBuf>,
    /// The output of the lesson: a folder for programs, a file for a command.
    pub lesson: Option<PathBuf>,
    pub timeout: Duration,
    /// The extent of a comparison under faults, if the user asks for faults.
    pub faults: Option<Extent>,
}

/// The extent of the fault injection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extent {
    All,
    /// A part that is short enough to check every change.
    Part,
}

/// The task to do.
#[derive(Clone, Debug)]
pub enum Task {
    Help,
    Version,
    Normalizations,
    /// Compare any two commands.
    Commands(Commands),
    /// Grade an exercise.
    Exercise(Answer),
    /// Compare textbook programs. If the user names no program, compare all programs.
    Programs(Programs),
}

/// Two commands and the settings of their drive.
#[derive(Clone, Debug)]
pub struct Commands {
    pub a: String,
    pub b: String,
    /// The ports of both commands.
    pub listen: [Option<u16>; 2],
    pub drive: Option<String>,
    pub signal: Option<String>,
}

/// Textbook programs and their folders.
#[derive(Clone, Debug)]
pub struct Programs {
    pub names: Vec<String>,
    /// The name of the only drive for the comparison, or none for all drives.
    pub drive: Option<String>,
    pub c: PathBuf,
    pub rust: PathBuf,
    /// Whether the user has named one of the two places.
    pub is_foreign: bool,
}

/// The longest time of one command, unless the user sets another.
const TIMEOUT: Duration = Duration::from_secs(60);
/// The longest time limit in seconds: a day.
const TIMEOUT_MAX: u64 = 86_400;
/// The folder of the C programs, which build.rs compiles. For a dependent crate build.rs does not compile these
/// programs, but the documentation must still build.
const C_PROGRAMS: &str = match option_env!("MPSERV_C_DIR") {
    Some(folder) => folder,
    None => "target/c",
};

/// The options in the order of the command line, before they are combined.
#[derive(Debug, Default)]
struct Given {
    a: Option<String>,
    b: Option<String>,
    listen: [Option<u16>; 2],
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
    exercise: Option<PathBuf>,
    timeout: Option<Duration>,
    faults: Option<Extent>,
    special: Option<Task>,
}

impl Options {
    /// Reads this process's command line.
    ///
    /// # Errors
    /// Fails when the command line has a mistake.
    pub fn from_command_line() -> Result<Self, Trouble> {
        let mut arguments = Vec::new();
        for argument in std::env::args_os() {
            let text = CString::new(argument.into_vec()).map_err(|_| usage("an argument has a NUL in it"))?;
            // The command line is never freed, as in C.
            arguments.push(Argument::from(&*Box::leak(text.into_boxed_c_str())));
        }
        arguments.push(Argument::END);
        let none = || usage("there is no command line");
        let mut rest: &'static [Argument] = arguments.leak();
        let mut given = Given::default();
        let mut operands = Vec::new();
        // Options may follow operands, so getopt begins anew after each operand. getopt takes that operand for the
        // program's name.
        loop {
            let args = Args::of(rest).ok_or_else(none)?;
            let mut options = TABLE.parse(args).ok_or_else(none)?;
            options.by_ref().try_for_each(|option| given.read(option))?;
            let at = options.index();
            let Some(operand) = args.get(at) else { break };
            if at > 1 && args.get(at - 1) == Some(c"--") {
                operands.extend(args.from(at).map(text).collect::<Result<Vec<_>, _>>()?);
                break;
            }
            operands.push(text(operand)?);
            rest = rest.get(at..).unwrap_or_default();
        }
        given.finish(operands)
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
    fn read(&mut self, option: Parsed<Choice>) -> Result<(), Trouble> {
        match option {
            Parsed::Unknown(name) => Err(usage(&format!("{name}: no such option"))),
            Parsed::Missing(name) => Err(usage(&format!("{name} needs an argument"))),
            Parsed::Option(_, option, argument) => self.take(option, text(argument)?),
        }
    }

    fn take(&mut self, option: Choice, argument: String) -> Result<(), Trouble> {
        match option {
            Choice::A => self.a = Some(argument),
            Choice::B => self.b = Some(argument),
            Choice::Listen => {
                let port = |text: &str| {
                    let port = text.parse().ok().filter(|port| *port > 0);
                    port.map(Some).ok_or_else(|| usage(&format!("--listen {argument}: {text} is not a port")))
                };
                let (a, b) = argument.split_once(',').unwrap_or((&argument, &argument));
                self.listen = [port(a)?, port(b)?];
            }
            Choice::Drive => self.drive = Some(argument),
            Choice::Signal => self.signal = Some(argument),
            Choice::Stdout => {
                let output = Output::named(&argument);
                self.outputs.push(output.ok_or_else(|| usage(&format!("--stdout {argument}: pty, pipe or file")))?);
            }
            Choice::From => {
                self.execve = match argument.as_str() {
                    "main" => false,
                    "execve" => true,
                    _ => return Err(usage(&format!("--from {argument}: main or execve"))),
                }
            }
            Choice::Timeout => {
                let seconds = argument.parse().ok().filter(|seconds| (1..=TIMEOUT_MAX).contains(seconds));
                let seconds =
                    seconds.ok_or_else(|| usage(&format!("--timeout {argument}: 1 to {TIMEOUT_MAX} seconds")))?;
                self.timeout = Some(Duration::from_secs(seconds));
            }
            Choice::Faults => {
                self.faults = Some(match argument.as_str() {
                    "all" => Extent::All,
                    "part" => Extent::Part,
                    _ => return Err(usage(&format!("--faults {argument}: all or part"))),
                });
            }
            Choice::Help => self.special = Some(Task::Help),
            Choice::Version => self.special = Some(Task::Version),
            Choice::C => self.c = Some(argument.into()),
            Choice::Rust => self.rust = Some(argument.into()),
            Choice::Normalizations => self.special = Some(Task::Normalizations),
            Choice::Output => self.show_output = true,
            Choice::Diff => self.diff = true,
            Choice::Traces => self.traces = true,
            Choice::Accept => {
                let level = Level::of_word(&argument);
                self.accept = Some(level.ok_or_else(|| {
                    let words = Level::WORDS.map(|(word, _)| word).join(", ");
                    usage(&format!("--accept {argument}: not one of {words}"))
                })?);
            }
            Choice::Sources => self.sources = true,
            Choice::Html => self.html = Some(argument.into()),
            Choice::Json => self.json = Some(argument.into()),
            Choice::Save => self.save = Some(argument.into()),
            Choice::Lesson => self.lesson = Some(argument.into()),
            Choice::Exercise => self.exercise = Some(argument.into()),
        }
        Ok(())
    }

    fn finish(self, operands: Vec<String>) -> Result<Options, Trouble> {
        let task = match self.special {
            Some(ref task) => task.clone(),
            None => self.task(operands)?,
        };
        let names_outputs = !self.outputs.is_empty();
        let outputs = match (self.outputs.is_empty(), self.faults) {
            (false, _) => self.outputs,
            // For stdio, a file is the same as a pipe.
            (true, None) if self.lesson.is_some() => vec![Output::Pty, Output::Pipe],
            (true, None) => Output::ALL.to_vec(),
            (true, Some(_)) => vec![Output::Pipe],
        };
        Ok(Options {
            task,
            outputs,
            names_outputs,
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
        if let Some(file) = &self.exercise {
            let mut words = operands.into_iter();
            let program = words.next().ok_or_else(|| usage("--exercise: say of which program it is"))?;
            return Ok(Task::Exercise(Answer { file: file.clone(), program, name: words.next() }));
        }
        // A lesson of one command shows only that command.
        let b = if self.lesson.is_some() { self.b.as_ref().or(self.a.as_ref()) } else { self.b.as_ref() };
        match (&self.a, b) {
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
                if self.listen[0].is_some() || self.signal.is_some() {
                    return Err(usage("--listen and --signal go with --a and --b"));
                }
                let rust = self.rust.clone().map_or_else(own_directory, Ok)?;
                let c = self.c.clone().unwrap_or_else(|| PathBuf::from(C_PROGRAMS));
                let is_foreign = self.c.is_some() || self.rust.is_some();
                Ok(Task::Programs(Programs { names: operands, drive: self.drive.clone(), c, rust, is_foreign }))
            }
            _ => Err(usage("--a and --b go together")),
        }
    }
}

fn own_directory() -> Result<PathBuf, Trouble> {
    let own = std::env::current_exe().map_err(|error| Trouble::new(format!("this program's own path: {error}")))?;
    Ok(own.parent().map(PathBuf::from).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Compares the values without an option with those that the help names.
    #[test]
    fn each_default_is_the_one_of_the_help() {
        let none = Given::default().finish(Vec::new()).unwrap();
        let help = help();
        assert!(help.contains(&format!("one run may take so long ({})", none.timeout.as_secs())), "{help}");
        assert_eq!(none.outputs, Output::ALL, "pty, pipe or file (each)");
        assert_eq!((none.from, none.accept), (From::Main, Level::Varies));
        assert!(help.contains("compare from main or from execve on (main)") && help.contains("different (same)"));
        assert!(!(none.names_outputs || none.show_output || none.diff || none.traces || none.sources));
        let Task::Programs(programs) = &none.task else { panic!("{none:?}") };
        assert!(programs.names.is_empty() && programs.drive.is_none() && !programs.is_foreign);
        let lesson = Given { lesson: Some(PathBuf::from("x")), ..Given::default() }.finish(Vec::new()).unwrap();
        assert_eq!((lesson.outputs, lesson.sources), (vec![Output::Pty, Output::Pipe], true));
        let faults = Given { faults: Some(Extent::All), ..Given::default() }.finish(Vec::new()).unwrap();
        assert_eq!(faults.outputs, [Output::Pipe]);
    }

    #[test]
    fn a_lesson_of_one_command_compares_it_with_itself() {
        let words = |lesson: Option<&str>, a: Option<&str>, b: Option<&str>| {
            let [a, b] = [a, b].map(|word| word.map(str::to_owned));
            let given = Given { lesson: lesson.map(PathBuf::from), a, b, ..Given::default() };
            given.finish(Vec::new()).ok().map(|options| match options.task {
                Task::Commands(commands) => [commands.a, commands.b].join(" "),
                other => panic!("{other:?}"),
            })
        };
        let page = Some("page");
        assert_eq!(words(page, Some("x"), None).as_deref(), Some("x x"));
        assert_eq!(words(page, Some("x"), Some("y")).as_deref(), Some("x y"));
        assert_eq!(words(page, None, Some("y")), None);
        assert_eq!(words(None, Some("x"), None), None);
    }
}
