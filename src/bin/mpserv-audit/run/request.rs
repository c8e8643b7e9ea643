//! The request to run a command, with its settings.

use std::path::Path;
use std::time::Duration;

use super::output::Output;
use super::strace::Strace;

/// The treatment of the time that a command sleeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sleep {
    /// Sleeps take no time, and end in the same order as real sleeps.
    Skipped,
    /// Alarms take their real time.
    Real,
    /// Sleeps and all other waits take their real time, because the command is a single process with an alarm set. Its
    /// events need no order, so the process is never held.
    Alarmed,
}

/// The order of processes that are about to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// A parent ends before its children, so the parent does not see their end.
    ParentFirst,
    /// Children end before their parent, which sees their end.
    ChildFirst,
}

/// One run of one command.
#[derive(Clone, Debug)]
pub struct Request<'r> {
    pub strace: &'r Strace,
    /// The user's name for the side that is run, such as A or Rust.
    pub side: &'r str,
    /// The program and its arguments.
    pub words: Vec<String>,
    /// The folder in which the program runs, or none for that of this tool.
    pub directory: Option<&'r Path>,
    /// The standard input of the program.
    pub input: &'r str,
    pub output: Output,
    /// Whether the trace has the stack of each call, and the times of its beginning and end.
    pub stacks: bool,
    pub sleep: Sleep,
    pub ending: Ending,
    /// Whether the command gets its own network namespace, if this process may make a namespace.
    pub own_network: bool,
    /// A port on which this tool listens from the beginning.
    pub occupies: Option<u16>,
    /// A port on which no other process may listen.
    pub needs_free: Option<u16>,
    pub timeout: Duration,
    /// The folder for a copy of strace's files, and the prefix of their names.
    pub save: Option<(&'r Path, String)>,
    /// The faults that strace injects into the command's calls (`--inject`), from main on. The trace begins at main as
    /// well.
    pub faults: Option<Vec<String>>,
}

impl Request<'_> {
    /// Returns the side, and the command in the form for a shell.
    pub fn command(&self) -> String {
        format!("{}: '{}'", self.side, self.words.join(" "))
    }
}
