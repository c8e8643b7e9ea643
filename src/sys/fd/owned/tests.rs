use std::format;
use std::fs::{File, read_link};
use std::os::fd::{AsRawFd, IntoRawFd};

use super::*;
use crate::ffi::fcntl as c;

/// Returns an open file. Programs get it if it `is_for_programs`.
fn owned(path: &str, is_for_programs: bool) -> OwnedFd {
    let file = File::open(path).unwrap();
    if is_for_programs {
        // SAFETY: the call takes numbers.
        assert_eq!(unsafe { c::fcntl(file.as_raw_fd(), c::F_SETFD, 0) }, 0);
    }
    // SAFETY: the descriptor is open, and nothing else owns it.
    unsafe { OwnedFd::from_raw(file.into_raw_fd()) }
}

/// Tries each file with and without `FD_CLOEXEC`: the flag of a number belongs to no file, and is set in any case.
#[test]
#[cfg_attr(miri, ignore = "it has no dup3")]
fn a_number_that_is_given_to_a_stand_in_reaches_no_program() {
    for (is_old_for_programs, is_new_for_programs) in [(false, false), (false, true), (true, false), (true, true)] {
        let (owner, by) = (owned("/dev/null", is_old_for_programs), owned("/dev/zero", is_new_for_programs));
        let path = |fd: &OwnedFd| read_link(format!("/proc/self/fd/{}", fd.raw())).unwrap();
        assert_ne!(path(&owner), path(&by));
        // SAFETY: the file of the owner is not used below, and only the owner closes its number.
        unsafe { replace_for_good(&owner, by.as_fd()) };
        assert_eq!(path(&owner), path(&by));
        // SAFETY: the call takes numbers.
        let [new, kept] = [&owner, &by].map(|fd| unsafe { c::fcntl(fd.raw(), c::F_GETFD) });
        assert_eq!([new, kept], [c::FD_CLOEXEC, if is_new_for_programs { 0 } else { c::FD_CLOEXEC }]);
    }
}
