//! Programs: `execve()`, in this process or in a new one.

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
use crate::sys::signal::{Disposition, MaskHow, SigAction, SigSet, Signal, sigaction, sigprocmask};

/// A program to run with a connection as its standard input and output: what [`spawn`] is given.
#[derive(Debug)]
pub struct Spawn<'a> {
    /// The file.
    pub path: &'a CStr,
    /// The arguments, the program's name first.
    pub argv: &'a CStrArray,
    /// The environment.
    pub envp: &'a CStrArray,
    /// Becomes descriptors 0 and 1. Every other descriptor of this process stays open in the program unless it has
    /// `FD_CLOEXEC`.
    pub connection: BorrowedFd<'a>,
    /// The signals that the program finds blocked.
    pub mask: SigSet,
    /// The signals that get their default action. Otherwise a program finds ignored what this process ignores.
    pub default: &'a [Signal],
    /// This process, when the program is to get SIGTERM at its end.
    pub parent: Option<Pid>,
    /// The limits that it has, where they are not this process's.
    pub limits: &'a [(Resource, Limit)],
}

/// Reason for which [`spawn`] started no program. No process is left of it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SpawnError {
    /// No process could be made: `EAGAIN` when a limit is reached, `ENOMEM`.
    Clone(Errno),
    /// The process could not run the program: the error of `execve()` or `dup2()`.
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
/// As with `vfork()` no memory is copied: the new process uses this one's, on a stack of its own, while this one waits
/// until the program runs, or until that has failed. So it takes the same time however large this process is, and an
/// error comes back exactly.
///
/// Signals that have a handler are to be blocked: for a moment the new process has the handlers, too, and one that ran
/// in it would change what this process sees.
///
/// Async-signal-safe: yes.
///
/// # Errors
/// [`SpawnError`]: `EBADF` when the connection is one of descriptors 0 to 2, which are the program's own; of the
/// program `ENOENT`, `EACCES` when it cannot be run, `ENOEXEC` when it is none.
///
/// # References
/// clone(2), vfork(2), execve(2)
pub fn spawn(stack: &mut Stack, spawn: &Spawn<'_>) -> core::result::Result<Pid, SpawnError> {
    if spawn.connection.raw() <= ffi::unistd::STDERR_FILENO {
        return Err(SpawnError::Exec(Errno::BADF));
    }
    let shared = Shared { spawn, error: Cell::new(0) };
    let flags = ffi::sched::CLONE_VM | ffi::sched::CLONE_VFORK | Signal::CHLD.raw();
    // SAFETY: this process waits until the other no longer uses its memory, so `shared` and the stack outlive that use,
    // and no other code has the stack. The other calls only async-signal-safe functions, allocates nothing and does not
    // return from `run`, whose place on the stack is below everything.
    let pid = unsafe { ffi::sched::clone(run, stack.top().cast(), flags, (&raw const shared).cast_mut().cast()) };
    let pid = ret_c_int(pid).map_err(SpawnError::Clone)?;
    let pid = Pid::from_kernel(pid);
    match shared.error.get() {
        0 => Ok(pid),
        error => {
            // The child has ended or is about to.
            let _ = retry_on_intr(|| waitpid(WaitFor::Child(pid), None, WaitOptions::NONE));
            Err(SpawnError::Exec(Errno::from_raw(error)))
        }
    }
}

/// Entry of the new process of a [`spawn`].
extern "C" fn run(shared: *mut c_void) -> c_int {
    // SAFETY: `spawn` has passed a pointer to one, which stays until this process uses this memory no more.
    let shared = unsafe { &*shared.cast::<Shared<'_>>().cast_const() };
    let Err(error) = exec(shared.spawn);
    shared.error.set(error.raw());
    _exit(EXEC_FAILED)
}

/// The status of a process that could not become a program, as shells have it.
const EXEC_FAILED: c_int = 127;

fn exec(spawn: &Spawn<'_>) -> Result<Infallible> {
    // A new process is no session's first, so it may.
    setpgid(None, None)?;
    if let Some(parent) = spawn.parent {
        set_pdeathsig(parent, Signal::TERM)?;
    }
    // SAFETY: the table of descriptors is this new process's own, and nothing of it uses a descriptor again.
    unsafe { become_program(spawn) }
}

/// `dup2()` and `execve()`: replaces this process by a program, as [`spawn`] does in a new process. The process keeps
/// its group and its parent.
///
/// Async-signal-safe: yes.
///
/// # Safety
/// Nothing in this process owns descriptor 0 or 1, or relies on what they refer to: they are replaced, also when the
/// program cannot be run.
///
/// # Errors
/// The errno of `setrlimit()`, `dup2()` or `execve()`: `EBADF` for the connection; `ENOENT`, `EACCES`, `ENOEXEC` for
/// the program. After an error, descriptors 0 and 1 may already be the connection.
pub unsafe fn become_program(spawn: &Spawn<'_>) -> Result<Infallible> {
    for (resource, limit) in spawn.limits {
        setrlimit(*resource, *limit)?;
    }
    for standard in [ffi::unistd::STDIN_FILENO, ffi::unistd::STDOUT_FILENO] {
        // SAFETY: by this function's own contract.
        ret_c_int(unsafe { ffi::unistd::dup2(spawn.connection.raw(), standard) })?;
    }
    let default = SigAction::new(Disposition::Default);
    for signal in spawn.default {
        sigaction(*signal, &default)?;
    }
    sigprocmask(MaskHow::Set, &spawn.mask);
    Err(execve(spawn.path, spawn.argv, spawn.envp))
}

/// `execve()`: replaces this process by another program. Returns only an error.
///
/// Async-signal-safe: yes.
///
/// # References
/// execve(2), POSIX
#[must_use]
pub fn execve(path: &CStr, argv: &CStrArray, envp: &CStrArray) -> Errno {
    // SAFETY: the path ends in a NUL and both lists in a null pointer. The call writes to neither.
    unsafe { ffi::unistd::execve(path.as_ptr(), argv.as_ptr().cast(), envp.as_ptr().cast()) };
    Errno::last()
}

/// `getauxval(AT_EXECFN)`: the path by which the kernel was told to run this program, as `execve()` got it. `None` if
/// the kernel has not passed it.
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
