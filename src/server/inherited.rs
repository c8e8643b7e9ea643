//! The descriptors that this process has inherited. Two protocols name these descriptors: that of systemd, and that by
//! which a server passes its sockets to its successor.

use core::ffi::{CStr, c_int};
use core::fmt;
use core::time::Duration;

use super::limits::{EARLIER_MAX, LISTENERS_MAX};
use super::orders::{EarlierServer, EarlierServers};
use crate::program::text::Text;
use crate::sys::errno::{Errno, Result};
use crate::sys::fd::{AsFd, BorrowedFd, OwnedFd, STDERR, STDIN, STDOUT, is_open, set_close_on_exec, write_all};
use crate::sys::fs::{OpenFlags, open};
use crate::sys::memory::empty_file;
use crate::sys::poll::{PollEvents, PollFd, poll};
use crate::sys::process::{Pid, getpid, value};

/// Opens a harmless file as each of descriptors 0, 1 and 2 that is closed. Otherwise a connection, the scoreboard or a
/// listener would get such a number, and the log or a program would use it.
pub(crate) fn fill_standard() -> Result<()> {
    for standard in [STDIN, STDOUT, STDERR] {
        if !is_open(standard) {
            let filler = open(c"/dev/null", OpenFlags::RDWR, 0).or_else(|_| empty_file(c"closed"))?;
            // The kernel gives the lowest number that is free. The descriptor stays open as long as the process lives.
            if filler.raw() == standard.raw() {
                let _ = filler.into_raw();
            }
        }
    }
    Ok(())
}

/// The first descriptor that systemd passes.
const FIRST: c_int = 3;
/// One more than the highest descriptor that systemd can pass.
const END: c_int = 1024;
/// The most descriptors that a predecessor passes: its sockets, the pidfile, a pipe for the answer, and the pipes to the
/// predecessor and to earlier servers. They can have any numbers, because the predecessor may itself have inherited many
/// descriptors.
const FROM_PREDECESSOR: usize = LISTENERS_MAX + 2 + 1 + EARLIER_MAX;

/// The variable by which a server names the passed descriptors to its successor.
pub(crate) const RESTART_VARIABLE: &str = "MPSERV_INHERIT";

/// The descriptors that were passed to this process, for [`Server::inherit`](crate::server::Server::inherit). Each
/// descriptor can be taken once.
#[derive(Debug)]
pub struct Inherited {
    /// One bit for each number below [`END`] that was passed and is open.
    open: [u64; END as usize / u64::BITS as usize],
    /// The higher numbers that were passed and are open. -1 stands for none.
    high: [c_int; FROM_PREDECESSOR],
}

impl Inherited {
    /// Claims the descriptors that `LISTEN_FDS` and `MPSERV_INHERIT` name, if these variables are about this process. Opens
    /// `/dev/null` as each of descriptors 0, 1 and 2 that is closed, before a file of the program gets such a number.
    /// [`server_main!`](crate::server_main!) calls this function before a program's main function.
    ///
    /// # Safety
    /// The call is at the start of main, when nothing in this process owns a descriptor above 2. It is the only call in
    /// this process.
    #[must_use]
    pub unsafe fn claim() -> Inherited {
        // `bind` tries again, and reports the error.
        let _ = fill_standard();
        let open = [0; END as usize / u64::BITS as usize];
        let mut inherited = Inherited { open, high: [BorrowedFd::NONE.raw(); FROM_PREDECESSOR] };
        if let Some(count) = passed_by_manager() {
            (FIRST..FIRST.saturating_add(count).min(END)).for_each(|number| inherited.note(number));
        }
        for word in passed_by_predecessor().into_iter().flatten() {
            let earlier = parse_earlier(word).map(|(_, pipe)| pipe);
            if let Some(number) = parse_listener(word).map(|(number, ..)| number).or(earlier) {
                inherited.note(number);
            }
        }
        inherited
    }

    /// Returns the word of `open` and the bit in it for a descriptor below [`END`].
    fn bit(&mut self, number: c_int) -> Option<(&mut u64, u64)> {
        let number = u32::try_from(number).ok().filter(|number| (FIRST as u32..END as u32).contains(number))?;
        Some((self.open.get_mut((number / u64::BITS) as usize)?, 1 << (number % u64::BITS)))
    }

    /// Notes a descriptor that was passed, if it is open. A program must not get it, so sets `FD_CLOEXEC`. Descriptors
    /// 0 to 2 are never passed: the number 0 stands for no pidfile.
    fn note(&mut self, number: c_int) {
        if number < FIRST {
            return;
        }
        // SAFETY: the call fails if the descriptor is not open, and nothing uses it afterwards.
        let fd = unsafe { BorrowedFd::from_raw(number) };
        if set_close_on_exec(fd).is_err() || self.high.contains(&number) {
            return;
        }
        if let Some((word, bit)) = self.bit(number) {
            *word |= bit;
        } else if let Some(place) = self.high.iter_mut().find(|place| number >= END && **place < END) {
            *place = number;
        }
    }

    /// Takes a descriptor. Fails with `EBADF` when the descriptor was not passed, or was taken before.
    fn take(&mut self, number: c_int) -> Result<OwnedFd> {
        if let Some((word, bit)) = self.bit(number).filter(|(word, bit)| **word & bit != 0) {
            *word &= !bit;
        } else {
            let place = self.high.iter_mut().find(|place| **place == number && number >= END).ok_or(Errno::BADF)?;
            *place = BorrowedFd::NONE.raw();
        }
        // SAFETY: the descriptor was passed and open when it was claimed, and had no owner then.
        Ok(unsafe { OwnedFd::from_raw(number) })
    }
}

/// Returns the value of a variable of the environment.
fn variable(name: &[u8]) -> Option<&'static [u8]> {
    // SAFETY: the functions here read a value at once, and nothing changes the environment meanwhile.
    unsafe { value(name) }.map(CStr::to_bytes)
}

/// Returns the number of descriptors that the service manager has passed to this process.
fn passed_by_manager() -> Option<c_int> {
    let pid: c_int = number(variable(b"LISTEN_PID")?)?;
    number(variable(b"LISTEN_FDS")?).filter(|_| pid == getpid().raw())
}

/// Returns the words after the process id in [`RESTART_VARIABLE`], if that id is this process's.
fn passed_by_predecessor() -> Option<impl Iterator<Item = &'static [u8]>> {
    let mut words = variable(b"MPSERV_INHERIT")?.split(|&byte| byte == b',');
    (number(words.next()?) == Some(getpid().raw())).then_some(words)
}

fn number<T: core::str::FromStr>(text: &[u8]) -> Option<T> {
    let is_number = !text.is_empty() && text.iter().all(u8::is_ascii_digit);
    core::str::from_utf8(text).ok().filter(|_| is_number)?.parse().ok()
}

/// `sd_listen_fds_with_names()`: returns the sockets that systemd has passed to this process, by `LISTEN_PID`,
/// `LISTEN_FDS` and `LISTEN_FDNAMES`. `wanted` chooses the sockets by name. Each socket can be taken once.
///
/// Returns `None` when systemd has passed no sockets to this process.
///
/// # References
/// sd_listen_fds(3)
pub(crate) fn listen_fds(
    inherited: &mut Inherited,
    wanted: impl Fn(&[u8]) -> bool,
) -> Option<impl Iterator<Item = Result<OwnedFd>>> {
    let count = passed_by_manager()?;
    let names = variable(b"LISTEN_FDNAMES").unwrap_or_default();
    let names = names.split(|&byte| byte == b':').chain(core::iter::repeat(&b""[..]));
    let numbers = FIRST..FIRST.saturating_add(count).min(END);
    let wanted = numbers.zip(names).filter(move |(_, name)| wanted(name));
    Some(wanted.map(|(number, _)| inherited.take(number)))
}

/// The answer of a successor when it serves.
pub(crate) const READY: &[u8] = b"R";

/// The addition of a successor to [`READY`], if the successor is told to stop before its predecessor has let go.
const STOPPING: &[u8] = b"S";

/// The answer of a successor that was ready, and then was told to stop.
pub(crate) const READY_AND_STOPPING: &[u8] = b"RS";

/// The longest text of a successor about its failure.
pub(crate) const FAILURE_MAX: usize = 512;

impl Inherited {
    /// Tells the predecessor, if there is one, why this process cannot become its successor. The predecessor logs the
    /// reason.
    ///
    /// Call this only before a [`Server`](crate::server::Server) takes the passed descriptors. From then on, the
    /// `Server` itself reports a failure. Does nothing where other threads exist, or have existed: see
    /// [`is_successor`].
    pub fn report_failure(&mut self, why: &str) {
        let ready = passed_by_predecessor().and_then(|mut words| words.next().and_then(number::<c_int>));
        if let Some(Ok(ready)) = ready.map(|number| self.take(number)) {
            say_failed(&ready, format_args!("{why}"));
        }
    }
}

/// Tells the predecessor why this server, its successor, does not serve. Cuts the text to the length that the
/// predecessor reads.
pub(crate) fn say_failed(predecessor: &OwnedFd, why: fmt::Arguments<'_>) {
    let mut pipe = [PollFd::new(predecessor.as_fd(), PollEvents::OUT)];
    let is_asked = poll(&mut pipe, Some(Duration::ZERO)).is_ok();
    if !is_asked || pipe.iter().any(|pipe| pipe.revents() != PollEvents::OUT) {
        // The predecessor may have been killed. A write to a pipe without a reader would end this process by SIGPIPE.
        return;
    }
    // If the write fails, the predecessor notices by itself that this process ends.
    let _ = write_all(predecessor, Text::<FAILURE_MAX>::of(why).as_bytes());
}

/// Tells the predecessor that this server, its successor, serves.
pub(crate) fn say_ready(predecessor: &OwnedFd) -> Result<()> {
    write_all(predecessor, READY)
}

/// Tells the predecessor, which may not have let go yet, that this server was told to stop.
pub(crate) fn say_stopping(predecessor: &OwnedFd) {
    // The write fails if the predecessor has let go, or was killed. Then nobody need know.
    let _ = write_all(predecessor, STOPPING);
}

/// The descriptors that a server passes to its successor. Their text is the value of [`RESTART_VARIABLE`].
#[derive(Debug)]
pub(crate) struct Passed<'a, L> {
    /// The process that becomes the successor.
    pub(crate) successor: Pid,
    /// The pipe through which the successor says that it is ready.
    pub(crate) ready: BorrowedFd<'a>,
    /// The pidfile, with its lock.
    pub(crate) pidfile: Option<BorrowedFd<'a>>,
    /// The sockets, whether each belongs to the service manager, and the identity of its file.
    pub(crate) listeners: L,
    /// The server that passes the descriptors.
    pub(crate) predecessor: Pid,
    /// The pipe by which later servers tell the predecessor to stop.
    pub(crate) orders: BorrowedFd<'a>,
    /// The servers before the predecessor that have not ended.
    pub(crate) earlier: &'a EarlierServers,
}

/// The mark before the id of an earlier server.
const EARLIER: &str = "g";

/// The mark between the id of an earlier server and the number of the pipe to it.
const PIPE: char = 'p';

/// Parses the word of an earlier server: its id, and the number of the pipe to it. A predecessor of an earlier version
/// names no pipe, and an earlier version skips each word that begins with [`EARLIER`].
fn parse_earlier(word: &[u8]) -> Option<(Pid, c_int)> {
    let word = core::str::from_utf8(word).ok()?;
    let (pid, pipe) = word.strip_prefix(EARLIER)?.split_once(PIPE)?;
    Some((Pid::from_raw(number(pid.as_bytes())?)?, number(pipe.as_bytes())?))
}

/// The mark after the number of a socket that belongs to the service manager.
const MANAGED: &str = "m";

/// The mark between the number of a Unix socket, and the device and the inode of its file.
const FILE: u8 = b':';

/// The device and the inode of a file.
type Identity = (u64, u64);

/// Parses the word of a socket: its number, whether it belongs to the service manager, and the identity of its file. A
/// predecessor of an earlier version names no file.
fn parse_listener(word: &[u8]) -> Option<(c_int, bool, Option<Identity>)> {
    let mut parts = word.split(|&byte| byte == FILE);
    let first = parts.next()?;
    let file = match (parts.next(), parts.next(), parts.next()) {
        (None, ..) => None,
        (Some(device), Some(inode), None) => Some((number(device)?, number(inode)?)),
        _ => return None,
    };
    let managed = first.strip_suffix(MANAGED.as_bytes());
    Some((number(managed.unwrap_or(first))?, managed.is_some(), file))
}

impl<'a, L: Iterator<Item = (BorrowedFd<'a>, bool, Option<Identity>)> + Clone> fmt::Display for Passed<'a, L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let pidfile = self.pidfile.map_or(0, BorrowedFd::raw);
        write!(f, "{},{},{pidfile}", self.successor, self.ready.raw())?;
        let mut listeners = self.listeners.clone();
        listeners.try_for_each(|(listener, managed, file)| {
            write!(f, ",{}{}", listener.raw(), if managed { MANAGED } else { "" })?;
            file.map_or(Ok(()), |(device, inode)| write!(f, "{0}{device}{0}{inode}", char::from(FILE)))
        })?;
        let earlier = self.earlier.iter().map(|server| (server.pid, server.pipe.as_fd()));
        let mut servers = earlier.chain([(self.predecessor, self.orders)]);
        servers.try_for_each(|(pid, pipe)| write!(f, ",{EARLIER}{pid}{PIPE}{}", pipe.raw()))
    }
}

/// A socket that was passed.
#[derive(Debug)]
pub(crate) struct Socket {
    /// The socket.
    pub(crate) fd: OwnedFd,
    /// Whether others may have the socket, for example the service manager.
    pub(crate) is_shared: bool,
    /// The identity of the file of a Unix socket that the first of these servers has made, if it is known.
    pub(crate) file: Option<Identity>,
}

/// The descriptors that a successor finds.
#[derive(Debug)]
pub(crate) struct Found<L> {
    /// The pipe through which this server says that it is ready.
    pub(crate) ready: OwnedFd,
    /// The pidfile, which is locked.
    pub(crate) pidfile: Option<OwnedFd>,
    /// The predecessor and the servers before it that have not ended.
    pub(crate) earlier: EarlierServers,
    /// The sockets.
    pub(crate) listeners: L,
}

/// Whether a server has started this process as its successor. Returns false where other threads exist, or have
/// existed, because such a thread might be changing the environment. So ask at the start of main.
#[must_use]
pub fn is_successor() -> bool {
    passed_by_predecessor().is_some()
}

/// Takes the descriptors that the predecessor has passed, if [`RESTART_VARIABLE`] names this process. The descriptors
/// can be taken once, even if the predecessor has been killed since. Fails with `EBADF` when a descriptor was taken
/// before, or when the variable is malformed.
pub(crate) fn take_restart(
    inherited: &mut Inherited,
) -> Result<Option<Found<impl Iterator<Item = Result<Socket>> + use<'_>>>> {
    let Some(mut words) = passed_by_predecessor() else { return Ok(None) };
    let mut next = || words.next().and_then(number::<c_int>).ok_or(Errno::BADF);
    let [ready, pidfile] = [next()?, next()?];
    let ready = inherited.take(ready)?;
    let pidfile = if pidfile == 0 { None } else { Some(inherited.take(pidfile)?) };
    let mut earlier = EarlierServers::default();
    for (pid, number) in passed_by_predecessor().into_iter().flatten().filter_map(parse_earlier) {
        // Without the pipe this server can serve all the same.
        let _ = inherited.take(number).map(|pipe| earlier.add(EarlierServer { pid, pipe }));
    }
    let listeners = words.filter(|word| !word.starts_with(EARLIER.as_bytes())).map(|word| {
        let (number, is_shared, file) = parse_listener(word).ok_or(Errno::BADF)?;
        Ok(Socket { fd: inherited.take(number)?, is_shared, file })
    });
    Ok(Some(Found { ready, pidfile, earlier, listeners }))
}

#[cfg(test)]
mod tests;
