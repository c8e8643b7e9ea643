//! What is being done, while it is done.

use std::io::{self, IsTerminal, Write};
use std::sync::Mutex;

/// Shows on standard error how far all is: on a terminal on one line that is written over, else a line each.
#[derive(Debug)]
pub struct Progress {
    total: usize,
    terminal: bool,
    done: Mutex<usize>,
}

/// Goes to the beginning of the line and clears it.
const CLEAR: &str = "\r\x1b[K";

impl Progress {
    pub fn new(total: usize) -> Self {
        Progress { total, terminal: io::stderr().is_terminal(), done: Mutex::new(0) }
    }

    pub fn begins(&self, what: &str) {
        let (Ok(done), total) = (self.done.lock(), self.total) else {
            return;
        };
        let number = *done + 1;
        let start = if self.terminal { CLEAR } else { "" };
        let end = if self.terminal { "" } else { "\n" };
        // Progress that cannot be shown is no reason to stop.
        let _ = write!(io::stderr(), "{start}[{number}/{total}] {what}{end}");
    }

    pub fn ends(&self) {
        if let Ok(mut done) = self.done.lock() {
            *done += 1;
        }
    }

    /// Takes the line off the terminal.
    pub fn clear(&self) {
        if self.terminal {
            let _ = write!(io::stderr(), "{CLEAR}");
        }
    }
}
