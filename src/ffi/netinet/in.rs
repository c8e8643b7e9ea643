//! `<netinet/in.h>`: Internet addresses.

/// `typedef /* ... */ in_addr_t;`
///
/// An IPv4 address in network byte order. sockaddr(3type), POSIX.
#[doc(inline)]
pub use libc::in_addr_t;

/// `typedef /* ... */ in_port_t;`
///
/// A port in network byte order. sockaddr(3type), POSIX.
#[doc(inline)]
pub use libc::in_port_t;

/// `struct in_addr { in_addr_t s_addr; }`
///
/// An IPv4 address. sockaddr(3type), POSIX.
#[doc(inline)]
pub use libc::in_addr;

/// `struct in6_addr { uint8_t s6_addr[16]; }`
///
/// An IPv6 address. sockaddr(3type), POSIX.
#[doc(inline)]
pub use libc::in6_addr;

/// `struct sockaddr_in { sa_family_t sin_family; in_port_t sin_port; struct in_addr sin_addr; }`
///
/// An IPv4 address and port. sockaddr(3type), POSIX.
#[doc(inline)]
pub use libc::sockaddr_in;

/// `struct sockaddr_in6 { sa_family_t sin6_family; in_port_t sin6_port; uint32_t sin6_flowinfo;
/// struct in6_addr sin6_addr; uint32_t sin6_scope_id; }`
///
/// An IPv6 address and port. sockaddr(3type), POSIX.
#[doc(inline)]
pub use libc::sockaddr_in6;

/// `IPPROTO_*`
///
/// Protocols, and levels of options. ip(7), POSIX.
#[doc(inline)]
pub use libc::{IPPROTO_IP, IPPROTO_IPV6, IPPROTO_TCP};

/// `IPV6_V6ONLY`
///
/// Keep IPv4 out of an IPv6 socket. ipv6(7), POSIX.
#[doc(inline)]
pub use libc::IPV6_V6ONLY;

/// `IP_BIND_ADDRESS_NO_PORT`
///
/// After a bind with port 0, let connect choose the port. ip(7), Linux.
#[doc(inline)]
pub use libc::IP_BIND_ADDRESS_NO_PORT;
