use mpserv::errno::Errno;
use mpserv::prctl::drop_capability_bounds;

use super::{Case, NotProduced, become_nobody, errno};

pub(super) const CASES: &[Case] = &[("drop_capability_bounds", Errno::PERM, || {
    become_nobody();
    errno(drop_capability_bounds())
})];

pub(super) const NOT_PRODUCED: &[NotProduced] = &[];
