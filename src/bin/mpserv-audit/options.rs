//! The command line.

use std::ffi::{CStr, CString};
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;
use std::time::Duration;

use mpserv::getopt::{Argument, Found, GetOpt, LongOption};

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
    pub diff: bool,
    pub sources: bool,
    pub html: Option<PathBuf>,
    pub json: Option<PathBuf>,
    pub save: Option<PathBuf>,
    pub timeout: Duration,
}

/// What to do.
#[derive(Clone, Debug)]
pub enum Task {
    Help,
    Version,
    Rules,
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
What to compare:
  -o, --stdout KIND      standard output: pty, pipe or file (each in turn)
  -f, --from POINT       begin at main or at execve (main)
      --rules            list what may differ, and why
Report:
      --diff             the traces side by side
      --sources          with each call, the line of source that made it
      --html FILE        a page with pictures
      --json FILE        for machines
      --save DIR         keep strace's files
  -t, --timeout SECONDS  how long one run may take (60)
  -h, --help             this text
  -V, --version          the version

Exit status: 0 the same, 1 different, 2 trouble.
";

/// Values of options that have no letter; letters are below 128.
mod long {
    pub(super) const C: i32 = 256;
    pub(super) const RUST: i32 = 257;
    pub(super) const RULES: i32 = 258;
    pub(super) const DIFF: i32 = 259;
    pub(super) const SOURCES: i32 = 260;
    pub(super) const HTML: i32 = 261;
    pub(super) const JSON: i32 = 262;
    pub(super) const SAVE: i32 = 263;
}

const LETTERS: &CStr = c"a:b:l:d:s:o:f:t:hV";

const fn option(name: &'static CStr, has_argument: bool, value: i32) -> LongOption {
    LongOption { name, has_argument, value }
}

const LONG: [LongOption; 18] = [
    option(c"a", true, b'a' as i32),
    option(c"b", true, b'b' as i32),
    option(c"listen", true, b'l' as i32),
    option(c"drive", true, b'd' as i32),
    option(c"signal", true, b's' as i32),
    option(c"stdout", true, b'o' as i32),
    option(c"from", true, b'f' as i32),
    option(c"timeout", true, b't' as i32),
    option(c"help", false, b'h' as i32),
    option(c"version", false, b'V' as i32),
    option(c"c", true, long::C),
    option(c"rust", true, long::RUST),
    option(c"rules", false, long::RULES),
    option(c"diff", false, long::DIFF),
    option(c"sources", false, long::SOURCES),
    option(c"html", true, long::HTML),
    option(c"json", true, long::JSON),
    option(c"save", true, long::SAVE),
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
    diff: bool,
    sources: bool,
    html: Option<PathBuf>,
    json: Option<PathBuf>,
    save: Option<PathBuf>,
    timeout: Option<Duration>,
    special: Option<Task>,
}

impl Options {
    /// Reads this process's command line.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn from_command_line() -> Result<Self, Trouble> {
        let texts: Vec<CString> = std::env::args_os()
            .map(|argument| CString::new(argument.into_vec()))
            .collect::<Result<_, _>>()
            .map_err(|_| usage("an argument has a NUL in it"))?;
        let mut arguments: Vec<Argument<'_>> = texts.iter().map(|text| text.as_c_str().into()).collect();
        arguments.push(Argument::END);
        let mut reader =
            GetOpt::new(&mut arguments, LETTERS, &LONG).ok_or_else(|| usage("there is no command line"))?;
        let mut given = Given::default();
        while let Some(found) = reader.next() {
            match found {
                // getopt has named the mistake.
                Found::Mistake => return Err(usage("")),
                Found::Option(value, argument) => given.take(value, argument)?,
            }
        }
        let operands = reader.operands().map(text).collect::<Result<Vec<_>, _>>()?;
        given.finish(operands)
    }
}

fn usage(what: &str) -> Trouble {
    let hint = "mpserv-audit --help lists the options";
    if what.is_empty() { Trouble::new(hint) } else { Trouble::new(format!("{what}; {hint}")) }
}

fn text(argument: &CStr) -> Result<String, Trouble> {
    let text = argument.to_str().map_err(|_| usage("an argument is not UTF-8"))?;
    Ok(text.to_owned())
}

impl Given {
    fn take(&mut self, value: i32, argument: Option<&CStr>) -> Result<(), Trouble> {
        let argument = argument.map(text).transpose()?.unwrap_or_default();
        match value {
            long::C => self.c = Some(argument.into()),
            long::RUST => self.rust = Some(argument.into()),
            long::RULES => self.special = Some(Task::Rules),
            long::DIFF => self.diff = true,
            long::SOURCES => self.sources = true,
            long::HTML => self.html = Some(argument.into()),
            long::JSON => self.json = Some(argument.into()),
            long::SAVE => self.save = Some(argument.into()),
            letter => self.take_letter(letter, argument)?,
        }
        Ok(())
    }

    fn take_letter(&mut self, letter: i32, argument: String) -> Result<(), Trouble> {
        match u8::try_from(letter).unwrap_or_default() {
            b'a' => self.a = Some(argument),
            b'b' => self.b = Some(argument),
            b'l' => {
                let port = argument.parse().ok().filter(|port| *port > 0);
                self.listen = Some(port.ok_or_else(|| usage(&format!("--listen {argument}: not a port")))?);
            }
            b'd' => self.drive = Some(argument),
            b's' => self.signal = Some(argument),
            b'o' => self.outputs.push(
                Output::named(&argument).ok_or_else(|| usage(&format!("--stdout {argument}: pty, pipe or file")))?,
            ),
            b'f' => {
                self.execve = match argument.as_str() {
                    "main" => false,
                    "execve" => true,
                    _ => return Err(usage(&format!("--from {argument}: main or execve"))),
                }
            }
            b't' => {
                let seconds = argument.parse().ok().filter(|seconds| *seconds > 0);
                let seconds = seconds.ok_or_else(|| usage(&format!("--timeout {argument}: a number of seconds")))?;
                self.timeout = Some(Duration::from_secs(seconds));
            }
            b'h' => self.special = Some(Task::Help),
            b'V' => self.special = Some(Task::Version),
            _ => return Err(usage("an option that is not handled")),
        }
        Ok(())
    }

    fn finish(self, operands: Vec<String>) -> Result<Options, Trouble> {
        let task = match self.special {
            Some(ref task) => task.clone(),
            None => self.task(operands)?,
        };
        let outputs = if self.outputs.is_empty() { Output::ALL.to_vec() } else { self.outputs };
        Ok(Options {
            task,
            outputs,
            from: if self.execve { From::Execve } else { From::Main },
            diff: self.diff,
            sources: self.sources,
            html: self.html,
            json: self.json,
            save: self.save,
            timeout: self.timeout.unwrap_or(TIMEOUT),
        })
    }

    fn task(&self, operands: Vec<String>) -> Result<Task, Trouble> {
        match (&self.a, &self.b) {
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
