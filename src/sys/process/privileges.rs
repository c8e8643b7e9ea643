//! `prctl()` and capabilities: the rights of this process and of the programs that it runs.

use core::ffi::{c_int, c_ulong};

use crate::ffi;
use crate::ffi::linux::capability::{__user_cap_data_struct, __user_cap_header_struct, _LINUX_CAPABILITY_VERSION_3};
use crate::ffi::sys::prctl as c;
use crate::ffi::sys::syscall::{SYS_capget, SYS_capset};
use crate::sys::conv::{ret_c_int, ret_syscall};
use crate::sys::errno::{Errno, Result};
use crate::sys::pid::Pid;
use crate::sys::process::id::getppid;
use crate::sys::signal::Signal;

fn call(option: c_int, argument: c_ulong) -> Result<c_int> {
    let unused: c_ulong = 0;
    // SAFETY: the options below take one number and no pointer.
    ret_c_int(unsafe { c::prctl(option, argument, unused, unused, unused) })
}

fn switch_on(option: c_int) -> Result<()> {
    call(option, 1).map(|_| ())
}

/// `prctl(PR_SET_CHILD_SUBREAPER)`: orphans among this process's descendants become its children.
///
/// Async-signal-safe: yes.
///
/// # Errors
/// None on Linux 3.4 or later.
///
/// # References
/// prctl(2), Linux
pub fn adopt_orphans() -> Result<()> {
    switch_on(c::PR_SET_CHILD_SUBREAPER)
}

/// `prctl(PR_SET_NO_NEW_PRIVS)`: keeps programs that this thread executes from now on from gaining privileges by their
/// files.
///
/// Async-signal-safe: yes.
///
/// # Errors
/// None on Linux 3.5 or later.
///
/// # References
/// prctl(2), Linux
pub fn no_new_privileges() -> Result<()> {
    switch_on(c::PR_SET_NO_NEW_PRIVS)
}

/// `prctl(PR_SET_DUMPABLE, 0)`: makes no core dump of this process, and lets only a privileged process trace it, read
/// its memory or look into its `/proc` directory. A program that this process executes can be dumped and traced again,
/// unless this process may not read the program's file.
///
/// Async-signal-safe: yes.
///
/// # Errors
/// None on Linux.
///
/// # References
/// prctl(2), ptrace(2), Linux
pub fn forbid_dumps() -> Result<()> {
    call(c::PR_SET_DUMPABLE, 0).map(|_| ())
}

/// `prctl(PR_SET_DUMPABLE, 1)`: lets processes of the same user trace this process and look into its `/proc` directory,
/// even if they may not read the file of its program.
///
/// Async-signal-safe: yes.
///
/// # Errors
/// None on Linux.
///
/// # References
/// prctl(2), ptrace(2), Linux
pub fn allow_dumps() -> Result<()> {
    call(c::PR_SET_DUMPABLE, 1).map(|_| ())
}

/// `prctl(PR_CAPBSET_READ, …)` and `prctl(PR_CAPBSET_DROP, …)` for each capability, and `prctl(PR_CAP_AMBIENT,
/// PR_CAP_AMBIENT_CLEAR_ALL)`: keeps later programs of this thread and its children from gaining a capability. Neither
/// the user nor the file of a program then gives the program a capability. Other threads keep their bounds.
///
/// Async-signal-safe: yes.
///
/// # Errors
/// `EPERM` without the right to drop a capability that could be dropped.
///
/// # References
/// capabilities(7), prctl(2), Linux 4.3
pub fn drop_capability_bounds() -> Result<()> {
    call(c::PR_CAP_AMBIENT, c_ulong::try_from(c::PR_CAP_AMBIENT_CLEAR_ALL).unwrap_or(0))?;
    for capability in 0.. {
        match call(c::PR_CAPBSET_READ, capability) {
            Ok(0) => {}
            Ok(_) => call(c::PR_CAPBSET_DROP, capability).map(|_| ())?,
            // The kernel has no capability of this number.
            Err(Errno::INVAL) => break,
            Err(errno) => return Err(errno),
        }
    }
    Ok(())
}

/// `prctl(PR_SET_PDEATHSIG, signal)` and `getppid()`: makes the kernel send a signal to this process when `parent`
/// ends. Where the parent has several threads, the signal is sent at the end of the thread that made this process.
/// The kernel forgets the signal when this process changes its user or group, or becomes a program that gains rights.
///
/// Async-signal-safe: yes.
///
/// # Errors
/// `ESRCH` when `parent` is no longer this process's parent, so that no signal will come.
///
/// # References
/// prctl(2)
#[inline]
pub fn set_pdeathsig(parent: Pid, signal: Signal) -> Result<()> {
    call(c::PR_SET_PDEATHSIG, signal.raw() as c_ulong)?;
    // The parent is checked after the signal was set: if the parent ends from here on, the kernel sends the signal.
    if getppid() == Some(parent) { Ok(()) } else { Err(Errno::SRCH) }
}

/// The number of structs that hold the 64 capabilities of this version of the interface.
const HALVES: usize = 2;

/// The version of the interface, and the process whose capabilities it concerns.
const THIS_THREAD: __user_cap_header_struct = __user_cap_header_struct { version: _LINUX_CAPABILITY_VERSION_3, pid: 0 };

/// `capget()`: reads the capabilities of this thread.
fn capget() -> Result<[__user_cap_data_struct; HALVES]> {
    let mut header = THIS_THREAD;
    let mut data = [__user_cap_data_struct { effective: 0, permitted: 0, inheritable: 0 }; HALVES];
    // SAFETY: this version of the call fills in two structs of data, and both pointers are to structs of this function.
    let got = unsafe { ffi::unistd::syscall(SYS_capget, &raw mut header, data.as_mut_ptr()) };
    ret_syscall(got).map(|()| data)
}

/// `capget()`: whether this thread has a capability, in effect or permitted.
///
/// Async-signal-safe: yes.
///
/// # Errors
/// None on Linux 2.6.26 or later.
///
/// # References
/// capget(2), capabilities(7)
pub fn has_capabilities() -> Result<bool> {
    // Each capability in effect is also permitted.
    Ok(capget()?.iter().any(|half| half.permitted != 0))
}

/// `capget()` and `capset()`: keeps programs from inheriting a capability of this thread.
///
/// Async-signal-safe: yes.
///
/// # Errors
/// None on Linux 2.6.26 or later.
///
/// # References
/// capget(2), capabilities(7)
pub fn clear_inheritable() -> Result<()> {
    let mut header = THIS_THREAD;
    let data = capget()?.map(|half| __user_cap_data_struct { inheritable: 0, ..half });
    // SAFETY: this version of the call reads two structs of data, and both pointers are to structs of this function.
    let set = unsafe { ffi::unistd::syscall(SYS_capset, &raw mut header, data.as_ptr()) };
    ret_syscall(set)
}
