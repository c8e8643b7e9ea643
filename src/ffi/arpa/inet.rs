//! `<arpa/inet.h>`: byte order, and addresses as text.

use core::ffi::{c_char, c_int, c_void};

use crate::ffi::netinet::r#in::in_addr_t;
use crate::ffi::sys::socket::socklen_t;

/// `uint32_t htonl(uint32_t hostlong); /* macro */`
///
/// To network byte order. byteorder(3), POSIX.
#[doc(inline)]
pub use libc::htonl;

/// `uint16_t htons(uint16_t hostshort); /* macro */`
///
/// To network byte order. byteorder(3), POSIX.
#[doc(inline)]
pub use libc::htons;

/// `uint32_t ntohl(uint32_t netlong); /* macro */`
///
/// To host byte order. byteorder(3), POSIX.
#[doc(inline)]
pub use libc::ntohl;

/// `uint16_t ntohs(uint16_t netshort); /* macro */`
///
/// To host byte order. byteorder(3), POSIX.
#[doc(inline)]
pub use libc::ntohs;

unsafe extern "C" {
    /// `in_addr_t inet_addr(const char *cp);`
    ///
    /// The address of a dotted text, or INADDR_NONE. inet(3), POSIX.
    pub fn inet_addr(cp: *const c_char) -> in_addr_t;

    /// `const char *inet_ntop(int af, const void *restrict src, char *restrict dst, socklen_t
    /// size);`
    ///
    /// An address as text. inet_ntop(3), POSIX.
    pub fn inet_ntop(af: c_int, src: *const c_void, dst: *mut c_char, size: socklen_t) -> *const c_char;

    /// `int inet_pton(int af, const char *restrict src, void *restrict dst);`
    ///
    /// The address of a text. inet_pton(3), POSIX.
    pub fn inet_pton(af: c_int, src: *const c_char, dst: *mut c_void) -> c_int;
}
