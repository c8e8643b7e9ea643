//! `OwnFile`: a file that the server makes for itself, in a directory to which other users may be able to write.

use core::ffi::{CStr, c_uint};

use super::limits::ERROR_MAX;
use super::path::find_replaceable;
use crate::program::text::Text;
use crate::sys::errno::{self, Errno};
use crate::sys::fd::{AsFd, BorrowedFd, OwnedFd, read_all};
use crate::sys::fs::{FlockFlags, OpenFlags, flock, fstat, lstat, open, unlink};
use crate::sys::user::geteuid;

/// The most digits of an id, and a newline.
pub(super) const PID_MAX: usize = 16;

/// A file of this process's user, which is locked for as long as any process has it open.
#[derive(Debug)]
pub(super) struct OwnFile(OwnedFd);

/// The reason why the file could not be made.
pub(super) enum Problem {
    /// A call failed.
    System(Errno),
    /// There is a file at the path that is not fit, for this reason.
    Unfit(&'static str),
    /// Another user can replace this directory on the way to the file.
    Replaceable(Text<ERROR_MAX>),
    /// Another process has locked the file.
    Locked(OwnedFd),
}

/// The reason why the server makes no file in a directory, and a hint.
pub(super) const REPLACEABLE: (&str, &str) = (
    "another user can replace this directory",
    "choose a path on which only root, or the user of this server, can write to the directories above the last",
);

impl From<Errno> for Problem {
    fn from(errno: Errno) -> Problem {
        Problem::System(errno)
    }
}

impl OwnFile {
    /// Makes the file, and locks it. An earlier server's file is removed first, and never written to: another user may
    /// have put a name of another program's file there, or have given the file a further name elsewhere. Refuses anything
    /// else at the path: a symbolic link, a file of another user, a device, and a file that holds something else than an
    /// id.
    pub(super) fn lock(path: &CStr, mode: c_uint) -> Result<OwnFile, Problem> {
        if let Some(directory) = find_replaceable(path)? {
            return Err(Problem::Replaceable(directory));
        }
        let flags = OpenFlags::RDWR | OpenFlags::CLOEXEC;
        // NONBLOCK is for a device, and for a file with a lease, whose owner could otherwise keep the open waiting.
        let found = flags | OpenFlags::NOFOLLOW | OpenFlags::NONBLOCK;
        loop {
            let (opened, is_new) = match open(path, flags | OpenFlags::CREAT | OpenFlags::EXCL, mode) {
                Err(Errno::EXIST) => (open(path, found, 0), false),
                opened => (opened, true),
            };
            let file = match opened {
                Ok(fd) => OwnFile(fd),
                // The file has just been removed.
                Err(Errno::NOENT) if !is_new => continue,
                Err(errno) => return Err(errno.into()),
            };
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
            if !file.is_at(path)? {
                continue;
            }
            if is_new {
                return Ok(file);
            }
            if !file.has_id_alone()? {
                return Err(Problem::Unfit("there is something else than a process id in this file"));
            }
            // The lock keeps other servers from making their file meanwhile.
            unlink(path)?;
        }
    }

    /// Returns a file that a predecessor has locked and passed to this process.
    pub(super) const fn inherited(fd: OwnedFd) -> OwnFile {
        OwnFile(fd)
    }

    /// Whether the path leads to this file. In another root directory, the path may lead to another file.
    fn is_at(&self, path: &CStr) -> errno::Result<bool> {
        let own = fstat(&self.0)?.identity();
        match lstat(path) {
            Ok(now) => Ok(now.identity() == own),
            Err(Errno::NOENT) => Ok(false),
            Err(errno) => Err(errno),
        }
    }

    /// Whether the file is empty, or holds only an id, which an earlier server has left.
    fn has_id_alone(&self) -> errno::Result<bool> {
        let mut text = [0; PID_MAX + 1];
        let text = read_all(&self.0, &mut text)?;
        Ok(text.len() <= PID_MAX && text.trim_ascii_end().iter().all(u8::is_ascii_digit))
    }

    /// Removes the file while it is still locked. Returns false if the path leads to another file, which stays.
    pub(super) fn remove(&self, path: &CStr) -> bool {
        self.is_at(path) == Ok(true) && unlink(path).is_ok()
    }
}

impl AsFd for OwnFile {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}
