//! `Source`: the origin of a connection. Connections are counted by source.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use super::limits::{SOURCE_PREFIX_V4, SOURCE_PREFIX_V6};

/// The source of a connection. `--max-per-source` counts connections by source.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) enum Source {
    /// A network, given by its first address.
    Network(IpAddr),
    /// A host on the link of an interface: its address, and the index of the interface. All hosts of a link share the
    /// network `fe80::/64`.
    LinkLocal(Ipv6Addr, u32),
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

    /// Returns the source of a client with this address.
    pub(super) fn source_of(self, address: SocketAddr) -> Source {
        let network = match address {
            SocketAddr::V4(address) => Ipv4Addr::from_bits(address.ip().to_bits() & mask_v4(self.v4)).into(),
            SocketAddr::V6(address) if address.ip().is_unicast_link_local() => {
                return Source::LinkLocal(*address.ip(), address.scope_id());
            }
            SocketAddr::V6(address) => Ipv6Addr::from_bits(address.ip().to_bits() & mask_v6(self.v6)).into(),
        };
        Source::Network(network)
    }
}

/// Returns the bits of an IPv4 address that name a network of this length.
pub(super) fn mask_v4(length: u32) -> u32 {
    u32::MAX.checked_shl(Ipv4Addr::BITS - length).unwrap_or(0)
}

/// Returns the bits of an IPv6 address that name a network of this length.
pub(super) fn mask_v6(length: u32) -> u128 {
    u128::MAX.checked_shl(Ipv6Addr::BITS - length).unwrap_or(0)
}
