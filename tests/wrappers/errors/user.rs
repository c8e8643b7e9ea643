use mpserv::errno::Errno;
use mpserv::user::{GROUPS_MAX, getgrouplist, setgid, setgroups, setuid};

use super::{Case, NotProduced, as_root, become_nobody, each, errno};

/// The number -1, which is the id of no user.
const NO_ID: u32 = u32::MAX;

pub(super) const CASES: &[Case] = &[
    ("getgrouplist", Errno::DEADLK, || {
        std::thread::spawn(|| ()).join().unwrap();
        errno(getgrouplist(c"root", 0))
    }),
    ("setgroups setgid setuid", Errno::PERM, || {
        become_nobody();
        each([
            errno(setgroups(&[0])),
            errno(setgid(0)),
            errno(setuid(0)),
        ])
    }),
    ("setgid setuid", Errno::INVAL, || each([errno(setgid(NO_ID)), errno(setuid(NO_ID))])),
    ("setgroups", Errno::INVAL, || {
        as_root();
        each([errno(setgroups(&[NO_ID])), errno(setgroups(&[0; GROUPS_MAX + 1]))])
    }),
];

pub(super) const NOT_PRODUCED: &[NotProduced] = &[
    ("getgrouplist getgroups setgroups", "ENOMEM", "no more memory is asked for than there is, and nobody is in so many groups"),
    ("setuid", "EAGAIN", "only a kernel without memory has it"),
];
