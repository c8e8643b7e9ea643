//! Processes: fork, wait, how one ended, and programs in new ones.

use core::cell::Cell;
use core::convert::Infallible;
use core::ffi::{CStr, c_int, c_ulong, c_void};
use core::fmt;
use core::sync::atomic::{AtomicBool, Ordering};

use crate::ffi;
use crate::ffi::sys::wait as c;
use crate::sys::conv::{ret, ret_c_int};
use crate::sys::errno::{CReturn, Errno, Result, retry_on_intr};
use crate::sys::fd::BorrowedFd;
use crate::sys::flags::flags;
use crate::sys::memory::{CStrArray, Stack};
pub use crate::sys::pid::Pid;
use crate::sys::resource::{Limit, Resource, setrlimit};
use crate::sys::signal::{MaskHow, SigSet, Signal, kill, sigprocmask};
use crate::sys::stdio;

/// `getpid()`: the id of this process.
#[must_use]
pub fn getpid() -> Pid {
    // SAFETY: the call has no precondition.
    Pid::from_kernel(unsafe { ffi::unistd::getpid() })
}

/// `getppid()`: the id of the parent, or `None` when the parent is outside of this PID namespace.
#[must_use]
pub fn getppid() -> Option<Pid> {
    // SAFETY: the call has no precondition.
    Pid::from_raw(unsafe { ffi::unistd::getppid() })
}

/// On which side of a `fork()` this process is.
#[derive(Debug)]
pub enum Fork {
    /// In the new process. Its memory is a copy, its descriptors share what they refer to with the parent's.
    Child,
    /// In the process that called, with the new one.
    Parent(Child),
}

/// 0 in the child, the child's id in the parent.
impl CReturn for Fork {
    fn c_return(&self) -> c_int {
        match self {
            Fork::Child => 0,
            Fork::Parent(child) => child.pid.raw(),
        }
    }
}

/// `fork()`: makes a second process out of this one. Both return from the call.
///
/// Only where no other thread exists. A child has a copy of the memory but only the thread that called, so a lock that
/// another thread held (the allocator's, say) would stay locked in it for ever. Asking costs no system call: the C
/// library keeps note of it in `__libc_single_threaded`. Once a process has had a second thread it may be taken to
/// have one for good.
///
/// # Errors
/// `EDEADLK` when this process has, or may have, other threads: no call was made. `EAGAIN` when a limit on processes
/// is reached (`RLIMIT_NPROC`, the cgroup's `pids.max`), `ENOMEM`, also when the first process of this PID namespace has ended.
///
/// # References
/// fork(2), POSIX; glibc's `<sys/single_threaded.h>`
pub fn fork() -> Result<Fork> {
    if has_other_threads() {
        return Err(Errno::DEADLK);
    }
    // SAFETY: there is no other thread, so the child has all that the parent has.
    unsafe { fork_unchecked() }
}

/// `fork()`, in a process that may have other threads.
///
/// # Safety
/// In a process with other threads the child calls nothing but async-signal-safe functions until it ends or runs
/// another program: see [`fork`].
///
/// # Errors
/// `EAGAIN`, `ENOMEM`.
///
/// # References
/// fork(2), signal-safety(7), POSIX
pub unsafe fn fork_unchecked() -> Result<Fork> {
    // SAFETY: by this function's own contract.
    let pid = ret_c_int(unsafe { ffi::unistd::fork() })?;
    Ok(Pid::from_raw(pid).map_or(Fork::Child, |pid| Fork::Parent(Child { pid, status: None })))
}

/// Whether this process has other threads, or once had and may therefore still have. No system call.
#[must_use]
pub fn has_other_threads() -> bool {
    // SAFETY: the C library's variable is a char that is always there; it changes only when this thread starts another.
    unsafe { (&raw const ffi::sys::single_threaded::__libc_single_threaded).read_volatile() == 0 }
}

/// A child of this process, from [`fork`].
///
/// Dropping it neither waits for the child nor ends it.
#[derive(Debug)]
pub struct Child {
    pid: Pid,
    status: Option<WaitStatus>,
}

impl Child {
    /// The id of the child. Once it was waited for, the kernel may give the id to another process.
    #[must_use]
    pub const fn pid(&self) -> Pid {
        self.pid
    }

    /// `waitpid(pid, &status, 0)`: waits until the child has ended. A second call returns the same status again.
    ///
    /// # Errors
    /// `EINTR` when a signal came first; `ECHILD` when something else has waited for it, or SIGCHLD is ignored.
    pub fn wait(&mut self) -> Result<WaitStatus> {
        self.wait_with(WaitOptions::NONE)?.ok_or(Errno::CHILD)
    }

    /// `waitpid(pid, &status, WNOHANG)`: the status if the child has ended.
    ///
    /// # Errors
    /// `ECHILD` when something else has waited for it, or SIGCHLD is ignored.
    pub fn try_wait(&mut self) -> Result<Option<WaitStatus>> {
        self.wait_with(WaitOptions::NOHANG)
    }

    fn wait_with(&mut self, options: WaitOptions) -> Result<Option<WaitStatus>> {
        if self.status.is_none() {
            let mut status = WaitStatus::default();
            self.status = waitpid(WaitFor::Child(self.pid), Some(&mut status), options)?.map(|_| status);
        }
        Ok(self.status)
    }

    /// `kill()`: sends a signal to the child, unless it was waited for through this value: then the id may by now be
    /// another process's.
    ///
    /// # Errors
    /// `ESRCH` when the child was waited for; `EPERM` when it runs as somebody else.
    pub fn kill(&self, signal: Signal) -> Result<()> {
        if self.status.is_some() {
            return Err(Errno::SRCH);
        }
        kill(self.pid, signal)
    }
}

/// Which children a `waitpid()` waits for: C's first argument.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum WaitFor {
    /// -1: any child.
    AnyChild,
    /// The child with this id.
    Child(Pid),
    /// The negative of an id: any child in that process group.
    Group(Pid),
    /// 0: any child in the process group of the caller.
    OwnGroup,
}

impl WaitFor {
    const fn raw(self) -> c_int {
        match self {
            WaitFor::AnyChild => -1,
            WaitFor::Child(pid) => pid.raw(),
            // -1 would mean any child. Group 1 is that of the first process, and no other's child is in it.
            WaitFor::Group(Pid::INIT) => c_int::MIN,
            WaitFor::Group(pid) => -pid.raw(),
            WaitFor::OwnGroup => 0,
        }
    }
}

flags! {
    /// `W…`: how `waitpid()` waits.
    WaitOptions(c_int) from c {
        /// `WNOHANG`: returns at once, with `None` when no child has ended yet.
        #[doc(alias = "WNOHANG")]
        NOHANG = WNOHANG,
        /// `WUNTRACED`: returns for a child that was stopped, too.
        #[doc(alias = "WUNTRACED")]
        UNTRACED = WUNTRACED,
        /// `WCONTINUED`: returns for a stopped child that SIGCONT made go on, too.
        #[doc(alias = "WCONTINUED")]
        CONTINUED = WCONTINUED,
    }
}

/// `wait()`: waits until any child has ended and returns its id.
///
/// # Errors
/// `ECHILD`, at once, when there is no child to wait for; `EINTR` when a signal came first.
///
/// # References
/// wait(2), POSIX
pub fn wait(status: Option<&mut WaitStatus>) -> Result<Pid> {
    // SAFETY: the pointer is null or to an int that is ours to write for the time of the call.
    ret_c_int(unsafe { c::wait(pointer_to(status)) }).map(Pid::from_kernel)
}

/// `waitpid()`: waits until one of the named children has ended and returns its id, or `None` when
/// [`NOHANG`](WaitOptions::NOHANG) was asked for and none of them has. `status` is written only with an id.
///
/// # Errors
/// `ECHILD` when there is no such child, `ESRCH` for group 1; `EINTR` when a signal came first.
///
/// # References
/// waitpid(2), POSIX
pub fn waitpid(children: WaitFor, status: Option<&mut WaitStatus>, options: WaitOptions) -> Result<Option<Pid>> {
    // SAFETY: the pointer is null or to an int that is ours to write for the time of the call.
    ret_c_int(unsafe { c::waitpid(children.raw(), pointer_to(status), options.raw()) }).map(Pid::from_raw)
}

fn pointer_to(status: Option<&mut WaitStatus>) -> *mut c_int {
    status.map_or(core::ptr::null_mut(), |status| &raw mut status.0)
}

/// How a child ended, or that it was stopped: the int that `wait()` fills in.
///
/// The default is 0, which is also the status of a child that ended with 0.
#[repr(transparent)]
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct WaitStatus(c_int);

impl WaitStatus {
    /// The status that this int stands for.
    #[must_use]
    pub const fn from_raw(status: c_int) -> WaitStatus {
        WaitStatus(status)
    }

    /// The int.
    #[must_use]
    pub const fn raw(self) -> c_int {
        self.0
    }

    /// What the child returned from main or gave to `exit()`, the low 8 bits of it, if that is how it ended.
    #[doc(alias("WIFEXITED", "WEXITSTATUS"))]
    #[must_use]
    pub const fn exit_status(self) -> Option<c_int> {
        if c::WIFEXITED(self.0) { Some(c::WEXITSTATUS(self.0)) } else { None }
    }

    /// The signal that ended the child, if one did.
    #[doc(alias("WIFSIGNALED", "WTERMSIG"))]
    #[must_use]
    pub const fn term_signal(self) -> Option<Signal> {
        if c::WIFSIGNALED(self.0) { Some(Signal::from_kernel(c::WTERMSIG(self.0))) } else { None }
    }

    /// Whether the signal that ended the child also had its memory dumped.
    #[doc(alias = "WCOREDUMP")]
    #[must_use]
    pub const fn core_dumped(self) -> bool {
        c::WIFSIGNALED(self.0) && c::WCOREDUMP(self.0)
    }

    /// The signal that stopped the child, if it was stopped: it has not ended.
    #[doc(alias("WIFSTOPPED", "WSTOPSIG"))]
    #[must_use]
    pub const fn stop_signal(self) -> Option<Signal> {
        if c::WIFSTOPPED(self.0) { Some(Signal::from_kernel(c::WSTOPSIG(self.0))) } else { None }
    }
}

impl fmt::Display for WaitStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(status) = self.exit_status() {
            write!(f, "exit {status}")
        } else if let Some(signal) = self.term_signal() {
            write!(f, "{signal}{}", if self.core_dumped() { " (core dumped)" } else { "" })
        } else if let Some(signal) = self.stop_signal() {
            write!(f, "stopped by {signal}")
        } else {
            write!(f, "status {:#06x}", self.0)
        }
    }
}

impl fmt::Debug for WaitStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// `kill(pid, 0)`: whether there is a process with this id, be it a zombie.
///
/// # References
/// kill(2), POSIX
#[must_use]
pub fn exists(pid: Pid) -> bool {
    // SAFETY: the call has no precondition on memory, and 0 sends nothing.
    ret(unsafe { ffi::signal::kill(pid.raw(), 0) }) != Err(Errno::SRCH)
}

/// `exit()`: ends this process with `status`, of which the parent sees the low 8 bits. Runs what `atexit()` registered
/// and writes what stdio still holds. Of several threads that call it, the first one's status counts.
///
/// # References
/// exit(3), POSIX
pub fn exit(status: c_int) -> ! {
    static ENTERED: AtomicBool = AtomicBool::new(false);
    if ENTERED.swap(true, Ordering::Relaxed) && has_other_threads() {
        // Another thread is about to end the process.
        loop {
            core::hint::spin_loop();
        }
    }
    stdio::close_to_handlers();
    // SAFETY: the call has no precondition but that no two threads enter it.
    unsafe { ffi::stdlib::exit(status) }
}

/// `_exit()`: ends this process with `status` at once. What stdio still holds is lost, as it should be in a child that
/// inherited it.
///
/// # References
/// _exit(2), POSIX
pub fn _exit(status: c_int) -> ! {
    // SAFETY: the call has no precondition.
    unsafe { ffi::unistd::_exit(status) }
}

/// `abort()`: ends this process by SIGABRT.
///
/// # References
/// abort(3), POSIX
pub fn abort() -> ! {
    // SAFETY: the call has no precondition.
    unsafe { ffi::stdlib::abort() }
}

/// `setpgid(0, 0)`: begins a process group of this process's own, which has its id. What a terminal sends to the group
/// that is in the foreground no longer reaches it.
///
/// # Errors
/// `EPERM` when this process is a session's first.
///
/// # References
/// setpgid(2), POSIX
pub fn begin_group() -> Result<()> {
    // SAFETY: the call has no precondition.
    ret(unsafe { ffi::unistd::setpgid(0, 0) })
}

/// `prctl(PR_SET_PDEATHSIG, signal)` and `getppid()`: has a signal sent to this process when `parent` ends.
///
/// # Errors
/// `ESRCH` when `parent` is no longer this process's parent, so that no signal will come.
///
/// # References
/// prctl(2)
pub fn signal_at_death_of(parent: Pid, signal: Signal) -> Result<()> {
    // SAFETY: the option takes the number of a signal.
    ret(unsafe { ffi::sys::prctl::prctl(ffi::sys::prctl::PR_SET_PDEATHSIG, signal.raw() as c_ulong) })?;
    // Asked for after it was set: a parent that ends from here on is noticed by the kernel.
    if getppid() == Some(parent) { Ok(()) } else { Err(Errno::SRCH) }
}

/// `environ`: the environment of this process.
///
/// Only where no other thread exists, which might be changing it: empty otherwise.
///
/// # References
/// environ(7), POSIX
pub fn environ() -> impl Iterator<Item = &'static CStr> + Clone {
    // SAFETY: the C library's variable is always there.
    let start = unsafe { ffi::unistd::environ };
    let start = if has_other_threads() { core::ptr::null() } else { start.cast_const() };
    (0..).map_while(move |index| {
        if start.is_null() {
            return None;
        }
        // SAFETY: the index is at most that of the null pointer at the end, because the iterator ends there.
        let place = unsafe { start.add(index) };
        // SAFETY: the place is one of the list.
        let string = unsafe { place.read() };
        // SAFETY: what is not null is a string. Nothing of this library changes it.
        if string.is_null() { None } else { Some(unsafe { CStr::from_ptr(string) }) }
    })
}

/// A program to run with a connection as its standard input and output: what [`spawn`] is given.
#[derive(Debug)]
pub struct Spawn<'a> {
    /// The file.
    pub path: &'a CStr,
    /// The arguments, the program's name first.
    pub argv: &'a CStrArray,
    /// The environment.
    pub envp: &'a CStrArray,
    /// What becomes descriptors 0 and 1. Every other descriptor of this process that is not to be the program's is to
    /// have `FD_CLOEXEC`.
    pub connection: BorrowedFd<'a>,
    /// The signals that the program finds blocked.
    pub mask: SigSet,
    /// This process, when the program is to get SIGTERM at its end.
    pub parent: Option<Pid>,
    /// The limits that it has, where they are not this process's.
    pub limits: &'a [(Resource, Limit)],
}

/// Why [`spawn`] has started no program. No process is left of it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SpawnError {
    /// There was no process for it: `EAGAIN` when a limit is reached, `ENOMEM`.
    Clone(Errno),
    /// The process could not run it: what `execve()`, or `dup2()`, failed with.
    Exec(Errno),
}

/// What the two processes of a [`spawn`] share.
struct Shared<'a> {
    spawn: &'a Spawn<'a>,
    error: Cell<c_int>,
}

/// `clone(…, CLONE_VM | CLONE_VFORK | SIGCHLD, …)` and, in the new process, `setpgid()`, `dup2()` and `execve()`: starts a
/// program in a process group of its own.
///
/// As with `vfork()` no memory is copied: the new process uses this one's, on a stack of its own, while this one waits
/// until the program runs, or until that has failed. So it takes the same time however large this process is, and an
/// error comes back exactly.
///
/// Signals that have a handler are to be blocked: for a moment the new process has the handlers, too, and one that ran
/// in it would change what this process sees.
///
/// # Errors
/// [`SpawnError`]: `EBADF` when the connection is one of descriptors 0 to 2, which are the program's own; of the program
/// `ENOENT`, `EACCES` when it cannot be run, `ENOEXEC` when it is none.
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
    // and nobody else has the stack. The other calls only async-signal-safe functions, allocates nothing and does not
    // return from `run`, whose place on the stack is below everything.
    let pid = unsafe { ffi::sched::clone(run, stack.top().cast(), flags, (&raw const shared).cast_mut().cast()) };
    let pid = ret_c_int(pid).map_err(SpawnError::Clone)?;
    let pid = Pid::from_kernel(pid);
    match shared.error.get() {
        0 => Ok(pid),
        error => {
            // It has ended, or is about to.
            let _ = retry_on_intr(|| waitpid(WaitFor::Child(pid), None, WaitOptions::NONE));
            Err(SpawnError::Exec(Errno::from_raw(error)))
        }
    }
}

/// What the new process of a [`spawn`] does.
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
    begin_group()?;
    if let Some(parent) = spawn.parent {
        signal_at_death_of(parent, Signal::TERM)?;
    }
    become_program(spawn)
}

/// `dup2()` and `execve()`: has this process run a program, as [`spawn`] has another one do it, in the group and with the
/// parent that it has.
///
/// # Errors
/// What `setrlimit()`, `dup2()` or `execve()` failed with: `EBADF` for the connection; `ENOENT`, `EACCES`, `ENOEXEC` for the
/// program. Descriptors 0 and 1 may be the connection then.
pub fn become_program(spawn: &Spawn<'_>) -> Result<Infallible> {
    for (resource, limit) in spawn.limits {
        setrlimit(*resource, *limit)?;
    }
    for standard in [ffi::unistd::STDIN_FILENO, ffi::unistd::STDOUT_FILENO] {
        // SAFETY: the table of descriptors is this process's own, and what it has there nobody here uses.
        ret_c_int(unsafe { ffi::unistd::dup2(spawn.connection.raw(), standard) })?;
    }
    sigprocmask(MaskHow::Set, &spawn.mask);
    Err(execve(spawn.path, spawn.argv, spawn.envp))
}

/// `execve()`: has this process run another program. Returns why it does not.
///
/// # References
/// execve(2), POSIX
#[must_use]
pub fn execve(path: &CStr, argv: &CStrArray, envp: &CStrArray) -> Errno {
    // SAFETY: the path ends in a NUL and both lists in a null pointer. The call writes to neither.
    unsafe { ffi::unistd::execve(path.as_ptr(), argv.as_ptr().cast(), envp.as_ptr().cast()) };
    Errno::last()
}
