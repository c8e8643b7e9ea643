//! `<pwd.h>`: users.

/// `struct passwd { char *pw_name; char *pw_passwd; uid_t pw_uid; gid_t pw_gid; char *pw_gecos;
/// char *pw_dir; char *pw_shell; }`
///
/// A user. getpwnam(3), POSIX.
#[doc(inline)]
pub use libc::passwd;

/// `struct passwd *getpwnam(const char *name);`
///
/// Get the user with this name, in a buffer that the next call may change. getpwnam(3), POSIX.
#[doc(inline)]
pub use libc::getpwnam;

/// `struct passwd *getpwuid(uid_t uid);`
///
/// Get the user with this id, in a buffer that the next call may change. getpwnam(3), POSIX.
#[doc(inline)]
pub use libc::getpwuid;
