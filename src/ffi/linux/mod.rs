//! `<linux/...>`: what the kernel's own headers say.

pub mod filter;
pub mod seccomp;
