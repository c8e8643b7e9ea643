//! `--status`: the scoreboard of another process, as a table or as JSON.
//!
//! # Example
//! ```no_run
//! use mpserv::server::status::{StatusFormat, show};
//!
//! show(c"/run/hello.pid", StatusFormat::Json, false)?;
//! # Ok::<(), mpserv::server::Error>(())
//! ```

use core::ffi::CStr;
use core::fmt;
use core::time::Duration;

use super::connection::Peer;
use super::error::{Error, Reason, Result};
use super::scoreboard::{NAME, Reader, Slot, State};
use crate::program::text::Text;
use crate::sys::errno::{self, Errno};
use crate::sys::fd::{self, AsFd, OwnedFd, STDOUT, isatty, read};
use crate::sys::fs::{OpenFlags, fstat, open, readlink};
use crate::sys::process::{Pid, exists};
use crate::sys::time::{Clock, clock_gettime, nanosleep};

mod json;
mod table;

/// The longest text that is written at once.
const PIECE_MAX: usize = 256;
/// The most bytes of a path in `/proc`, and of a link there.
const PATH_MAX: usize = 64;
/// The number of free numbers in a row after which the search for the scoreboard's descriptor ends. When the server made
/// the scoreboard, all lower numbers were in use, and the server has closed few of those descriptors since.
const FREE_IN_A_ROW: u32 = 256;
/// The time between two tables with `--watch`.
const EVERY: Duration = Duration::from_secs(1);
/// The hint to a user who may not look into the server.
const LOOK_AS: &str = "look as root, or as the server's user";
/// The text that moves the cursor of a terminal to the top left corner and clears the terminal.
const CLEAR: &[u8] = b"\x1b[H\x1b[J";

/// The format of a status.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum StatusFormat {
    /// A line about the server, and a line for each child. A table for each earlier server follows.
    Table,
    /// One JSON object on one line, with an array of the children and an array of the earlier servers.
    Json,
}

/// Prints the status of the server with this pidfile to standard output, in this format.
///
/// After a restart, also prints the status of each earlier server that still has clients, or of the newest
/// [`EARLIER_MAX`](super::limits::EARLIER_MAX) if there are more. With `watch`, prints the status every second until the
/// server has ended.
///
/// # Errors
/// An error if the file or the server does not exist, or if this process may not look into the server's process.
pub fn show(pidfile: &CStr, format: StatusFormat, watch: bool) -> Result<()> {
    let file = pidfile.to_bytes().escape_ascii();
    let fail = |errno| {
        let (reason, hint) = match errno {
            Errno::INVAL => {
                (Reason::State("it holds no process id"), "an empty pidfile means that its server has stopped")
            }
            Errno::ACCES => (Reason::System(errno), LOOK_AS),
            errno => (Reason::System(errno), "name that of the server"),
        };
        Error::new(format_args!("pidfile {file}"), reason, hint)
    };
    let pid = read_pid(pidfile).map_err(fail)?;
    let no_server =
        |hint| Error::new(format_args!("process {pid}"), Reason::State("this is no mpserv that serves"), hint);
    if has_ended(pid) {
        return Err(no_server("it has ended"));
    }
    let scoreboard = find_scoreboard(pid).map_err(|errno| match errno {
        Errno::NOENT => no_server("name the pidfile of a server"),
        errno => Error::new(format_args!("cannot look into process {pid}"), Reason::System(errno), LOOK_AS),
    })?;
    let is_terminal = isatty(STDOUT);
    loop {
        let shown = match format {
            StatusFormat::Table if watch && is_terminal => {
                fd::write_all(STDOUT, CLEAR).and_then(|()| table::print_all(&scoreboard, pid))
            }
            StatusFormat::Table => table::print_all(&scoreboard, pid),
            StatusFormat::Json => json::print_all(&scoreboard, pid),
        };
        shown.map_err(cannot_show)?;
        if !watch {
            return Ok(());
        }
        nanosleep(EVERY);
        if has_ended(pid) {
            // A reader of JSON sees the end of the lines.
            let said =
                if format == StatusFormat::Table { print(format_args!("mpserv {pid} has ended\n")) } else { Ok(()) };
            return said.map_err(cannot_show);
        }
    }
}

fn cannot_show(errno: Errno) -> Error {
    Error::new(format_args!("cannot show the status"), Reason::System(errno), "")
}

/// Whether a process has ended. Its parent may not have reaped it yet, so that it is a zombie.
fn has_ended(pid: Pid) -> bool {
    let path = Text::<PATH_MAX>::of(format_args!("/proc/{pid}/stat\0"));
    let path = CStr::from_bytes_with_nul(path.as_bytes()).unwrap_or_default();
    let mut text = [0; PIECE_MAX];
    let length = open(path, OpenFlags::RDONLY | OpenFlags::CLOEXEC, 0).and_then(|file| read(&file, &mut text));
    // The name of the process stands in parentheses, and may have some itself. Its state follows.
    let state = text.get(..length.unwrap_or(0)).unwrap_or_default().rsplit(|byte| *byte == b')').next();
    state.is_some_and(|state| state.starts_with(b" Z") || state.starts_with(b" X")) || !exists(pid)
}

fn read_pid(pidfile: &CStr) -> errno::Result<Pid> {
    let file = open_regular(pidfile)?;
    let mut text = [0; PATH_MAX];
    let length = read(&file, &mut text)?;
    let number = core::str::from_utf8(text.get(..length).unwrap_or_default())
        .ok()
        .and_then(|text| text.trim_ascii().parse().ok());
    number.and_then(Pid::from_raw).ok_or(Errno::INVAL)
}

/// Opens the scoreboard of another process. Fails with `ENOENT` if the process has no scoreboard.
fn find_scoreboard(pid: Pid) -> errno::Result<OwnedFd> {
    let mut result = Err(Errno::NOENT);
    let (mut descriptor, mut free) = (0_u32, 0);
    while free < FREE_IN_A_ROW {
        let path = Text::<PATH_MAX>::of(format_args!("/proc/{pid}/fd/{descriptor}\0"));
        let path = CStr::from_bytes_with_nul(path.as_bytes()).unwrap_or_default();
        let mut buffer = [0; PATH_MAX];
        match readlink(path, &mut buffer) {
            Ok(target) if is_scoreboard(target) => return open_regular(path),
            // `/proc` does not show a path that is longer than a page.
            Ok(_) | Err(Errno::NAMETOOLONG) => free = 0,
            Err(Errno::NOENT) => free += 1,
            Err(errno) => (result, free) = (Err(errno), free + 1),
        }
        descriptor += 1;
    }
    result
}

/// Opens a file to read it, if it is a regular one. The descriptor in `/proc` may belong to another file by now, and the
/// directory of the pidfile to another user. The open of a device may have an effect, and that of a FIFO may wait.
fn open_regular(path: &CStr) -> errno::Result<OwnedFd> {
    let found = open(path, OpenFlags::PATH | OpenFlags::CLOEXEC, 0)?;
    if !fstat(&found)?.is_regular() {
        return Err(Errno::NOENT);
    }
    let own = Text::<PATH_MAX>::of(format_args!("/proc/self/fd/{}\0", found.raw()));
    open(CStr::from_bytes_with_nul(own.as_bytes()).unwrap_or_default(), OpenFlags::RDONLY | OpenFlags::CLOEXEC, 0)
}

/// Whether the target of a link in `/proc` is a scoreboard.
fn is_scoreboard(target: &[u8]) -> bool {
    target.strip_prefix(b"/memfd:").and_then(|name| name.strip_suffix(b" (deleted)")) == Some(NAME.to_bytes())
}

/// The status of a server as a whole.
struct Summary {
    limit: u64,
    /// The number of children that have a client.
    serving: u32,
    /// The number of children that wait for a client.
    idle: u32,
    accepted: u64,
    refused: u64,
    uptime: Duration,
}

impl Summary {
    fn read(scoreboard: &OwnedFd) -> errno::Result<Summary> {
        let mut reader = Reader::new(scoreboard.as_fd())?;
        let head = *reader.head();
        let uptime = clock_gettime(Clock::MONOTONIC).saturating_sub(head.started);
        let (limit, accepted, refused) = (head.limit, head.accepted, head.refused);
        let mut summary = Summary { limit, serving: 0, idle: 0, accepted, refused, uptime };
        while let Some(slot) = reader.next()? {
            summary.serving += u32::from(slot.state().has_client());
            summary.idle += u32::from(slot.state() == State::Idle);
            let [accepted, refused] = slot.counted();
            summary.accepted = summary.accepted.saturating_add(accepted);
            summary.refused = summary.refused.saturating_add(refused);
        }
        Ok(summary)
    }
}

/// The status of a child.
struct ChildStatus {
    pid: Pid,
    state: &'static str,
    served: u64,
    /// The time since the state began.
    time: Duration,
    client: Option<Peer>,
}

impl ChildStatus {
    fn of(slot: Slot<'_>) -> Option<ChildStatus> {
        let state = slot.state();
        Some(ChildStatus {
            pid: slot.pid()?,
            state: state.name(),
            served: slot.requests(),
            time: clock_gettime(Clock::MONOTONIC).saturating_sub(slot.since()),
            client: state.has_client().then(|| slot.peer()),
        })
    }
}

/// Passes each child of a server to `show`.
fn each_child(scoreboard: &OwnedFd, mut show: impl FnMut(ChildStatus) -> errno::Result<()>) -> errno::Result<()> {
    let mut reader = Reader::new(scoreboard.as_fd())?;
    while let Some(slot) = reader.next()? {
        if let Some(child) = ChildStatus::of(slot) {
            show(child)?;
        }
    }
    Ok(())
}

/// Returns the scoreboards of the earlier servers that have not ended yet, except those of another form, which another
/// version has made.
fn earlier(scoreboard: &OwnedFd) -> errno::Result<impl Iterator<Item = (OwnedFd, Pid)>> {
    let earlier = Reader::new(scoreboard.as_fd())?.head().earlier;
    // A process of another program may have the id by now.
    let boards = earlier.into_iter().flatten().filter_map(|pid| find_scoreboard(pid).ok().map(|board| (board, pid)));
    Ok(boards.filter(|(board, _)| Reader::new(board).is_ok()))
}

/// Prints a text to standard output, cut to [`PIECE_MAX`] bytes.
fn print(text: fmt::Arguments<'_>) -> errno::Result<()> {
    fd::write_all(STDOUT, Text::<PIECE_MAX>::of(text).as_bytes())
}

#[cfg(test)]
mod tests;
