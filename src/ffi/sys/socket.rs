//! `<sys/socket.h>`: sockets.

/// `typedef /* ... */ socklen_t;`
///
/// The length of an address or option. socklen_t(3type), POSIX.
#[doc(inline)]
pub use libc::socklen_t;

/// `typedef /* ... */ sa_family_t;`
///
/// An address family. sockaddr(3type), POSIX.
#[doc(inline)]
pub use libc::sa_family_t;

/// `struct sockaddr { sa_family_t sa_family; char sa_data[14]; }`
///
/// Any address, with its family. sockaddr(3type), POSIX.
#[doc(inline)]
pub use libc::sockaddr;

/// `struct sockaddr_storage { sa_family_t ss_family; }`
///
/// Room for any address. sockaddr(3type), POSIX.
#[doc(inline)]
pub use libc::sockaddr_storage;

/// `struct linger { int l_onoff; int l_linger; }`
///
/// SO_LINGER's value. socket(7), POSIX.
#[doc(inline)]
pub use libc::linger;

/// `struct ucred { pid_t pid; uid_t uid; gid_t gid; }`
///
/// SO_PEERCRED's value. unix(7), Linux.
#[doc(inline)]
pub use libc::ucred;

/// `int socket(int domain, int type, int protocol);`
///
/// Make a socket. socket(2), POSIX.
#[doc(inline)]
pub use libc::socket;

/// `int bind(int sockfd, const struct sockaddr *addr, socklen_t addrlen);`
///
/// Give a socket its own address. bind(2), POSIX.
#[doc(inline)]
pub use libc::bind;

/// `int listen(int sockfd, int backlog);`
///
/// Let clients connect, and let up to backlog of them wait. listen(2), POSIX.
#[doc(inline)]
pub use libc::listen;

/// `int accept(int sockfd, struct sockaddr *restrict addr, socklen_t *restrict addrlen);`
///
/// Take the next client. accept(2), POSIX.
#[doc(inline)]
pub use libc::accept;

/// `int accept4(int sockfd, struct sockaddr *restrict addr, socklen_t *restrict addrlen, int
/// flags);`
///
/// Take the next client, with flags. accept(2), POSIX.1-2024.
#[doc(inline)]
pub use libc::accept4;

/// `int connect(int sockfd, const struct sockaddr *addr, socklen_t addrlen);`
///
/// Connect to a server. connect(2), POSIX.
#[doc(inline)]
pub use libc::connect;

/// `int shutdown(int sockfd, int how);`
///
/// End one or both directions of a connection. shutdown(2), POSIX.
#[doc(inline)]
pub use libc::shutdown;

/// `int setsockopt(int sockfd, int level, int optname, const void *optval, socklen_t optlen);`
///
/// Set an option. getsockopt(2), POSIX.
#[doc(inline)]
pub use libc::setsockopt;

/// `int getsockopt(int sockfd, int level, int optname, void *restrict optval, socklen_t *restrict
/// optlen);`
///
/// Ask for an option. getsockopt(2), POSIX.
#[doc(inline)]
pub use libc::getsockopt;

/// `int getsockname(int sockfd, struct sockaddr *restrict addr, socklen_t *restrict addrlen);`
///
/// Get a socket's own address. getsockname(2), POSIX.
#[doc(inline)]
pub use libc::getsockname;

/// `int getpeername(int sockfd, struct sockaddr *restrict addr, socklen_t *restrict addrlen);`
///
/// Get the peer's address. getpeername(2), POSIX.
#[doc(inline)]
pub use libc::getpeername;

/// `ssize_t send(int sockfd, const void *buf, size_t len, int flags);`
///
/// Send bytes on a socket. send(2), POSIX.
#[doc(inline)]
pub use libc::send;

/// `ssize_t recv(int sockfd, void *buf, size_t len, int flags);`
///
/// Receive bytes from a socket. recv(2), POSIX.
#[doc(inline)]
pub use libc::recv;

/// `AF_*`
///
/// Address families. address_families(7), POSIX.
#[doc(inline)]
pub use libc::{AF_INET, AF_INET6, AF_UNIX, AF_UNSPEC};

/// `SOCK_*`
///
/// Types of sockets, and flags beside them. socket(2), POSIX.
#[doc(inline)]
pub use libc::{SOCK_CLOEXEC, SOCK_DGRAM, SOCK_NONBLOCK, SOCK_STREAM};

/// `SOL_SOCKET`
///
/// The level of the options below. socket(7), POSIX.
#[doc(inline)]
pub use libc::SOL_SOCKET;

/// `SO_*`
///
/// Options of any socket. socket(7), POSIX and Linux.
#[doc(inline)]
pub use libc::{
    SO_ACCEPTCONN, SO_ERROR, SO_KEEPALIVE, SO_LINGER, SO_LOCK_FILTER, SO_PEERCRED, SO_RCVTIMEO, SO_REUSEADDR,
    SO_REUSEPORT, SO_SNDTIMEO, SO_TYPE,
};

/// `SHUT_*`
///
/// The direction to end. shutdown(2), POSIX.
#[doc(inline)]
pub use libc::{SHUT_RD, SHUT_RDWR, SHUT_WR};

/// `MSG_*`
///
/// Flags of send and recv. send(2), recv(2), POSIX.
#[doc(inline)]
pub use libc::{MSG_DONTWAIT, MSG_NOSIGNAL, MSG_PEEK};
