use super::{Case, NotProduced};

pub(super) const CASES: &[Case] = &[];

pub(super) const NOT_PRODUCED: &[NotProduced] =
    &[("clock_gettime_bare", "ENOSYS", "only a filter answers so")];
