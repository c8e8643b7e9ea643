//! `--status`: the scoreboard of another process, as a table.

use core::ffi::CStr;
use core::fmt;
use core::time::Duration;

use super::error::{Error, Reason, Result};
use super::log::Seconds;
use super::scoreboard::{NAME, Reader, State};
use crate::program::text::Text;
use crate::sys::errno::{self, Errno};
use crate::sys::fd::{self, AsFd, OwnedFd, STDOUT, isatty, read};
use crate::sys::fs::{OpenFlags, open, readlink};
use crate::sys::process::{Pid, exists};
use crate::sys::time::{Clock, clock_gettime, nanosleep};

/// The longest line.
const LINE_MAX: usize = 256;
/// The longest path in `/proc`, and the longest link there that is compared.
const PATH_MAX: usize = 64;
/// The number of descriptors among which the scoreboard is looked for. A server makes it soon after its start, and so it
/// has one of the lowest.
const DESCRIPTORS: u32 = 256;
/// The time between two tables with `--watch`.
const EVERY: Duration = Duration::from_secs(1);
/// Makes a terminal write from its top left corner on, and clears it.
const CLEAR: &[u8] = b"\x1b[H\x1b[J";

/// Prints the status of the server with this pidfile to standard output: a line about the server, and one for each child.
/// After a restart it does so for each earlier server that still has clients.
/// With `watch` it does so every second, until the server is gone.
///
/// # Errors
/// The file or the server does not exist, or this process may not look into that of the server.
pub fn show(pidfile: &CStr, watch: bool) -> Result<()> {
    let file = pidfile.to_bytes().escape_ascii();
    let fail = |errno| Error::new(format_args!("pidfile {file}"), Reason::System(errno), "name that of the server");
    let pid = read_pid(pidfile).map_err(fail)?;
    let no_server =
        |hint| Error::new(format_args!("process {pid}"), Reason::State("this is no mpserv that serves"), hint);
    if !exists(pid) {
        return Err(no_server("it has ended"));
    }
    let scoreboard = find_scoreboard(pid).map_err(|errno| match errno {
        Errno::NOENT => no_server("name the pidfile of a server"),
        errno => {
            let hint = "look as root, or as the server's user";
            Error::new(format_args!("cannot look into process {pid}"), Reason::System(errno), hint)
        }
    })?;
    let is_terminal = isatty(STDOUT);
    loop {
        let shown = (|| {
            if watch && is_terminal {
                fd::write_all(STDOUT, CLEAR)?;
            }
            table(&scoreboard, pid)?;
            earlier_tables(&scoreboard)
        })();
        shown.map_err(|errno| Error::new(format_args!("cannot show the status"), Reason::System(errno), ""))?;
        if !watch || !exists(pid) {
            return Ok(());
        }
        nanosleep(EVERY);
    }
}

/// Prints the tables of the earlier servers that have not ended yet.
fn earlier_tables(scoreboard: &OwnedFd) -> errno::Result<()> {
    let earlier = Reader::new(scoreboard.as_fd())?.head().earlier;
    // A process of another program may have the id by now.
    let servers = earlier.into_iter().flatten().filter_map(|pid| find_scoreboard(pid).ok().map(|board| (board, pid)));
    servers.into_iter().try_for_each(|(board, pid)| {
        fd::write_all(STDOUT, EARLIER_NOTE)?;
        table(&board, pid)
    })
}

/// Stands before the table of an earlier server.
const EARLIER_NOTE: &[u8] = b"\nBefore the restart, for its last clients:\n";

fn read_pid(pidfile: &CStr) -> errno::Result<Pid> {
    let file = open(pidfile, OpenFlags::RDONLY | OpenFlags::CLOEXEC | OpenFlags::NONBLOCK, 0)?;
    let mut text = [0; PATH_MAX];
    let length = read(&file, &mut text)?;
    let number = core::str::from_utf8(text.get(..length).unwrap_or_default())
        .ok()
        .and_then(|text| text.trim_ascii().parse().ok());
    number.and_then(Pid::from_raw).ok_or(Errno::INVAL)
}

/// Opens the scoreboard of another process. `ENOENT` if it has none.
fn find_scoreboard(pid: Pid) -> errno::Result<OwnedFd> {
    let mut result = Err(Errno::NOENT);
    // The link may have become another one's meanwhile: a FIFO is not waited for.
    let flags = OpenFlags::RDONLY | OpenFlags::CLOEXEC | OpenFlags::NONBLOCK;
    for descriptor in 0..DESCRIPTORS {
        let path = Text::<PATH_MAX>::of(format_args!("/proc/{pid}/fd/{descriptor}\0"));
        let path = CStr::from_bytes_with_nul(path.as_bytes()).unwrap_or_default();
        let mut buffer = [0; PATH_MAX];
        match readlink(path, &mut buffer) {
            Ok(target) if is_scoreboard(target) => return open(path, flags, 0),
            Ok(_) | Err(Errno::NOENT) => {}
            Err(errno) => result = Err(errno),
        }
    }
    result
}

/// Whether the target of a link in `/proc` is a scoreboard.
fn is_scoreboard(target: &[u8]) -> bool {
    target.strip_prefix(b"/memfd:").and_then(|name| name.strip_suffix(b" (deleted)")) == Some(NAME.to_bytes())
}

/// Prints the table.
fn table(scoreboard: &OwnedFd, pid: Pid) -> errno::Result<()> {
    let print = |line: fmt::Arguments<'_>| fd::write_all(STDOUT, Text::<LINE_MAX>::of(line).as_bytes());
    // The slots are read once to count them, and once to show them.
    let mut reader = Reader::new(scoreboard.as_fd())?;
    let head = *reader.head();
    let (mut serving, mut idle, mut accepted, mut refused) = (0_u32, 0_u32, head.accepted, head.refused);
    while let Some(slot) = reader.next()? {
        serving += u32::from(slot.state().has_client());
        idle += u32::from(slot.state() == State::Idle);
        let [more_accepted, more_refused] = slot.counted();
        accepted = accepted.saturating_add(more_accepted);
        refused = refused.saturating_add(more_refused);
    }
    let now = clock_gettime(Clock::MONOTONIC);
    let mut reader = Reader::new(scoreboard.as_fd())?;
    print(format_args!(
        "mpserv {pid}: {serving} of {} serving, {idle} idle, {accepted} accepted, {refused} refused, up {} s\n",
        head.limit,
        Seconds(now.saturating_sub(head.started))
    ))?;
    print(format_args!("{:>8}  {:<8} {:>10} {:>12}  CLIENT\n", "PID", "STATE", "SERVED", "SECONDS"))?;
    while let Some(slot) = reader.next()? {
        let Some(child) = slot.pid().filter(|_| slot.state() != State::Free) else { continue };
        let seconds = Text::<PATH_MAX>::of(format_args!("{}", Seconds(now.saturating_sub(slot.since()))));
        let client = match slot.state() {
            state if state.has_client() => Text::<PATH_MAX>::of(format_args!("{}", slot.peer())),
            _ => Text::new(),
        };
        print(format_args!(
            "{:>8}  {:<8} {:>10} {:>12}  {}\n",
            child.raw(),
            slot.state().name(),
            slot.requests(),
            seconds.as_str(),
            client.as_str()
        ))?;
    }
    Ok(())
}
