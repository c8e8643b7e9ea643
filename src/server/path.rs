//! Paths in buffers of a fixed size, and the directories on their way that other users can replace.

use core::ffi::CStr;

use super::limits::{ERROR_MAX, PATH_MAX};
use crate::ffi::sys::types::uid_t;
use crate::program::text::Text;
use crate::sys::errno::{Errno, Result};
use crate::sys::fs::{Stat, lstat, readlink};
use crate::sys::user::geteuid;

/// The most symbolic links that the kernel follows on one way.
const LINKS_MAX: usize = 40;

/// Root's id.
pub(super) const ROOT: uid_t = 0;

/// The permissions by which users other than the owner can write.
pub(super) const OTHERS_WRITE: u32 = 0o022;
/// The permission of a directory in which users can replace only what is their own.
const STICKY: u32 = 0o1000;

/// Joins the parts to a path, which must fit into the buffer with its NUL.
pub(super) fn join<'b>(buffer: &'b mut [u8], parts: &[&[u8]]) -> Result<&'b CStr> {
    let size = buffer.len();
    let mut length = 0;
    for part in parts {
        if part.contains(&0) {
            return Err(Errno::INVAL);
        }
        let end = length + part.len();
        let room = buffer.get_mut(length..end).filter(|_| end < size).ok_or(Errno::NAMETOOLONG)?;
        room.copy_from_slice(part);
        length = end;
    }
    buffer.get_mut(length..).unwrap_or_default().fill(0);
    CStr::from_bytes_until_nul(buffer).map_err(|_| Errno::NAMETOOLONG)
}

/// Finds the first directory, or symbolic link to a directory, on the way to a file that another user can replace. Such
/// a user can lead this process to a file in another directory, where the user has no rights.
///
/// The directory of the file itself may belong to anybody: there, its owner can replace the file in any case.
pub(super) fn find_replaceable(path: &CStr) -> Result<Option<Text<ERROR_MAX>>> {
    find([path.to_bytes(), b""], &[ROOT, geteuid()])
}

/// Finds the first directory, symbolic link or file on the way to a file, the file included, that a user other than root
/// can replace. If there is none, only root can make the path lead to another file.
pub(super) fn find_replaceable_file(path: &CStr) -> Result<Option<Text<ERROR_MAX>>> {
    // The slash makes the last entry one that is looked at.
    find([path.to_bytes(), b"/"], &[ROOT])
}

/// Finds the first entry on a way, before its last slash, that a user can replace who is not `trusted`.
#[inline(never)]
fn find(parts: [&[u8]; 2], trusted: &[uid_t]) -> Result<Option<Text<ERROR_MAX>>> {
    let [mut way, mut next] = [[0; PATH_MAX]; 2];
    join(&mut way, &parts)?;
    for _ in 0..=LINKS_MAX {
        match look(CStr::from_bytes_until_nul(&way).unwrap_or_default(), &mut next, trusted)? {
            Look::Over(found) => return Ok(found),
            Look::Link => way = next,
        }
    }
    Err(Errno::LOOP)
}

/// The result of a look at a way.
enum Look {
    /// The way was followed to its end, or to the first place that another user can replace.
    Over(Option<Text<ERROR_MAX>>),
    /// There is a symbolic link on the way. The way through it was stored.
    Link,
}

/// Follows a way to its first symbolic link. Stores the way through the link in `next`.
fn look(way: &CStr, next: &mut [u8; PATH_MAX], trusted: &[uid_t]) -> Result<Look> {
    let way = way.to_bytes();
    let mut above = lstat(if way.starts_with(b"/") { c"/" } else { c"." })?;
    let mut start = 0;
    for (end, _) in way.iter().enumerate().filter(|(_, byte)| **byte == b'/') {
        let (name, begin) = (way.get(start..end).unwrap_or_default(), start);
        start = end + 1;
        if matches!(name, b"" | b".") {
            continue;
        }
        let [mut prefix, mut target] = [[0; PATH_MAX]; 2];
        let prefix = join(&mut prefix, &[way.get(..end).unwrap_or_default()])?;
        let entry = lstat(prefix)?;
        // Nobody can replace the entry `..`.
        if name != b".." && is_replaceable(&above, &entry, trusted) {
            return Ok(Look::Over(Some(Text::of(format_args!("{}", prefix.to_bytes().escape_ascii())))));
        }
        match readlink(prefix, &mut target) {
            Ok(target) => {
                let before = if target.starts_with(b"/") { 0 } else { begin };
                let [before, after] = [way.get(..before), way.get(end..)].map(Option::unwrap_or_default);
                join(next, &[before, target, after])?;
                return Ok(Look::Link);
            }
            // This is no symbolic link.
            Err(Errno::INVAL) => above = entry,
            Err(errno) => return Err(errno),
        }
    }
    Ok(Look::Over(None))
}

/// Whether a user who is not `trusted` can replace an entry of a directory.
fn is_replaceable(directory: &Stat, entry: &Stat, trusted: &[uid_t]) -> bool {
    let is_trusted = |file: &Stat| trusted.contains(&file.uid());
    let permissions = directory.permissions();
    let is_kept = permissions & OTHERS_WRITE == 0 || (permissions & STICKY != 0 && is_trusted(entry));
    !(is_trusted(directory) && is_kept)
}

#[cfg(test)]
mod tests;
