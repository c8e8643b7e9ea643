//! `Source`: the origin of a connection, by which connections are counted.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::limits::{SOURCE_PREFIX_V4, SOURCE_PREFIX_V6};

/// The source of a connection, by which `--max-per-source` counts.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) enum Source {
    /// A network, by its first address.
    Network(IpAddr),
    /// A user of this machine.
    User(u32),
    /// Any other client.
    Unknown,
}

/// The lengths, in bits, of the networks that count as one source.
#[derive(Clone, Copy, Debug)]
pub(super) struct SourcePrefix {
    pub(super) v4: u32,
    pub(super) v6: u32,
}

impl SourcePrefix {
    pub(super) const DEFAULT: SourcePrefix = SourcePrefix { v4: SOURCE_PREFIX_V4, v6: SOURCE_PREFIX_V6 };

    /// The network of an address.
    pub(super) fn source_of(self, ip: IpAddr) -> Source {
        Source::Network(match ip {
            IpAddr::V4(ip) => Ipv4Addr::from_bits(ip.to_bits() & mask_v4(self.v4)).into(),
            IpAddr::V6(ip) => Ipv6Addr::from_bits(ip.to_bits() & mask_v6(self.v6)).into(),
        })
    }
}

/// The bits of an IPv4 address that name a network of this length.
pub(super) fn mask_v4(length: u32) -> u32 {
    u32::MAX.checked_shl(Ipv4Addr::BITS - length).unwrap_or(0)
}

/// The bits of an IPv6 address that name a network of this length.
pub(super) fn mask_v6(length: u32) -> u128 {
    u128::MAX.checked_shl(Ipv6Addr::BITS - length).unwrap_or(0)
}
