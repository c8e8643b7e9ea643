//! Tests sockets: addresses, options, and credentials.

use std::ffi::CString;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddrV4, SocketAddrV6};
use std::time::Duration;

use crate::common::network::Network;
use crate::common::{TempDir, needs_root, solo::skip};
use mpserv::errno::Errno;
use mpserv::fd::{OwnedFd, close, read, write};
use mpserv::fs::{OpenFlags, fstat, stat};
use mpserv::net::{
    AddressFamily, AsSockAddr, HOST_MAX, MsgFlags, Protocol, Shutdown, SockAddr, SocketAddr, SocketFlags, SocketOption,
    SocketType, UNIX_PATH_MAX, UnixAddr, accept, accept4, acceptfrom, acceptfrom_v4, bind, connect, getaddrinfo,
    gethostbyname, getpeername, getsockname, getsockopt, if_nametoindex, inet_addr, listen, open_unix_file, recv, send,
    setsockopt, shutdown, socket,
};
use mpserv::poll::PollEvents;
use mpserv::process::{WaitOptions, getpid};
use mpserv::signal::SaFlags;
use mpserv::user::{setgid, setuid};

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
    let path = CString::new(folder.join("socket").to_str().unwrap()).unwrap();
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
    let path = CString::new(made.to_str().unwrap()).unwrap();
    let listener = listening(AddressFamily::UNIX, &UnixAddr::new(&path).unwrap());
    std::fs::rename(&made, &moved).unwrap();
    std::fs::write(&made, "another file").unwrap();
    let moved = CString::new(moved.to_str().unwrap()).unwrap();
    let Ok(file) = open_unix_file(&listener) else { skip("no CAP_NET_ADMIN") };
    assert_eq!(fstat(file).unwrap().identity(), stat(&moved).unwrap().identity());
}

pub(crate) fn an_address_too_long_is_an_error() {
    let path = |length: usize| CString::new(vec![b'x'; length]).unwrap();
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
    let path = CString::new(folder.join("s").to_str().unwrap()).unwrap();
    let name = UnixAddr::new(&path).unwrap();
    let listener = listening(AddressFamily::UNIX, &name);
    let client = stream(AddressFamily::UNIX);
    let long = CString::new(folder.join("a name longer than sixteen").to_str().unwrap()).unwrap();
    bind(&client, &UnixAddr::new(&long).unwrap()).unwrap();
    connect(&client, &name).unwrap();
    let SockAddr::Unix(peer) = acceptfrom_v4(&listener).unwrap().1 else { panic!("of another family") };
    let room = size_of::<libc::sockaddr_in>() - size_of::<libc::sa_family_t>();
    assert_eq!(peer.path(), long.to_bytes().get(..room));
    if std::net::TcpListener::bind((Ipv6Addr::LOCALHOST, 0)).is_err() {
        return;
    }
    // An address of IPv6 is of no use without its end.
    let listener = listening(AddressFamily::INET6, &SocketAddrV6::new(Ipv6Addr::LOCALHOST, 0, 0, 0));
    let client = stream(AddressFamily::INET6);
    connect(&client, &inet(getsockname(&listener).unwrap())).unwrap();
    let came = acceptfrom_v4(&listener).unwrap().1;
    assert!(matches!(came, SockAddr::Other(_)), "{came:?}");
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
    let shown = format!("SocketOption {{ level: {}, name: {} }}", libc::IPPROTO_TCP, libc::TCP_NODELAY);
    assert_eq!(format!("{:?}", SocketOption::NODELAY), shown);
    for seconds in [None, Some(0), Some(7)] {
        setsockopt(&socket, SocketOption::LINGER, seconds).unwrap();
        assert_eq!(getsockopt(&socket, SocketOption::LINGER), Ok(seconds));
    }
    let timeouts = [(SocketOption::RCVTIMEO, 5), (SocketOption::SNDTIMEO, 7)];
    for (option, seconds) in timeouts {
        setsockopt(&socket, option, Duration::from_secs(seconds)).unwrap();
    }
    for (option, seconds) in timeouts {
        assert_eq!(getsockopt(&socket, option), Ok(Duration::from_secs(seconds)), "{option:?}");
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
    flags |= SaFlags::NODEFER;
    assert_eq!(format!("{flags:?}"), "SA_RESTART | SA_NODEFER");
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

/// Checks both directions after each way to end a connection. 0 bytes are the end of the stream.
pub(crate) fn each_half_that_is_shut_down_ends() {
    for (how, can_read, can_write) in
        [(Shutdown::Read, false, true), (Shutdown::Write, true, false), (Shutdown::Both, false, false)]
    {
        let (client, server) = pair();
        shutdown(&client, how).unwrap();
        let nothing_yet = if can_read { Err(Errno::AGAIN) } else { Ok(0) };
        assert_eq!(recv(&client, &mut [0; 4], MsgFlags::DONTWAIT), nothing_yet, "{how:?}");
        let sent = if can_write { Ok(1) } else { Err(Errno::PIPE) };
        assert_eq!(send(&client, b"x", MsgFlags::NOSIGNAL), sent, "{how:?}");
        assert_eq!(recv(&server, &mut [0; 4], MsgFlags::NONE), if can_write { Ok(1) } else { Ok(0) }, "{how:?}");
    }
}

/// Checks the flags of a new socket and of an accepted one, each alone and both together.
pub(crate) fn a_socket_has_the_flags_that_were_asked_for() {
    let listener = listening(AddressFamily::INET, &ANY_PORT);
    let address = inet(getsockname(&listener).unwrap());
    for flags in
        [SocketFlags::NONE, SocketFlags::CLOEXEC, SocketFlags::NONBLOCK, SocketFlags::CLOEXEC | SocketFlags::NONBLOCK]
    {
        let client = stream(AddressFamily::INET);
        connect(&client, &address).unwrap();
        let accepted = accept4(&listener, flags).unwrap().0;
        let made = socket(AddressFamily::INET, SocketType::STREAM | flags, Protocol::TCP).unwrap();
        for fd in [accepted, made] {
            // SAFETY: the call takes numbers.
            let [of_fd, of_file] = [libc::F_GETFD, libc::F_GETFL].map(|get| unsafe { libc::fcntl(fd.raw(), get) });
            let found = [of_fd & libc::FD_CLOEXEC != 0, of_file & libc::O_NONBLOCK != 0];
            assert_eq!(
                found,
                [SocketFlags::CLOEXEC, SocketFlags::NONBLOCK].map(|flag| flags.contains(flag)),
                "{flags:?}"
            );
        }
    }
}

pub(crate) fn bytes_that_were_peeked_at_are_still_there() {
    let (client, server) = pair();
    assert_eq!(send(&client, b"peeked", MsgFlags::NONE), Ok(6));
    for flags in [MsgFlags::PEEK, MsgFlags::PEEK | MsgFlags::DONTWAIT, MsgFlags::NONE] {
        let mut buffer = [0; 4];
        assert_eq!((recv(&server, &mut buffer, flags), &buffer), (Ok(4), b"peek"));
    }
    assert_eq!(recv(&server, &mut [0; 4], MsgFlags::NONE), Ok(2));
}

/// Checks the backlog by the field of `TCP_INFO` in which the kernel has it for a listener.
pub(crate) fn a_listener_has_the_backlog_that_was_asked_for() {
    for backlog in [0, 1, 5, 17] {
        let listener = stream(AddressFamily::INET);
        bind(&listener, &ANY_PORT).unwrap();
        listen(&listener, backlog).unwrap();
        // SAFETY: zeros are valid for a struct of numbers.
        let mut info: libc::tcp_info = unsafe { std::mem::zeroed() };
        let mut length = size_of_val(&info) as libc::socklen_t;
        let place = (&raw mut info).cast();
        // SAFETY: the pointers are to room for the struct, and to its length.
        let got =
            unsafe { libc::getsockopt(listener.raw(), libc::IPPROTO_TCP, libc::TCP_INFO, place, &raw mut length) };
        assert_eq!((got, info.tcpi_sacked), (0, backlog as u32));
    }
}

pub(crate) fn an_address_of_each_kind_has_its_text() {
    let unix = |path| SockAddr::Unix(UnixAddr::new(path).unwrap());
    let unnamed = getsockname(stream(AddressFamily::UNIX)).unwrap();
    // SAFETY: the call takes numbers.
    let netlink = unsafe { libc::socket(libc::AF_NETLINK, libc::SOCK_RAW, 0) };
    // SAFETY: the descriptor was made just now.
    let netlink = getsockname(unsafe { OwnedFd::from_raw(netlink) }).unwrap();
    let v6: SocketAddrV6 = "[fe80::1%3]:80".parse().unwrap();
    for (address, text) in [
        (SockAddr::Inet(SocketAddrV4::new(Ipv4Addr::new(192, 0, 2, 1), 80).into()), "192.0.2.1:80"),
        (SockAddr::Inet(v6.into()), "[fe80::1%3]:80"),
        (unix(c"/run/echo"), "unix:/run/echo"),
        (unix(c"a\nb \xff"), "unix:a\\nb \\xff"),
        (SockAddr::Unix(UnixAddr::from_abstract(b"name\0\t").unwrap()), "unix:@name\\x00\\t"),
        (SockAddr::Unix(UnixAddr::from_abstract(b"").unwrap()), "unix:@"),
        (unnamed, "unix:"),
        (netlink, "unknown"),
    ] {
        assert_eq!(address.to_string(), text);
        if let SockAddr::Unix(unix) = address {
            assert_eq!((unix.to_string(), format!("{unix:?}")), (text.to_owned(), text.to_owned()));
        }
    }
    let SockAddr::Other(family) = netlink else { panic!("{netlink:?}") };
    assert_eq!((family.name(), AddressFamily::INET6.name()), (None, Some("AF_INET6")));
}

/// Tests a user and a group with different ids.
pub(crate) fn credentials_are_those_of_the_peer() {
    needs_root();
    setgid(12).unwrap();
    setuid(34).unwrap();
    let (client, _server) = std::os::unix::net::UnixStream::pair().unwrap();
    let found = getsockopt(crate::errors::owned(client.into()), SocketOption::PEERCRED).unwrap();
    assert_eq!((found.pid, found.uid, found.gid), (getpid().raw(), 34, 12));
}

/// Tests the longest name that is looked up: an address whose first number is octal and has many zeros.
pub(crate) fn the_longest_name_of_a_host_is_looked_up() {
    let _network = Network::own();
    let of_length = |length: usize| CString::new(format!("{:0>1$}", "0177.0.0.1", length)).unwrap();
    let localhost = Some(Ipv4Addr::LOCALHOST);
    for (length, address) in [(12, localhost), (HOST_MAX - 2, localhost), (HOST_MAX - 1, localhost), (HOST_MAX, None)] {
        let host = of_length(length);
        assert_eq!(host.count_bytes(), length);
        assert_eq!(gethostbyname(&host), address, "{length}");
        let found: Option<Vec<SocketAddr>> = getaddrinfo(&host).ok().map(|found| found.addresses(7).collect());
        assert_eq!(found, address.map(|address| vec![SocketAddrV4::new(address, 7).into()]), "{length}");
    }
    assert_eq!(getaddrinfo(&of_length(HOST_MAX)).unwrap_err().to_string(), "Name or service not known");
    assert_eq!(if_nametoindex(c"lo"), Ok(1), "a network of its own has one interface");
}
