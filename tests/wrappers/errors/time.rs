use super::{Case, NotProduced};

pub(super) const CASES: &[Case] = &[];

pub(super) const NOT_PRODUCED: &[NotProduced] = &[];
