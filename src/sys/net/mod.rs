//! Sockets.
//!
//! | file | content |
//! |---|---|
//! | `address` | addresses of IPv4, IPv6 and Unix sockets |
//! | `calls` | `socket()`, `bind()`, `accept()`, `send()` and the other calls |
//! | `options` | `getsockopt()` and `setsockopt()` |
//! | `names` | `getaddrinfo()`, `gethostbyname()` and `if_nametoindex()` |
//!
//! # A whole program
//! ```
//! use mpserv::fd::{read_all, write_all};
//! use mpserv::net::{
//!     AddressFamily, Protocol, Shutdown, SockAddr, SocketAddr, SocketOption, SocketType, accept, bind, connect, getsockname,
//!     listen, setsockopt, shutdown, socket,
//! };
//!
//! /// A server and its client, in one process: the kernel holds the connection until it is accepted.
//! fn main() -> mpserv::errno::Result<()> {
//!     let listener = socket(AddressFamily::INET, SocketType::STREAM, Protocol::TCP)?;
//!     setsockopt(&listener, SocketOption::REUSEADDR, true)?;
//!     bind(&listener, &SocketAddr::from(([127, 0, 0, 1], 0)))?;
//!     listen(&listener, 5)?;
//!     let SockAddr::Inet(address) = getsockname(&listener)? else { unreachable!("the socket is of IPv4") };
//!
//!     let client = socket(AddressFamily::INET, SocketType::STREAM, Protocol::TCP)?;
//!     connect(&client, &address)?;
//!     let server = accept(&listener)?;
//!     write_all(&client, b"hello")?;
//!     shutdown(&client, Shutdown::Write)?;
//!     assert_eq!(read_all(&server, &mut [0; 16])?, b"hello");
//!     Ok(())
//! }
//! ```

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
    getpeername, getsockname, listen, open_unix_file, recv, send, shutdown, socket,
};
pub use names::{AddrInfo, GaiError, HOST_MAX, getaddrinfo, gethostbyname, if_nametoindex};
pub use options::{Access, Credentials, OptionValue, ReadOnly, ReadWrite, SocketOption, getsockopt, setsockopt};
