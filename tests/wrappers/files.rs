//! Tests files and terminals: places, lengths, rights and locks.

use std::ffi::CString;
use std::fs::{self, File};
use std::os::unix::fs::{FileExt, PermissionsExt};

use mpserv::errno::Errno;
use mpserv::fd::{OwnedFd, dup, isatty, lseek, pipe, read, write_all};
use mpserv::fs::{FlockFlags, OpenFlags, Stat, access_r, access_x, flock, ftruncate, open, stat};
use mpserv::memory::empty_file;
use mpserv::pty::{NAME_MAX, open_master, slave_name, width};

use crate::common::TempDir;
use crate::common::solo::{reap, spawn};
use crate::errors::become_nobody;

fn path(folder: &TempDir, name: &str) -> CString {
    CString::new(folder.join(name).to_str().unwrap()).unwrap()
}

fn opened(folder: &TempDir, name: &str) -> OwnedFd {
    open(&path(folder, name), OpenFlags::RDWR | OpenFlags::CREAT, 0o600).unwrap()
}

pub(crate) fn a_seek_counts_from_the_start_and_a_length_is_exact() {
    let folder = TempDir::new();
    let file = opened(&folder, "file");
    write_all(&file, b"0123456789").unwrap();
    // The second seek to a place comes from behind it, and the third from before it.
    for (place, found) in [(4, b"45"), (4, b"45"), (1, b"12"), (4, b"45"), (0, b"01")] {
        lseek(&file, place).unwrap();
        let mut two = [0; 2];
        assert_eq!((read(&file, &mut two), &two), (Ok(2), found), "{place}");
    }
    for length in [0, 1, 7, 4096, 1 << 40] {
        ftruncate(&file, length).unwrap();
        assert_eq!(fs::metadata(folder.join("file")).unwrap().len(), length as u64);
    }
}

/// Tests a user without privileges, because root may read any file.
pub(crate) fn a_right_to_read_is_none_to_run() {
    let folder = TempDir::new();
    fs::set_permissions(&folder.0, fs::Permissions::from_mode(0o755)).unwrap();
    let modes = [0o000, 0o444, 0o111, 0o555, 0o222];
    for mode in modes {
        let name = folder.join(&format!("{mode:o}"));
        fs::write(&name, "").unwrap();
        fs::set_permissions(&name, fs::Permissions::from_mode(mode)).unwrap();
    }
    let mut child = spawn(|| {
        become_nobody();
        for mode in modes {
            let path = path(&folder, &format!("{mode:o}"));
            let allowed = |right: u32| if mode & right == 0 { Err(Errno::ACCES) } else { Ok(()) };
            assert_eq!((access_r(&path), access_x(&path)), (allowed(0o444), allowed(0o111)), "{mode:o}");
        }
    });
    assert_eq!(reap(&mut child).exit_status(), Some(0));
}

pub(crate) fn a_lock_excludes_the_locks_that_it_should() {
    let folder = TempDir::new();
    let [mine, other] = [(); 2].map(|()| opened(&folder, "file"));
    let [shared, exclusive] = [FlockFlags::SH, FlockFlags::EX].map(|kind| kind | FlockFlags::NB);
    for (held, asked, result) in [
        (shared, shared, Ok(())),
        (shared, exclusive, Err(Errno::AGAIN)),
        (exclusive, shared, Err(Errno::AGAIN)),
        (exclusive, exclusive, Err(Errno::AGAIN)),
    ] {
        flock(&mine, held).unwrap();
        assert_eq!(flock(&other, asked), result, "{asked:?} while another has {held:?}");
        flock(&mine, FlockFlags::UN).unwrap();
        assert_eq!(flock(&other, exclusive), Ok(()), "it was released");
        flock(&other, FlockFlags::UN).unwrap();
    }
    // The lock stays until the last duplicate is closed.
    flock(&mine, exclusive).unwrap();
    let copy = dup(&mine).unwrap();
    drop(mine);
    assert_eq!(flock(&other, exclusive), Err(Errno::AGAIN));
    drop(copy);
    assert_eq!(flock(&other, exclusive), Ok(()));
}

pub(crate) fn a_stat_shows_its_two_numbers() {
    let of_root: Stat = stat(c"/proc/self").unwrap();
    let (device, number) = of_root.identity();
    assert_eq!(format!("{of_root:?}"), format!("Stat {{ st_dev: {device}, st_ino: {number}, .. }}"));
}

pub(crate) fn nobody_writes_to_an_empty_file() {
    let file = empty_file(c"nothing").unwrap();
    let number = file.raw();
    assert_eq!(fs::read_link(format!("/proc/self/fd/{number}")).unwrap().to_str(), Some("/memfd:nothing (deleted)"));
    // SAFETY: the call takes numbers.
    let [seals, flags] = [libc::F_GET_SEALS, libc::F_GETFD].map(|command| unsafe { libc::fcntl(number, command) });
    let all = libc::F_SEAL_SEAL | libc::F_SEAL_SHRINK | libc::F_SEAL_GROW | libc::F_SEAL_WRITE;
    assert_eq!((seals, flags & libc::FD_CLOEXEC), (all, 0));
    let copy = File::options().write(true).open(format!("/proc/self/fd/{number}")).unwrap();
    assert_eq!(copy.write_at(b"x", 0).unwrap_err().raw_os_error(), Some(libc::EPERM));
    assert_eq!(fs::metadata(format!("/proc/self/fd/{number}")).unwrap().len(), 0);
}

pub(crate) fn a_terminal_has_the_width_of_its_columns() {
    let master = open_master().unwrap();
    let mut name = [0; NAME_MAX];
    let slave = open(slave_name(&master, &mut name).unwrap(), OpenFlags::RDWR, 0).unwrap();
    for (rows, columns) in [(24, 80), (80, 24), (1, u16::MAX), (50, 0)] {
        let size = libc::winsize { ws_row: rows, ws_col: columns, ws_xpixel: 3, ws_ypixel: 4 };
        // SAFETY: the call reads the struct.
        assert_eq!(unsafe { libc::ioctl(master.raw(), libc::TIOCSWINSZ, &raw const size) }, 0);
        assert_eq!(width(&slave), (columns > 0).then_some(columns), "{rows} rows");
    }
    let (reader, _writer) = pipe().unwrap();
    let file = open(c"/dev/null", OpenFlags::RDWR, 0).unwrap();
    assert_eq!([&slave, &reader, &file].map(isatty), [true, false, false]);
    assert_eq!([&reader, &file].map(width), [None, None]);
}
