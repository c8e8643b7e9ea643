use std::ffi::CString;
use std::fs;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::path::PathBuf;
use std::string::{String, ToString};

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

/// A folder of a test, which is removed with all that is in it.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Folder {
        let path = std::env::temp_dir().join(std::format!("mpserv-{name}-{}", std::process::id()));
        fs::create_dir(&path).unwrap();
        Folder(path)
    }

    fn path(&self, name: &str) -> (PathBuf, CString) {
        let path = self.0.join(name);
        let c = CString::new(path.to_str().unwrap()).unwrap();
        (path, c)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).unwrap();
    }
}

fn pid(number: i32) -> Pid {
    Pid::from_raw(number).unwrap()
}

/// Checks the message for each file that is no pidfile.
#[test]
#[cfg_attr(miri, ignore = "it has no flock()")]
fn each_file_that_is_no_pidfile_is_told_with_a_hint() {
    let folder = Folder::new("pidfile-wrong");
    let directory = "choose a file in a directory that the server may write to";
    let other = "remove it, or choose another";
    fs::write(folder.path("text").0, "hosts\n").unwrap();
    fs::create_dir(folder.path("directory").0).unwrap();
    std::os::unix::fs::symlink("text", folder.path("link").0).unwrap();
    let fifo = folder.path("fifo").0;
    assert!(std::process::Command::new("mkfifo").arg(&fifo).status().unwrap().success());
    for (name, told) in [
        ("missing/pid", std::format!("No such file or directory; {directory}")),
        ("text/pid", std::format!("Not a directory; {directory}")),
        ("directory", std::format!("Is a directory; {directory}")),
        ("link", std::format!("Too many levels of symbolic links; {directory}")),
        ("text", std::format!("there is something else than a process id in this file; {other}")),
        ("fifo", std::format!("this is not a regular file; {other}")),
    ] {
        let (path, c) = folder.path(name);
        let error = PidFile::create(&c, pid(7)).unwrap_err();
        assert_eq!(error.to_string(), std::format!("pidfile {}: {told}", path.display()));
    }
    assert!(fs::symlink_metadata(fifo).unwrap().file_type().is_fifo());
    let (path, c) = folder.path("pid");
    let first = PidFile::create(&c, pid(1234)).unwrap();
    let told = "a server that runs has locked it; stop that one first, or choose another file";
    let error = PidFile::create(&c, pid(7)).unwrap_err();
    assert_eq!(error.to_string(), std::format!("pidfile {} of process 1234: {told}", path.display()));
    first.remove();
}

/// Checks the content and the permissions of a pidfile from its beginning to its end.
#[test]
#[cfg_attr(miri, ignore = "it has no flock()")]
fn a_pidfile_holds_one_id_and_is_removed_or_left_empty() {
    let folder = Folder::new("pidfile-content");
    let (path, c) = folder.path("pid");
    // A server that was killed has left its file.
    fs::write(&path, "99999999\n").unwrap();
    let pidfile = PidFile::create(&c, pid(1_234_567)).unwrap();
    let mode = || fs::metadata(&path).unwrap().permissions().mode() & 0o777;
    assert_eq!((fs::read_to_string(&path).unwrap().as_str(), mode()), ("1234567\n", 0o600));
    for number in [7, 4_194_304, 1] {
        pidfile.name(pid(number)).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), std::format!("{number}\n"));
    }
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    let copy = crate::sys::fd::fcntl_dupfd_cloexec(&pidfile, 0).unwrap();
    let successor = PidFile::inherit(&c, copy);
    assert_eq!(mode(), 0o600, "a successor takes the permissions back");
    drop(pidfile);
    assert!(PidFile::create(&c, pid(7)).is_err(), "the successor has the lock as well");
    successor.remove();
    assert!(!path.exists());
    // The name now belongs to another file.
    let pidfile = PidFile::create(&c, pid(7)).unwrap();
    let ours = folder.path("ours").0;
    fs::rename(&path, &ours).unwrap();
    fs::write(&path, "precious").unwrap();
    pidfile.remove();
    assert_eq!(
        (fs::read_to_string(&ours).unwrap(), fs::read_to_string(&path).unwrap()),
        ("".into(), "precious".into())
    );
}
