//! Sockets.
//!
//! | file | topic |
//! |---|---|
//! | `address` | addresses of IPv4, IPv6 and Unix sockets |
//! | `calls` | `socket()`, `bind()`, `accept()`, `send()` and the other calls |
//! | `options` | `getsockopt()` and `setsockopt()` |
//! | `names` | `getaddrinfo()`, `gethostbyname()` and `if_nametoindex()` |

mod address;
mod calls;
mod names;
mod options;

pub use address::{
    AddressFamily, AsSockAddr, IpAddr, Ipv4Addr, Ipv6Addr, SockAddr, SocketAddr, SocketAddrV4, SocketAddrV6,
    UNIX_PATH_MAX, UnixAddr, inet_addr,
};
pub use calls::{
    MsgFlags, Protocol, Shutdown, SocketFlags, SocketType, accept, accept4, acceptfrom, acceptfrom_v4, bind, connect,
    getpeername, getsockname, listen, recv, send, shutdown, socket,
};
pub use names::{AddrInfo, GaiError, getaddrinfo, gethostbyname, if_nametoindex};
pub use options::{Access, Credentials, OptionValue, ReadOnly, ReadWrite, SocketOption, getsockopt, setsockopt};
