//! The address of the server, and the source addresses of connections.

use core::ffi::CStr;
use core::fmt;

use mpserv::errno::Result;
use mpserv::fd::OwnedFd;
use mpserv::net::{
    AddressFamily, AsSockAddr, Ipv4Addr, Protocol, SocketAddr, SocketAddrV4, SocketOption, SocketType, UnixAddr, bind,
    connect, setsockopt, socket,
};

use crate::error::{Failure, Fault, at};

/// The server's address.
#[derive(Clone, Copy)]
pub(crate) enum Target {
    Inet(SocketAddr),
    Unix(UnixAddr),
}

/// The number of source addresses of each process. Each address has some 28,000 ports, and a used port is free again
/// after a minute at the latest. So ports do not run out.
const SOURCES: u64 = 250;
/// The distance between the addresses of two processes, which have 127.0.1.x, 127.0.2.x and so on.
const PER_PROCESS: u32 = 256;

/// Returns the source address for a process's next connection to this machine, after `earlier` connections.
fn source(process: u32, earlier: u64) -> SocketAddrV4 {
    let network = Ipv4Addr::LOCALHOST.to_bits().wrapping_add(PER_PROCESS.wrapping_mul(process + 1));
    SocketAddrV4::new(Ipv4Addr::from_bits(network.wrapping_add((earlier % SOURCES) as u32)), 0)
}

impl Target {
    /// Parses an address: `PORT` (of 127.0.0.1), `IPv4:PORT`, `[IPv6]:PORT` or `unix:PATH`.
    pub(crate) fn parse(text: &CStr) -> Option<Target> {
        if let Some(path) = text.to_bytes_with_nul().strip_prefix(b"unix:") {
            let path = CStr::from_bytes_with_nul(path).ok().filter(|path| !path.is_empty())?;
            return UnixAddr::new(path).ok().map(Target::Unix);
        }
        let text = text.to_str().ok()?;
        let address = match text.parse() {
            Ok(port) => SocketAddr::V4(SocketAddrV4::new(Ipv4Addr::LOCALHOST, port)),
            Err(_) => text.parse().ok()?,
        };
        (address.port() != 0).then_some(Target::Inet(address))
    }

    /// Connects to the server. `process` is the number of this process, and `earlier` that of its earlier connections.
    /// With `reset`, the close resets the connection.
    pub(crate) fn connect(&self, process: u32, earlier: u64, reset: bool) -> core::result::Result<OwnedFd, Failure> {
        let family = match self {
            Target::Inet(SocketAddr::V4(_)) => AddressFamily::INET,
            Target::Inet(SocketAddr::V6(_)) => AddressFamily::INET6,
            Target::Unix(_) => AddressFamily::UNIX,
        };
        let fd = socket(family, SocketType::STREAM, Protocol::DEFAULT).map_err(at(Fault::Socket))?;
        self.prepare(&fd, process, earlier, reset).map_err(at(Fault::Socket))?;
        match self {
            Target::Inet(address) => connect_to(&fd, address),
            Target::Unix(address) => connect_to(&fd, address),
        }?;
        Ok(fd)
    }

    fn prepare(&self, fd: &OwnedFd, process: u32, earlier: u64, reset: bool) -> Result<()> {
        match self {
            Target::Inet(SocketAddr::V4(address)) if address.ip().is_loopback() => {
                // Without this option, bind would choose the port only among ports that no socket has.
                setsockopt(fd, SocketOption::BIND_ADDRESS_NO_PORT, true)?;
                bind(fd, &source(process, earlier))?;
            }
            _ => {}
        }
        if reset { setsockopt(fd, SocketOption::LINGER, Some(0)) } else { Ok(()) }
    }
}

fn connect_to(fd: &OwnedFd, address: &impl AsSockAddr) -> core::result::Result<(), Failure> {
    connect(fd, address).map_err(at(Fault::Connect))
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Target::Inet(address) => address.fmt(f),
            Target::Unix(address) => fmt::Debug::fmt(address, f),
        }
    }
}
