//! Processors: on which of them a thread runs.

use core::ffi::c_ulong;
use core::fmt;

use crate::conv::ret;
use crate::errno::Result;
use crate::ffi::sched as c;

/// A set of processors: `cpu_set_t`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct CpuSet([c_ulong; WORDS]);

/// How many words a set has.
const WORDS: usize = size_of::<c::cpu_set_t>() / size_of::<c_ulong>();
const BITS: usize = c_ulong::BITS as usize;

impl CpuSet {
    /// `CPU_SETSIZE`: how many processors a set can hold.
    pub const SIZE: usize = WORDS * BITS;

    /// `CPU_ZERO(&set)` and `CPU_SET(cpu, &set)`: one processor. `None` for one that no set can hold.
    #[must_use]
    pub fn of(cpu: usize) -> Option<CpuSet> {
        let mut set = [0; WORDS];
        *set.get_mut(cpu / BITS)? |= 1 << (cpu % BITS);
        Some(CpuSet(set))
    }

    /// `CPU_ISSET(cpu, &set)`: whether a processor is in it.
    #[must_use]
    pub fn contains(&self, cpu: usize) -> bool {
        self.0.get(cpu / BITS).is_some_and(|word| word >> (cpu % BITS) & 1 == 1)
    }

    /// Those that are in it, in order.
    pub fn iter(&self) -> impl Iterator<Item = usize> + use<> {
        let set = *self;
        (0..CpuSet::SIZE).filter(move |cpu| set.contains(*cpu))
    }
}

impl fmt::Debug for CpuSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter()).finish()
    }
}

/// `sched_getaffinity(0, sizeof(set), &set)`: on which processors the calling thread may run.
///
/// # Errors
/// `EINVAL` on a machine with more processors than a set can hold.
///
/// # References
/// sched_setaffinity(2), Linux
pub fn sched_getaffinity() -> Result<CpuSet> {
    let mut set = [0; WORDS];
    // SAFETY: the kernel writes at most as many bytes as the set has, which are the bits of a `cpu_set_t`.
    ret(unsafe { c::sched_getaffinity(0, size_of_val(&set), set.as_mut_ptr().cast()) })?;
    Ok(CpuSet(set))
}

/// `sched_setaffinity(0, sizeof(set), &set)`: has the calling thread run on these processors only; it runs on one of
/// them when the call returns.
///
/// # Errors
/// `EINVAL` when none of them is there, or none may be used.
///
/// # References
/// sched_setaffinity(2), Linux
pub fn sched_setaffinity(set: &CpuSet) -> Result<()> {
    // SAFETY: the kernel reads as many bytes as the set has, which are the bits of a `cpu_set_t`.
    ret(unsafe { c::sched_setaffinity(0, size_of_val(&set.0), set.0.as_ptr().cast()) })
}
