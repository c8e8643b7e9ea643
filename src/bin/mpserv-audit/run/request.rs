//! Request to run a command, with its settings.

use std::path::Path;
use std::time::Duration;

use super::output::Output;
use super::strace::Strace;

/// Treatment of the time that a command sleeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sleep {
    /// Sleeps take no time, and end in the order in which they would.
    Skipped,
    /// Alarms take their real time.
    Real,
    /// They take their time, and so must all else: the command is one process with an alarm set. It has no order to be
    /// settled, and waits for no permission.
    Alarmed,
}

/// Which of several processes that are about to end goes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// A parent before its children: it does not see their end.
    ParentFirst,
    /// Children before their parent, which sees their end.
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
    /// The folder in which the program runs; none for this tool's own.
    pub directory: Option<&'r Path>,
    /// Its standard input.
    pub input: &'r str,
    pub output: Output,
    /// With each call its stack, and when it began and ended.
    pub stacks: bool,
    pub sleep: Sleep,
    pub ending: Ending,
    /// The command gets its own network namespace, if this process may make one.
    pub own_network: bool,
    /// A port that this tool listens on from the beginning.
    pub occupies: Option<u16>,
    /// A port on which no other process may listen.
    pub needs_free: Option<u16>,
    pub timeout: Duration,
    /// The folder for a copy of strace's files, and the prefix of their names.
    pub save: Option<(&'r Path, String)>,
    /// Faults that strace injects into the command's calls (`--inject`), from main on. The trace begins there as well.
    pub faults: Option<Vec<String>>,
}

impl Request<'_> {
    /// The side and the command as one would type it.
    pub fn command(&self) -> String {
        format!("{}: '{}'", self.side, self.words.join(" "))
    }
}
