//! The PROXY protocol, versions 1 and 2: a proxy names the client in a header, which it sends before the client's data.
//!
//! Everything that the specification forbids is refused. Not a byte beyond the header is taken. Additional fields
//! (TLVs) must be whole, and are skipped. Addresses of families that this server does not support are skipped as well.
//!
//! # References
//! The PROXY protocol, versions 1 & 2 (HAProxy, `doc/proxy-protocol.txt`)
//!
//! # Example
//! ```
//! use mpserv::server::proxy_protocol::{Header, Parser};
//!
//! let mut parser = Parser::new();
//! let header = b"PROXY TCP4 192.0.2.1 192.0.2.9 40000 80\r\n";
//! let found = header.iter().find_map(|byte| parser.push(*byte).transpose()).expect("the header is whole")?;
//! assert!(matches!(found, Header::Proxied { source, .. } if source.port() == 40000));
//! # Ok::<(), mpserv::server::proxy_protocol::ProxyError>(())
//! ```

use core::fmt;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use core::time::Duration;

use crate::sys::errno::{Errno, retry_on_intr};
use crate::sys::fd::AsFd;
use crate::sys::net::{MsgFlags, recv};
use crate::sys::poll::{PollEvents, PollFd, ppoll};
use crate::sys::time::{Clock, clock_gettime};

/// The time that a proxy has to send the header.
pub const TIME_LIMIT: Duration = Duration::from_secs(3);

/// The content of a header.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Header {
    /// The connection is the proxy's own, or the proxy does not know the client's address: `LOCAL`, `UNKNOWN`,
    /// `UNSPEC`, or a family that is not TCP. The addresses of the connection itself are used.
    Local,
    /// The proxy passes a client on.
    Proxied {
        /// The client.
        source: SocketAddr,
        /// The address to which the client connected.
        destination: SocketAddr,
    },
}

/// The reason why there is no header.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ProxyError {
    /// The data is no header.
    Malformed(&'static str),
    /// The connection ended before the header did.
    Closed,
    /// The header was not whole in [`TIME_LIMIT`].
    TimedOut,
    /// The connection failed.
    System(Errno),
}

impl fmt::Display for ProxyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ProxyError::Malformed(why) => write!(f, "no PROXY header: {why}"),
            ProxyError::Closed => f.write_str("no PROXY header: the peer closed the connection"),
            ProxyError::TimedOut => write!(f, "no PROXY header within {} s", TIME_LIMIT.as_secs()),
            ProxyError::System(errno) => write!(f, "no PROXY header: {errno}"),
        }
    }
}

impl core::error::Error for ProxyError {}

/// The number of bytes that one call examines. Most headers are shorter.
const CHUNK: usize = 536;

/// Reads a header, and not a byte of the data after it.
///
/// # Errors
/// [`ProxyError`] lists the errors. After an error, some of the bytes may have been read.
pub fn read_header(connection: impl AsFd) -> Result<Header, ProxyError> {
    let deadline = clock_gettime(Clock::MONOTONIC) + TIME_LIMIT;
    let mut parser = Parser::new();
    let mut chunk = [0; CHUNK];
    loop {
        let seen = peek(&connection, &mut chunk, deadline)?;
        let mut taken = 0;
        let mut header = None;
        for &byte in chunk.get(..seen).unwrap_or_default() {
            taken += 1;
            header = parser.push(byte)?;
            if header.is_some() {
                break;
            }
        }
        // This call takes all of these bytes without waiting, because the peek has seen them.
        let room = chunk.get_mut(..taken).unwrap_or_default();
        retry_on_intr(|| recv(&connection, room, MsgFlags::DONTWAIT)).map_err(ProxyError::System)?;
        if let Some(header) = header {
            return Ok(header);
        }
    }
}

/// Looks at the data that has come, without taking it. Waits for data until the deadline.
fn peek(connection: &impl AsFd, chunk: &mut [u8], deadline: Duration) -> Result<usize, ProxyError> {
    let mut is_readable = false;
    loop {
        match recv(connection, chunk, MsgFlags::PEEK | MsgFlags::DONTWAIT) {
            Ok(0) => return Err(ProxyError::Closed),
            Ok(seen) => return Ok(seen),
            // Out-of-band data of a Unix socket makes it readable, and cannot be read like other data.
            Err(Errno::AGAIN) if is_readable => return malformed("it begins with out-of-band data"),
            Err(Errno::AGAIN | Errno::INTR) => {}
            Err(errno) => return Err(ProxyError::System(errno)),
        }
        let left = deadline.saturating_sub(clock_gettime(Clock::MONOTONIC));
        if left.is_zero() {
            return Err(ProxyError::TimedOut);
        }
        let mut fds = [PollFd::new(connection.as_fd(), PollEvents::IN)];
        // After an interruption, the deadline still holds. A preforked child in the sandbox may call ppoll(), but not
        // poll(), which is another system call on x86-64.
        match ppoll(&mut fds, Some(left), None) {
            Ok(ready) => is_readable = ready > 0,
            Err(Errno::INTR) => is_readable = false,
            Err(errno) => return Err(ProxyError::System(errno)),
        }
    }
}

/// The start of a header of version 1.
const V1_START: &[u8] = b"PROXY ";
/// The longest header of version 1, with its CRLF.
const V1_MAX: usize = 107;
/// The start of a header of version 2.
const V2_START: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";
/// The length of a header of version 2 without addresses and additional fields.
const V2_FIXED: usize = 16;
// The length of two addresses with their ports, for each family.
const V2_INET: usize = 12;
const V2_INET6: usize = 36;
const V2_UNIX: usize = 216;
/// The length of an additional field before its value: a type, and a length of two bytes.
const TLV_HEAD: u8 = 3;

const fn malformed<T>(why: &'static str) -> Result<T, ProxyError> {
    Err(ProxyError::Malformed(why))
}

/// The part of a header to which the next byte belongs.
#[derive(Clone, Copy, Debug)]
enum Part {
    /// The bytes that tell the versions apart, or the line of version 1.
    V1,
    /// The bytes of version 2 up to the length.
    V2Fixed,
    /// Addresses that are kept: `keep` more bytes.
    Addresses { keep: usize },
    /// Addresses that are skipped: `skip` more bytes.
    Skipped { skip: usize },
    /// Additional fields: `head` bytes of the field's head have come, `value` bytes of its value are still to come.
    Tlvs { head: u8, length: u16, value: u16 },
    /// The header is over.
    Done,
}

/// The start of an additional field.
const TLVS: Part = Part::Tlvs { head: 0, length: 0, value: 0 };

/// A header, taken byte by byte.
#[derive(Clone, Debug)]
pub struct Parser {
    kept: [u8; V1_MAX],
    length: usize,
    part: Part,
    /// The number of bytes of a header of version 2 that are still missing.
    left: usize,
    /// Whether the header is [`Header::Local`].
    is_local: bool,
}

impl Default for Parser {
    fn default() -> Self {
        Parser::new()
    }
}

impl Parser {
    /// Returns a parser that has got no byte yet.
    #[must_use]
    pub const fn new() -> Parser {
        Parser { kept: [0; V1_MAX], length: 0, part: Part::V1, left: 0, is_local: false }
    }

    /// Takes the next byte. Returns the header once it is whole.
    ///
    /// # Errors
    /// [`ProxyError::Malformed`] as soon as no header can begin with these bytes, and at every later call.
    pub fn push(&mut self, byte: u8) -> Result<Option<Header>, ProxyError> {
        let header = self.take(byte);
        if header.is_err() {
            self.part = Part::Done;
        }
        header
    }

    fn take(&mut self, byte: u8) -> Result<Option<Header>, ProxyError> {
        match self.part {
            Part::V1 | Part::V2Fixed => return self.push_start(byte),
            Part::Addresses { keep } => {
                self.keep(byte);
                self.part = if keep > 1 { Part::Addresses { keep: keep - 1 } } else { TLVS };
            }
            Part::Skipped { skip } => self.part = if skip > 1 { Part::Skipped { skip: skip - 1 } } else { TLVS },
            Part::Tlvs { head, length, value } => self.part = self.push_tlv(byte, head, length, value)?,
            Part::Done => return malformed("it is over"),
        }
        self.left -= 1;
        self.finish_v2()
    }

    fn keep(&mut self, byte: u8) {
        if let Some(place) = self.kept.get_mut(self.length) {
            *place = byte;
            self.length += 1;
        }
    }

    fn kept(&self) -> &[u8] {
        self.kept.get(..self.length).unwrap_or_default()
    }

    fn push_start(&mut self, byte: u8) -> Result<Option<Header>, ProxyError> {
        let position = self.length;
        self.keep(byte);
        if position == 0 && V2_START.first() == Some(&byte) {
            self.part = Part::V2Fixed;
        }
        let is_v1 = matches!(self.part, Part::V1);
        let start = if is_v1 { V1_START } else { V2_START };
        if start.get(position).is_some_and(|expected| *expected != byte) {
            return malformed("it begins otherwise");
        }
        if is_v1 { self.push_v1() } else { self.push_v2_fixed() }
    }

    fn push_v1(&mut self) -> Result<Option<Header>, ProxyError> {
        let (line, end) = match self.kept() {
            [line @ .., b'\r', b'\n'] => (line, true),
            [.., b'\r', _] => return malformed("a CR without a LF"),
            line => (line, false),
        };
        if end {
            let header = parse_v1(line)?;
            self.part = Part::Done;
            return Ok(Some(header));
        }
        if self.length == V1_MAX { malformed("the line is longer than 107 bytes") } else { Ok(None) }
    }

    fn push_v2_fixed(&mut self) -> Result<Option<Header>, ProxyError> {
        let &[.., version_command, family, high, low] = self.kept() else { return Ok(None) };
        if self.length < V2_FIXED {
            return Ok(None);
        }
        self.left = usize::from(u16::from_be_bytes([high, low]));
        let is_proxy = match (version_command >> 4, version_command & 0xf) {
            (2, 0) => false,
            (2, 1) => true,
            (2, _) => return malformed("a command that there is not"),
            _ => return malformed("a version that there is not"),
        };
        // Everything after the length of a LOCAL header must be ignored, the family included.
        let (keep, skip) = match family {
            _ if !is_proxy => (0, self.left),
            0x00 => (0, self.left),
            0x11 => (V2_INET, 0),
            0x21 => (V2_INET6, 0),
            0x12 => (0, V2_INET),
            0x22 => (0, V2_INET6),
            0x31 | 0x32 => (0, V2_UNIX),
            _ => return malformed("a family or a protocol that there is not"),
        };
        if self.left < keep + skip {
            return malformed("it is too short for its addresses");
        }
        self.is_local = keep == 0;
        self.part = match (keep, skip) {
            (0, 0) => TLVS,
            (0, skip) => Part::Skipped { skip },
            (keep, _) => Part::Addresses { keep },
        };
        self.finish_v2()
    }

    fn push_tlv(&self, byte: u8, head: u8, length: u16, value: u16) -> Result<Part, ProxyError> {
        if value > 0 {
            return Ok(Part::Tlvs { head, length, value: value - 1 });
        }
        // The byte of the type is shifted out.
        let length = length << u8::BITS | u16::from(byte);
        if head + 1 < TLV_HEAD {
            return Ok(Part::Tlvs { head: head + 1, length, value });
        }
        // This byte still counts among the bytes that are left.
        if usize::from(length) >= self.left {
            return malformed("an additional field is longer than what is left");
        }
        Ok(Part::Tlvs { head: 0, length: 0, value: length })
    }

    /// Returns the header, if no byte of it is left.
    fn finish_v2(&mut self) -> Result<Option<Header>, ProxyError> {
        if self.left > 0 {
            return Ok(None);
        }
        if let Part::Tlvs { head: 1.., .. } = self.part {
            return malformed("an additional field is cut off");
        }
        self.part = Part::Done;
        let addresses = self.kept().get(V2_FIXED..).unwrap_or_default();
        let header = if self.is_local { Some(Header::Local) } else { parse_v2_addresses(addresses) };
        header.map(Some).ok_or(ProxyError::Malformed("it is too short for its addresses"))
    }
}

/// Parses the addresses of a header of version 2: source, destination, and their ports.
fn parse_v2_addresses(bytes: &[u8]) -> Option<Header> {
    let (addresses, ports) = bytes.split_at_checked(bytes.len().checked_sub(4)?)?;
    let (source, destination) = addresses.split_at(addresses.len() / 2);
    let ip = |bytes: &[u8]| match <[u8; 4]>::try_from(bytes) {
        Ok(octets) => Some(IpAddr::from(octets)),
        Err(_) => <[u8; 16]>::try_from(bytes).ok().map(IpAddr::from),
    };
    let &[source_high, source_low, destination_high, destination_low] = ports else { return None };
    Some(Header::Proxied {
        source: SocketAddr::new(ip(source)?, u16::from_be_bytes([source_high, source_low])),
        destination: SocketAddr::new(ip(destination)?, u16::from_be_bytes([destination_high, destination_low])),
    })
}

/// Parses a line of version 1 without its CRLF.
fn parse_v1(line: &[u8]) -> Result<Header, ProxyError> {
    let rest = line.strip_prefix(V1_START).unwrap_or_default();
    if rest == b"UNKNOWN" || rest.starts_with(b"UNKNOWN ") {
        // The rest of the line must be ignored.
        return Ok(Header::Local);
    }
    let mut words =
        core::str::from_utf8(rest).map_err(|_| ProxyError::Malformed("bytes that are no ASCII"))?.split(' ');
    let mut word = || words.next().ok_or(ProxyError::Malformed("a field is missing"));
    let parse_ip: fn(&str) -> Option<IpAddr> = match word()? {
        "TCP4" => |text| text.parse().ok().map(|address: Ipv4Addr| IpAddr::V4(address)),
        "TCP6" => |text| text.parse().ok().map(|address: Ipv6Addr| IpAddr::V6(address)),
        _ => return malformed("a protocol that is none of TCP4, TCP6 and UNKNOWN"),
    };
    const NO_ADDRESS: ProxyError = ProxyError::Malformed("an address that is none of its family");
    const NO_PORT: ProxyError = ProxyError::Malformed("a port that is no number from 0 to 65535");
    let source = parse_ip(word()?).ok_or(NO_ADDRESS)?;
    let destination = parse_ip(word()?).ok_or(NO_ADDRESS)?;
    let source_port = parse_port(word()?).ok_or(NO_PORT)?;
    let destination_port = parse_port(word()?).ok_or(NO_PORT)?;
    if words.next().is_some() {
        return malformed("a field too many");
    }
    Ok(Header::Proxied {
        source: SocketAddr::new(source, source_port),
        destination: SocketAddr::new(destination, destination_port),
    })
}

/// Returns a port in decimal digits, without zeros in front.
fn parse_port(text: &str) -> Option<u16> {
    let is_canonical = text == "0" || !text.starts_with('0');
    let digits = is_canonical && text.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| text.parse().ok()).flatten()
}

#[cfg(test)]
mod tests;
