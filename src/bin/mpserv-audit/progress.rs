//! Shows the current work while it goes on.

use std::io::{self, IsTerminal, Write};
use std::sync::Mutex;

use crate::report::style::shorten;

/// Shows the progress on standard error. On a terminal the progress takes one line, which is overwritten. Elsewhere
/// each step takes a line.
#[derive(Debug)]
pub struct Progress {
    total: usize,
    terminal: bool,
    begun: Mutex<usize>,
    /// The width of a terminal. A longer line would take two lines.
    width: usize,
}

/// The width of a terminal that does not report its width.
const WIDTH: usize = 80;
/// The text that moves the cursor to the beginning of the line and clears the line.
const CLEAR: &str = "\r\x1b[K";

impl Progress {
    pub fn new(total: usize) -> Self {
        let width = mpserv::pty::width(mpserv::fd::STDERR).map_or(WIDTH, usize::from);
        Progress { total, terminal: io::stderr().is_terminal(), begun: Mutex::new(0), width }
    }

    /// Counts and shows a piece of work that begins. The last piece is N of N.
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

    /// Removes the line from the terminal.
    pub fn clear(&self) {
        if self.terminal {
            let _ = write!(io::stderr(), "{CLEAR}");
        }
    }
}
