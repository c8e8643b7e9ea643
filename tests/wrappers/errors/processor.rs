use mpserv::errno::Errno;
use mpserv::processor::{CpuSet, sched_setaffinity};

use super::{Case, NotProduced, errno};

pub(super) const CASES: &[Case] = &[("sched_setaffinity", Errno::INVAL, || {
    // No machine that runs this has as many.
    errno(sched_setaffinity(&CpuSet::of(CpuSet::SIZE - 1).unwrap()))
})];

pub(super) const NOT_PRODUCED: &[NotProduced] =
    &[("sched_getaffinity", "EINVAL", "only a machine with more processors than a set can hold has it")];
