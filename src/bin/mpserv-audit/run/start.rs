//! Starts a command under strace, or attaches strace to a command that has begun.

use std::fs::{self, File};
use std::io;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, Once, mpsc};
use std::time::Instant;

use mpserv::errno::Errno;
use mpserv::{fd, process, seccomp};

use super::hold::{Hold, held_calls};
use super::processes::Processes;
use super::request::{Request, Sleep};
use super::strace::STRING_MAX;
use crate::trouble::Trouble;

/// The prefix of strace's file names. The process id follows.
pub(super) const PREFIX: &str = "trace";
/// The file with the standard error of the command and of strace.
pub(super) const STDERR: &str = "stderr";
/// The file with the standard error of an attached strace.
pub(super) const STRACE_STDERR: &str = "strace";
/// The file with the command's standard input.
pub(super) const STDIN: &str = "stdin";

/// The time between two looks at the processes.
pub(super) const TICK_MILLISECONDS: i32 = 1;

/// A command that strace has begun to run.
#[derive(Debug)]
pub struct Started {
    pub(super) strace: Child,
    pub(super) processes: Processes,
    pub(super) hold: Option<Hold>,
    pub(super) end: Instant,
}

/// Starts strace from a thread that is under the filter. So the filter holds for strace and the command, but not for
/// this thread.
pub(super) fn start(request: &Request<'_>, directory: &Path, stdout: Stdio) -> Result<Started, Trouble> {
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
    // Keys of the terminal, such as Ctrl-C, must reach only the tool, not the command.
    std::os::unix::process::CommandExt::process_group(&mut command, 0);
    let (strace, hold) = start_held(request, directory, command, false)?;
    let processes = Processes::new(strace.id(), directory, PREFIX);
    Ok(Started { strace, processes, hold, end: Instant::now() + request.timeout })
}

/// Starts the command without strace, and attaches strace after the loader. So a fault at the first call of a kind hits
/// main, and not the loader. The command is held until then, so strace attaches at the same place in every run.
pub(super) fn start_faulty(
    request: &Request<'_>,
    directory: &Path,
    stdout: Stdio,
    faults: &[String],
) -> Result<Started, Trouble> {
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
        hold.receive(TICK_MILLISECONDS, None);
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
    let processes = Processes::new(strace.id(), directory, PREFIX).attached_to(root.0.id());
    // A process is traced from the moment when it repeats the call in which it was held.
    hold.forget_all();
    while hold.is_empty() {
        if matches!(strace.try_wait(), Ok(Some(_))) {
            let complaint = fs::read_to_string(directory.join(STRACE_STDERR)).unwrap_or_default();
            return Err(Trouble::new(format!("strace did not attach to {}: {}", request.command(), complaint.trim())));
        }
        hold.receive(TICK_MILLISECONDS, None);
        in_time("was not attached to")?;
    }
    hold.is_attached();
    root.attached();
    Ok(Started { strace, processes, hold: Some(hold), end })
}

/// A command that is ended if its start fails.
#[derive(Debug)]
struct Unattached(Child);

impl Unattached {
    /// Gives the command to the stage.
    fn attached(self) {
        std::mem::forget(self);
    }
}

impl Drop for Unattached {
    fn drop(&mut self) {
        // The process may have ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn tracer(request: &Request<'_>, directory: &Path) -> Command {
    let mut command = Command::new(&request.strace.path);
    command.args(["-ff", "-q", "-v", "-s", &STRING_MAX.to_string(), "-o"]).arg(directory.join(PREFIX));
    command
}

/// Returns the command's standard input and error.
fn files(request: &Request<'_>, directory: &Path) -> Result<(File, File), Trouble> {
    let stderr = File::create(directory.join(STDERR));
    let input = directory.join(STDIN);
    let stdin = fs::write(&input, request.input).and_then(|()| File::open(&input));
    let files = stdin.and_then(|stdin| stderr.map(|stderr| (stdin, stderr)));
    files.map_err(|error| Trouble::of(directory.display(), error))
}

/// Starts a command. The command gets the filter if the filter is needed and the machine permits it. `holds` tells
/// whether the command's beginning is held.
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
        // On aarch64, libraries are aligned to 64 KiB. The loader unmaps what is left over on both sides, and random
        // addresses decide how much is left over. If fixed addresses are not permitted, the loader's calls vary.
        let _ = process::fix_addresses();
        let _ = sender.send(has_order.then(filter).and_then(Result::ok));
        spawn(&mut command)
    });
    let listener = listener.recv().ok().flatten();
    let mut hold = listener.map(|listener| Hold::new(listener, request, holds));
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
            Some(hold) => _ = hold.receive(TICK_MILLISECONDS, Some(&processes)),
            None => std::thread::yield_now(),
        }
    }
    let spawned = starter.join().map_err(|_| Trouble::new("a thread ended by a panic"))?;
    let child = spawned.map_err(|error| Trouble::of(Path::new(&name).display(), error))?;
    Ok((child, hold))
}

/// The lock that is held while a program is being started. Until the program runs, the new process has copies of all
/// descriptors of this process.
static STARTING: Mutex<()> = Mutex::new(());

/// A number above all open descriptors of this tool, and below the limit of any system.
const LAST_DESCRIPTOR: i32 = 1000;

/// Starts a program, and waits until it runs and has no copies of descriptors any more. The standard library waits only
/// until the program has replaced the process. The kernel closes the copies, in the order of their numbers, a moment
/// later.
pub(super) fn spawn(command: &mut Command) -> io::Result<Child> {
    let _guard = STARTING.lock();
    let trouble = |errno: Errno| io::Error::from_raw_os_error(errno.raw());
    let (end, other) = fd::pipe2(fd::PipeFlags::CLOEXEC).map_err(trouble)?;
    fd::set_close_on_exec(&end).map_err(trouble)?;
    let last = fd::fcntl_dupfd_cloexec(&other, LAST_DESCRIPTOR).map_err(trouble)?;
    drop(other);
    let child = command.spawn();
    drop(last);
    // No process writes to the pipe. The pipe ends when the last copy is closed.
    fd::read(&end, &mut [0]).map_err(trouble)?;
    child
}

/// Closes a socket while no other thread is starting a program, which would have a copy. So the peer notices the end at
/// once.
pub fn close(socket: impl Sized) {
    let _guard = STARTING.lock();
    drop(socket);
}

fn filter() -> Result<seccomp::Listener, Errno> {
    let calls = held_calls();
    // SAFETY: the C library ignores a failed set_robust_list(), and tells its caller of a failed sleep. After a failed
    // exit_group() it ends the process by a trap.
    let listen = || unsafe { seccomp::listen(&calls) };
    listen().or_else(|_| {
        // Without root, the filter needs no_new_privs, so that no process can gain privileges by it.
        process::no_new_privileges()?;
        listen()
    })
}
