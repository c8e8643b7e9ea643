//! Users and groups: look-ups, and those of this process.

use core::ffi::CStr;

use crate::ffi::sys::types::{gid_t, uid_t};
use crate::ffi::{grp, pwd, unistd};
use crate::sys::conv::ret;
use crate::sys::errno::Result;
use crate::sys::threads::has_other_threads;

/// How long the name of a user may be, with its NUL.
pub const NAME_MAX: usize = 256;

/// A user, as the system's files have it.
#[derive(Clone, Copy, Debug)]
pub struct User {
    /// `pw_uid`
    pub uid: uid_t,
    /// `pw_gid`: the group that it logs in with.
    pub gid: gid_t,
    name: [u8; NAME_MAX],
}

impl User {
    /// `pw_name`
    #[must_use]
    pub fn name(&self) -> &CStr {
        CStr::from_bytes_until_nul(&self.name).unwrap_or_default()
    }
}

/// What `getpwnam()` or `getpwuid()` returned.
///
/// # Safety
/// `found` is null, or to a user whose name is a string.
unsafe fn user(found: *const pwd::passwd) -> Option<User> {
    // SAFETY: by this function's own contract.
    let found = unsafe { found.as_ref() }?;
    // SAFETY: by this function's own contract.
    let text = unsafe { CStr::from_ptr(found.pw_name) }.to_bytes_with_nul();
    let mut name = [0; NAME_MAX];
    name.get_mut(..text.len())?.copy_from_slice(text);
    Some(User { uid: found.pw_uid, gid: found.pw_gid, name })
}

/// `getpwnam()`: the user of this name. `None` also where other threads exist: the C library has one place for the
/// answer.
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
    // SAFETY: that is null or to the C library's answer, which stays until the next call.
    unsafe { user(found) }
}

/// `getpwuid()`: the user with this id. `None` as for [`getpwnam`].
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
    // SAFETY: that is null or to the C library's answer, which stays until the next call.
    unsafe { user(found) }
}

/// `getgrnam()`: the id of the group of this name. `None` as for [`getpwnam`].
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
    // SAFETY: that is null or to the C library's answer, which stays until the next call.
    unsafe { found.as_ref() }.map(|group| group.gr_gid)
}

/// `initgroups()`: joins all groups that the system's files have a user in, and `gid`, and leaves all others.
///
/// # Errors
/// `EPERM` without the privilege, `EINVAL` for an id that is none here, `ENOMEM`.
///
/// # References
/// initgroups(3), BSD
pub fn initgroups(user: &CStr, gid: gid_t) -> Result<()> {
    // SAFETY: the name ends in a NUL.
    ret(unsafe { grp::initgroups(user.as_ptr(), gid) })
}

/// `setgroups(1, &gid)`: leaves all groups but this one.
///
/// # Errors
/// `EPERM` without the privilege, `EINVAL` for an id that is none here.
///
/// # References
/// setgroups(2), BSD
pub fn setgroups_only(gid: gid_t) -> Result<()> {
    // SAFETY: the pointer is to one id.
    ret(unsafe { grp::setgroups(1, &raw const gid) })
}

/// `setgid()`: changes the group; for a privileged process the real, the effective and the saved one.
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
#[must_use]
pub fn getuid() -> uid_t {
    // SAFETY: the call has no precondition.
    unsafe { unistd::getuid() }
}

/// `geteuid()`: the user whose rights count.
#[must_use]
pub fn geteuid() -> uid_t {
    // SAFETY: the call has no precondition.
    unsafe { unistd::geteuid() }
}

/// `getgid()`: the real group.
#[must_use]
pub fn getgid() -> gid_t {
    // SAFETY: the call has no precondition.
    unsafe { unistd::getgid() }
}

/// `getegid()`: the group whose rights count.
#[must_use]
pub fn getegid() -> gid_t {
    // SAFETY: the call has no precondition.
    unsafe { unistd::getegid() }
}
