//! `OwnFile`: a file that the server makes for itself, in a directory in which others may be able to write.

use core::ffi::{CStr, c_uint};

use crate::sys::errno::Errno;
use crate::sys::fd::{AsFd, BorrowedFd, OwnedFd};
use crate::sys::fs::{FlockFlags, OpenFlags, flock, fstat, lstat, open, unlink};
use crate::sys::user::geteuid;

/// A file of this process's user, which is locked for as long as any process has it open.
#[derive(Debug)]
pub(super) struct OwnFile(OwnedFd);

/// The reason why there is no such file.
pub(super) enum Problem {
    /// A call failed.
    System(Errno),
    /// The file at the path is not fit, for this reason.
    Unfit(&'static str),
    /// Another process has locked it.
    Locked(OwnedFd),
}

impl From<Errno> for Problem {
    fn from(errno: Errno) -> Problem {
        Problem::System(errno)
    }
}

impl OwnFile {
    /// Opens the file, or makes it, and locks it. Refuses a file that another user may have put there: a link, a hard
    /// link to another file, a file of another user, a device.
    pub(super) fn lock(path: &CStr, mode: c_uint) -> Result<OwnFile, Problem> {
        // A FIFO is not waited for.
        let flags = OpenFlags::RDWR | OpenFlags::CREAT | OpenFlags::CLOEXEC | OpenFlags::NOFOLLOW;
        loop {
            let file = OwnFile(open(path, flags | OpenFlags::NONBLOCK, mode)?);
            let found = fstat(&file)?;
            if !found.is_regular() {
                return Err(Problem::Unfit("this is not a regular file"));
            }
            if found.uid() != geteuid() {
                return Err(Problem::Unfit("this file belongs to another user"));
            }
            match flock(&file, FlockFlags::EX | FlockFlags::NB) {
                Ok(()) => {}
                Err(Errno::WOULDBLOCK) => return Err(Problem::Locked(file.0)),
                Err(errno) => return Err(errno.into()),
            }
            // The process that had it may have removed the name between our open and our lock: then begin anew.
            if file.is_at(path) {
                // This is asked only now that the path is known to be a name of the file.
                let has_one_name = fstat(&file)?.links() == 1;
                return if has_one_name { Ok(file) } else { Err(Problem::Unfit("this file has another name, too")) };
            }
        }
    }

    /// A file that another process has locked for this one.
    pub(super) const fn inherited(fd: OwnedFd) -> OwnFile {
        OwnFile(fd)
    }

    /// Whether the path leads to this file. In another root directory it may lead to another one.
    fn is_at(&self, path: &CStr) -> bool {
        fstat(&self.0).is_ok_and(|own| lstat(path).is_ok_and(|now| now.identity() == own.identity()))
    }

    /// Removes the file, before it is unlocked, and returns whether that was done: not where the path leads to another.
    pub(super) fn remove(&self, path: &CStr) -> bool {
        self.is_at(path) && unlink(path).is_ok()
    }
}

impl AsFd for OwnFile {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}
