//! `<linux/*.h>`.

pub mod audit;
pub mod capability;
pub mod filter;
pub mod seccomp;
