//! `<grp.h>`: groups.

/// `struct group { char *gr_name; char *gr_passwd; gid_t gr_gid; char **gr_mem; }`
///
/// A group. getgrnam(3), POSIX.
#[doc(inline)]
pub use libc::group;

/// `struct group *getgrnam(const char *name);`
///
/// Get the group with this name, in a buffer that the next call may change. getgrnam(3), POSIX.
#[doc(inline)]
pub use libc::getgrnam;

/// `int getgrouplist(const char *user, gid_t group, gid_t *groups, int *ngroups);`
///
/// Get the groups of a user. getgrouplist(3), BSD.
#[doc(inline)]
pub use libc::getgrouplist;

/// `int setgroups(size_t size, const gid_t *list);`
///
/// Join exactly these groups. setgroups(2), BSD.
#[doc(inline)]
pub use libc::setgroups;
