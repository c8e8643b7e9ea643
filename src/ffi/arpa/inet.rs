//! `<arpa/inet.h>`: byte order, and addresses as text.

use core::ffi::c_char;

use crate::ffi::netinet::r#in::in_addr_t;

unsafe extern "C" {
    /// `in_addr_t inet_addr(const char *cp);`
    ///
    /// Get the address of a dotted text, or INADDR_NONE. inet(3), POSIX.
    pub fn inet_addr(cp: *const c_char) -> in_addr_t;
}
