//! Gives up rights (privileges). The order of the steps makes each step possible, and leaves no way back.

use core::ffi::CStr;

use super::error::{Error, Reason, Result};
use super::path::{OTHERS_WRITE, ROOT};
use crate::ffi::sys::types::{gid_t, uid_t};
use crate::sys::errno::{self, Errno};
use crate::sys::fs::{Stat, access_r, chdir, chroot, stat};
use crate::sys::memory::MapVec;
use crate::sys::process::{
    Limit, Resource, clear_inheritable, drop_capability_bounds, forbid_dumps, getrlimit, has_capabilities,
    has_other_threads, no_new_privileges, setrlimit,
};
use crate::sys::time::tzset;
use crate::sys::user::{
    NAME_MAX, User, getegid, geteuid, getgid, getgrnam, getgrouplist, getgroups, getpwnam, getpwuid, getuid, setgid,
    setgroups, setuid,
};

/// The user and the group that a server becomes.
#[derive(Clone, Copy, Debug)]
pub struct Identity {
    uid: uid_t,
    gid: gid_t,
    /// The user, where the system knows it.
    user: Option<User>,
    /// Whether to join the user's supplementary groups. False if a group was named.
    joins_groups: bool,
}

impl Identity {
    /// Parses `USER[:GROUP]`, each a name or a number. Without `GROUP`, the identity has the groups of the user.
    ///
    /// # Errors
    /// An error for a name that the system does not know. If the text has no group, also for a user's number that the
    /// system does not know. Where other threads exist, nothing can be looked up, so only `UID:GID` is no error.
    pub fn parse(text: &str) -> Result<Identity> {
        let (user, group) = text.split_once(':').map_or((text, None), |(user, group)| (user, Some(group)));
        let wrong = |name: &str, reason, hint| {
            let (reason, hint) = if has_other_threads() { (THREADS, THREADS_HINT) } else { (reason, hint) };
            Error::new(format_args!("\"{}\"", name.escape_debug()), Reason::Usage(reason), hint)
        };
        let known = match id(user) {
            Some(uid) => getpwuid(uid),
            None => Some(with_name(user, getpwnam).ok_or_else(|| wrong(user, "there is no such user", USER_HINT))?),
        };
        let uid = known.map(|user| user.uid).or(id(user)).unwrap_or(uid_t::MAX);
        let Some(group) = group else {
            let user = known.ok_or_else(|| wrong(user, "no user has this number", "name a group, too: USER:GROUP"))?;
            return Ok(Identity { uid, gid: user.gid, user: known, joins_groups: true });
        };
        let gid = id(group).or_else(|| with_name(group, getgrnam));
        let gid = gid.ok_or_else(|| wrong(group, "there is no such group", "getent group shows all"))?;
        Ok(Identity { uid, gid, user: known, joins_groups: false })
    }

    /// Returns the numbers of the user and of the group.
    pub(super) const fn ids(&self) -> (uid_t, gid_t) {
        (self.uid, self.gid)
    }

    /// Returns the user, where the system knows it.
    pub(super) const fn user(&self) -> Option<User> {
        self.user
    }

    /// Whether this process has this identity already, has no other groups, and is not root.
    fn is_ours(&self, groups: &[gid_t]) -> bool {
        let has_ids = [getuid(), geteuid()] == [self.uid; 2] && [getgid(), getegid()] == [self.gid; 2];
        let has_no_others = || getgroups().is_ok_and(|has| has.iter().all(|group| groups.contains(group)));
        self.uid != ROOT && has_ids && has_no_others()
    }

    /// Returns the groups to join.
    fn groups(&self) -> Result<MapVec<gid_t>> {
        let user = self.user.filter(|_| self.joins_groups);
        let groups = user.map_or_else(|| MapVec::from_slice(&[self.gid]), |user| getgrouplist(user.name(), self.gid));
        groups.map_err(|errno| {
            let hint = "name a group, too: USER:GROUP";
            Error::new(format_args!("cannot find the groups of user {}", self.uid), Reason::System(errno), hint)
        })
    }

    /// Takes on the identity. Sets the groups first, while that is allowed, and the user last. Looks up nothing.
    fn take_on(&self, groups: &[gid_t]) -> Result<()> {
        let (uid, gid) = (self.uid, self.gid);
        let fail = |call: &str, errno| {
            let hint = if errno == Errno::PERM { "only root can become another user, or leave a group" } else { "" };
            Error::new(format_args!("cannot become user {uid}, group {gid}: {call}"), Reason::System(errno), hint)
        };
        let changes = !self.is_ours(groups);
        if changes {
            setgroups(groups).map_err(|errno| fail("setgroups", errno))?;
            setgid(gid).map_err(|errno| fail("setgid", errno))?;
            setuid(uid).map_err(|errno| fail("setuid", errno))?;
        }
        let is_there = [getuid(), geteuid()] == [uid; 2] && [getgid(), getegid()] == [gid; 2];
        // Root loses all capabilities with its user, unless the caller has told the kernel to keep them.
        let keeps = changes && has_capabilities().map_err(|errno| fail("capget", errno))?;
        // A process that can get its rights back has given up nothing.
        let can_return = uid != ROOT && (keeps || setuid(ROOT).is_ok() || (gid != ROOT && setgid(ROOT).is_ok()));
        if !is_there || can_return {
            let reason = Reason::State("the system leaves the server a way back to root");
            return Err(Error::new(format_args!("cannot become user {uid}, group {gid}"), reason, "do not go on"));
        }
        forbid_dumps().map_err(|errno| fail("prctl", errno))
    }
}

const THREADS: &str = "this process has, or had, other threads, and cannot look it up";
const THREADS_HINT: &str = "parse it before any is started, or give two numbers: UID:GID";
const USER_HINT: &str = "getent passwd shows all; a number needs no name";

/// Returns a user or group that is given as a number.
fn id(text: &str) -> Option<u32> {
    let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    // The highest number stands for no user and no group.
    text.parse().ok().filter(|id| is_number && *id != u32::MAX)
}

/// Looks up a name.
fn with_name<T>(name: &str, look_up: impl FnOnce(&CStr) -> Option<T>) -> Option<T> {
    let mut buffer = [0; NAME_MAX];
    // The last byte stays a NUL.
    buffer.get_mut(..name.len()).filter(|_| name.len() < NAME_MAX)?.copy_from_slice(name.as_bytes());
    let name = CStr::from_bytes_until_nul(&buffer).ok().filter(|found| found.count_bytes() == name.len())?;
    look_up(name)
}

/// The rights that a server gives up.
#[derive(Clone, Copy, Debug)]
pub(super) struct Privileges<'a> {
    pub(super) identity: Option<Identity>,
    pub(super) chroot: Option<&'a CStr>,
}

impl Privileges<'_> {
    /// Gives up the rights: changes the root directory, and then the user.
    pub(super) fn give_up(&self) -> Result<()> {
        // Everything is looked up before the root directory changes. A user who can write to the new root directory
        // controls its user database, its time zone, and the C library's modules that read both.
        let groups = self.identity.map(|identity| identity.groups()).transpose()?;
        if self.chroot.is_some() {
            tzset();
        }
        if let Some(directory) = self.chroot {
            let fail = |errno| {
                let hint = match errno {
                    Errno::PERM => "only root can have another root directory",
                    Errno::NOENT => "make it first",
                    _ => "",
                };
                let directory = directory.to_bytes().escape_ascii();
                Error::new(format_args!("cannot make {directory} the root directory"), Reason::System(errno), hint)
            };
            // Enter the directory before chroot(), so that the working directory is not outside it.
            chdir(directory).and_then(|()| chroot(c".")).and_then(|()| chdir(c"/")).map_err(fail)?;
        }
        self.identity.zip(groups).map_or(Ok(()), |(identity, groups)| identity.take_on(&groups))
    }

    /// Whether the server becomes, or is, a user of its own who is not root.
    pub(super) fn is_other_than_root(&self) -> bool {
        self.identity.is_some_and(|Identity { uid, .. }| uid != ROOT)
    }

    /// Whether other processes of the server's user could trace a new process of this program before the process
    /// forbids that. The kernel itself forbids it from the start if the user cannot read the program's file. The owner
    /// of a file can always make it readable, and whoever can write to it can change the program.
    pub(super) fn exposes(&self, program: &CStr) -> bool {
        let is_closed = |file: Stat| file.uid() == ROOT && file.permissions() & OTHERS_WRITE == 0;
        let is_unreadable = || access_r(program) == Err(Errno::ACCES) && stat(program).is_ok_and(is_closed);
        self.is_other_than_root() && !is_unreadable()
    }
}

/// Whether this process has the rights of root.
pub(super) fn is_root() -> bool {
    geteuid() == ROOT
}

/// Makes sure that no program that this process runs has, or gains, rights beyond those of its user.
pub(super) fn restrict_programs() -> errno::Result<()> {
    clear_inheritable()?;
    match drop_capability_bounds() {
        // A process without capabilities has no capability to pass on. The next call keeps the process from gaining a
        // capability.
        Err(Errno::PERM) if !is_root() => {}
        result => result?,
    }
    no_new_privileges()
}

/// The resource limits of a child that differ from the server's.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    limits: [(Resource, Limit); Resource::COUNT],
    length: usize,
}

impl Limits {
    pub(super) const fn new() -> Limits {
        let limits = [(Resource::NOFILE, Limit { soft: 0, hard: 0 }); Resource::COUNT];
        Limits { limits, length: 0 }
    }

    /// Sets a limit, in place of an earlier one for the same resource.
    pub(super) fn set(&mut self, resource: Resource, limit: Limit) {
        let index = self.as_slice().iter().position(|(known, _)| *known == resource).unwrap_or(self.length);
        // The array has a place for each resource.
        if let Some(place) = self.limits.get_mut(index) {
            *place = (resource, limit);
            self.length = self.length.max(index + 1);
        }
    }

    pub(super) fn as_slice(&self) -> &[(Resource, Limit)] {
        self.limits.get(..self.length).unwrap_or_default()
    }

    /// Refuses limits that make no sense, and those that this process may not set.
    pub(super) fn check(&self) -> Result<()> {
        for (resource, limit) in self.as_slice() {
            if limit.soft > limit.hard {
                return Err(Error::new(
                    format_args!("the limits {} and {} for {resource:?}", limit.soft, limit.hard),
                    Reason::Usage("the soft one is above the hard one"),
                    "lower it",
                ));
            }
            if !may_raise(*resource, limit.hard) {
                return Err(Error::new(
                    format_args!("the limit {} for {resource:?}", limit.hard),
                    Reason::State("it is above the hard limit that the server has, or can set"),
                    "lower it, or raise the server's (ulimit -H); nofile is at most fs.nr_open",
                ));
            }
        }
        Ok(())
    }
}

/// Whether this process may set this hard limit, which a child sets later. If the limit is above the present one, sets
/// it and puts the present one back: even root may not raise each limit without end.
fn may_raise(resource: Resource, hard: u64) -> bool {
    let Ok(now) = getrlimit(resource) else { return true };
    if hard <= now.hard {
        return true;
    }
    let is_set = setrlimit(resource, Limit { hard, ..now }).is_ok();
    // Everybody may lower a hard limit.
    is_set && setrlimit(resource, now).is_ok()
}

#[cfg(test)]
mod tests;
