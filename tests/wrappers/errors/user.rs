use std::ffi::CStr;

use mpserv::errno::Errno;
use mpserv::user::{chdir, chroot, initgroups, setgid, setgroups_only, setuid};

use super::{Case, LONG, NotProduced, as_root, become_nobody, each, errno, files, locked};

/// -1, which is nobody's id.
const NO_ID: u32 = u32::MAX;

pub(super) const CASES: &[Case] = &[
    ("initgroups setgroups_only setgid setuid chroot", Errno::PERM, || {
        become_nobody();
        each([
            errno(initgroups(c"root", 0)),
            errno(setgroups_only(0)),
            errno(setgid(0)),
            errno(setuid(0)),
            errno(chroot(c".")),
        ])
    }),
    ("setgid setuid", Errno::INVAL, || each([errno(setgid(NO_ID)), errno(setuid(NO_ID))])),
    ("initgroups setgroups_only", Errno::INVAL, || {
        as_root();
        each([errno(initgroups(c"root", NO_ID)), errno(setgroups_only(NO_ID))])
    }),
    ("chroot chdir", Errno::NOENT, || with_path(c"none")),
    ("chroot chdir", Errno::NOTDIR, || {
        files();
        each([with_path(c"file"), with_path(c"file/below")])
    }),
    ("chroot chdir", Errno::ACCES, || {
        locked();
        each([with_path(c"locked"), with_path(c"locked/below")])
    }),
    ("chroot chdir", Errno::LOOP, || {
        files();
        with_path(c"loop")
    }),
    ("chroot chdir", Errno::NAMETOOLONG, || with_path(LONG)),
];

pub(super) const NOT_PRODUCED: &[NotProduced] = &[
    ("initgroups", "ENOMEM", "the C library allocates little, and has it by then"),
    ("setuid", "EAGAIN", "only a kernel without memory has it"),
];

fn with_path(path: &CStr) -> Errno {
    each([errno(chroot(path)), errno(chdir(path))])
}
