//! `<netdb.h>`: names of hosts and services.

use core::ffi::c_char;

/// `struct hostent { char *h_name; char **h_aliases; int h_addrtype; int h_length; char
/// **h_addr_list; }`
///
/// A host's names and addresses. gethostbyname(3), POSIX.1-2001.
#[doc(inline)]
pub use libc::hostent;

/// `struct addrinfo { int ai_flags; int ai_family; int ai_socktype; int ai_protocol; socklen_t
/// ai_addrlen; struct sockaddr *ai_addr; char *ai_canonname; struct addrinfo *ai_next; }`
///
/// An address for bind or connect. getaddrinfo(3), POSIX.
#[doc(inline)]
pub use libc::addrinfo;

/// `int getaddrinfo(const char *restrict node, const char *restrict service, const struct addrinfo
/// *restrict hints, struct addrinfo **restrict res);`
///
/// Get the addresses of a host and service. getaddrinfo(3), POSIX.
#[doc(inline)]
pub use libc::getaddrinfo;

/// `void freeaddrinfo(struct addrinfo *res);`
///
/// Free the list from getaddrinfo. getaddrinfo(3), POSIX.
#[doc(inline)]
pub use libc::freeaddrinfo;

/// `const char *gai_strerror(int errcode);`
///
/// Get the text of getaddrinfo's error. getaddrinfo(3), POSIX.
#[doc(inline)]
pub use libc::gai_strerror;

/// `AI_*`
///
/// Flags for getaddrinfo. getaddrinfo(3), POSIX.
#[doc(inline)]
pub use libc::AI_PASSIVE;

/// `EAI_*`
///
/// Reasons for which getaddrinfo failed. getaddrinfo(3), POSIX and GNU.
#[doc(inline)]
pub use libc::{EAI_NONAME, EAI_SYSTEM};

unsafe extern "C" {
    /// `struct hostent *gethostbyname(const char *name);`
    ///
    /// Get a host's IPv4 addresses, in a buffer that the next call may change. gethostbyname(3), POSIX.1-2001.
    pub fn gethostbyname(name: *const c_char) -> *mut hostent;
}
