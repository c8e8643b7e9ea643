//! `<linux/audit.h>`: names of machines, for filters of system calls.

/// `AUDIT_ARCH_X86_64`
///
/// The machine whose system calls x86-64 makes. seccomp(2), Linux.
pub const AUDIT_ARCH_X86_64: u32 = 0xC000_003E;

/// `AUDIT_ARCH_AARCH64`
///
/// The machine whose system calls 64-bit Arm makes. seccomp(2), Linux.
pub const AUDIT_ARCH_AARCH64: u32 = 0xC000_00B7;

/// `AUDIT_ARCH_RISCV64`
///
/// The machine whose system calls 64-bit RISC-V makes. seccomp(2), Linux.
pub const AUDIT_ARCH_RISCV64: u32 = 0xC000_00F3;
