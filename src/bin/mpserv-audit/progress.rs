//! Shows the current work while it is done.

use std::io::{self, IsTerminal, Write};
use std::sync::Mutex;

use crate::report::style::shorten;

/// Shows on standard error how far all is: on a terminal on one line that is written over, else a line each.
#[derive(Debug)]
pub struct Progress {
    total: usize,
    terminal: bool,
    begun: Mutex<usize>,
    /// The width of a terminal; a longer line would not be one line.
    width: usize,
}

/// The width of a terminal that does not know its own.
const WIDTH: usize = 80;
/// Goes to the beginning of the line and clears it.
const CLEAR: &str = "\r\x1b[K";

impl Progress {
    pub fn new(total: usize) -> Self {
        let width = mpserv::pty::width(mpserv::fd::STDERR).map_or(WIDTH, usize::from);
        Progress { total, terminal: io::stderr().is_terminal(), begun: Mutex::new(0), width }
    }

    /// Counts and shows what is begun: the last is N of N.
    pub fn begins(&self, what: &str) {
        let (Ok(mut begun), total) = (self.begun.lock(), self.total) else {
            return;
        };
        *begun += 1;
        let line = format!("[{begun}/{total}] {what}");
        // Progress that cannot be shown is no reason to stop.
        let _ = match self.terminal {
            true => write!(io::stderr(), "{CLEAR}{}", shorten(&line, self.width.saturating_sub(1))),
            false => writeln!(io::stderr(), "{line}"),
        };
    }

    /// Takes the line off the terminal.
    pub fn clear(&self) {
        if self.terminal {
            let _ = write!(io::stderr(), "{CLEAR}");
        }
    }
}
