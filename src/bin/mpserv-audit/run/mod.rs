//! Runs a command under strace, drives it, and reads strace's files.
//!
//! - `request`: the command to run; `start` starts it; `stage`: the running program, and the actions of a drive
//! - `hold`: the order of processes; `processes` and `network`: facts from /proc; `doing` puts them into words;
//!   `helper`: the user's client
//! - `output`: the kinds of standard output; `strace`: the strace on this machine

mod doing;
mod helper;
mod hold;
pub mod interrupt;
pub mod network;
pub mod output;
pub mod processes;
mod request;
pub mod stage;
mod start;
pub mod strace;

use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use crate::trace::{Trace, span};
use crate::tree::Tree;
use crate::trouble::Trouble;
use interrupt::INTERRUPTED;
use stage::{Stage, Standing};
use start::{PREFIX, STDERR, start, start_faulty};

pub use request::{Ending, Request, Sleep};
pub use start::close;

/// The function that drives a running program.
pub type Drive<'d> = dyn Fn(&mut Stage<'_>) -> Result<(), Trouble> + Sync + 'd;

/// The suffix of a kept trace's name, for the file with the printed text.
pub const PRINTED: &str = "printed";

/// The record of one run.
#[derive(Debug)]
pub struct Recorded {
    /// The processes with their traces.
    pub tree: Tree,
    /// The text that the processes printed on standard output, followed by their text on standard error.
    pub printed: Vec<u8>,
    /// The state of the processes at the end of the drive.
    pub standing: Standing,
}

/// Runs the command while `drive` drives it.
///
/// # Errors
/// Fails when the command cannot be run or traced, does not do the expected things, or does not end in time. After an
/// error no process of the command runs any more, and its files are removed.
pub fn record(request: &Request<'_>, drive: &Drive<'_>) -> Result<Recorded, Trouble> {
    // A network and a filter belong to a thread and to the processes that it starts. So each run has its own thread.
    std::thread::scope(|scope| {
        let run = scope.spawn(|| record_here(request, drive));
        run.join().unwrap_or_else(|_| Err(Trouble::new("a run ended by a panic")))
    })
}

fn record_here(request: &Request<'_>, drive: &Drive<'_>) -> Result<Recorded, Trouble> {
    // Without a network of its own, the drive reports a port that is in use.
    if request.own_network {
        network::use_own();
    }
    if let Some(port) = request.needs_free {
        network::must_be_free(port)?;
        if request.occupies.is_none() {
            network::wait_for_lingering(port)?;
        }
    }
    let listener = request.occupies.map(network::occupy).transpose()?;
    let directory = Directory::new()?;
    let output = request.output.open(&directory.path)?;
    let started = match &request.faults {
        None => start(request, &directory.path, output.stdio)?,
        Some(faults) => start_faulty(request, &directory.path, output.stdio, faults)?,
    };
    let mut stage = Stage::new(request, started, listener);
    let driven = stage.find_root().and_then(|()| drive(&mut stage)).and_then(|()| stage.finish());
    let root = stage.root();
    let standing = stage.last_standing();
    // Ends all processes of the command that are left.
    drop(stage);
    let mut printed = output.printed.read()?;
    let complaint = fs::read(directory.path.join(STDERR)).unwrap_or_default();
    let said = String::from_utf8_lossy(&complaint);
    if INTERRUPTED.is_raised() {
        // The program may have been ended before strace had written a line.
        return Err(Trouble::new("interrupted"));
    }
    if request.faults.is_none() {
        let started = strace::check(&request.command(), &said, &directory.first_line(root));
        // On a busy machine, the time may be up before strace has written a line.
        started.map_err(|start| match &driven {
            Ok(()) => start,
            Err(drive) => Trouble::of(start, drive),
        })?;
    }
    driven?;
    // strace shares the program's standard error.
    let of_strace = format!("{}: ", request.strace.path.display());
    let of_program = complaint.split_inclusive(|byte| *byte == b'\n');
    printed.extend(of_program.filter(|line| !line.starts_with(of_strace.as_bytes())).flatten());
    if let Some((to, name)) = &request.save {
        directory.save(to, name, &printed)?;
    }
    Ok(Recorded { tree: directory.read(root, request.stacks)?, printed, standing })
}

/// A directory for the files of one run. A drop removes the directory.
#[derive(Debug)]
pub struct Directory {
    pub path: PathBuf,
}

impl Directory {
    pub fn new() -> Result<Self, Trouble> {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        loop {
            let count = COUNT.fetch_add(1, Ordering::Relaxed);
            let name = format!("mpserv-audit.{}.{count}", std::process::id());
            let path = std::env::temp_dir().join(name);
            match fs::create_dir(&path) {
                Ok(()) => return Ok(Directory { path }),
                // An earlier process of the same id was killed and has left it.
                Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
                Err(error) => return Err(Trouble::of(path.display(), error)),
            }
        }
    }

    /// Compiles a small program of a test, as the file of this name.
    #[cfg(test)]
    pub fn compile(&self, name: &str, text: &str) -> PathBuf {
        let [source, program] = [format!("{name}.c"), name.to_owned()].map(|name| self.path.join(name));
        fs::write(&source, text).unwrap();
        let mut compiler = std::process::Command::new(std::env::var_os("CC").unwrap_or("cc".into()));
        compiler.args(["-O", "-w", "-D_GNU_SOURCE", "-o"]).arg(&program).arg(&source);
        assert!(compiler.status().unwrap().success(), "{name}");
        program
    }

    /// Returns the first line of the root's trace.
    fn first_line(&self, root: Option<u32>) -> Vec<u8> {
        let file = root.map(|root| self.path.join(format!("{PREFIX}.{root}")));
        let text = file.and_then(|file| fs::read(file).ok()).unwrap_or_default();
        let first = text.split(|byte| *byte == b'\n').next().unwrap_or_default();
        span::split(first).1.to_vec()
    }

    /// Returns the trace files and their process ids.
    fn traces(&self) -> Result<Vec<(u32, PathBuf)>, Trouble> {
        let trouble = |error| Trouble::of(self.path.display(), error);
        let mut found = Vec::new();
        for entry in fs::read_dir(&self.path).map_err(trouble)? {
            let path = entry.map_err(trouble)?.path();
            let name = path.file_name().and_then(|name| name.to_str());
            let id = name.and_then(|name| name.strip_prefix(PREFIX)?.strip_prefix('.')?.parse().ok());
            found.extend(id.map(|id| (id, path)));
        }
        Ok(found)
    }

    fn read(&self, root: Option<u32>, stacks: bool) -> Result<Tree, Trouble> {
        let mut traces = Vec::new();
        for (id, path) in self.traces()? {
            let bytes = fs::read(&path).map_err(|error| Trouble::of(path.display(), error))?;
            let too_long = |_| Trouble::new(format!("{}: a trace longer than 4 GiB", path.display()));
            traces.push((id, Trace::new(bytes, stacks).map_err(too_long)?));
        }
        let root = root.ok_or_else(|| Trouble::new("strace wrote nothing"))?;
        Ok(Tree::build(traces, root))
    }

    /// Keeps the traces and the printed text under a name. Replaces files that were kept under this name before.
    fn save(&self, to: &Path, name: &str, printed: &[u8]) -> Result<(), Trouble> {
        let trouble = |path: &Path, error: io::Error| Trouble::of(path.display(), error);
        fs::create_dir_all(to).map_err(|error| trouble(to, error))?;
        for entry in fs::read_dir(to).map_err(|error| trouble(to, error))?.flatten() {
            let path = entry.path();
            let is_old = path.file_stem().is_some_and(|stem| stem == name)
                && path.extension().and_then(|id| id.to_str()?.parse::<u32>().ok()).is_some();
            if is_old {
                fs::remove_file(&path).map_err(|error| trouble(&path, error))?;
            }
        }
        for (id, path) in self.traces()? {
            let copy = to.join(format!("{name}.{id}"));
            fs::copy(&path, &copy).map_err(|error| trouble(&copy, error))?;
        }
        let path = to.join(format!("{name}.{PRINTED}"));
        fs::write(&path, printed).map_err(|error| trouble(&path, error))
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.path) {
            eprintln!("mpserv-audit: {}: {error}", self.path.display());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_that_was_left_is_passed_over() {
        let first = Directory::new().unwrap();
        let (stem, count) = first.path.to_str().unwrap().rsplit_once('.').unwrap();
        let count: u64 = count.parse().unwrap();
        // Other tests may take some of the numbers meanwhile.
        let left: Vec<String> = (1..=32).map(|more| format!("{stem}.{}", count + more)).collect();
        let left: Vec<&String> = left.iter().filter(|path| fs::create_dir(path).is_ok()).collect();
        let next = Directory::new();
        left.iter().for_each(|path| fs::remove_dir(path).unwrap());
        assert!(!left.is_empty());
        next.unwrap();
    }
}
