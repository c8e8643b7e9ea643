use core::net::SocketAddr;

use super::*;
use crate::sys::net::Credentials;

fn inet(text: &str) -> Peer {
    Peer::Inet(text.parse::<SocketAddr>().unwrap())
}

/// Checks that the clients of a source count together, and that the last of them leaves nothing.
#[test]
fn the_clients_of_each_source_are_counted() {
    let unix = |pid, uid| Peer::Unix(Credentials { pid, uid, gid: 1 });
    let mut sources = Sources::with_capacity(3, SourcePrefix { v4: 24, v6: 48 }).unwrap();
    let pairs = [
        [inet("192.0.2.1:1"), inet("192.0.2.255:2")],
        [inet("[2001:db8::1]:1"), inet("[2001:db8:0:ffff::1]:1")],
        [unix(1, 42), unix(2, 42)],
    ];
    let others = [inet("192.0.3.1:1"), inet("[2001:db8:1::1]:1"), unix(1, 43), Peer::Unknown];
    for [one, other] in pairs {
        sources.add(&one);
        assert_eq!([&one, &other].map(|peer| sources.count(peer)), [1, 1], "{one}");
        sources.add(&other);
        sources.add(&one);
        assert_eq!([&one, &other].map(|peer| sources.count(peer)), [3, 3], "{one}");
    }
    assert_eq!(others.map(|peer| sources.count(&peer)), [0; 4]);
    for (left, [one, other]) in [2, 1, 0].into_iter().flat_map(|left| pairs.map(|pair| (left, pair))) {
        sources.remove(&one);
        assert_eq!(sources.count(&other), left, "{one}");
    }
    // There is room for three other sources now, and a client of whom nothing was counted changes nothing.
    sources.remove(&others[3]);
    others[..3].iter().for_each(|peer| sources.add(peer));
    assert_eq!(others.map(|peer| sources.count(&peer)), [1, 1, 1, 0]);
}
