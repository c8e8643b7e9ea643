//! The file that says which process the server is.

use core::ffi::{CStr, c_uint};

use super::error::{Error, Reason, Result};
use super::own_file::{OwnFile, Problem};
use crate::program::text::Text;
use crate::sys::errno;
use crate::sys::fd::{AsFd, BorrowedFd, OwnedFd, lseek, read, write_all};
use crate::sys::fs::ftruncate;
use crate::sys::process::Pid;

/// A file that holds the server's id and is locked for as long as the server lives, so that a second one is told.
#[derive(Debug)]
pub(super) struct PidFile<'a> {
    path: &'a CStr,
    file: OwnFile,
}

/// The mode of a new file.
const MODE: c_uint = 0o644;
/// The most digits of an id, and a newline.
const PID_MAX: usize = 16;

impl<'a> PidFile<'a> {
    pub(super) fn create(path: &'a CStr, pid: Pid) -> Result<PidFile<'a>> {
        let name = path.to_bytes().escape_ascii();
        let fail = |errno, hint| Error::new(format_args!("pidfile {name}"), Reason::System(errno), hint);
        let file = OwnFile::lock(path, MODE).map_err(|problem| match problem {
            Problem::System(errno) => fail(errno, "choose a file in a directory that the server may write to"),
            Problem::Unfit(reason) => {
                Error::new(format_args!("pidfile {name}"), Reason::State(reason), "remove it, or choose another")
            }
            Problem::Locked(fd) => held(path, &fd),
        })?;
        let pidfile = PidFile { path, file };
        match pidfile.write(pid) {
            Ok(()) => Ok(pidfile),
            Err(errno) => {
                pidfile.remove();
                Err(fail(errno, "the server's id could not be written to it"))
            }
        }
    }

    /// Takes over the file of the server whose place this one takes, with its lock.
    pub(super) const fn inherit(path: &'a CStr, fd: OwnedFd) -> PidFile<'a> {
        PidFile { path, file: OwnFile::inherited(fd) }
    }

    /// Writes another id to it.
    pub(super) fn write(&self, pid: Pid) -> errno::Result<()> {
        let text = Text::<PID_MAX>::of(format_args!("{pid}\n"));
        // In one call, and shortened only afterwards: who reads it meanwhile finds one of the two.
        lseek(&self.file, 0)?;
        write_all(&self.file, text.as_bytes())?;
        ftruncate(&self.file, i64::try_from(text.len()).unwrap_or(i64::MAX))
    }

    /// Removes the file. Where the server cannot do that any more, as inside a root directory, the file is left empty.
    pub(super) fn remove(self) {
        if !self.file.remove(self.path) {
            // Somebody else may have removed it already.
            let _ = ftruncate(&self.file, 0);
        }
    }
}

impl AsFd for PidFile<'_> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}

/// The error for a file that another server has locked.
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
