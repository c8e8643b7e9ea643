//! `Address`: an address to listen on, and its text.

use core::fmt;

use super::error::{Error, Reason, Result};
use crate::sys::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// An address to listen on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Address<'a> {
    /// `PORT`: every address of the machine, IPv6 and IPv4.
    Port(u16),
    /// `V4:PORT`, `[V6]:PORT`
    Inet(SocketAddr),
    /// `HOST:PORT`: every address that the host has.
    Host(&'a str, u16),
    /// `unix:PATH`
    Unix(&'a str),
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
        match text.split_once(':') {
            None if text == "inherit" => return Ok(Address::Inherit(None)),
            Some(("inherit", name)) => return Ok(Address::Inherit(Some(name))),
            _ => {}
        }
        if let Some(path) = text.strip_prefix("unix:") {
            return if path.is_empty() { Err(wrong("the path is empty")) } else { Ok(Address::Unix(path)) };
        }
        if let Some(rest) = text.strip_prefix('[') {
            let (host, port) = rest.split_once("]:").ok_or_else(|| wrong("]:PORT is missing"))?;
            let ip: Ipv6Addr = host.parse().map_err(|_| wrong("what is in brackets is not an IPv6 address"))?;
            return Ok(Address::Inet(SocketAddr::new(IpAddr::V6(ip), parse_port(port)?)));
        }
        let Some((host, port)) = text.rsplit_once(':') else { return parse_port(text).map(Address::Port) };
        if host.is_empty() {
            return Err(wrong("the host is empty"));
        }
        if host.contains(':') {
            return Err(wrong("an IPv6 address stands in brackets"));
        }
        let port = parse_port(port)?;
        if let Ok(ip) = host.parse::<Ipv4Addr>() {
            return Ok(Address::Inet(SocketAddr::new(IpAddr::V4(ip), port)));
        }
        // The resolver would take a text of digits and dots for a name, and 10.0.1 for 10.0.0.1.
        if host.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.') {
            return Err(wrong("the host is not an IPv4 address"));
        }
        Ok(Address::Host(host, port))
    }
}

/// A text of the operator between quotes. Characters that are not plain ASCII are escaped.
pub(super) struct Quoted<'a>(pub(super) &'a str);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\"", self.0.escape_debug())
    }
}
