use std::net::{TcpListener, TcpStream};
use std::os::fd::IntoRawFd;
use std::os::unix::net::UnixListener;
use std::string::ToString;
use std::vec::Vec;

use super::*;
use crate::ffi::fcntl as c;
use crate::server::settings::Settings;

/// Returns this many listeners that the server has made.
fn bound(count: usize) -> Listeners {
    let (mut listeners, settings) = (Listeners::new(), Settings::new());
    (0..count).for_each(|_| listeners.bind("127.0.0.1:0", &settings.socket, None).unwrap());
    listeners
}

fn owned(socket: impl IntoRawFd) -> OwnedFd {
    // SAFETY: the descriptor is open, and nothing else owns it.
    unsafe { OwnedFd::from_raw(socket.into_raw_fd()) }
}

fn port(listener: &Listener) -> u16 {
    let Ok(SockAddr::Inet(address)) = listener.address() else { unreachable!() };
    address.port()
}

/// Whether accept4() waits at a listener.
fn waits(listener: &Listener) -> bool {
    // SAFETY: the call has no precondition on memory.
    let flags = unsafe { c::fcntl(listener.as_fd().raw(), c::F_GETFL) };
    flags & c::O_NONBLOCK == 0
}

/// Checks where accept4() waits: at the only listener of a pool, unless the service manager may have passed it to another
/// server as well.
#[test]
#[cfg_attr(miri, ignore = "it has no sockets")]
fn accept_waits_at_the_only_listener_of_a_pool() {
    for (count, has_pool, expected) in [(1, true, true), (1, false, false), (2, true, false), (2, false, false)] {
        let listeners = bound(count);
        assert!(!listeners.iter().any(waits));
        listeners.set_waiting(has_pool).unwrap();
        let found: Vec<bool> = listeners.iter().map(waits).collect();
        assert_eq!(found, std::vec![expected; count], "{has_pool}");
        // A server that goes on after a restart that has failed sets it again.
        listeners.set_waiting(!has_pool).unwrap();
        let found: Vec<bool> = listeners.iter().map(waits).collect();
        assert_eq!(found, std::vec![!has_pool && count == 1; count], "{has_pool}");
    }
    for is_shared in [false, true] {
        let mut listeners = Listeners::new();
        listeners.inherit(owned(TcpListener::bind("127.0.0.1:0").unwrap()), is_shared, None).unwrap();
        listeners.set_waiting(true).unwrap();
        assert_eq!(waits(listeners.get(0).unwrap()), !is_shared);
    }
    // A program may keep a copy of what it gives.
    let mut listeners = Listeners::new();
    listeners.adopt(owned(TcpListener::bind("127.0.0.1:0").unwrap())).unwrap();
    listeners.set_waiting(true).unwrap();
    assert!(!waits(listeners.get(0).unwrap()));
}

#[test]
#[cfg_attr(miri, ignore = "it has no sockets")]
fn a_client_at_any_listener_is_one_that_waits() {
    for count in [1, 2, 3] {
        for index in 0..count {
            let listeners = bound(count);
            assert!(!listeners.have_client());
            let _client = TcpStream::connect(("127.0.0.1", port(listeners.get(index).unwrap()))).unwrap();
            assert!(listeners.have_client(), "{index} of {count}");
        }
    }
    assert!(!Listeners::new().have_client());
}

/// Checks of which listeners a close of a connection may wait for its client.
#[test]
#[cfg_attr(miri, ignore = "it has no sockets")]
fn a_close_may_wait_with_a_unix_socket_or_a_listener_that_lingers() {
    let inet = || owned(TcpListener::bind("127.0.0.1:0").unwrap());
    let lingering = inet();
    setsockopt(&lingering, SocketOption::LINGER, Some(1)).unwrap();
    let path = std::env::temp_dir().join(std::format!("mpserv-listeners-{}", std::process::id()));
    let unix = owned(UnixListener::bind(&path).unwrap());
    std::fs::remove_file(&path).unwrap();
    for (sockets, may_wait) in [(std::vec![inet()], false), (std::vec![lingering], true), (std::vec![unix], true)] {
        let mut listeners = bound(1);
        assert!(!listeners.closes_may_wait());
        sockets.into_iter().for_each(|socket| listeners.adopt(socket).unwrap());
        assert_eq!(listeners.closes_may_wait(), may_wait);
        listeners.adopt(inet()).unwrap();
        assert_eq!(listeners.closes_may_wait(), may_wait, "another listener changes nothing");
    }
}

/// Checks the message for each descriptor that is no listener.
#[test]
#[cfg_attr(miri, ignore = "it has no sockets")]
fn each_descriptor_that_is_no_listener_is_told_with_a_hint() {
    let (stream, _other) = std::os::unix::net::UnixStream::pair().unwrap();
    for (fd, told) in [
        (owned(std::fs::File::open("/dev/null").unwrap()), "Socket operation on non-socket; it is to be a socket"),
        (
            owned(std::net::UdpSocket::bind("127.0.0.1:0").unwrap()),
            "this is no stream socket; pass a socket of the type SOCK_STREAM (ListenStream=)",
        ),
        (owned(stream), "this socket does not listen; bind and listen before it is passed"),
    ] {
        let expected = std::format!("descriptor {}: {told}", fd.raw());
        let error = Listeners::new().adopt(fd).unwrap_err();
        assert_eq!((error.to_string(), error.is_usage()), (expected, false));
    }
    let mut listeners = bound(LISTENERS_MAX);
    let error = listeners.bind("127.0.0.1:0", &Settings::new().socket, None).unwrap_err();
    let told = "more than 32 addresses to listen on: too many; start a second server for the rest";
    assert_eq!((error.to_string().as_str(), error.is_usage()), (told, true));
    let error = Listeners::new().bind("inherit", &Settings::new().socket, None).unwrap_err();
    let told = "inherit: this program has not claimed the sockets that were passed to it; it must claim them at its start: \
                Server::inherit";
    assert_eq!(error.to_string(), told);
    let mut listeners = bound(1);
    let address = std::format!("127.0.0.1:{}", port(listeners.get(0).unwrap()));
    let hint = "this server listens there already, by another ADDRESS: leave one of them out";
    let error = listeners.bind(&address, &Settings::new().socket, None).unwrap_err();
    let told = std::format!("cannot listen on \"{address}\": Address already in use; {hint}");
    assert_eq!(error.to_string(), told);
}

/// Checks which addresses of a host are told as skipped: the first ones. Without any other address, it is an error.
#[test]
#[cfg_attr(miri, ignore = "it has no sockets")]
fn the_first_addresses_that_the_system_lacks_are_told() {
    let (mut listeners, settings) = (Listeners::new(), Settings::new());
    // No machine has an address of this network.
    let missing = |host: u8| SocketAddr::new(Ipv4Addr::new(203, 0, 113, host).into(), 0);
    let own = SocketAddr::new(Ipv4Addr::LOCALHOST.into(), 0);
    let error = listeners.bind_each("host:0", [missing(1)].into_iter(), &settings.socket).unwrap_err();
    assert_eq!(error.errno(), Some(Errno::ADDRNOTAVAIL));
    let mut listeners = Listeners::new();
    let addresses = (1..=3).map(missing).chain([own]).chain((4..=6).map(missing));
    listeners.bind_each("host:0", addresses, &settings.socket).unwrap();
    assert_eq!(listeners.len(), 1);
    let skipped: Vec<(SocketAddr, Errno)> = listeners.skipped().collect();
    assert_eq!(skipped, [1, 2, 3, 4].map(|host| (missing(host), Errno::ADDRNOTAVAIL)));
}

/// Checks which listeners of IPv6 take clients of IPv4 as well: those of a port alone.
#[test]
#[cfg_attr(miri, ignore = "it has no sockets")]
fn only_a_port_alone_is_for_both_families() {
    for (address, is_v6_only) in [("[::]:0", true), ("[::1]:0", true), ("0", false)] {
        let mut listeners = Listeners::new();
        // Without IPv6 there is nothing to check.
        if listeners.bind(address, &Settings::new().socket, None).is_err() {
            continue;
        }
        let listener = listeners.get(0).unwrap();
        if matches!(listener.address(), Ok(SockAddr::Inet(SocketAddr::V6(_)))) {
            assert_eq!(getsockopt(listener, SocketOption::V6ONLY), Ok(is_v6_only), "{address}");
        }
    }
}
