//! The items of the libc crate that a small `ffi` needs.

use core::ffi::{c_int, c_long, c_short, c_uint, c_ulong, c_ushort};

pub type nfds_t = c_ulong;
pub type pid_t = c_int;

#[repr(C)]
pub struct pollfd {
    pub fd: c_int,
    pub events: c_short,
    pub revents: c_short,
}

pub const POLLIN: c_short = 1;
pub const POLLOUT: c_short = 4;

unsafe extern "C" {
    pub fn poll(fds: *mut pollfd, nfds: nfds_t, timeout: c_int) -> c_int;
    pub fn wait(wstatus: *mut c_int) -> pid_t;
}

pub const extern "C" fn WIFEXITED(wstatus: c_int) -> bool {
    wstatus & 0x7f == 0
}

pub const extern "C" fn WEXITSTATUS(wstatus: c_int) -> c_int {
    wstatus >> 8 & 0xff
}
