//! `<sys/resource.h>`: limits of a process.

use core::fmt;
use core::mem::MaybeUninit;

use crate::ffi::sys::resource as c;
use crate::sys::conv::ret;
use crate::sys::errno::Result;

/// A limited resource: `RLIMIT_…`.
#[repr(transparent)]
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Resource(c::__rlimit_resource_t);

/// Every resource, and its name in small letters.
const RESOURCES: [(&str, c::__rlimit_resource_t); 16] = [
    ("as", c::RLIMIT_AS),
    ("core", c::RLIMIT_CORE),
    ("cpu", c::RLIMIT_CPU),
    ("data", c::RLIMIT_DATA),
    ("fsize", c::RLIMIT_FSIZE),
    ("locks", c::RLIMIT_LOCKS),
    ("memlock", c::RLIMIT_MEMLOCK),
    ("msgqueue", c::RLIMIT_MSGQUEUE),
    ("nice", c::RLIMIT_NICE),
    ("nofile", c::RLIMIT_NOFILE),
    ("nproc", c::RLIMIT_NPROC),
    ("rss", c::RLIMIT_RSS),
    ("rtprio", c::RLIMIT_RTPRIO),
    ("rttime", c::RLIMIT_RTTIME),
    ("sigpending", c::RLIMIT_SIGPENDING),
    ("stack", c::RLIMIT_STACK),
];

impl Resource {
    /// `RLIMIT_NOFILE`: one more than the highest number of a descriptor.
    #[doc(alias = "RLIMIT_NOFILE")]
    pub const NOFILE: Resource = Resource(c::RLIMIT_NOFILE);

    /// The number of resources.
    pub const COUNT: usize = RESOURCES.len();

    /// Returns the resource with this name, such as `"nofile"` for `RLIMIT_NOFILE`.
    ///
    /// Async-signal-safe: yes.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Resource> {
        RESOURCES.iter().find(|(known, _)| *known == name).map(|(_, resource)| Resource(*resource))
    }

    /// Returns the name of the resource.
    ///
    /// Async-signal-safe: yes.
    #[must_use]
    pub fn name(self) -> &'static str {
        RESOURCES.iter().find(|(_, resource)| *resource == self.0).map_or("", |(name, _)| name)
    }

    /// Returns the names of all resources.
    ///
    /// Async-signal-safe: yes.
    pub fn names() -> impl Iterator<Item = &'static str> {
        RESOURCES.iter().map(|(name, _)| *name)
    }
}

impl fmt::Debug for Resource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// `RLIM_INFINITY`: no limit.
pub const INFINITY: c::rlim_t = c::RLIM_INFINITY;

/// `struct rlimit`: the limit that holds (soft), and the limit up to which a process may raise it (hard).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Limit {
    /// `rlim_cur`: the soft limit.
    pub soft: c::rlim_t,
    /// `rlim_max`: the hard limit.
    pub hard: c::rlim_t,
}

/// `getrlimit()`: returns a limit of this process.
///
/// Async-signal-safe: yes.
///
/// # Errors
/// None for a [`Resource`]. Any error that the C library reports is passed on.
///
/// # References
/// getrlimit(2), POSIX
pub fn getrlimit(resource: Resource) -> Result<Limit> {
    let mut limit = MaybeUninit::uninit();
    // SAFETY: the pointer is to room for a struct.
    ret(unsafe { c::getrlimit(resource.0, limit.as_mut_ptr()) })?;
    // SAFETY: the call did not fail, so it has filled in the struct.
    let c::rlimit { rlim_cur, rlim_max } = unsafe { limit.assume_init() };
    Ok(Limit { soft: rlim_cur, hard: rlim_max })
}

/// `setrlimit()`: sets a limit of this process and of its later children.
///
/// Async-signal-safe: yes.
///
/// # Errors
/// `EPERM` for a hard limit above the present hard limit, without the privilege. `EINVAL` for a soft limit above the
/// hard limit.
///
/// # References
/// setrlimit(2), POSIX
pub fn setrlimit(resource: Resource, limit: Limit) -> Result<()> {
    let limit = c::rlimit { rlim_cur: limit.soft, rlim_max: limit.hard };
    // SAFETY: the pointer is to a local struct.
    ret(unsafe { c::setrlimit(resource.0, &raw const limit) })
}
