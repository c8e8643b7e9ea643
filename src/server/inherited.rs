//! Descriptors that this process was started with. Two protocols name them: that of systemd, and that by which a server
//! passes its sockets to its successor.

use core::ffi::{CStr, c_int};
use core::fmt;
use core::sync::atomic::{AtomicU64, Ordering};

use crate::sys::errno::{Errno, Result};
use crate::sys::fd::{BorrowedFd, OwnedFd, is_open, write_all};
use crate::sys::process::{Pid, environ, getpid};

/// The first descriptor that systemd passes.
const FIRST: c_int = 3;
/// One more than the highest descriptor that can be taken.
const END: c_int = 1024;

/// The descriptors that were taken, a bit each.
static TAKEN: [AtomicU64; END as usize / u64::BITS as usize] =
    [const { AtomicU64::new(0) }; END as usize / u64::BITS as usize];

/// Takes a descriptor, once. `EBADF` when it is not open, when it was taken before, and for the standard ones.
///
/// # Safety
/// This process was started with the descriptor, and nothing else owns it.
unsafe fn take(number: c_int) -> Result<OwnedFd> {
    // SAFETY: it is only asked whether the descriptor is open.
    let fd = unsafe { BorrowedFd::from_raw(number) };
    if !(FIRST..END).contains(&number) || !is_open(fd) {
        return Err(Errno::BADF);
    }
    let bit = 1 << (number as u32 % u64::BITS);
    let word = TAKEN.get((number as u32 / u64::BITS) as usize).ok_or(Errno::BADF)?;
    if word.fetch_or(bit, Ordering::Relaxed) & bit != 0 {
        return Err(Errno::BADF);
    }
    // SAFETY: it is open, and by this function's own contract, and because it was not taken before, the caller's alone.
    Ok(unsafe { OwnedFd::from_raw(number) })
}

/// `getenv()`: the value of a variable of the environment. `None` where other threads exist.
///
/// # References
/// getenv(3), POSIX
#[must_use]
pub fn getenv(name: &str) -> Option<&'static CStr> {
    environ().find_map(|variable| {
        let value = variable.to_bytes_with_nul().strip_prefix(name.as_bytes())?.strip_prefix(b"=")?;
        CStr::from_bytes_with_nul(value).ok()
    })
}

fn number<T: core::str::FromStr>(text: &[u8]) -> Option<T> {
    let is_number = !text.is_empty() && text.iter().all(u8::is_ascii_digit);
    core::str::from_utf8(text).ok().filter(|_| is_number)?.parse().ok()
}

/// `sd_listen_fds_with_names()`: the sockets that systemd has passed to this process, by `LISTEN_PID`, `LISTEN_FDS` and
/// `LISTEN_FDNAMES`, of those with a name that is `wanted`. Each can be taken once.
///
/// `None` when none were passed to this process.
///
/// # References
/// sd_listen_fds(3)
#[must_use]
pub fn listen_fds(wanted: impl Fn(&[u8]) -> bool) -> Option<impl Iterator<Item = Result<OwnedFd>>> {
    let pid: c_int = number(getenv("LISTEN_PID")?.to_bytes())?;
    let count: c_int = number(getenv("LISTEN_FDS")?.to_bytes())?;
    if pid != getpid().raw() {
        return None;
    }
    let names = getenv("LISTEN_FDNAMES").map_or(&b""[..], CStr::to_bytes);
    let names = names.split(|&byte| byte == b':').chain(core::iter::repeat(&b""[..]));
    let numbers = FIRST..FIRST.saturating_add(count).min(END);
    let wanted = numbers.zip(names).filter(move |(_, name)| wanted(name));
    // SAFETY: the service manager says that it has passed these descriptors to this process.
    Some(wanted.map(|(number, _)| unsafe { take(number) }))
}

/// The variable by which a server tells its successor what it has passed.
pub const RESTART_VARIABLE: &str = "MPSERV_INHERIT";

/// The answer of a successor when it serves.
pub(crate) const READY: &[u8] = b"R";

/// Tells the predecessor that this server, its successor, serves.
pub(crate) fn say_ready(predecessor: &OwnedFd) -> Result<()> {
    write_all(predecessor, READY)
}

/// The descriptors that a server passes to its successor. Shown, they are the value of [`RESTART_VARIABLE`].
#[derive(Debug)]
pub struct Passed<'a, L> {
    /// The process that becomes the successor.
    pub successor: Pid,
    /// The pipe through which the successor says that it is ready.
    pub ready: BorrowedFd<'a>,
    /// The pidfile, with its lock.
    pub pidfile: Option<BorrowedFd<'a>>,
    /// The sockets, and whether each belongs to the service manager.
    pub listeners: L,
}

/// The mark behind the number of a socket that belongs to the service manager.
const MANAGED: &str = "m";

impl<'a, L: Iterator<Item = (BorrowedFd<'a>, bool)> + Clone> fmt::Display for Passed<'a, L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let pidfile = self.pidfile.map_or(0, BorrowedFd::raw);
        write!(f, "{},{},{pidfile}", self.successor, self.ready.raw())?;
        let mut listeners = self.listeners.clone();
        listeners
            .try_for_each(|(listener, managed)| write!(f, ",{}{}", listener.raw(), if managed { MANAGED } else { "" }))
    }
}

/// A socket that was passed.
#[derive(Debug)]
pub struct Socket {
    /// The socket.
    pub fd: OwnedFd,
    /// Whether it belongs to the service manager.
    pub is_managed: bool,
}

/// The descriptors that a successor finds.
#[derive(Debug)]
pub struct Found<L> {
    /// The pipe through which this server says that it is ready.
    pub ready: OwnedFd,
    /// The pidfile, locked.
    pub pidfile: Option<OwnedFd>,
    /// The sockets.
    pub listeners: L,
}

/// Whether a server has started this process as its successor.
#[must_use]
pub fn is_successor() -> bool {
    let first = getenv(RESTART_VARIABLE).and_then(|text| text.to_bytes().split(|&byte| byte == b',').next());
    first.and_then(number) == Some(getpid().raw())
}

/// Takes the descriptors that the predecessor has passed, if [`RESTART_VARIABLE`] names this process. They can be taken
/// once, even if the predecessor has been killed since.
///
/// # Errors
/// `EBADF` when one was taken before, or the variable is malformed.
pub fn take_restart() -> Result<Option<Found<impl Iterator<Item = Result<Socket>>>>> {
    let Some(text) = getenv(RESTART_VARIABLE) else { return Ok(None) };
    let mut words = text.to_bytes().split(|&byte| byte == b',');
    let mut next = || words.next().and_then(number::<c_int>).ok_or(Errno::BADF);
    if next()? != getpid().raw() {
        // The variable was for another process, which has left it to this one.
        return Ok(None);
    }
    let [ready, pidfile] = [next()?, next()?];
    // SAFETY: the predecessor says that it has passed it.
    let ready = unsafe { take(ready) }?;
    // SAFETY: as above.
    let pidfile = if pidfile == 0 { None } else { Some(unsafe { take(pidfile) }?) };
    let listeners = words.map(|word| {
        let managed = word.strip_suffix(MANAGED.as_bytes());
        let number = number(managed.unwrap_or(word)).ok_or(Errno::BADF)?;
        // SAFETY: as above.
        Ok(Socket { fd: unsafe { take(number) }?, is_managed: managed.is_some() })
    });
    Ok(Some(Found { ready, pidfile, listeners }))
}
