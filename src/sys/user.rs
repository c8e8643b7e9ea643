//! Users and groups: look-ups, and those of this process.
//!
//! # Example
//! ```
//! use mpserv::user::{getpwnam, getpwuid};
//!
//! let root = getpwnam(c"root").expect("every system has root");
//! assert_eq!((root.uid, root.home()), (0, getpwuid(0).expect("by id as well").home()));
//! ```

use core::ffi::{CStr, c_int};
use core::fmt;

use crate::ffi::sys::types::{gid_t, uid_t};
use crate::ffi::{grp, pwd, unistd};
use crate::sys::conv::ret;
use crate::sys::errno::{Errno, Result};
use crate::sys::memory::MapVec;
use crate::sys::threads::has_other_threads;

/// The longest name that is looked up, with its NUL.
pub const NAME_MAX: usize = 256;

/// The most bytes of a user's name, home directory and shell, each with its NUL. A user with more is not found.
pub const USER_TEXT_MAX: usize = 1024;

/// The most groups that a process can be in (`NGROUPS_MAX`).
pub const GROUPS_MAX: usize = 65_536;

/// A user, as the system's files have it.
#[derive(Clone, Copy)]
pub struct User {
    /// `pw_uid`
    pub uid: uid_t,
    /// `pw_gid`: the group that it logs in with.
    pub gid: gid_t,
    /// `pw_name`, `pw_dir` and `pw_shell`, one after another.
    text: [u8; USER_TEXT_MAX],
}

impl User {
    /// `pw_name`
    ///
    /// Async-signal-safe: yes.
    #[must_use]
    pub fn name(&self) -> &CStr {
        self.string(0)
    }

    /// `pw_dir`: the home directory.
    ///
    /// Async-signal-safe: yes.
    #[must_use]
    pub fn home(&self) -> &CStr {
        self.string(1)
    }

    /// `pw_shell`: the program that a login runs.
    ///
    /// Async-signal-safe: yes.
    #[must_use]
    pub fn shell(&self) -> &CStr {
        self.string(2)
    }

    fn string(&self, index: usize) -> &CStr {
        let text = self.text.split_inclusive(|&byte| byte == 0).nth(index).unwrap_or_default();
        CStr::from_bytes_with_nul(text).unwrap_or_default()
    }
}

impl fmt::Debug for User {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (uid, gid, name) = (self.uid, self.gid, self.name());
        f.debug_struct("User").field("uid", &uid).field("gid", &gid).field("name", &name).finish_non_exhaustive()
    }
}

/// Converts the result of `getpwnam()` or `getpwuid()`.
///
/// # Safety
/// `found` is null, or points to a user whose name, home directory and shell are strings or null, as some of the
/// modules in which the C library looks users up leave them.
unsafe fn user(found: *const pwd::passwd) -> Option<User> {
    // SAFETY: by this function's own contract.
    let found = unsafe { found.as_ref() }?;
    let mut user = User { uid: found.pw_uid, gid: found.pw_gid, text: [0; USER_TEXT_MAX] };
    let mut length = 0;
    for string in [found.pw_name, found.pw_dir, found.pw_shell] {
        // SAFETY: by this function's own contract.
        let string = if string.is_null() { c"" } else { unsafe { CStr::from_ptr(string) } }.to_bytes_with_nul();
        user.text.get_mut(length..length + string.len())?.copy_from_slice(string);
        length += string.len();
    }
    Some(user)
}

/// `getpwnam()`: the user of this name. `None` also where other threads exist: the C library has one place for the
/// answer.
///
/// Async-signal-safe: no, because `getpwnam()` takes a lock, allocates and reads files.
///
/// # References
/// getpwnam(3), POSIX
#[must_use]
pub fn getpwnam(name: &CStr) -> Option<User> {
    if has_other_threads() {
        return None;
    }
    // SAFETY: the name ends in a NUL, and no other thread makes this call.
    let found = unsafe { pwd::getpwnam(name.as_ptr()) };
    // SAFETY: the pointer is null or to the C library's answer, which stays until the next call.
    unsafe { user(found) }
}

/// `getpwuid()`: the user with this id. `None` as for [`getpwnam`].
///
/// Async-signal-safe: no, because `getpwuid()` takes a lock, allocates and reads files.
///
/// # References
/// getpwuid(3), POSIX
#[must_use]
pub fn getpwuid(uid: uid_t) -> Option<User> {
    if has_other_threads() {
        return None;
    }
    // SAFETY: no other thread makes this call.
    let found = unsafe { pwd::getpwuid(uid) };
    // SAFETY: the pointer is null or to the C library's answer, which stays until the next call.
    unsafe { user(found) }
}

/// `getgrnam()`: the id of the group of this name. `None` as for [`getpwnam`].
///
/// Async-signal-safe: no, because `getgrnam()` takes a lock, allocates and reads files.
///
/// # References
/// getgrnam(3), POSIX
#[must_use]
pub fn getgrnam(name: &CStr) -> Option<gid_t> {
    if has_other_threads() {
        return None;
    }
    // SAFETY: the name ends in a NUL, and no other thread makes this call.
    let found = unsafe { grp::getgrnam(name.as_ptr()) };
    // SAFETY: the pointer is null or to the C library's answer, which stays until the next call.
    unsafe { found.as_ref() }.map(|group| group.gr_gid)
}

/// `getgrouplist()`: the groups that the system's files have a user in, and `gid`.
///
/// Async-signal-safe: no, because `getgrouplist()` takes a lock, allocates and reads files.
///
/// # Errors
/// `EDEADLK` where other threads exist: the C library's functions for groups share one place. `ENOMEM`, also for more
/// than [`GROUPS_MAX`] groups.
///
/// # References
/// getgrouplist(3), BSD
pub fn getgrouplist(user: &CStr, gid: gid_t) -> Result<MapVec<gid_t>> {
    if has_other_threads() {
        return Err(Errno::DEADLK);
    }
    let mut groups = MapVec::with_capacity(GROUPS_MAX)?;
    groups.fill(gid);
    let mut length = c_int::try_from(groups.len()).unwrap_or(c_int::MAX);
    // SAFETY: the name ends in a NUL, and the call writes at most so many groups to a list that has as many.
    let found = unsafe { grp::getgrouplist(user.as_ptr(), gid, groups.as_mut_ptr(), &raw mut length) };
    groups.truncate(usize::try_from(found).map_err(|_| Errno::NOMEM)?);
    Ok(groups)
}

/// `setgroups()`: joins these groups, and leaves all others.
///
/// Async-signal-safe: no, because `setgroups()` takes a lock if there are other threads.
///
/// # Errors
/// `EPERM` without the privilege, `EINVAL` for an id that is none here or for more than [`GROUPS_MAX`] groups,
/// `ENOMEM`.
///
/// # References
/// setgroups(2), BSD
pub fn setgroups(groups: &[gid_t]) -> Result<()> {
    // SAFETY: the pointer is to so many ids.
    ret(unsafe { grp::setgroups(groups.len(), groups.as_ptr()) })
}

/// `setgid()`: changes the group; for a privileged process the real, the effective and the saved one.
///
/// Async-signal-safe: yes.
///
/// # Errors
/// `EPERM` without the privilege, `EINVAL` for an id that is none here.
///
/// # References
/// setgid(2), POSIX
pub fn setgid(gid: gid_t) -> Result<()> {
    // SAFETY: the call has no precondition.
    ret(unsafe { unistd::setgid(gid) })
}

/// `setuid()`: changes the user; for a privileged process the real, the effective and the saved one, and it has no
/// capability any more. There is no way back then.
///
/// Async-signal-safe: yes.
///
/// # Errors
/// `EPERM` without the privilege, `EINVAL` for an id that is none here, `EAGAIN`.
///
/// # References
/// setuid(2), POSIX
pub fn setuid(uid: uid_t) -> Result<()> {
    // SAFETY: the call has no precondition.
    ret(unsafe { unistd::setuid(uid) })
}

/// `getuid()`: the real user.
///
/// Async-signal-safe: yes.
#[must_use]
pub fn getuid() -> uid_t {
    // SAFETY: the call has no precondition.
    unsafe { unistd::getuid() }
}

/// `geteuid()`: the user whose rights count.
///
/// Async-signal-safe: yes.
#[must_use]
pub fn geteuid() -> uid_t {
    // SAFETY: the call has no precondition.
    unsafe { unistd::geteuid() }
}

/// `getgid()`: the real group.
///
/// Async-signal-safe: yes.
#[must_use]
pub fn getgid() -> gid_t {
    // SAFETY: the call has no precondition.
    unsafe { unistd::getgid() }
}

/// `getegid()`: the group whose rights count.
///
/// Async-signal-safe: yes.
#[must_use]
pub fn getegid() -> gid_t {
    // SAFETY: the call has no precondition.
    unsafe { unistd::getegid() }
}
