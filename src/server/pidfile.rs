//! `PidFile`: the file with the process id of the server.

use core::ffi::{CStr, c_uint};

use super::error::{Error, Reason, Result};
use super::own_file::{OwnFile, PID_MAX, Problem, REPLACEABLE};
use crate::program::text::Text;
use crate::sys::errno::{self, Errno};
use crate::sys::fd::{AsFd, BorrowedFd, OwnedFd, lseek, read, write_all};
use crate::sys::fs::{fchmod, ftruncate};
use crate::sys::process::Pid;

/// A file with the server's process id. The file is locked while the server lives, so that a second server is refused.
#[derive(Debug)]
pub(super) struct PidFile<'a> {
    path: &'a CStr,
    file: OwnFile,
}

/// The mode of a new file. A user who may read the file may also lock it, and so keep the next server from starting.
const MODE: c_uint = 0o600;

impl<'a> PidFile<'a> {
    pub(super) fn create(path: &'a CStr, pid: Pid) -> Result<PidFile<'a>> {
        let name = path.to_bytes().escape_ascii();
        let fail = |errno, hint| failed(path, errno, hint);
        let file = OwnFile::lock(path, MODE).map_err(|problem| match problem {
            Problem::System(errno) => fail(errno, "choose a file in a directory that the server may write to"),
            Problem::Unfit(reason) => {
                Error::new(format_args!("pidfile {name}"), Reason::State(reason), "remove it, or choose another")
            }
            Problem::Replaceable(directory) => {
                let (reason, hint) = REPLACEABLE;
                Error::new(format_args!("pidfile {name}: {}", directory.as_str()), Reason::State(reason), hint)
            }
            Problem::Locked(fd) => held(path, &fd),
        })?;
        let pidfile = PidFile { path, file };
        match pidfile.name(pid) {
            Ok(()) => Ok(pidfile),
            Err(error) => {
                pidfile.remove();
                Err(error)
            }
        }
    }

    /// Writes the id of the process that serves, before it serves.
    pub(super) fn name(&self, pid: Pid) -> Result<()> {
        self.write(pid).map_err(|errno| failed(self.path, errno, "the server's id could not be written to it"))
    }

    /// Takes over the file of the predecessor, with its lock.
    pub(super) fn inherit(path: &'a CStr, fd: OwnedFd) -> PidFile<'a> {
        let pidfile = PidFile { path, file: OwnFile::inherited(fd) };
        // An earlier version of the server, or the operator, may have given permissions to other users. A server that
        // has become another user cannot take them, and serves all the same.
        let _ = fchmod(&pidfile.file, MODE);
        pidfile
    }

    /// Writes a process id to the file.
    pub(super) fn write(&self, pid: Pid) -> errno::Result<()> {
        let id = Text::<PID_MAX>::of(format_args!("{pid}\n"));
        // The id is written by one write, with newlines in place of a longer old id. The length is set afterwards. So a
        // reader finds one id at any time.
        let mut text = [b'\n'; PID_MAX];
        text.iter_mut().zip(id.as_bytes()).for_each(|(place, byte)| *place = *byte);
        lseek(&self.file, 0)?;
        write_all(&self.file, &text)?;
        ftruncate(&self.file, i64::try_from(id.len()).unwrap_or(i64::MAX))
    }

    /// Removes the file. If the server can no longer remove the file, for example inside a root directory, it leaves
    /// the file empty.
    pub(super) fn remove(self) {
        if !self.file.remove(self.path) {
            // If ftruncate() fails, the old id stays in a file that is no longer locked.
            let _ = ftruncate(&self.file, 0);
        }
    }
}

impl AsFd for PidFile<'_> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}

/// Returns the error of a call on the file.
fn failed(path: &CStr, errno: Errno, hint: &'static str) -> Error {
    Error::new(format_args!("pidfile {}", path.to_bytes().escape_ascii()), Reason::System(errno), hint)
}

/// Returns the error of a file that another server has locked.
fn held(path: &CStr, fd: &OwnedFd) -> Error {
    let mut buffer = [0; PID_MAX];
    let length = read(fd, &mut buffer).unwrap_or(0);
    let pid = buffer.get(..length).unwrap_or_default().trim_ascii().escape_ascii();
    Error::new(
        format_args!("pidfile {} of process {pid}", path.to_bytes().escape_ascii()),
        Reason::State("a server that runs has locked it"),
        "stop that one first, or choose another file",
    )
}

#[cfg(test)]
mod tests;
