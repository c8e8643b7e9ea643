use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};
use std::time::Duration;

use mpserv::errno::{Errno, Result};
use mpserv::fd::{AsFd, BorrowedFd, OwnedFd, pipe, set_nonblocking};
use mpserv::net::{
    AddressFamily, MsgFlags, Protocol, Shutdown, SockAddr, SocketFlags, SocketOption, SocketType,
    UNIX_PATH_MAX, UnixAddr, accept, accept4, acceptfrom, acceptfrom_v4, bind, connect, getpeername, getsockname,
    getsockopt, if_nametoindex, listen, open_unix_file, recv, send, setsockopt, shutdown,
    socket,
};
use mpserv::user::getuid;

use crate::common::network::needs_own_network;

use super::{
    CLOSED, Case, NotProduced, become_nobody, each, errno, files, interrupted, locked, mount, no_descriptor_left,
    owned, set_of_namespace, tcp,
};

const ANY_PORT: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::LOCALHOST, 0);
const LOCALHOST_V6: SocketAddrV6 = SocketAddrV6::new(Ipv6Addr::LOCALHOST, 0, 0, 0);
/// An address of a network for documentation. No machine has the address.
const NOWHERE: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::new(192, 0, 2, 1), 9);

pub(super) const CASES: &[Case] = &[
    ("UnixAddr::new UnixAddr::from_abstract", Errno::NAMETOOLONG, || {
        let path = std::ffi::CString::new(vec![b'x'; UNIX_PATH_MAX]).unwrap();
        each([errno(UnixAddr::new(&path)), errno(UnixAddr::from_abstract(path.as_bytes()))])
    }),
    ("UnixAddr::new", Errno::NOENT, || errno(UnixAddr::new(c""))),
    ("if_nametoindex", Errno::NODEV, || errno(if_nametoindex(c"none"))),
    ("socket", Errno::MFILE, || {
        no_descriptor_left();
        errno(socket(AddressFamily::INET, SocketType::STREAM, Protocol::DEFAULT))
    }),
    ("socket", Errno::AFNOSUPPORT, || {
        errno(socket(AddressFamily::UNSPEC, SocketType::STREAM, Protocol::DEFAULT))
    }),
    ("socket", Errno::PROTONOSUPPORT, || {
        each([
            errno(socket(AddressFamily::UNIX, SocketType::STREAM, Protocol::TCP)),
            errno(socket(AddressFamily::INET, SocketType::DGRAM, Protocol::TCP)),
        ])
    }),
    ("bind", Errno::ADDRINUSE, || {
        let holder = listening();
        let path = UnixAddr::new(c"socket").unwrap();
        bind(unix(), &path).unwrap();
        each([errno(bind(tcp(), &address_of(&holder))), errno(bind(unix(), &path))])
    }),
    ("bind", Errno::ACCES, || {
        let path = || errno(bind(unix(), &UnixAddr::new(c"locked/socket").unwrap()));
        if getuid() != 0 {
            locked();
            return path();
        }
        // The test needs its own network, because in the machine's network any process may use a port.
        needs_own_network();
        locked();
        each([errno(bind(tcp(), &SocketAddrV4::new(Ipv4Addr::LOCALHOST, 1))), path()])
    }),
    ("bind", Errno::ADDRNOTAVAIL, || errno(bind(tcp(), &NOWHERE))),
    ("bind", Errno::INVAL, || errno(bind(listening(), &ANY_PORT))),
    ("bind", Errno::AFNOSUPPORT, || {
        errno(bind(tcp(), &LOCALHOST_V6))
    }),
    ("bind connect", Errno::NOENT, || with_path(c"none/socket")),
    ("bind connect", Errno::NOTDIR, || {
        files();
        with_path(c"file/socket")
    }),
    ("bind connect", Errno::LOOP, || {
        files();
        with_path(c"loop/socket")
    }),
    ("bind", Errno::ROFS, || {
        mount(c"", libc::MS_RDONLY);
        errno(bind(unix(), &UnixAddr::new(c"mounted/socket").unwrap()))
    }),
    ("connect", Errno::ACCES, || {
        locked();
        errno(connect(unix(), &UnixAddr::new(c"locked/file").unwrap()))
    }),
    ("listen", Errno::ADDRINUSE, || {
        let [one, other] = [tcp(), tcp()];
        setsockopt(&one, SocketOption::REUSEADDR, true).unwrap();
        setsockopt(&other, SocketOption::REUSEADDR, true).unwrap();
        bind(&one, &ANY_PORT).unwrap();
        bind(&other, &address_of(&one)).unwrap();
        listen(&one, 1).unwrap();
        errno(listen(&other, 1))
    }),
    ("listen", Errno::INVAL, || each([errno(listen(connected().0, 1)), errno(listen(unix(), 1))])),
    ("listen accept acceptfrom acceptfrom_v4 accept4", Errno::OPNOTSUPP, || {
        each([errno(listen(udp(), 1)), accepts(udp)])
    }),
    ("connect", Errno::CONNREFUSED, || {
        // A bound socket keeps its port from other processes, and takes no connection.
        let bound = tcp();
        bind(&bound, &ANY_PORT).unwrap();
        errno(connect(tcp(), &address_of(&bound)))
    }),
    ("connect", Errno::TIMEDOUT, || {
        let (listener, _client) = full();
        let socket = tcp();
        let once: libc::c_int = 1;
        let length = size_of::<libc::c_int>() as libc::socklen_t;
        // SAFETY: the pointer is to an int, and the length is that of an int.
        let set = unsafe {
            libc::setsockopt(socket.raw(), libc::IPPROTO_TCP, libc::TCP_SYNCNT, (&raw const once).cast(), length)
        };
        assert_eq!(set, 0);
        errno(connect(socket, &address_of(&listener)))
    }),
    ("connect", Errno::NETUNREACH, || {
        needs_own_network();
        errno(connect(tcp(), &NOWHERE))
    }),
    ("connect", Errno::HOSTUNREACH, || {
        needs_own_network();
        reject(NOWHERE);
        errno(connect(tcp(), &NOWHERE))
    }),
    ("connect", Errno::INPROGRESS, || {
        let (listener, _client) = full();
        errno(connect(nonblocking(tcp()), &address_of(&listener)))
    }),
    ("connect", Errno::ALREADY, || {
        let (listener, _client) = full();
        let socket = nonblocking(tcp());
        assert_eq!(connect(&socket, &address_of(&listener)), Err(Errno::INPROGRESS));
        errno(connect(&socket, &address_of(&listener)))
    }),
    ("connect", Errno::INTR, || {
        let (listener, _client) = full();
        interrupted(|| errno(connect(tcp(), &address_of(&listener))))
    }),
    ("connect", Errno::AGAIN, || {
        let address = UnixAddr::new(c"socket").unwrap();
        let listener = unix();
        bind(&listener, &address).unwrap();
        listen(&listener, 0).unwrap();
        let _client = {
            let client = unix();
            connect(&client, &address).unwrap();
            client
        };
        errno(connect(nonblocking(unix()), &address))
    }),
    ("connect", Errno::ADDRNOTAVAIL, || {
        needs_own_network();
        set_of_namespace("/proc/sys/net/ipv4/ip_local_port_range", "40000 40001");
        let listener = tcp();
        bind(&listener, &SocketAddrV4::new(Ipv4Addr::LOCALHOST, 9)).unwrap();
        listen(&listener, 5).unwrap();
        let mut clients: [OwnedFd; 3] = std::array::from_fn(|_| tcp());
        let last = clients.iter_mut().map(|client| connect(&*client, &address_of(&listener))).find(Result::is_err);
        errno(last.unwrap_or(Ok(())))
    }),
    ("connect", Errno::ISCONN, || {
        let (client, server) = connected();
        errno(connect(client, &address_of(&server)))
    }),
    ("connect", Errno::AFNOSUPPORT, || errno(connect(tcp(), &LOCALHOST_V6))),
    ("accept acceptfrom acceptfrom_v4 accept4", Errno::INTR, || interrupted(|| accepts(listening))),
    ("accept acceptfrom acceptfrom_v4 accept4", Errno::AGAIN, || accepts(|| nonblocking(listening()))),
    ("accept acceptfrom acceptfrom_v4 accept4", Errno::INVAL, || accepts(tcp)),
    ("accept acceptfrom acceptfrom_v4 accept4", Errno::MFILE, || {
        let listener = listening();
        no_descriptor_left();
        accepts(|| listener.as_fd())
    }),
    (
        "bind listen connect accept acceptfrom acceptfrom_v4 accept4 getsockname getpeername send recv shutdown \
         setsockopt getsockopt",
        Errno::BADF,
        || any_call(CLOSED),
    ),
    (
        "bind listen connect accept acceptfrom acceptfrom_v4 accept4 getsockname getpeername send recv shutdown \
         setsockopt getsockopt",
        Errno::NOTSOCK,
        || any_call(pipe().unwrap().0.as_fd()),
    ),
    ("open_unix_file", Errno::PERM, || {
        let socket = unix();
        become_nobody();
        errno(open_unix_file(socket))
    }),
    ("open_unix_file", Errno::NOENT, || {
        needs_own_network();
        errno(open_unix_file(unix()))
    }),
    ("open_unix_file", Errno::MFILE, || {
        needs_own_network();
        let socket = unix();
        bind(&socket, &UnixAddr::new(c"socket").unwrap()).unwrap();
        no_descriptor_left();
        errno(open_unix_file(socket))
    }),
    ("open_unix_file", Errno::NOTSOCK, || errno(open_unix_file(pipe().unwrap().0))),
    ("open_unix_file", Errno::AFNOSUPPORT, || errno(open_unix_file(tcp()))),
    ("open_unix_file", Errno::BADF, || errno(open_unix_file(CLOSED))),
    ("getpeername recv shutdown", Errno::NOTCONN, || {
        each([
            errno(getpeername(tcp())),
            errno(recv(tcp(), &mut [0], MsgFlags::NONE)),
            errno(shutdown(tcp(), Shutdown::Both)),
        ])
    }),
    ("send", Errno::NOTCONN, || errno(send(unix(), &[0], MsgFlags::NONE))),
    ("send", Errno::DESTADDRREQ, || errno(send(udp(), &[0], MsgFlags::NONE))),
    ("send", Errno::MSGSIZE, || {
        let socket = udp();
        connect(&socket, &SocketAddrV4::new(Ipv4Addr::LOCALHOST, 9)).unwrap();
        errno(send(socket, &[0; 0x1_0000], MsgFlags::NONE))
    }),
    ("send recv", Errno::CONNREFUSED, || {
        // The kernel reports an undeliverable datagram to the next call.
        let sent = || {
            let [socket, bound] = [udp(), udp()];
            bind(&bound, &ANY_PORT).unwrap();
            connect(&socket, &address_of(&bound)).unwrap();
            drop(bound);
            send(&socket, &[0], MsgFlags::NONE).unwrap();
            socket
        };
        each([errno(send(sent(), &[0], MsgFlags::NONE)), errno(recv(sent(), &mut [0], MsgFlags::NONE))])
    }),
    ("send", Errno::INTR, || {
        let (client, _server) = filled();
        interrupted(|| errno(send(&client, &[0], MsgFlags::NONE)))
    }),
    ("recv", Errno::INTR, || {
        let (client, _server) = connected();
        interrupted(|| errno(recv(&client, &mut [0], MsgFlags::NONE)))
    }),
    ("send recv", Errno::AGAIN, || {
        let (client, _server) = filled();
        setsockopt(&client, SocketOption::RCVTIMEO, Duration::from_nanos(1)).unwrap();
        setsockopt(&client, SocketOption::SNDTIMEO, Duration::from_nanos(1)).unwrap();
        each([
            errno(send(&client, &[0], MsgFlags::DONTWAIT)),
            errno(recv(&client, &mut [0], MsgFlags::DONTWAIT)),
            errno(send(&client, &[0], MsgFlags::NONE)),
            errno(recv(&client, &mut [0], MsgFlags::NONE)),
        ])
    }),
    ("send recv", Errno::CONNRESET, || {
        let reset = || {
            let (client, server) = connected();
            setsockopt(&server, SocketOption::LINGER, Some(0)).unwrap();
            client
        };
        each([errno(send(reset(), &[0], MsgFlags::NOSIGNAL)), errno(recv(reset(), &mut [0], MsgFlags::NONE))])
    }),
    ("send", Errno::PIPE, || {
        let (client, _server) = connected();
        shutdown(&client, Shutdown::Write).unwrap();
        errno(send(&client, &[0], MsgFlags::NOSIGNAL))
    }),
    ("setsockopt", Errno::NOPROTOOPT, || {
        errno(setsockopt(tcp(), SocketOption::V6ONLY, true))
    }),
    ("setsockopt", Errno::INVAL, || {
        let socket = socket(AddressFamily::INET6, SocketType::STREAM, Protocol::DEFAULT).unwrap();
        bind(&socket, &LOCALHOST_V6).unwrap();
        errno(setsockopt(&socket, SocketOption::V6ONLY, true))
    }),
    ("setsockopt getsockopt", Errno::OPNOTSUPP, || {
        each([
            errno(setsockopt(unix(), SocketOption::NODELAY, true)),
            errno(getsockopt(unix(), SocketOption::NODELAY)),
            errno(getsockopt(tcp(), SocketOption::V6ONLY)),
        ])
    }),
];

pub(super) const NOT_PRODUCED: &[NotProduced] = &[
    ("getsockopt", "ENOPROTOOPT", "only a kernel that does not know the option has it"),
    ("socket accept acceptfrom acceptfrom_v4 accept4 open_unix_file", "ENFILE", "the limit is the whole system's"),
    (
        "socket accept acceptfrom acceptfrom_v4 accept4 getsockname getpeername",
        "ENOBUFS",
        "only a kernel without memory has it",
    ),
    ("socket accept acceptfrom acceptfrom_v4 accept4", "ENOMEM", "only a kernel without memory has it"),
    ("socket", "EACCES", "only a security module that forbids the socket has it: a raw one cannot be asked for"),
    (
        "accept acceptfrom acceptfrom_v4 accept4",
        "ECONNABORTED",
        "Linux gives out a connection that was reset meanwhile: its first read says so",
    ),
    ("accept acceptfrom acceptfrom_v4 accept4", "EPERM", "only a firewall of the kernel's has it"),
    (
        "accept acceptfrom acceptfrom_v4 accept4",
        "ENETDOWN EPROTO EHOSTDOWN EHOSTUNREACH ENETUNREACH",
        "no protocol that sockets of this library speak leaves its errors to accept",
    ),
];

fn unix() -> OwnedFd {
    socket(AddressFamily::UNIX, SocketType::STREAM, Protocol::DEFAULT).unwrap()
}

fn udp() -> OwnedFd {
    socket(AddressFamily::INET, SocketType::DGRAM, Protocol::DEFAULT).unwrap()
}

fn nonblocking(fd: OwnedFd) -> OwnedFd {
    set_nonblocking(&fd).unwrap();
    fd
}

fn listening() -> OwnedFd {
    let listener = tcp();
    bind(&listener, &ANY_PORT).unwrap();
    listen(&listener, 5).unwrap();
    listener
}

fn address_of(socket: &OwnedFd) -> SocketAddr {
    let SockAddr::Inet(address) = getsockname(socket).unwrap() else { panic!("of another family") };
    address
}

/// Returns the client's end and the server's end of a connection.
fn connected() -> (OwnedFd, OwnedFd) {
    let listener = listening();
    let client = tcp();
    connect(&client, &address_of(&listener)).unwrap();
    (client, accept(&listener).unwrap())
}

/// Returns a listener that can hold no further connection, and the client whose connection it holds.
fn full() -> (OwnedFd, OwnedFd) {
    let listener = tcp();
    bind(&listener, &ANY_PORT).unwrap();
    listen(&listener, 0).unwrap();
    let client = tcp();
    connect(&client, &address_of(&listener)).unwrap();
    (listener, client)
}

/// Returns a Unix socket to which nothing more can be sent, and its peer, which reads nothing.
fn filled() -> (OwnedFd, OwnedFd) {
    let (ours, peer) = std::os::unix::net::UnixStream::pair().unwrap();
    let [ours, peer] = [ours, peer].map(|socket| owned(socket.into()));
    while send(&ours, &[0; 0x1_0000], MsgFlags::DONTWAIT).is_ok() {}
    while send(&ours, &[0], MsgFlags::DONTWAIT).is_ok() {}
    (ours, peer)
}

/// Returns the error of each function that accepts.
fn accepts<F: AsFd>(listener: impl Fn() -> F) -> Errno {
    each([
        errno(accept(listener())),
        errno(acceptfrom(listener())),
        errno(acceptfrom_v4(listener())),
        errno(accept4(listener(), SocketFlags::CLOEXEC)),
    ])
}

/// Returns the error of each function that takes a path.
fn with_path(path: &std::ffi::CStr) -> Errno {
    let path = UnixAddr::new(path).unwrap();
    each([errno(bind(unix(), &path)), errno(connect(unix(), &path))])
}

/// Returns the error that any call on the descriptor gives.
fn any_call(fd: BorrowedFd<'_>) -> Errno {
    each([
        errno(bind(fd, &ANY_PORT)),
        errno(listen(fd, 1)),
        errno(connect(fd, &ANY_PORT)),
        accepts(|| fd),
        errno(getsockname(fd)),
        errno(getpeername(fd)),
        errno(send(fd, &[0], MsgFlags::NONE)),
        errno(recv(fd, &mut [0], MsgFlags::NONE)),
        errno(shutdown(fd, Shutdown::Both)),
        errno(setsockopt(fd, SocketOption::REUSEADDR, true)),
        errno(setsockopt(fd, SocketOption::LINGER, None)),
        errno(setsockopt(fd, SocketOption::SNDTIMEO, Duration::ZERO)),
        errno(getsockopt(fd, SocketOption::ERROR)),
        errno(getsockopt(fd, SocketOption::PEERCRED)),
    ])
}

/// Does the same as `route add -host ADDRESS reject`, in this process's own network.
fn reject(address: SocketAddrV4) {
    // SAFETY: the type consists of numbers and pointers, for which zeros are valid.
    let mut route: libc::rtentry = unsafe { std::mem::zeroed() };
    let as_c = |ip: Ipv4Addr| libc::sockaddr_in {
        sin_family: libc::AF_INET as libc::sa_family_t,
        sin_port: 0,
        sin_addr: libc::in_addr { s_addr: ip.to_bits().to_be() },
        sin_zero: [0; 8],
    };
    // SAFETY: the two types have the same size, and any bytes are valid for both.
    let as_any = |ip| unsafe { std::mem::transmute::<libc::sockaddr_in, libc::sockaddr>(as_c(ip)) };
    route.rt_dst = as_any(*address.ip());
    route.rt_genmask = as_any(Ipv4Addr::BROADCAST);
    route.rt_flags = libc::RTF_UP | libc::RTF_HOST | libc::RTF_REJECT;
    // SAFETY: the call reads the route.
    let added = unsafe { libc::ioctl(udp().raw(), libc::SIOCADDRT, &raw const route) };
    assert_eq!(added, 0, "{:?}", Errno::last());
}
