use std::string::String;

use super::*;
use crate::ffi::{fcntl, sys::mman};
use crate::sys::fd::{read_all, ret_owned_fd};

/// Checks the file before its length is set: a seal keeps it from getting shorter.
#[test]
#[cfg_attr(miri, ignore = "it has no memfd_create")]
fn a_shorter_id_leaves_nothing_of_a_longer_one() {
    // SAFETY: the name ends in a NUL.
    let fd = unsafe { mman::memfd_create(c"pidfile".as_ptr(), mman::MFD_CLOEXEC | mman::MFD_ALLOW_SEALING) };
    // SAFETY: the descriptor was made just now.
    let pidfile = PidFile::inherit(c"/nowhere", unsafe { ret_owned_fd(fd) }.unwrap());
    let text = || {
        lseek(&pidfile, 0).unwrap();
        let mut buffer = [0; 2 * PID_MAX];
        String::from_utf8(read_all(&pidfile, &mut buffer).unwrap().into()).unwrap()
    };
    let pid = |number| Pid::from_raw(number).unwrap();
    pidfile.write(pid(4_194_303)).unwrap();
    assert_eq!(text(), "4194303\n");
    pidfile.write(pid(20_001)).unwrap();
    assert_eq!(text(), "20001\n");
    // SAFETY: the call has no precondition on memory.
    assert_eq!(unsafe { fcntl::fcntl(fd, fcntl::F_ADD_SEALS, fcntl::F_SEAL_SHRINK) }, 0);
    pidfile.write(pid(4_194_303)).unwrap_err();
    pidfile.write(pid(401)).unwrap_err();
    assert_eq!(text().trim_end(), "401");
}
