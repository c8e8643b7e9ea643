//! Looks up users and groups, and changes those of this process.
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
use crate::sys::conv::{ret, ret_c_int};
use crate::sys::errno::{Errno, Result};
use crate::sys::memory::MapVec;
use crate::sys::threads::has_other_threads;

/// The longest name that is looked up, with its NUL. The C library copies a name to its stack, so a longer name counts
/// as unknown.
pub const NAME_MAX: usize = 256;

/// The most bytes of a user's name, home directory and shell, each with its NUL. A user with longer texts is not found.
pub const USER_TEXT_MAX: usize = 1024;

/// The most groups that a process can be in (`NGROUPS_MAX`).
pub const GROUPS_MAX: usize = 65_536;

/// A user, as described in the system's files.
#[derive(Clone, Copy)]
pub struct User {
    /// `pw_uid`: the id of the user.
    pub uid: uid_t,
    /// `pw_gid`: the group of a login.
    pub gid: gid_t,
    /// `pw_name`, `pw_dir` and `pw_shell`, one after another.
    text: [u8; USER_TEXT_MAX],
}

impl User {
    /// `pw_name`: returns the name.
    ///
    /// Async-signal-safe: yes.
    #[must_use]
    pub fn name(&self) -> &CStr {
        self.string(0)
    }

    /// `pw_dir`: returns the home directory.
    ///
    /// Async-signal-safe: yes.
    #[must_use]
    pub fn home(&self) -> &CStr {
        self.string(1)
    }

    /// `pw_shell`: returns the program that a login runs.
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
/// `found` is null, or points to a user whose name, home directory and shell are strings or null. Some modules of the C
/// library's look-up leave these fields null.
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

/// Whether a name is short enough to be looked up.
fn is_short(name: &CStr) -> bool {
    name.count_bytes() < NAME_MAX
}

/// `getpwnam()`: looks up the user with this name. Also returns `None` where other threads exist, because the C library
/// has only one place for the answer.
///
/// Async-signal-safe: no, because `getpwnam()` takes a lock, allocates and reads files.
///
/// # References
/// getpwnam(3), POSIX
#[must_use]
pub fn getpwnam(name: &CStr) -> Option<User> {
    if has_other_threads() || !is_short(name) {
        return None;
    }
    // SAFETY: the name ends in a NUL, and no other thread makes this call.
    let found = unsafe { pwd::getpwnam(name.as_ptr()) };
    // SAFETY: the pointer is null or to the C library's answer, which stays until the next call.
    unsafe { user(found) }
}

/// `getpwuid()`: looks up the user with this id. Returns `None` as [`getpwnam`] does.
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

/// `getgrnam()`: looks up the id of the group with this name. Returns `None` as [`getpwnam`] does.
///
/// Async-signal-safe: no, because `getgrnam()` takes a lock, allocates and reads files.
///
/// # References
/// getgrnam(3), POSIX
#[must_use]
pub fn getgrnam(name: &CStr) -> Option<gid_t> {
    if has_other_threads() || !is_short(name) {
        return None;
    }
    // SAFETY: the name ends in a NUL, and no other thread makes this call.
    let found = unsafe { grp::getgrnam(name.as_ptr()) };
    // SAFETY: the pointer is null or to the C library's answer, which stays until the next call.
    unsafe { found.as_ref() }.map(|group| group.gr_gid)
}

/// `getgrouplist()`: returns the groups of a user in the system's files, and `gid`.
///
/// Async-signal-safe: no, because `getgrouplist()` takes a lock, allocates and reads files.
///
/// # Errors
/// `EDEADLK` where other threads exist, because the C library's functions for groups share one place. `ENOMEM`, also
/// for more than [`GROUPS_MAX`] groups.
///
/// # References
/// getgrouplist(3), BSD
pub fn getgrouplist(user: &CStr, gid: gid_t) -> Result<MapVec<gid_t>> {
    if has_other_threads() {
        return Err(Errno::DEADLK);
    }
    if !is_short(user) {
        return MapVec::from_slice(&[gid]);
    }
    let mut groups = MapVec::with_capacity(GROUPS_MAX)?;
    groups.fill(gid);
    let mut length = c_int::try_from(groups.len()).unwrap_or(c_int::MAX);
    // SAFETY: the name ends in a NUL, and the list has room for the number of groups that is passed with it.
    let found = unsafe { grp::getgrouplist(user.as_ptr(), gid, groups.as_mut_ptr(), &raw mut length) };
    groups.truncate(usize::try_from(found).map_err(|_| Errno::NOMEM)?);
    Ok(groups)
}

/// `getgroups()`: returns the supplementary groups of this process.
///
/// Async-signal-safe: yes.
///
/// # Errors
/// `ENOMEM`.
///
/// # References
/// getgroups(2), POSIX
pub fn getgroups() -> Result<MapVec<gid_t>> {
    let mut groups = MapVec::with_capacity(GROUPS_MAX)?;
    groups.fill(0);
    let room = c_int::try_from(groups.len()).unwrap_or(c_int::MAX);
    // SAFETY: the list has room for the number of groups that is passed with it.
    let found = unsafe { unistd::getgroups(room, groups.as_mut_ptr()) };
    groups.truncate(usize::try_from(ret_c_int(found)?).unwrap_or_default());
    Ok(groups)
}

/// `setgroups()`: joins these groups, and leaves all other groups.
///
/// Async-signal-safe: no, because `setgroups()` takes a lock if there are other threads.
///
/// # Errors
/// `EPERM` without the privilege, `EINVAL` for an invalid id or for more than [`GROUPS_MAX`] groups, `ENOMEM`.
///
/// # References
/// setgroups(2), BSD
pub fn setgroups(groups: &[gid_t]) -> Result<()> {
    // SAFETY: the pointer is to as many ids as the call is told.
    ret(unsafe { grp::setgroups(groups.len(), groups.as_ptr()) })
}

/// `setgid()`: changes the group. A privileged process changes its real, effective and saved group.
///
/// Async-signal-safe: no, because `setgid()` takes a lock if there are other threads.
///
/// # Errors
/// `EPERM` without the privilege, `EINVAL` for an invalid id.
///
/// # References
/// setgid(2), POSIX
pub fn setgid(gid: gid_t) -> Result<()> {
    // SAFETY: the call has no precondition.
    ret(unsafe { unistd::setgid(gid) })
}

/// `setuid()`: changes the user. A privileged process changes its real, effective and saved user. Root also loses all
/// capabilities, so that there is no way back. Other processes keep their capabilities, and so does root after
/// `prctl(PR_SET_KEEPCAPS)` or with `SECBIT_NO_SETUID_FIXUP`.
///
/// Async-signal-safe: no, because `setuid()` takes a lock if there are other threads.
///
/// # Errors
/// `EPERM` without the privilege, `EINVAL` for an invalid id, `EAGAIN`.
///
/// # References
/// setuid(2), POSIX
pub fn setuid(uid: uid_t) -> Result<()> {
    // SAFETY: the call has no precondition.
    ret(unsafe { unistd::setuid(uid) })
}

/// `getuid()`: returns the real user.
///
/// Async-signal-safe: yes.
#[must_use]
pub fn getuid() -> uid_t {
    // SAFETY: the call has no precondition.
    unsafe { unistd::getuid() }
}

/// `geteuid()`: returns the effective user, whose rights count.
///
/// Async-signal-safe: yes.
#[must_use]
pub fn geteuid() -> uid_t {
    // SAFETY: the call has no precondition.
    unsafe { unistd::geteuid() }
}

/// `getgid()`: returns the real group.
///
/// Async-signal-safe: yes.
#[must_use]
pub fn getgid() -> gid_t {
    // SAFETY: the call has no precondition.
    unsafe { unistd::getgid() }
}

/// `getegid()`: returns the effective group, whose rights count.
///
/// Async-signal-safe: yes.
#[must_use]
pub fn getegid() -> gid_t {
    // SAFETY: the call has no precondition.
    unsafe { unistd::getegid() }
}
