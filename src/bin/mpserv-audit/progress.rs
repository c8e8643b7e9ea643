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
        let Ok(mut begun) = self.begun.lock() else {
            return;
        };
        *begun += 1;
        // Progress that cannot be shown is no reason to stop.
        let _ = write!(io::stderr(), "{}", self.text(*begun, what));
    }

    /// Returns the text for the piece of work with this number.
    fn text(&self, number: usize, what: &str) -> String {
        let line = format!("[{number}/{}] {what}", self.total);
        match self.terminal {
            true => format!("{CLEAR}{}", shorten(&line, self.width.saturating_sub(1))),
            false => format!("{line}\n"),
        }
    }

    /// Removes the line from the terminal.
    pub fn clear(&self) {
        if self.terminal {
            let _ = write!(io::stderr(), "{CLEAR}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_terminal_shows_one_line_that_fits_and_a_file_shows_all() {
        let text =
            |terminal, width, what: &str| Progress { total: 12, terminal, begun: Mutex::new(0), width }.text(3, what);
        assert_eq!(text(true, 20, "fork (run)"), "\r\x1b[K[3/12] fork (run)");
        assert_eq!(text(true, 19, "fork (run)"), "\r\x1b[K[3/12] fork (run)");
        let cut = text(true, 18, "fork (run)");
        let line = cut.strip_prefix("\r\x1b[K[3/12] fork ").unwrap_or_else(|| panic!("{cut:?}"));
        assert_eq!(("[3/12] fork ".len() + line.chars().count(), cut.contains('\n')), (17, false), "{cut:?}");
        assert_eq!(text(false, 18, "fork (run, to a pipe)"), "[3/12] fork (run, to a pipe)\n");
        text(true, 0, "a terminal without a width");
    }
}
