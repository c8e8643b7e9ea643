use std::ffi::CStr;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;

use mpserv::errno::{Errno, Result};
use mpserv::fd::{OwnedFd, pipe};
use mpserv::fs::{FlockFlags, OpenFlags, access_r, access_x, chdir, chroot, fchmod, fchownat_fd, flock, fstat, ftruncate, lstat, open, readlink, stat, unlink};

use super::{
    CLOSED, Case, LONG, NotProduced, as_root, become_nobody, each, errno, files, interrupted, locked, mount, mount_on,
    no_descriptor_left, no_longer_file, own_mounts, skip,
};

pub(super) const CASES: &[Case] = &[
    ("open unlink readlink access_r access_x stat lstat", Errno::NOENT, || with_path(c"none")),
    ("open unlink readlink access_r access_x stat lstat", Errno::ACCES, || {
        locked();
        with_path(c"locked/file")
    }),
    ("open unlink readlink access_r access_x stat lstat", Errno::NOTDIR, || {
        files();
        with_path(c"file/below")
    }),
    ("open unlink readlink access_r access_x stat lstat", Errno::LOOP, || {
        files();
        assert_eq!(errno(open(c"link", OpenFlags::RDONLY | OpenFlags::NOFOLLOW, 0)), Errno::LOOP);
        with_path(c"loop/below")
    }),
    ("open unlink readlink access_r access_x stat lstat", Errno::NAMETOOLONG, || with_path(LONG)),
    ("open", Errno::ISDIR, || errno(open(c".", OpenFlags::RDWR, 0))),
    ("open", Errno::MFILE, || {
        no_descriptor_left();
        errno(open(c".", OpenFlags::RDONLY, 0))
    }),
    ("open", Errno::NOSPC, || {
        mount(c"nr_inodes=1", 0);
        errno(create(c"mounted/file"))
    }),
    ("open", Errno::ROFS, || {
        mount(c"", libc::MS_RDONLY);
        errno(create(c"mounted/file"))
    }),
    ("open", Errno::INTR, || {
        // No process opens this FIFO to write. SAFETY: the path ends in a NUL.
        assert_eq!(unsafe { libc::mkfifo(c"fifo".as_ptr(), 0o600) }, 0);
        interrupted(|| errno(open(c"fifo", OpenFlags::RDONLY, 0)))
    }),
    ("open", Errno::NXIO, || {
        let _listener = UnixListener::bind("socket").unwrap();
        errno(open(c"socket", OpenFlags::RDONLY, 0))
    }),
    ("open", Errno::TXTBSY, || {
        as_root();
        errno(open(c"/proc/self/exe", OpenFlags::RDWR, 0))
    }),
    ("unlink", Errno::PERM, || {
        as_root();
        fs::create_dir("sticky").unwrap();
        fs::write("sticky/file", "").unwrap();
        fs::set_permissions("sticky", fs::Permissions::from_mode(0o1777)).unwrap();
        become_nobody();
        errno(unlink(c"sticky/file"))
    }),
    ("unlink", Errno::ISDIR, || {
        files();
        errno(unlink(c"folder"))
    }),
    ("unlink", Errno::ROFS, || {
        fs::write("file", "").unwrap();
        own_mounts();
        mount_on(c".", c".", c"", libc::MS_BIND, c"");
        // The folder below the mount is still the current folder.
        let here = std::env::current_dir().unwrap();
        std::env::set_current_dir(here).unwrap();
        mount_on(c".", c".", c"", libc::MS_BIND | libc::MS_REMOUNT | libc::MS_RDONLY, c"");
        errno(unlink(c"file"))
    }),
    ("unlink", Errno::BUSY, || {
        files();
        fs::write("other", "").unwrap();
        own_mounts();
        mount_on(c"other", c"file", c"", libc::MS_BIND, c"");
        errno(unlink(c"file"))
    }),
    ("readlink", Errno::INVAL, || {
        files();
        errno(readlink(c"file", &mut [0; 8]))
    }),
    ("ftruncate", Errno::INVAL, || {
        each([errno(ftruncate(create(c"file").unwrap(), -1)), errno(ftruncate(pipe().unwrap().1, 0))])
    }),
    ("ftruncate", Errno::FBIG, || {
        let file = create(c"file").unwrap();
        no_longer_file();
        errno(ftruncate(file, 1))
    }),
    ("ftruncate", Errno::PERM, || {
        // SAFETY: the name ends in a NUL.
        let fd = unsafe { libc::memfd_create(c"sealed".as_ptr(), libc::MFD_ALLOW_SEALING) };
        // SAFETY: the call takes numbers.
        if unsafe { libc::fcntl(fd, libc::F_ADD_SEALS, libc::F_SEAL_GROW) } != 0 {
            skip("no seals");
        }
        // SAFETY: the descriptor was made above.
        errno(ftruncate(unsafe { OwnedFd::from_raw(fd) }, 1))
    }),
    ("fchownat_fd", Errno::PERM, || {
        fs::write("file", "").unwrap();
        become_nobody();
        errno(fchownat_fd(open(c"file", OpenFlags::PATH, 0).unwrap(), 1, 1))
    }),
    ("fchmod", Errno::PERM, || {
        let file = create(c"file").unwrap();
        become_nobody();
        errno(fchmod(file, 0o600))
    }),
    ("fchmod", Errno::ROFS, || {
        mount(c"", libc::MS_RDONLY);
        errno(fchmod(open(c"mounted", OpenFlags::RDONLY, 0).unwrap(), 0o700))
    }),
    ("ftruncate flock fstat fchmod fchownat_fd", Errno::BADF, || {
        each([
            errno(ftruncate(CLOSED, 0)),
            errno(flock(CLOSED, FlockFlags::EX | FlockFlags::NB)),
            errno(fstat(CLOSED)),
            errno(fchmod(CLOSED, 0o600)),
            errno(fchownat_fd(CLOSED, 1, 1)),
        ])
    }),
    ("flock", Errno::INTR, || {
        let [one, other] = [(); 2].map(|()| create(c"file").unwrap());
        flock(&one, FlockFlags::EX).unwrap();
        interrupted(|| errno(flock(&other, FlockFlags::SH)))
    }),
    ("flock", Errno::INVAL, || errno(flock(create(c"file").unwrap(), FlockFlags::EX | FlockFlags::SH))),
    ("flock", Errno::WOULDBLOCK, || {
        let [one, other] = [(); 2].map(|()| create(c"file").unwrap());
        flock(&one, FlockFlags::EX | FlockFlags::NB).unwrap();
        errno(flock(&other, FlockFlags::EX | FlockFlags::NB))
    }),
    ("chroot", Errno::PERM, || {
        become_nobody();
        errno(chroot(c"."))
    }),
    ("chroot chdir", Errno::NOENT, || with_folder(c"none")),
    ("chroot chdir", Errno::NOTDIR, || {
        files();
        each([with_folder(c"file"), with_folder(c"file/below")])
    }),
    ("chroot chdir", Errno::ACCES, || {
        locked();
        each([with_folder(c"locked"), with_folder(c"locked/below")])
    }),
    ("chroot chdir", Errno::LOOP, || {
        files();
        with_folder(c"loop")
    }),
    ("chroot chdir", Errno::NAMETOOLONG, || with_folder(LONG)),
];

pub(super) const NOT_PRODUCED: &[NotProduced] = &[
    ("open", "ENFILE", "the limit is the whole system's"),
    ("ftruncate fstat", "EIO", "only a disk or a network that fails has it"),
    ("flock", "ENOLCK", "only a kernel without memory has it"),
];

/// Gives a path to each function that takes a path.
fn with_path(path: &CStr) -> Errno {
    each([
        errno(open(path, OpenFlags::RDONLY, 0)),
        errno(unlink(path)),
        errno(readlink(path, &mut [0; 8])),
        errno(access_r(path)),
        errno(access_x(path)),
        errno(stat(path)),
        errno(lstat(path)),
    ])
}

fn create(path: &CStr) -> Result<OwnedFd> {
    open(path, OpenFlags::RDWR | OpenFlags::CREAT, 0o600)
}

/// Gives a path to each function that takes the path of a directory.
fn with_folder(path: &CStr) -> Errno {
    each([errno(chroot(path)), errno(chdir(path))])
}
