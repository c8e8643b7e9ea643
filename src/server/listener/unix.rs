//! Listens at the path or the abstract name of a Unix socket.

use core::ffi::{CStr, c_uint};

use super::socket::{Listener, SocketSettings, cannot, finish, prepare, start};
use crate::ffi::sys::types::{gid_t, uid_t};
use crate::server::address::Quoted;
use crate::server::error::{Error, Reason, Result};
use crate::server::limits::{LOCK_RETRY, LOCK_WITHIN, MODE_MAX};
use crate::server::own_file::{OwnFile, Problem, REPLACEABLE};
use crate::server::path::join;
use crate::sys::errno::{self, Errno};
use crate::sys::fd::OwnedFd;
use crate::sys::fs::{OpenFlags, fchownat_fd, fstat, lstat, open, umask, unlink};
use crate::sys::net::{
    AddressFamily, Protocol, SocketFlags, SocketType, UNIX_PATH_MAX, UnixAddr, bind, connect, open_unix_file, socket,
};
use crate::sys::time::{Clock, clock_gettime, nanosleep};
use crate::sys::user::geteuid;

/// The suffix that makes a socket's path the path of its lock.
const LOCK_SUFFIX: &[u8] = b".lock";
/// The mode of a lock: no other user may lock it.
const LOCK_MODE: c_uint = 0o600;

/// Listens at a path. `text` is the address as the user gave it.
///
/// A lock beside the path makes servers that begin to listen at the same path take turns. Without the lock, a server
/// could take another server's socket for stale, and remove it, before the other server listens.
pub(super) fn bind_unix(path: &str, text: &str, settings: &SocketSettings) -> Result<Listener> {
    // The kernel would accept a path without its NUL, but other programs would not find that socket.
    let mut buffer = [0; UNIX_PATH_MAX];
    let path = join(&mut buffer, &[path.as_bytes()]).map_err(|errno| cannot(text, errno))?;
    let mut buffer = [0; UNIX_PATH_MAX + LOCK_SUFFIX.len()];
    let lock_path = join(&mut buffer, &[path.to_bytes(), LOCK_SUFFIX]).map_err(|errno| cannot(text, errno))?;
    let lock = lock_in_time(lock_path, text)?;
    let listener = bind_unix_locked(path, settings).map_err(|errno| cannot(text, errno));
    lock.remove(lock_path);
    listener
}

/// Listens at an abstract name. Such a name vanishes with its socket, so there is no stale file.
pub(super) fn bind_abstract(name: &str, text: &str, settings: &SocketSettings) -> Result<Listener> {
    let bind = || {
        let fd = prepare(AddressFamily::UNIX)?;
        finish(&fd, &UnixAddr::from_abstract(name.as_bytes())?, settings)?;
        Ok(Listener { fd, is_shared: false, is_own: true, file: None })
    };
    bind().map_err(|errno| cannot(text, errno))
}

/// Takes the lock of a socket's path. Waits a while if another server has the lock.
fn lock_in_time(path: &CStr, text: &str) -> Result<OwnFile> {
    let unfit = |reason| {
        let (text, path) = (Quoted(text), path.to_bytes().escape_ascii());
        let hint = "remove it, or choose another directory";
        Error::new(format_args!("cannot listen on {text}: lock {path}"), Reason::State(reason), hint)
    };
    let replaceable = |directory: &str| {
        let (reason, hint) = REPLACEABLE;
        Error::new(format_args!("cannot listen on {}: {directory}", Quoted(text)), Reason::State(reason), hint)
    };
    let deadline = clock_gettime(Clock::MONOTONIC) + LOCK_WITHIN;
    loop {
        match OwnFile::lock(path, LOCK_MODE) {
            Ok(lock) => return Ok(lock),
            Err(Problem::System(errno)) => return Err(cannot(text, errno)),
            Err(Problem::Unfit(reason)) => return Err(unfit(reason)),
            Err(Problem::Replaceable(directory)) => return Err(replaceable(directory.as_str())),
            Err(Problem::Locked(_)) if clock_gettime(Clock::MONOTONIC) >= deadline => {
                return Err(unfit("another server that begins has kept it locked"));
            }
            Err(Problem::Locked(_)) => nanosleep(LOCK_RETRY),
        }
    }
}

fn bind_unix_locked(path: &CStr, settings: &SocketSettings) -> errno::Result<Listener> {
    let address = UnixAddr::new(path)?;
    let fd = prepare(AddressFamily::UNIX)?;
    match bind_with_mode(&fd, &address, settings.mode) {
        Err(Errno::ADDRINUSE) => {
            remove_stale(path, &address)?;
            bind_with_mode(&fd, &address, settings.mode)?;
        }
        bound => bound?,
    }
    let (file, is_own) = file_of(&fd, path).inspect_err(|_| _ = unlink(path))?;
    let identity = fstat(&file)?.identity();
    // The file gets its owner before the server listens, because clients can connect from then on.
    let given = settings.owner.map_or(Ok(()), |owner| give_to(&file, is_own, owner));
    let at_path = given.and_then(|()| start(&fd, settings)).and_then(|()| lstat(path));
    if at_path.is_ok_and(|at_path| at_path.identity() == identity) {
        return Ok(Listener { fd, is_shared: false, is_own: true, file: Some(identity) });
    }
    // The file is of no use, because no server listens there.
    remove(path, identity);
    Err(at_path.err().unwrap_or(Errno::ADDRINUSE))
}

/// Opens the file of a socket that has just been bound, without rights to the content. If this process may not ask the
/// kernel for it, the path leads to the file, unless another user has put another file there. Also returns whether the
/// file is certain to be the socket's.
fn file_of(fd: &OwnedFd, path: &CStr) -> errno::Result<(OwnedFd, bool)> {
    let at_path = || open(path, OpenFlags::PATH | OpenFlags::NOFOLLOW | OpenFlags::CLOEXEC, 0);
    open_unix_file(fd).map(|file| (file, true)).or_else(|_| at_path().map(|file| (file, false)))
}

/// Removes a socket's file, unless the path leads to another file. Another server may have put its own file there.
pub(super) fn remove(path: &CStr, file: (u64, u64)) {
    if lstat(path).is_ok_and(|now| now.identity() == file) {
        let _ = unlink(path);
    }
}

/// Binds a socket. Its file has these permissions from the beginning.
fn bind_with_mode(fd: &OwnedFd, address: &UnixAddr, mode: Option<c_uint>) -> errno::Result<()> {
    let Some(mode) = mode else { return bind(fd, address) };
    let before = umask(MODE_MAX & !mode);
    let bound = bind(fd, address);
    umask(before);
    bound
}

/// Gives the file of a socket to a user and a group. Another file, which the path may lead to, keeps its owner. If the
/// file is certain to be the socket's (`is_own`), a further name that another user has given it changes nothing.
fn give_to(file: &OwnedFd, is_own: bool, (uid, gid): (uid_t, gid_t)) -> errno::Result<()> {
    let found = fstat(file)?;
    if !is_own && (!found.is_socket() || found.links() != 1 || found.uid() != geteuid()) {
        return Err(Errno::ADDRINUSE);
    }
    if (found.uid(), found.gid()) == (uid, gid) { Ok(()) } else { fchownat_fd(file, uid, gid) }
}

/// Removes a socket's file if no server listens there. Fails with `EADDRINUSE` if a server listens there, or if the
/// file is no socket.
fn remove_stale(path: &CStr, address: &UnixAddr) -> errno::Result<()> {
    if !lstat(path)?.is_socket() {
        return Err(Errno::ADDRINUSE);
    }
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let probe = socket(AddressFamily::UNIX, SocketType::STREAM | flags, Protocol::DEFAULT)?;
    match connect(&probe, address) {
        Err(Errno::CONNREFUSED) => unlink(path),
        _ => Err(Errno::ADDRINUSE),
    }
}
