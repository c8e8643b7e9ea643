//! System calls that the C library makes for itself, without being asked by the program.

/// The calls that the C library makes for itself.
const OWN: [&[u8]; 14] = [
    b"newfstatat",
    b"fstat",
    b"ioctl",
    b"brk",
    b"getrandom",
    b"set_robust_list",
    b"rseq",
    b"mmap",
    b"munmap",
    b"mprotect",
    b"lseek",
    b"futex",
    b"prlimit64",
    b"set_tid_address",
];

/// The names of the functions of the C library that fork.
pub const FORKS: [&[u8]; 3] = [b"fork", b"__libc_fork", b"_Fork"];

/// Whether the C library makes a call for itself, without being asked by the program.
pub fn is_own(call: &[u8]) -> bool {
    OWN.contains(&call)
}
