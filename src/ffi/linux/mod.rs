//! `<linux/*.h>`.

pub mod audit;
pub mod filter;
pub mod seccomp;
