//! `<linux/capability.h>`: the rights of root, in pieces.

/// `_LINUX_CAPABILITY_VERSION_3`
///
/// The form of the calls' arguments that has 64 capabilities. capget(2), Linux.
pub const _LINUX_CAPABILITY_VERSION_3: u32 = 0x2008_0522;

/// `struct __user_cap_header_struct { __u32 version; int pid; }`
///
/// The form of the arguments, and the process that has the capabilities. capget(2), Linux.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct __user_cap_header_struct {
    /// The form of the arguments.
    pub version: u32,
    /// The process, or 0 for the caller.
    pub pid: core::ffi::c_int,
}

/// `struct __user_cap_data_struct { __u32 effective; __u32 permitted; __u32 inheritable; }`
///
/// Half of the capabilities of a process. capget(2), Linux.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct __user_cap_data_struct {
    /// The capabilities in effect.
    pub effective: u32,
    /// The capabilities that may be put into effect.
    pub permitted: u32,
    /// The capabilities that a program may inherit.
    pub inheritable: u32,
}
