//! `Address`: an address on which a server listens, and its text.

use core::ffi::CStr;
use core::fmt;

use super::error::{Error, Reason, Result};
use crate::sys::errno::{self, Errno};
use crate::sys::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6, if_nametoindex};

/// An address on which a server listens.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Address<'a> {
    /// `PORT`: every address of the machine, IPv6 and IPv4.
    Port(u16),
    /// An IP address: `V4:PORT`, `[V6]:PORT`, `[V6%INTERFACE]:PORT`.
    Inet(SocketAddr),
    /// `HOST:PORT`: every address that the host has.
    Host(&'a str, u16),
    /// The path of a Unix socket: `unix:PATH`.
    Unix(&'a str),
    /// `unix:@NAME`: a name in the abstract namespace, which is in no file system.
    Abstract(&'a str),
    /// `inherit`, `inherit:NAME`: the sockets that the service manager has passed.
    Inherit(Option<&'a str>),
}

const FORMS: &str = "an address is PORT, HOST:PORT, [IPV6]:PORT, unix:PATH or inherit";

impl<'a> Address<'a> {
    pub(super) fn parse(text: &'a str) -> Result<Address<'a>> {
        let wrong = |what| Error::new(format_args!("{}", Quoted(text)), Reason::Usage(what), FORMS);
        let parse_port = |port: &str| {
            let digits = !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit());
            if digits { port.parse().ok() } else { None }
                .ok_or_else(|| wrong("the port is not a number from 0 to 65535"))
        };
        // C would take the name before the NUL for the whole name. An abstract name may have a NUL.
        if text.contains('\0') && !text.starts_with("unix:@") {
            return Err(wrong("there is a NUL in it"));
        }
        match text.split_once(':') {
            None if text == "inherit" => return Ok(Address::Inherit(None)),
            Some(("inherit", name)) => return Ok(Address::Inherit(Some(name))),
            _ => {}
        }
        if let Some(path) = text.strip_prefix("unix:") {
            return match path.strip_prefix('@') {
                Some("") => Err(wrong("the abstract name is empty")),
                Some(name) => Ok(Address::Abstract(name)),
                None if path.is_empty() => Err(wrong("the path is empty")),
                None => Ok(Address::Unix(path)),
            };
        }
        if let Some(rest) = text.strip_prefix('[') {
            let (host, port) = rest.split_once("]:").ok_or_else(|| wrong("]:PORT is missing"))?;
            let (host, zone) = host.split_once('%').map_or((host, None), |(host, zone)| (host, Some(zone)));
            let ip: Ipv6Addr = host.parse().map_err(|_| wrong("what is in brackets is not an IPv6 address"))?;
            let port = parse_port(port)?;
            if ip.to_ipv4_mapped().is_some() {
                let hint = "leave out [::ffff: and the bracket: 127.0.0.1:5000";
                let reason = Reason::Usage("this is an IPv4 address in the form of IPv6");
                return Err(Error::new(format_args!("{}", Quoted(text)), reason, hint));
            }
            if zone.is_none() && ip.is_unicast_link_local() {
                let hint = "name it: [fe80::1%eth0]:5000 (ip link shows the interfaces)";
                let reason = Reason::Usage("a link-local address is one of an interface");
                return Err(Error::new(format_args!("{}", Quoted(text)), reason, hint));
            }
            let scope = zone.map_or(Ok(0), scope_of).map_err(|errno| {
                let hint = "there is no such interface (ip link shows those that there are)";
                Error::new(format_args!("cannot listen on {}", Quoted(text)), Reason::System(errno), hint)
            })?;
            return Ok(Address::Inet(SocketAddrV6::new(ip, port, 0, scope).into()));
        }
        let Some((host, port)) = text.rsplit_once(':') else { return parse_port(text).map(Address::Port) };
        if host.is_empty() {
            return Err(wrong("the host is empty"));
        }
        if host == "*" {
            let reason = Reason::Usage("* is no host");
            return Err(Error::new(format_args!("{}", Quoted(text)), reason, "give the PORT alone for every address"));
        }
        if host.contains(':') {
            return Err(wrong("an IPv6 address stands in brackets"));
        }
        let port = parse_port(port)?;
        if let Ok(ip) = host.parse::<Ipv4Addr>() {
            return Ok(Address::Inet(SocketAddr::new(IpAddr::V4(ip), port)));
        }
        // The resolver would take any text of digits and dots for a name, and would turn 10.0.1 into 10.0.0.1.
        if host.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.') {
            return Err(wrong("the host is not an IPv4 address"));
        }
        Ok(Address::Host(host, port))
    }
}

/// The longest name of an interface, with its NUL (`IF_NAMESIZE`).
const INTERFACE_MAX: usize = 16;

/// Returns the index of an interface, which is given by its name or by that index.
fn scope_of(zone: &str) -> errno::Result<u32> {
    let mut name = [0; INTERFACE_MAX];
    let room = name.get_mut(..zone.len()).filter(|_| zone.len() < INTERFACE_MAX).ok_or(Errno::NODEV)?;
    room.copy_from_slice(zone.as_bytes());
    let index = if_nametoindex(CStr::from_bytes_until_nul(&name).unwrap_or_default());
    index.or_else(|errno| zone.parse().ok().filter(|index| *index > 0).ok_or(errno))
}

/// A text of the operator between quotes. Characters that are not plain ASCII are escaped.
pub(super) struct Quoted<'a>(pub(super) &'a str);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\"", self.0.escape_debug())
    }
}

#[cfg(test)]
mod tests;
