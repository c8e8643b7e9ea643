//! Runs a command under strace, drives it, and reads what strace wrote.

mod doing;
mod hold;
mod interrupt;
pub mod network;
pub mod output;
pub mod processes;
pub mod stage;
pub mod strace;

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, Once, mpsc};
use std::time::{Duration, Instant};

use mpserv::errno::Errno;
use mpserv::{fd, process, seccomp};

use crate::trace::{Trace, span};
use crate::tree::Tree;
use crate::trouble::Trouble;
use hold::Hold;
use output::Output;
use processes::Processes;
use stage::{Stage, Standing};
use strace::{STRING_MAX, Strace};

/// What becomes of the time that a command sleeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sleep {
    /// Sleeps take no time, and end in the order in which they would.
    Skipped,
    /// They take their time.
    Real,
    /// They take their time, and so must all else: the command is one process with an alarm set. It has no order to be
    /// settled, and waits for nobody's leave.
    Alarmed,
}

/// One run of one command.
#[derive(Clone, Debug)]
pub struct Request<'r> {
    pub strace: &'r Strace,
    /// What the user calls the side that is run, such as A or Rust.
    pub side: &'r str,
    /// The program and its arguments.
    pub words: Vec<String>,
    /// Where it runs; none for where this tool does.
    pub directory: Option<&'r Path>,
    /// Its standard input.
    pub input: &'r str,
    pub output: Output,
    /// With each call its stack, and when it began and ended.
    pub stacks: bool,
    pub sleep: Sleep,
    /// It gets a network of its own, if this process may make one.
    pub own_network: bool,
    /// A port that this tool listens on from the beginning.
    pub occupies: Option<u16>,
    /// A port that nobody else must listen on.
    pub needs_free: Option<u16>,
    pub timeout: Duration,
    /// Where a copy of strace's files goes, and what they are called up to the process id.
    pub save: Option<(&'r Path, String)>,
    /// What strace does to the command's calls (`--inject`), from main on; it is traced only from there.
    pub faults: Option<Vec<String>>,
}

impl Request<'_> {
    /// The side and the command as one would type it.
    pub fn command(&self) -> String {
        format!("{}: '{}'", self.side, self.words.join(" "))
    }
}

/// What to do with a running program.
pub type Drive<'d> = dyn Fn(&mut Stage<'_>) -> Result<(), Trouble> + Sync + 'd;

/// What strace's files are called, up to the process id.
const PREFIX: &str = "trace";

/// What follows the name of a kept trace in the name of the file with what was printed.
pub const PRINTED: &str = "printed";

/// What one run was.
#[derive(Debug)]
pub struct Recorded {
    /// The processes with their traces.
    pub tree: Tree,
    /// What they printed on standard output and then on standard error.
    pub printed: Vec<u8>,
    /// How its processes stood when the drive was through with them.
    pub standing: Standing,
}

/// Runs the command while `drive` drives it.
///
/// # Errors
/// When it cannot be run or traced, does not do what the drive waits for, or does not end in time. Nothing of it is
/// left running then, nor its files.
pub fn record(request: &Request<'_>, drive: &Drive<'_>) -> Result<Recorded, Trouble> {
    // A network and a filter belong to a thread and what it starts, so each run has threads of its own.
    std::thread::scope(|scope| {
        let run = scope.spawn(|| record_here(request, drive));
        run.join().unwrap_or_else(|_| Err(Trouble::new("a run ended by a panic")))
    })
}

fn record_here(request: &Request<'_>, drive: &Drive<'_>) -> Result<Recorded, Trouble> {
    // Without one, the drive finds a port in use and says so.
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
    // Ends all that is left of it.
    drop(stage);
    let mut printed = output.printed.read()?;
    let complaint = fs::read(directory.path.join(STDERR)).unwrap_or_default();
    let said = String::from_utf8_lossy(&complaint);
    if request.faults.is_none() {
        strace::check(&request.command(), &said, &directory.first_line(root))?;
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

/// What the command writes to standard error, and strace too.
const STDERR: &str = "stderr";
/// What a strace that was attached writes there.
const STRACE_STDERR: &str = "strace";
/// What the command reads.
const STDIN: &str = "stdin";

/// A directory for the files of one run, which goes with it.
#[derive(Debug)]
pub struct Directory {
    pub path: PathBuf,
}

impl Directory {
    pub fn new() -> Result<Self, Trouble> {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("mpserv-audit.{}.{count}", std::process::id());
        let path = std::env::temp_dir().join(name);
        fs::create_dir(&path).map_err(|error| Trouble::of(path.display(), error))?;
        Ok(Directory { path })
    }

    /// The first line of the root's trace.
    fn first_line(&self, root: Option<u32>) -> Vec<u8> {
        let file = root.map(|root| self.path.join(format!("{PREFIX}.{root}")));
        let text = file.and_then(|file| fs::read(file).ok()).unwrap_or_default();
        let first = text.split(|byte| *byte == b'\n').next().unwrap_or_default();
        span::split(first).1.to_vec()
    }

    /// The trace files and their process ids.
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

    /// Keeps the traces and what was printed under a name, in place of what was kept under it before.
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

/// A command that strace has begun to run.
#[derive(Debug)]
pub struct Started {
    strace: Child,
    processes: Processes,
    hold: Option<Hold>,
    end: Instant,
}

/// Starts strace in a thread that is under the filter, so that strace and the command are and this thread is not.
fn start(request: &Request<'_>, directory: &Path, stdout: Stdio) -> Result<Started, Trouble> {
    let (stdin, stderr) = files(request, directory)?;
    let mut command = tracer(request, directory);
    if request.stacks {
        command.args(["-k", "-ttt", "-T"]);
    }
    command.arg("--").args(&request.words);
    command.stdin(stdin).stdout(stdout).stderr(stderr);
    if let Some(directory) = request.directory {
        command.current_dir(directory);
    }
    // What the terminal's user types must not reach the command behind the tool's back.
    std::os::unix::process::CommandExt::process_group(&mut command, 0);
    let (strace, hold) = start_held(request, directory, command, false)?;
    let processes = Processes::new(strace.id(), directory, PREFIX);
    Ok(Started { strace, processes, hold, end: Instant::now() + request.timeout })
}

/// Starts the command without strace, and attaches strace to it at its beginning, behind the loader: what happens to a
/// call the first time that main makes it is not to happen to the loader. Held until then, it meets strace at the same
/// place in every run.
fn start_faulty(request: &Request<'_>, directory: &Path, stdout: Stdio, faults: &[String]) -> Result<Started, Trouble> {
    let (stdin, stderr) = files(request, directory)?;
    let mut command = Command::new(&request.words[0]);
    command.args(&request.words[1..]).stdin(stdin).stdout(stdout).stderr(stderr);
    if let Some(directory) = request.directory {
        command.current_dir(directory);
    }
    std::os::unix::process::CommandExt::process_group(&mut command, 0);
    let (root, hold) = start_held(request, directory, command, true)?;
    let root = Unattached(root);
    let mut hold = hold.ok_or_else(|| Trouble::new("faults need seccomp's user notification, Linux 5.0"))?;
    let end = Instant::now() + request.timeout;
    let in_time = |what: &str| match Instant::now() < end {
        true => Ok(()),
        false => Err(Trouble::new(format!("{} {what} within {:?}", request.command(), request.timeout))),
    };
    while hold.is_empty() {
        hold.receive(stage::TICK_MILLISECONDS, None);
        in_time("did not begin")?;
    }
    let mut tracer = tracer(request, directory);
    for fault in faults {
        tracer.args(["-e", &format!("inject={fault}")]);
    }
    tracer.args(["-p", &root.0.id().to_string()]).stdin(Stdio::null()).stdout(Stdio::null());
    let complaints = File::create(directory.join(STRACE_STDERR));
    tracer.stderr(complaints.map_err(|error| Trouble::of(directory.display(), error))?);
    std::os::unix::process::CommandExt::process_group(&mut tracer, 0);
    let mut strace = spawn(&mut tracer).map_err(|error| Trouble::of(request.strace.path.display(), error))?;
    let processes = Processes::new(strace.id(), directory, PREFIX);
    // That it is traced shows when it makes the call again that it was held in.
    hold.forget_all();
    while hold.is_empty() {
        if matches!(strace.try_wait(), Ok(Some(_))) {
            let complaint = fs::read_to_string(directory.join(STRACE_STDERR)).unwrap_or_default();
            return Err(Trouble::new(format!("strace did not attach to {}: {}", request.command(), complaint.trim())));
        }
        hold.receive(stage::TICK_MILLISECONDS, None);
        in_time("was not attached to")?;
    }
    hold.is_attached();
    root.attached();
    Ok(Started { strace, processes, hold: Some(hold), end })
}

/// A command that does not outlive a start that failed.
#[derive(Debug)]
struct Unattached(Child);

impl Unattached {
    /// From now on it is the stage's.
    fn attached(self) {
        std::mem::forget(self);
    }
}

impl Drop for Unattached {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn tracer(request: &Request<'_>, directory: &Path) -> Command {
    let mut command = Command::new(&request.strace.path);
    command.args(["-ff", "-q", "-v", "-s", &STRING_MAX.to_string(), "-o"]).arg(directory.join(PREFIX));
    command
}

/// The command's standard input and error.
fn files(request: &Request<'_>, directory: &Path) -> Result<(File, File), Trouble> {
    let stderr = File::create(directory.join(STDERR));
    let input = directory.join(STDIN);
    let stdin = fs::write(&input, request.input).and_then(|()| File::open(&input));
    let files = stdin.and_then(|stdin| stderr.map(|stderr| (stdin, stderr)));
    files.map_err(|error| Trouble::of(directory.display(), error))
}

/// Starts a command under the filter, if there can be one; `holds` its beginning.
fn start_held(
    request: &Request<'_>,
    directory: &Path,
    mut command: Command,
    holds: bool,
) -> Result<(Child, Option<Hold>), Trouble> {
    let (sender, listener) = mpsc::channel();
    let name = command.get_program().to_owned();
    let processes = Processes::new(0, directory, PREFIX);
    let has_order = holds || request.sleep != Sleep::Alarmed;
    let starter = std::thread::spawn(move || {
        let _ = sender.send(has_order.then(filter).and_then(Result::ok));
        spawn(&mut command)
    });
    let listener = listener.recv().ok().flatten();
    let mut hold = listener.map(|listener| Hold::new(listener, request.sleep == Sleep::Skipped, holds));
    if has_order && hold.is_none() {
        static TOLD: Once = Once::new();
        TOLD.call_once(|| {
            eprintln!(
                "mpserv-audit: seccomp notifications are not permitted here: the kernel decides which process goes first, \
                 which may show as differences, and sleeps take their time"
            );
        });
    }
    while !starter.is_finished() {
        // A strace that cannot be executed ends, and its end is held too.
        match &mut hold {
            // On a busy machine strace may have come far before this thread hears of its start.
            Some(hold) => _ = hold.receive(stage::TICK_MILLISECONDS, Some(&processes)),
            None => std::thread::yield_now(),
        }
    }
    let spawned = starter.join().map_err(|_| Trouble::new("a thread ended by a panic"))?;
    let child = spawned.map_err(|error| Trouble::of(Path::new(&name).display(), error))?;
    Ok((child, hold))
}

/// Held while a program is being started: until it runs, the new process has copies of all that this one has open.
static STARTING: Mutex<()> = Mutex::new(());

/// The number of a descriptor above all that this tool has open, and below what any system allows.
const LAST_DESCRIPTOR: i32 = 1000;

/// Starts a program, and waits until it runs and has no copies any more. They are closed in the order of their numbers a
/// moment after the program has taken the process's place, which is all that the standard library waits for.
fn spawn(command: &mut Command) -> io::Result<Child> {
    let _guard = STARTING.lock();
    let trouble = |errno: Errno| io::Error::from_raw_os_error(errno.raw());
    let (end, other) = fd::pipe2(fd::PipeFlags::CLOEXEC).map_err(trouble)?;
    fd::set_close_on_exec(&end).map_err(trouble)?;
    let last = fd::fcntl_dupfd_cloexec(&other, LAST_DESCRIPTOR).map_err(trouble)?;
    drop(other);
    let child = command.spawn();
    drop(last);
    // Nobody writes: it ends when the last copy is closed.
    fd::read(&end, &mut [0]).map_err(trouble)?;
    child
}

/// Closes a socket so that its peer hears of it at once: when no program that another thread is starting has a copy.
pub fn close(socket: impl Sized) {
    let _guard = STARTING.lock();
    drop(socket);
}

fn filter() -> Result<seccomp::Listener, Errno> {
    let calls = hold::held_calls();
    seccomp::listen(&calls).or_else(|_| {
        // Who is not root may, as long as nobody gains privileges by it.
        process::no_new_privileges()?;
        seccomp::listen(&calls)
    })
}
