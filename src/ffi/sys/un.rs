//! `<sys/un.h>`: addresses of Unix sockets.

/// `struct sockaddr_un { sa_family_t sun_family; char sun_path[108]; }`
///
/// A path, or after a NUL an abstract name. unix(7), POSIX.
#[doc(inline)]
pub use libc::sockaddr_un;
