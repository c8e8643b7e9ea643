//! Blocked signals: the mask of a process, and the pending signals.

use core::ffi::c_int;
use core::ptr;

use crate::ffi::signal as c;
use crate::sys::conv::ret;
use crate::sys::errno::Result;
use crate::sys::signal::set::SigSet;

/// The change to the set of blocked signals: the first argument of `sigprocmask()`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum MaskHow {
    /// `SIG_BLOCK`: adds these signals.
    Block,
    /// `SIG_UNBLOCK`: removes these signals.
    Unblock,
    /// `SIG_SETMASK`: replaces the mask by these signals.
    Set,
}

impl MaskHow {
    const fn raw(self) -> c_int {
        match self {
            MaskHow::Block => c::SIG_BLOCK,
            MaskHow::Unblock => c::SIG_UNBLOCK,
            MaskHow::Set => c::SIG_SETMASK,
        }
    }
}

/// `sigprocmask(how, &set, NULL)`: changes the set of blocked signals. A blocked signal that arrives stays pending
/// until it is unblocked. Several pending signals of one kind become one.
///
/// Async-signal-safe: yes.
///
/// # References
/// sigprocmask(2), POSIX
pub fn sigprocmask(how: MaskHow, set: &SigSet) {
    // SAFETY: the set is valid for reads, and null asks for nothing. The call cannot fail, because `how` is valid.
    unsafe { c::sigprocmask(how.raw(), set.as_ptr(), ptr::null_mut()) };
}

/// `pthread_sigmask(how, &set, NULL)`: does the same as [`sigprocmask`], for the calling thread. POSIX defines
/// `pthread_sigmask()` for processes with threads as well. glibc's `sigprocmask()` calls `pthread_sigmask()`, so a new
/// process that calls `pthread_sigmask()` directly touches one page of code less.
///
/// Async-signal-safe: yes.
///
/// # References
/// pthread_sigmask(3), POSIX
#[inline]
pub fn pthread_sigmask(how: MaskHow, set: &SigSet) {
    // SAFETY: the set is valid for reads, and null asks for nothing. The call cannot fail, because `how` is valid.
    unsafe { c::pthread_sigmask(how.raw(), set.as_ptr(), ptr::null_mut()) };
}

/// `sigprocmask(how, &set, &old)`: changes the set of blocked signals and returns the set from before.
///
/// Async-signal-safe: yes.
///
/// # Errors
/// Only an errno that a seccomp filter injects, because `how` is always valid.
pub fn sigprocmask_replace(how: MaskHow, set: &SigSet) -> Result<SigSet> {
    let mut old = SigSet::empty();
    // SAFETY: both pointers are to sets.
    ret(unsafe { c::sigprocmask(how.raw(), set.as_ptr(), old.as_mut_ptr()) })?;
    Ok(old)
}

/// `sigpending()`: returns the signals that have arrived but are blocked.
///
/// Async-signal-safe: yes.
///
/// # References
/// sigpending(2), POSIX
#[must_use]
pub fn sigpending() -> SigSet {
    let mut set = SigSet::empty();
    // SAFETY: the pointer is to a set. The call fails only for a bad pointer.
    unsafe { c::sigpending(set.as_mut_ptr()) };
    set
}

/// `sigsuspend()`: blocks exactly the signals of `mask`, waits until a handler has run, and restores the mask. The
/// change of the mask and the wait are one step, so no signal is missed between them.
///
/// Async-signal-safe: yes.
///
/// # References
/// sigsuspend(2), POSIX
pub fn sigsuspend(mask: &SigSet) {
    // SAFETY: the set is valid for reads. The call always returns -1 with EINTR.
    unsafe { c::sigsuspend(mask.as_ptr()) };
}
