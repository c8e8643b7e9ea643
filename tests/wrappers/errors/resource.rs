use mpserv::errno::Errno;
use mpserv::resource::{Limit, Resource, setrlimit};

use super::{Case, NotProduced, become_nobody, errno};

pub(super) const CASES: &[Case] = &[
    ("setrlimit", Errno::PERM, || {
        setrlimit(Resource::NOFILE, Limit { soft: 9, hard: 9 }).unwrap();
        become_nobody();
        errno(setrlimit(Resource::NOFILE, Limit { soft: 9, hard: 10 }))
    }),
    ("setrlimit", Errno::INVAL, || errno(setrlimit(Resource::NOFILE, Limit { soft: 9, hard: 8 }))),
];

pub(super) const NOT_PRODUCED: &[NotProduced] = &[];
