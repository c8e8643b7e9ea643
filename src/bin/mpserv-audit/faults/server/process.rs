//! A process that this tool signals or reaps, or whose end it awaits.

use std::time::{Duration, Instant};

use mpserv::process::{Pid, WaitFor, WaitOptions, WaitStatus, waitpid};
use mpserv::signal::{Signal, kill};

use crate::run::processes::Status;

/// The time between two looks at a process.
pub const TICK: Duration = Duration::from_millis(1);

pub(super) fn signal_to(pid: u32, signal: Signal) {
    if let Some(pid) = own(pid) {
        // The process may have ended.
        let _ = kill(pid, signal);
    }
}

fn own(pid: u32) -> Option<Pid> {
    i32::try_from(pid).ok().and_then(Pid::from_raw)
}

/// Reaps a child of this process, if it has ended.
pub(super) fn ended(pid: u32) -> Option<WaitStatus> {
    let mut status = WaitStatus::default();
    let child = WaitFor::Child(own(pid)?);
    waitpid(child, Some(&mut status), WaitOptions::NOHANG).ok().flatten().map(|_| status)
}

/// Waits for the end of a child, or of an orphan that becomes a child of this process. Returns whether the process has
/// ended.
pub(super) fn wait_for_end(pid: u32, patience: Duration) -> bool {
    let start = Instant::now();
    while let Some(status) = Status::of(pid) {
        if status.parent == std::process::id() {
            ended(pid);
        }
        if start.elapsed() > patience {
            return Status::of(pid).is_none();
        }
        std::thread::sleep(TICK);
    }
    true
}
