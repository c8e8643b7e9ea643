use mpserv::errno::Errno;
use mpserv::user::{initgroups, setgid, setgroups_only, setuid};

use super::{Case, NotProduced, as_root, become_nobody, each, errno};

/// -1, which is nobody's id.
const NO_ID: u32 = u32::MAX;

pub(super) const CASES: &[Case] = &[
    ("initgroups setgroups_only setgid setuid", Errno::PERM, || {
        become_nobody();
        each([
            errno(initgroups(c"root", 0)),
            errno(setgroups_only(0)),
            errno(setgid(0)),
            errno(setuid(0)),
        ])
    }),
    ("setgid setuid", Errno::INVAL, || each([errno(setgid(NO_ID)), errno(setuid(NO_ID))])),
    ("initgroups setgroups_only", Errno::INVAL, || {
        as_root();
        each([errno(initgroups(c"root", NO_ID)), errno(setgroups_only(NO_ID))])
    }),
];

pub(super) const NOT_PRODUCED: &[NotProduced] = &[
    ("initgroups", "ENOMEM", "the C library allocates little, and has it by then"),
    ("setuid", "EAGAIN", "only a kernel without memory has it"),
];
