use mpserv::errno::Errno;
use mpserv::fd::pipe;
use mpserv::pty::{NAME_MAX, open_master, slave_name};

use super::{CLOSED, Case, NotProduced, errno, mount_on, no_descriptor_left, own_mounts, own_root};

pub(super) const CASES: &[Case] = &[
    ("open_master", Errno::NOSPC, || {
        own_mounts();
        mount_on(c"devpts", c"/dev/pts", c"devpts", 0, c"ptmxmode=666,max=1");
        let _the_one = open_master().unwrap();
        errno(open_master())
    }),
    ("open_master", Errno::NOENT, || {
        own_root();
        errno(open_master())
    }),
    ("open_master", Errno::MFILE, || {
        no_descriptor_left();
        errno(open_master())
    }),
    ("slave_name", Errno::NOTTY, || errno(slave_name(pipe().unwrap().0, &mut [0; NAME_MAX]))),
    ("slave_name", Errno::BADF, || errno(slave_name(CLOSED, &mut [0; NAME_MAX]))),
];

pub(super) const NOT_PRODUCED: &[NotProduced] = &[("open_master", "ENFILE", "the limit is the whole system's")];
