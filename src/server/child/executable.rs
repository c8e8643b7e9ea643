//! The file of a program, and the search for it as in `execvp()`.

use core::ffi::CStr;

use crate::server::limits::PATH_MAX;
use crate::server::path::join;
use crate::sys::errno::{Errno, Result};
use crate::sys::fs::{access_x, stat};
use crate::sys::process::value;

/// The directories in which execvp() looks if PATH is not set.
const DEFAULT_PATH: &[u8] = b"/bin:/usr/bin";

/// Finds the file of a program, as a path with its NUL. A name without a slash is looked up in `PATH`.
pub(crate) fn find_executable(name: &CStr) -> Result<[u8; PATH_MAX]> {
    let name = name.to_bytes();
    if name.contains(&b'/') {
        return check_executable(&[], name);
    }
    // SAFETY: nothing changes the environment during the search for the file.
    let path = unsafe { value(b"PATH") }.map_or(DEFAULT_PATH, CStr::to_bytes);
    let mut found = Err(Errno::NOENT);
    for directory in path.split(|&byte| byte == b':') {
        match check_executable(if directory.is_empty() { b"." } else { directory }, name) {
            Ok(path) => return Ok(path),
            // If no directory has a file that may be run, EACCES tells the user more than ENOENT.
            Err(Errno::ACCES) => found = Err(Errno::ACCES),
            Err(_) => {}
        }
    }
    found
}

/// Returns the path of a file in a directory, if the file may be run.
fn check_executable(directory: &[u8], name: &[u8]) -> Result<[u8; PATH_MAX]> {
    let mut path = [0; PATH_MAX];
    let slash: &[u8] = if directory.is_empty() { b"" } else { b"/" };
    let file = join(&mut path, &[directory, slash, name])?;
    access_x(file)?;
    if stat(file)?.is_regular() { Ok(path) } else { Err(Errno::ACCES) }
}
