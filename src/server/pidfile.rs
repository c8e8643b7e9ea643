//! The file that says which process the server is.

use core::ffi::CStr;

use super::error::{Error, Reason, Result};
use crate::program::text::Text;
use crate::sys::errno::{self, Errno};
use crate::sys::fd::{AsFd, BorrowedFd, OwnedFd, lseek, read, write_all};
use crate::sys::fs::{self, FlockFlags, OpenFlags, flock, fstat, ftruncate, open, unlink};
use crate::sys::process::Pid;

/// A file that holds the server's id and is locked for as long as the server lives, so that a second one is told.
#[derive(Debug)]
pub(super) struct PidFile<'a> {
    path: &'a CStr,
    fd: OwnedFd,
}

/// What a new file may be used for.
const MODE: core::ffi::c_uint = 0o644;
/// The most digits of an id, and a newline.
const PID_MAX: usize = 16;

impl<'a> PidFile<'a> {
    pub(super) fn create(path: &'a CStr, pid: Pid) -> Result<PidFile<'a>> {
        let fail = |errno, hint| {
            let path = path.to_bytes().escape_ascii();
            Error::new(format_args!("pidfile {path}"), Reason::System(errno), hint)
        };
        let flags = OpenFlags::RDWR | OpenFlags::CREAT | OpenFlags::CLOEXEC | OpenFlags::NOFOLLOW;
        loop {
            // A FIFO is not waited for.
            let fd = open(path, flags | OpenFlags::NONBLOCK, MODE)
                .map_err(|errno| fail(errno, "choose a file in a directory that the server may write to"))?;
            let found = fstat(&fd).map_err(|errno| fail(errno, ""))?;
            if !found.is_regular() {
                let path = path.to_bytes().escape_ascii();
                let reason = Reason::State("this is not a regular file");
                return Err(Error::new(format_args!("pidfile {path}"), reason, "choose another"));
            }
            match flock(&fd, FlockFlags::EX | FlockFlags::NB) {
                Ok(()) => {}
                Err(Errno::WOULDBLOCK) => return Err(held(path, &fd)),
                Err(errno) => return Err(fail(errno, "")),
            }
            // The server that had it may have removed the name between our open and our lock: then begin anew.
            let is_ours = fs::stat(path).is_ok_and(|now| now.identity() == found.identity());
            if is_ours {
                let pidfile = PidFile { path, fd };
                return match pidfile.write(pid) {
                    Ok(()) => Ok(pidfile),
                    Err(errno) => {
                        pidfile.remove();
                        Err(fail(errno, "the server's id could not be written to it"))
                    }
                };
            }
        }
    }

    /// Takes over the file of the server whose place this one takes, with its lock.
    pub(super) const fn inherit(path: &'a CStr, fd: OwnedFd) -> PidFile<'a> {
        PidFile { path, fd }
    }

    /// Writes another id to it.
    pub(super) fn write(&self, pid: Pid) -> errno::Result<()> {
        let text = Text::<PID_MAX>::of(format_args!("{pid}\n"));
        // In one call, and shortened only afterwards: who reads it meanwhile finds one of the two.
        lseek(&self.fd, 0)?;
        write_all(&self.fd, text.as_bytes())?;
        ftruncate(&self.fd, i64::try_from(text.len()).unwrap_or(i64::MAX))
    }

    /// Removes the file, before it is unlocked. Where that is not allowed any more, it is left empty.
    pub(super) fn remove(self) {
        if unlink(self.path).is_err() {
            // Somebody else may have removed it already.
            let _ = ftruncate(&self.fd, 0);
        }
    }
}

impl AsFd for PidFile<'_> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
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
