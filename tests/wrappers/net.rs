//! Tests sockets: addresses, options, and credentials.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddrV4, SocketAddrV6};
use std::time::Duration;

use crate::common::{TempDir, solo::skip};
use mpserv::errno::Errno;
use mpserv::fd::{OwnedFd, close, read, write};
use mpserv::fs::{OpenFlags, fstat, stat};
use mpserv::net::{
    AddressFamily, AsSockAddr, MsgFlags, Protocol, Shutdown, SockAddr, SocketAddr, SocketFlags, SocketOption,
    SocketType, UNIX_PATH_MAX, UnixAddr, accept, accept4, acceptfrom, acceptfrom_v4, bind, connect, getaddrinfo,
    gethostbyname, getpeername, getsockname, getsockopt, inet_addr, listen, open_unix_file, recv, send, setsockopt,
    shutdown, socket,
};
use mpserv::poll::PollEvents;
use mpserv::process::{WaitOptions, getpid};
use mpserv::signal::SaFlags;

pub(crate) fn gethostbyname_answers_only_where_no_other_threads_are() {
    assert_eq!(gethostbyname(c"127.0.0.1"), Some(Ipv4Addr::LOCALHOST));
    std::thread::spawn(|| ()).join().unwrap();
    assert_eq!(gethostbyname(c"127.0.0.1"), None);
}

pub(crate) fn getaddrinfo_gives_each_address_once() {
    for (host, address) in [(c"127.0.0.1", "127.0.0.1:80"), (c"::1", "[::1]:80")] {
        assert!(getaddrinfo(host).unwrap().addresses(80).eq([address.parse().unwrap()]), "{host:?}");
    }
}

pub(crate) fn stream(family: AddressFamily) -> OwnedFd {
    socket(family, SocketType::STREAM, Protocol::DEFAULT).unwrap()
}

pub(crate) fn listening(family: AddressFamily, address: &impl AsSockAddr) -> OwnedFd {
    let listener = stream(family);
    bind(&listener, address).unwrap();
    listen(&listener, 5).unwrap();
    listener
}

fn inet(address: SockAddr) -> SocketAddr {
    let SockAddr::Inet(address) = address else { panic!("{address:?} is of another family") };
    address
}

const ANY_PORT: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::LOCALHOST, 0);

/// Returns the client's end and the server's end of a connection.
pub(crate) fn pair() -> (OwnedFd, OwnedFd) {
    let listener = listening(AddressFamily::INET, &ANY_PORT);
    let client = stream(AddressFamily::INET);
    connect(&client, &inet(getsockname(&listener).unwrap())).unwrap();
    (client, accept(&listener).unwrap())
}

/// Returns random numbers that are the same in each run: the high bits of a linear congruential generator.
fn numbers() -> impl Iterator<Item = u32> {
    std::iter::successors(Some(1_u64), |state| {
        Some(state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407))
    })
    .map(|state| (state >> 32) as u32)
}

pub(crate) fn addresses_come_back_as_they_were_given() {
    for number in numbers().take(2_000) {
        // Any address of 127.0.0.0/8 can be bound. Port 0 would become another port.
        let ip = Ipv4Addr::from_bits(0x7f00_0000 | (number & 0x00ff_ffff).clamp(1, 0x00ff_fffe));
        let address = SocketAddrV4::new(ip, 0);
        let socket = socket(AddressFamily::INET, SocketType::DGRAM, Protocol::DEFAULT).unwrap();
        bind(&socket, &address).unwrap();
        let SocketAddr::V4(got) = inet(getsockname(&socket).unwrap()) else { panic!("not IPv4") };
        assert_eq!(*got.ip(), ip);
        assert_ne!(got.port(), 0);
        // A datagram socket keeps any address to which it is connected.
        let peer = SocketAddrV4::new(Ipv4Addr::LOCALHOST, (number >> 16) as u16 | 1);
        connect(&socket, &peer).unwrap();
        assert_eq!(inet(getpeername(&socket).unwrap()), SocketAddr::V4(peer));
    }
    let Ok(socket) = socket(AddressFamily::INET6, SocketType::DGRAM, Protocol::DEFAULT) else { return };
    for number in numbers().take(100) {
        let peer = SocketAddrV6::new(Ipv6Addr::LOCALHOST, number as u16 | 1, 0, 0);
        if connect(&socket, &peer).is_ok() {
            assert_eq!(inet(getpeername(&socket).unwrap()), SocketAddr::V6(peer));
        }
    }
}

pub(crate) fn unix_addresses_come_back_as_they_were_given() {
    let folder = TempDir::new();
    let path = std::ffi::CString::new(folder.join("socket").to_str().unwrap()).unwrap();
    let address = UnixAddr::new(&path).unwrap();
    assert_eq!(address.path(), Some(path.to_bytes()));
    let listener = listening(AddressFamily::UNIX, &address);
    let SockAddr::Unix(own) = getsockname(&listener).unwrap() else { panic!("of another family") };
    assert_eq!(own.path(), Some(path.to_bytes()));
    let client = stream(AddressFamily::UNIX);
    connect(&client, &address).unwrap();
    let (server, peer) = acceptfrom(&listener).unwrap();
    let SockAddr::Unix(peer) = peer else { panic!("of another family") };
    assert_eq!(peer.path(), None, "a client without a name");
    assert_eq!(write(&client, b"x"), Ok(1));
    assert_eq!(read(&server, &mut [0]), Ok(1));
}

pub(crate) fn the_file_of_a_unix_socket_is_found_wherever_it_is() {
    let folder = TempDir::new();
    let [made, moved] = ["made", "moved"].map(|name| folder.join(name));
    let path = std::ffi::CString::new(made.to_str().unwrap()).unwrap();
    let listener = listening(AddressFamily::UNIX, &UnixAddr::new(&path).unwrap());
    std::fs::rename(&made, &moved).unwrap();
    std::fs::write(&made, "another file").unwrap();
    let moved = std::ffi::CString::new(moved.to_str().unwrap()).unwrap();
    let Ok(file) = open_unix_file(&listener) else { skip("no CAP_NET_ADMIN") };
    assert_eq!(fstat(file).unwrap().identity(), stat(&moved).unwrap().identity());
}

pub(crate) fn an_address_too_long_is_an_error() {
    let path = |length: usize| std::ffi::CString::new(vec![b'x'; length]).unwrap();
    assert!(UnixAddr::new(&path(UNIX_PATH_MAX - 1)).is_ok());
    assert_eq!(UnixAddr::new(&path(UNIX_PATH_MAX)).unwrap_err(), Errno::NAMETOOLONG);
    assert_eq!(UnixAddr::new(&path(10_000)).unwrap_err(), Errno::NAMETOOLONG);
    assert_eq!(UnixAddr::new(c"").unwrap_err(), Errno::NOENT);
    // A NUL stands before an abstract name, and not behind it.
    let name = [b'x'; UNIX_PATH_MAX];
    assert!(UnixAddr::from_abstract(&name[1..]).is_ok());
    assert_eq!(UnixAddr::from_abstract(&name).unwrap_err(), Errno::NAMETOOLONG);
}

pub(crate) fn each_accept_says_who_came() {
    let listener = listening(AddressFamily::INET, &ANY_PORT);
    let address = inet(getsockname(&listener).unwrap());
    let accepts: [&dyn Fn() -> SockAddr; 3] =
        [&|| acceptfrom(&listener).unwrap().1, &|| acceptfrom_v4(&listener).unwrap().1, &|| {
            accept4(&listener, SocketFlags::CLOEXEC | SocketFlags::NONBLOCK).unwrap().1
        }];
    for accept in accepts {
        let client = stream(AddressFamily::INET);
        connect(&client, &address).unwrap();
        assert_eq!(inet(accept()), inet(getsockname(&client).unwrap()));
    }
    // This client is of another family. The wrapper does not make up bytes that do not fit into the room.
    let folder = TempDir::new();
    let path = std::ffi::CString::new(folder.join("s").to_str().unwrap()).unwrap();
    let name = UnixAddr::new(&path).unwrap();
    let listener = listening(AddressFamily::UNIX, &name);
    let client = stream(AddressFamily::UNIX);
    let long = std::ffi::CString::new(folder.join("a name longer than sixteen").to_str().unwrap()).unwrap();
    bind(&client, &UnixAddr::new(&long).unwrap()).unwrap();
    connect(&client, &name).unwrap();
    let SockAddr::Unix(peer) = acceptfrom_v4(&listener).unwrap().1 else { panic!("of another family") };
    assert!(peer.path().is_some_and(|path| long.to_bytes().starts_with(path)));
}

pub(crate) fn inet_addr_reads_what_c_reads() {
    let texts = [(c"127.0.0.1", [127, 0, 0, 1]), (c"127.1", [127, 0, 0, 1]), (c"0x7f.1", [127, 0, 0, 1])];
    for (text, octets) in texts.into_iter().chain([(c"nonsense", [255; 4]), (c"", [255; 4]), (c"256.0.0.1", [255; 4])])
    {
        assert_eq!(inet_addr(text).octets(), octets, "{text:?}");
    }
}

pub(crate) fn options_are_set_and_read() {
    let socket = stream(AddressFamily::INET);
    for option in [SocketOption::REUSEADDR, SocketOption::KEEPALIVE, SocketOption::NODELAY, SocketOption::REUSEPORT] {
        for value in [true, false] {
            setsockopt(&socket, option, value).unwrap();
            assert_eq!(getsockopt(&socket, option), Ok(value), "{option:?}");
        }
    }
    for seconds in [None, Some(0), Some(7)] {
        setsockopt(&socket, SocketOption::LINGER, seconds).unwrap();
        assert_eq!(getsockopt(&socket, SocketOption::LINGER), Ok(seconds));
    }
    for option in [SocketOption::RCVTIMEO, SocketOption::SNDTIMEO] {
        setsockopt(&socket, option, Duration::from_secs(5)).unwrap();
        assert_eq!(getsockopt(&socket, option), Ok(Duration::from_secs(5)));
    }
    setsockopt(&socket, SocketOption::DEFER_ACCEPT, 1).unwrap();
    assert_eq!(getsockopt(&socket, SocketOption::DEFER_ACCEPT), Ok(1));
    assert_eq!(setsockopt(&socket, SocketOption::V6ONLY, true), Err(Errno::NOPROTOOPT));
    assert_eq!(getsockopt(&socket, SocketOption::TYPE), Ok(SocketType::STREAM));
    assert_eq!(getsockopt(&socket, SocketOption::ACCEPTCONN), Ok(false));
    assert_eq!(getsockopt(listening(AddressFamily::INET, &ANY_PORT), SocketOption::ACCEPTCONN), Ok(true));
}

pub(crate) fn a_pending_error_is_read_once() {
    let (client, server) = pair();
    setsockopt(&server, SocketOption::LINGER, Some(0)).unwrap();
    close(server).unwrap();
    assert_eq!(getsockopt(&client, SocketOption::ERROR), Ok(Some(Errno::CONNRESET)));
    assert_eq!(getsockopt(&client, SocketOption::ERROR), Ok(None));
}

pub(crate) fn a_unix_socket_knows_who_connected() {
    let (client, _server) = std::os::unix::net::UnixStream::pair().unwrap();
    let client = crate::errors::owned(client.into());
    let found = getsockopt(&client, SocketOption::PEERCRED).unwrap();
    assert_eq!((found.pid, found.uid), (getpid().raw(), mpserv::user::geteuid()));
}

pub(crate) fn flags_are_a_set_and_print_their_names() {
    let mut flags = SaFlags::NONE;
    assert!(flags.is_empty() && flags.contains(SaFlags::NONE));
    flags |= SaFlags::RESTART;
    let both = flags | SaFlags::NOCLDSTOP;
    assert!(both.contains(SaFlags::RESTART) && both.contains(flags) && !flags.contains(both) && !both.is_empty());
    assert_eq!(format!("{both:?}"), "SA_RESTART | SA_NOCLDSTOP");
    assert_eq!(format!("{:?}", SaFlags::NONE), "0x0");
    assert_eq!(format!("{:?}", OpenFlags::RDWR | OpenFlags::CLOEXEC), "O_RDWR | O_CLOEXEC");
    assert_eq!(format!("{:?}", WaitOptions::NOHANG | WaitOptions::CONTINUED), "WNOHANG | WCONTINUED");
    assert_eq!(format!("{:?}", MsgFlags::PEEK | MsgFlags::NOSIGNAL), "MSG_NOSIGNAL | MSG_PEEK");
    assert_eq!(format!("{:?}", PollEvents::IN | PollEvents::HUP), "POLLIN | POLLHUP");
    assert_eq!(format!("{:?}", SocketFlags::NONBLOCK), "SOCK_NONBLOCK");
    let kind = SocketType::DGRAM | SocketFlags::CLOEXEC;
    assert!(socket(AddressFamily::INET, kind, Protocol::DEFAULT).is_ok());
}

pub(crate) fn a_half_of_a_connection_can_be_shut_down() {
    let (client, server) = pair();
    assert_eq!(send(&client, b"last", MsgFlags::NONE), Ok(4));
    shutdown(&client, Shutdown::Write).unwrap();
    let mut buffer = [0; 10];
    assert_eq!(recv(&server, &mut buffer, MsgFlags::NONE), Ok(4));
    assert_eq!(recv(&server, &mut buffer, MsgFlags::NONE), Ok(0));
    assert_eq!(send(&client, b"more", MsgFlags::NOSIGNAL), Err(Errno::PIPE));
    assert_eq!(recv(&client, &mut buffer, MsgFlags::DONTWAIT), Err(Errno::AGAIN));
    assert_eq!(send(&server, b"the other half", MsgFlags::NONE), Ok(14));
    assert_eq!(recv(&client, &mut buffer, MsgFlags::NONE), Ok(10));
}
