//! `OwnFile`: a file that the server makes for itself, in a directory to which other users may be able to write.

use core::ffi::{CStr, c_uint};

use crate::sys::errno::Errno;
use crate::sys::fd::{AsFd, BorrowedFd, OwnedFd};
use crate::sys::fs::{FlockFlags, OpenFlags, flock, fstat, lstat, open, unlink};
use crate::sys::user::geteuid;

/// A file of this process's user, which is locked for as long as any process has it open.
#[derive(Debug)]
pub(super) struct OwnFile(OwnedFd);

/// The reason why the file could not be taken.
pub(super) enum Problem {
    /// A call failed.
    System(Errno),
    /// The file at the path is not fit, for this reason.
    Unfit(&'static str),
    /// Another process has locked the file.
    Locked(OwnedFd),
}

impl From<Errno> for Problem {
    fn from(errno: Errno) -> Problem {
        Problem::System(errno)
    }
}

impl OwnFile {
    /// Opens the file, or makes it, and locks it. Refuses a file that another user may have put there: a symbolic link,
    /// a hard link, a file of another user, or a device.
    pub(super) fn lock(path: &CStr, mode: c_uint) -> Result<OwnFile, Problem> {
        // NONBLOCK is for a FIFO, whose open would otherwise wait.
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
            // The process that held the lock may have removed the name between our open and our lock. In that case,
            // begin anew.
            if file.is_at(path) {
                // Check the content only once the path is known to be a name of the file.
                let has_one_name = fstat(&file)?.links() == 1;
                return if has_one_name { Ok(file) } else { Err(Problem::Unfit("this file has another name, too")) };
            }
        }
    }

    /// Returns a file that a predecessor has locked and passed to this process.
    pub(super) const fn inherited(fd: OwnedFd) -> OwnFile {
        OwnFile(fd)
    }

    /// Whether the path leads to this file. In another root directory, the path may lead to another file.
    fn is_at(&self, path: &CStr) -> bool {
        fstat(&self.0).is_ok_and(|own| lstat(path).is_ok_and(|now| now.identity() == own.identity()))
    }

    /// Removes the file while it is still locked. Returns false if the path leads to another file, which stays.
    pub(super) fn remove(&self, path: &CStr) -> bool {
        self.is_at(path) && unlink(path).is_ok()
    }
}

impl AsFd for OwnFile {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}
