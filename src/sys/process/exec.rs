//! Runs programs by `execve()`, in this process or in a new process.

use core::cell::Cell;
use core::convert::Infallible;
use core::ffi::{CStr, c_char, c_int, c_void};

use crate::ffi;
use crate::sys::conv::ret_c_int;
use crate::sys::errno::{Errno, Result, retry_on_intr};
use crate::sys::fd::BorrowedFd;
use crate::sys::memory::{CStrArray, Stack};
use crate::sys::pid::Pid;
use crate::sys::process::id::{_exit, setpgid};
use crate::sys::process::limits::{Limit, Resource, setrlimit};
use crate::sys::process::privileges::set_pdeathsig;
use crate::sys::process::wait::{WaitFor, WaitOptions, waitpid};
use crate::sys::signal::{
    Disposition, MaskHow, SigAction, SigSet, Signal, can_have_action, sigaction, sigprocmask, sigprocmask_replace,
};

/// A program to run with a connection as its standard input and output, for [`spawn`].
#[derive(Debug)]
pub struct Spawn<'a> {
    /// The file of the program.
    pub path: &'a CStr,
    /// The arguments, the program's name first.
    pub argv: &'a CStrArray,
    /// The environment of the program.
    pub envp: &'a CStrArray,
    /// The connection, which becomes descriptors 0 and 1. Every other descriptor of this process stays open in the
    /// program unless it has `FD_CLOEXEC`.
    pub connection: BorrowedFd<'a>,
    /// The signals that are blocked in the program.
    pub mask: SigSet,
    /// The signals that get their default action in the program. Otherwise the program ignores the signals that this
    /// process ignores.
    pub default: &'a [Signal],
    /// The signals that have a handler, if any has one. [`spawn`] blocks them until they have their default action in the
    /// new process. So no handler runs in this process's memory there.
    pub handled: Option<SigSet>,
    /// The id of this process, if the program must get SIGTERM when this process ends. The program also gets the signal
    /// when the thread that called [`spawn`] ends.
    pub parent: Option<Pid>,
    /// The limits of the program that differ from the limits of this process.
    pub limits: &'a [(Resource, Limit)],
}

/// The reason why [`spawn`] started no program. The new process, if there was one, has ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SpawnError {
    /// No process could be made: `EAGAIN` when a limit is reached, or `ENOMEM`.
    Clone(Errno),
    /// The process could not run the program: the error of `execve()`, or of a call before it, by which the process sets
    /// up its descriptors, signals and limits.
    Exec(Errno),
}

/// Data that the two processes of a [`spawn`] share.
struct Shared<'a> {
    spawn: &'a Spawn<'a>,
    error: Cell<c_int>,
}

/// `clone(…, CLONE_VM | CLONE_VFORK | SIGCHLD, …)` and, in the new process, `setpgid()`, `dup2()` and `execve()`:
/// starts a program in a process group of its own.
///
/// As with `vfork()`, no memory is copied: the new process uses the memory of this process, on a stack of its own.
/// Meanwhile this process waits until the program runs or has failed to run. So the time does not depend on the size of
/// this process, and the exact error is known.
///
/// Async-signal-safe: yes.
///
/// # Errors
/// [`SpawnError`]: `EBADF` when the connection is one of descriptors 0 to 2, which are the program's own. `ENOENT` when
/// the program is missing, `EACCES` when the program may not be run, `ENOEXEC` when the file is no program.
///
/// # Safety
/// Each signal that has a handler is in [`Spawn::handled`]. A handler may be left out if it may run in another process
/// that has this memory, and may be killed there before its end. A handler that only raises a flag is such a handler.
///
/// # References
/// clone(2), vfork(2), execve(2)
pub unsafe fn spawn(stack: &mut Stack, spawn: &Spawn<'_>) -> core::result::Result<Pid, SpawnError> {
    if spawn.connection.raw() <= ffi::unistd::STDERR_FILENO {
        return Err(SpawnError::Exec(Errno::BADF));
    }
    let shared = Shared { spawn, error: Cell::new(0) };
    let mask = spawn.handled.as_ref().map(|handled| sigprocmask_replace(MaskHow::Block, handled));
    let mask = mask.transpose().map_err(SpawnError::Clone)?;
    let flags = ffi::sched::CLONE_VM | ffi::sched::CLONE_VFORK | Signal::CHLD.raw();
    // SAFETY: this process waits until the new process no longer uses its memory. So `shared` and the stack outlive
    // that use, and no other code has the stack. The new process calls only async-signal-safe functions, allocates
    // nothing, and does not return from `run`, which is the first function on its stack.
    let pid = unsafe { ffi::sched::clone(run, stack.top().cast(), flags, (&raw const shared).cast_mut().cast()) };
    let pid = ret_c_int(pid);
    mask.iter().for_each(|mask| sigprocmask(MaskHow::Set, mask));
    let pid = pid.map_err(SpawnError::Clone)?;
    let pid = Pid::from_kernel(pid);
    match shared.error.get() {
        0 => Ok(pid),
        error => {
            // The child has ended or is about to end.
            let _ = retry_on_intr(|| waitpid(WaitFor::Child(pid), None, WaitOptions::NONE));
            Err(SpawnError::Exec(Errno::from_raw(error)))
        }
    }
}

/// Runs in the new process of a [`spawn`], as its first function.
extern "C" fn run(shared: *mut c_void) -> c_int {
    // SAFETY: `spawn` has passed a pointer to a `Shared`, which stays until this process no longer uses this memory.
    let shared = unsafe { &*shared.cast::<Shared<'_>>().cast_const() };
    let Err(error) = exec(shared.spawn);
    shared.error.set(error.raw());
    _exit(EXEC_FAILED)
}

/// The exit status of a process that could not become a program. Shells use the same status.
const EXEC_FAILED: c_int = 127;

fn exec(spawn: &Spawn<'_>) -> Result<Infallible> {
    // The call cannot fail, because a new process is no session leader.
    setpgid(None, None)?;
    if let Some(parent) = spawn.parent {
        set_pdeathsig(parent, Signal::TERM)?;
    }
    if let Some(handled) = &spawn.handled {
        set_default(Signal::all().filter(|signal| handled.contains(*signal)))?;
    }
    // SAFETY: the table of descriptors is this new process's own, and nothing in this process uses a descriptor again.
    unsafe { become_program(spawn) }
}

/// `dup2()` and `execve()`: replaces this process by a program, as [`spawn`] does in a new process. The process keeps
/// its group and its parent.
///
/// Async-signal-safe: yes.
///
/// # Safety
/// Nothing in this process owns descriptor 0 or 1, or relies on their open files. These descriptors are replaced, even
/// if the program cannot be run.
///
/// # Errors
/// The errno of `setrlimit()`, `dup2()` or `execve()`: `EBADF` for the connection, and `ENOENT`, `EACCES`, `ENOEXEC`
/// for the program. After an error, descriptors 0 and 1 may already be the connection.
pub unsafe fn become_program(spawn: &Spawn<'_>) -> Result<Infallible> {
    for (resource, limit) in spawn.limits {
        setrlimit(*resource, *limit)?;
    }
    for standard in [ffi::unistd::STDIN_FILENO, ffi::unistd::STDOUT_FILENO] {
        // SAFETY: by this function's own contract.
        ret_c_int(unsafe { ffi::unistd::dup2(spawn.connection.raw(), standard) })?;
    }
    set_default(spawn.default.iter().copied())?;
    sigprocmask(MaskHow::Set, &spawn.mask);
    Err(execve(spawn.path, spawn.argv, spawn.envp))
}

/// Gives signals their default action. SIGKILL and SIGSTOP always have it.
fn set_default(signals: impl Iterator<Item = Signal>) -> Result<()> {
    let default = SigAction::new(Disposition::Default);
    let mut others = signals.filter(|signal| can_have_action(*signal));
    others.try_for_each(|signal| sigaction(signal, &default))
}

/// `execve()`: replaces this process by another program. Returns only an error.
///
/// Async-signal-safe: yes.
///
/// # References
/// execve(2), POSIX
#[must_use]
pub fn execve(path: &CStr, argv: &CStrArray, envp: &CStrArray) -> Errno {
    // SAFETY: the path ends in a NUL and both lists in a null pointer. The call writes to neither list.
    unsafe { ffi::unistd::execve(path.as_ptr(), argv.as_ptr().cast(), envp.as_ptr().cast()) };
    Errno::last()
}

/// `getauxval(AT_EXECFN)`: returns the path of this program, as it was passed to `execve()`. Returns `None` if the
/// kernel has not passed the path.
///
/// Async-signal-safe: yes.
///
/// # References
/// getauxval(3), Linux
#[must_use]
pub fn executed_path() -> Option<&'static CStr> {
    // SAFETY: the call has no precondition.
    let path = unsafe { ffi::sys::auxv::getauxval(ffi::sys::auxv::AT_EXECFN) } as *const c_char;
    // SAFETY: the kernel has put the string above the stack, where it stays for as long as the process.
    if path.is_null() { None } else { Some(unsafe { CStr::from_ptr(path) }) }
}
