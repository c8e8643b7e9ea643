//! Tests ADDRESS and `--listen`: ports, hosts, IPv6 and Unix sockets.

use std::fs;
use std::io::{Read, Write};
use std::net::{Ipv6Addr, Shutdown, SocketAddrV6, TcpListener, TcpStream};
use std::os::fd::AsRawFd;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixListener, UnixStream};
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};

use crate::common::network::{Network, needs_own_network};
use crate::common::server::*;
use crate::common::solo::{Test, skip};
use crate::common::*;
use crate::tests;
use mpserv::server::limits::LISTENERS_MAX;
use mpserv::signal::Signal;

pub(crate) const TESTS: &[Test] = tests![
    it_listens_wherever_it_is_told_to,
    no_listener_is_served_before_the_others,
    a_port_alone_is_for_both_families,
    an_ipv6_address_is_for_ipv6_alone,
    where_there_is_no_ipv6_a_port_is_for_ipv4,
    a_stale_unix_socket_is_replaced_and_a_live_one_is_not,
    a_socket_that_another_server_has_put_in_its_place_stays,
    the_lock_of_a_socket_is_the_servers_own,
    wrong_addresses_are_named,
    an_ipv4_address_in_the_form_of_ipv6_and_a_star_are_hinted_at,
    each_address_of_a_host_is_listened_on_once,
    an_address_of_a_family_that_there_is_not_is_skipped,
    a_host_with_too_many_addresses_is_told,
    an_abstract_name_is_in_no_file_system,
    socat_reaches_an_abstract_name,
    a_link_local_address_names_its_interface,
    a_port_in_use_is_named,
    a_port_that_needs_privilege_is_named,
];

fn a_port_alone_is_for_both_families() {
    needs_ipv6();
    let server = Served::start(&["0"]);
    assert_eq!(echo(&mut server.connect(), b"v4"), b"v4");
    let mut v6 = connect_to(Ipv6Addr::LOCALHOST.into(), server.port());
    assert_eq!(echo(&mut v6, b"v6"), b"v6");
    let from = server.wait_events("accept", 2);
    // An IPv4 client is shown with an IPv4 address.
    assert!(from[0].get("from").starts_with("127.0.0.1:") && from[1].get("from").starts_with("[::1]:"), "{from:?}");
    drop(v6);
    server.stop();
}

/// Checks that the listeners are served one after another while clients come to all of them.
fn no_listener_is_served_before_the_others() {
    const CLIENTS: usize = 6;
    let server = Served::start_ports(&mut mpserv(&["--listen", "127.0.0.1:0", "127.0.0.1:0"]), 2);
    server.running.signal(Signal::STOP);
    wait_until("the server is stopped", || state(server.pid()) == Some('T'));
    let clients = |port: u16| -> Vec<_> { (0..CLIENTS).map(|_| connect(port)).collect() };
    let (first, second) = (clients(server.ports[0]), clients(server.ports[1]));
    server.running.signal(Signal::CONT);
    let accepts = server.wait_events("accept", 2 * CLIENTS);
    let source = |line: &Line| line.get("from").rsplit_once(':').unwrap().1.parse::<u16>().unwrap();
    let is_first = |line: &Line| first.iter().any(|client| client.local_addr().unwrap().port() == source(line));
    let pid = |line: &Line| line.number("pid");
    let mut accepts: Vec<Line> = accepts;
    accepts.sort_by_key(pid);
    let order: Vec<bool> = accepts.iter().map(is_first).collect();
    assert!(order.windows(2).all(|pair| pair[0] != pair[1]), "{order:?}");
    drop((first, second));
    server.stop();
}

/// Checks that `[::]` is for IPv6 only, so that the same port is free for IPv4.
fn an_ipv6_address_is_for_ipv6_alone() {
    needs_ipv6();
    // Elsewhere another process may have the port for IPv4.
    needs_own_network();
    let server = Served::start(&["[::]:0"]);
    assert_eq!(echo(&mut connect_to(Ipv6Addr::LOCALHOST.into(), server.port()), b"v6"), b"v6");
    assert!(nobody_listens(server.port()));
    server.stop();
    let server = Served::start_ports(&mut mpserv(&["--listen", "127.0.0.1:0", "[::1]:0"]), 2);
    for (address, port) in ["127.0.0.1", "::1"].into_iter().zip(&server.ports) {
        assert_eq!(echo(&mut connect_to(address.parse().unwrap(), *port), b"each"), b"each");
    }
    server.stop();
}

fn it_listens_wherever_it_is_told_to() {
    let server =
        Served::start_ports(&mut mpserv(&["--listen", "127.0.0.1:0", "--listen", "127.0.0.2:0", "127.0.0.3:0"]), 3);
    for (address, port) in ["127.0.0.1", "127.0.0.2", "127.0.0.3"].into_iter().zip(&server.ports) {
        assert_eq!(echo(&mut connect_to(address.parse().unwrap(), *port), b"each"), b"each");
    }
    assert_eq!(server.wait_events("listen", 3).len(), 3);
    server.stop();
    // This server has a name, and no ADDRESS beside --listen.
    let server = Served::start(&["--listen", "127.0.0.1:0", "--", "cat"]);
    assert_eq!(echo(&mut server.connect(), b"cat"), b"cat");
    server.stop();
    let mut server = Running::start(&mut mpserv(&["localhost:0"]), Output::Pipe);
    wait_until("localhost has an address", || server.stdout_so_far().ends_with('\n') || server.has_ended());
    assert_eq!(server.end(Signal::TERM).status.code(), Some(0));
}

fn where_there_is_no_ipv6_a_port_is_for_ipv4() {
    let folder = TempDir::new();
    for fault in ["socket:error=EAFNOSUPPORT:when=1", "bind:error=EADDRNOTAVAIL:when=1"] {
        let server = faulty(fault, &folder.join("trace"), &["0"]);
        assert!(server.wait_events("listen", 1)[0].get("address").starts_with("0.0.0.0:"), "{fault}");
        assert_eq!(echo(&mut server.connect(), b"v4"), b"v4", "{fault}");
        server.stop();
    }
}

fn a_stale_unix_socket_is_replaced_and_a_live_one_is_not() {
    let folder = TempDir::new();
    let path = folder.join("socket");
    let address = format!("unix:{}", path.display());
    // The server of this socket has ended without removing the socket's file.
    drop(UnixListener::bind(&path).unwrap());
    let server = Running::start(&mut mpserv(&[&address]), Output::Pipe);
    let mut client = wait_for("the server listens", || UnixStream::connect(&path).ok().map(watched));
    client.write_all(b"local").unwrap();
    client.shutdown(Shutdown::Write).unwrap();
    let mut back = String::new();
    client.read_to_string(&mut back).unwrap();
    assert_eq!(back, "local");
    // The log names the user who connected.
    wait_until("it is in the log", || {
        server.stderr_so_far().contains(&format!("from=unix:pid:{}:", std::process::id()))
    });
    let second = run_mpserv(&[&address]);
    assert_eq!(second.status.code(), Some(111));
    assert!(second.stderr.contains("Address already in use"), "{}", second.stderr);
    assert!(UnixStream::connect(&path).is_ok(), "the live one lives on");
    assert_eq!(server.end(Signal::TERM).status.code(), Some(0));
    assert!(!path.exists(), "the file is removed at the end");
    // The queue of this socket is full, so no client can connect at once.
    let full = UnixListener::bind(&path).unwrap();
    // SAFETY: the call takes numbers.
    assert_eq!(unsafe { libc::listen(full.as_raw_fd(), 0) }, 0);
    let _waiting = UnixStream::connect(&path).unwrap();
    let third = run_mpserv(&[&address]);
    assert!(third.stderr.contains("Address already in use"), "{}", third.stderr);
    assert!(path.exists(), "the server that is slow lives on");
    fs::remove_file(&path).unwrap();
    // The server does not touch a file that is no socket.
    fs::write(&path, "precious").unwrap();
    assert_eq!(run_mpserv(&[&address]).status.code(), Some(111));
    assert_eq!(fs::read_to_string(&path).unwrap(), "precious");
}

/// Checks the lock that a server has while it replaces a stale socket. No other user may write to the lock, and the
/// server removes the lock afterwards.
fn the_lock_of_a_socket_is_the_servers_own() {
    let folder = TempDir::new();
    let (path, trace) = (folder.join("socket"), folder.join("trace"));
    let options = ["-e", "trace=openat"];
    let server = Running::start(&mut traced(&options, &trace, &[&format!("unix:{}", path.display())]), Output::Pipe);
    wait_until("the server serves", || server.stderr_so_far().contains("mpserv: start "));
    assert!(!folder.join("socket.lock").exists());
    assert_eq!(server.end(Signal::TERM).status.code(), Some(0));
    let trace = fs::read_to_string(&trace).unwrap();
    let opened = trace.lines().find(|line| line.contains("socket.lock\"")).unwrap_or_else(|| panic!("{trace}"));
    assert!(opened.contains("O_CREAT") && opened.contains(", 0600)"), "{opened}");
}

fn a_socket_that_another_server_has_put_in_its_place_stays() {
    let folder = TempDir::new();
    let path = folder.join("socket");
    let address = format!("unix:{}", path.display());
    let first = Running::start(&mut mpserv(&[&address]), Output::Pipe);
    wait_until("the first server serves", || first.stderr_so_far().contains("mpserv: start "));
    fs::remove_file(&path).unwrap();
    let second = Running::start(&mut mpserv(&[&address]), Output::Pipe);
    wait_until("the second server serves", || second.stderr_so_far().contains("mpserv: start "));
    assert_eq!(first.end(Signal::TERM).status.code(), Some(0));
    assert!(UnixStream::connect(&path).is_ok(), "the second server's socket is still there");
    assert_eq!(second.end(Signal::TERM).status.code(), Some(0));
    assert!(!path.exists());
}

fn wrong_addresses_are_named() {
    let forms = "PORT, HOST:PORT, [IPV6]:PORT, unix:PATH or inherit";
    for address in [
        "x",
        "",
        "65536",
        "127.0.0.1:",
        "127.0.0.1:x",
        ":5000",
        "::1:5000",
        "[::1]",
        "[::1]5000",
        "[x]:5000",
        "[::1",
        "unix:",
        "1.2.3:5000",
        "256.1.1.1:80",
    ] {
        refused(&[address], USAGE, &[&format!("\"{address}\""), forms]);
    }
    refused(&["unix:/nonexistent-folder/socket"], TROUBLE, &["No such file or directory", "make it"]);
    refused(&[&format!("unix:/{}", "x".repeat(200))], TROUBLE, &["File name too long"]);
    refused(&["192.0.2.1:5000"], TROUBLE, &["192.0.2.1:5000", "ip address"]);
    refused(&["no-such-host.invalid:5000"], TROUBLE, &["no-such-host.invalid:5000", "check the name"]);
    for (length, told) in [(255, "check the name"), (256, "File name too long"), (300, "File name too long")] {
        refused(&[&format!("{}:5000", "h".repeat(length))], TROUBLE, &[told]);
    }
    // No interface has the index 0, or a name of 16 bytes.
    for zone in ["0", "x", "", "abcdefghijklmnop", "4294967296"] {
        let address = format!("[fe80::1%{zone}]:5000");
        refused(&[&address], TROUBLE, &[&format!("cannot listen on \"{address}\""), "there is no such interface"]);
    }
    let many: Vec<&str> = (0..40).flat_map(|_| ["--listen", "127.0.0.1:0"]).collect();
    refused(&many, USAGE, &["too many", "second server"]);
}

fn a_port_in_use_is_named() {
    let other = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = other.local_addr().unwrap().to_string();
    refused(&[&address], TROUBLE, &[&address, "Address already in use", "ss -ltnp"]);
}

fn a_port_that_needs_privilege_is_named() {
    let first = fs::read_to_string("/proc/sys/net/ipv4/ip_unprivileged_port_start").unwrap();
    if first.trim().parse::<u16>().unwrap() <= 1 {
        skip("no port needs privilege");
    }
    let folder = TempDir::new();
    let mut command = Command::new(copy_program(MPSERV, &folder));
    command.arg("127.0.0.1:1");
    if is_root() {
        command.uid(user_of_nothing()).gid(user_of_nothing());
    }
    let ended = run(&mut command, Output::Pipe);
    is_refusal(&ended, TROUBLE, &["127.0.0.1:1", "Permission denied", "CAP_NET_BIND_SERVICE"]);
}

fn an_ipv4_address_in_the_form_of_ipv6_and_a_star_are_hinted_at() {
    refused(&["[::ffff:127.0.0.1]:0"], USAGE, &["an IPv4 address in the form of IPv6", "leave out [::ffff:"]);
    refused(&["*:0"], USAGE, &["* is no host", "the PORT alone"]);
    refused(&["[fe80::1]:0"], USAGE, &["an interface", "[fe80::1%eth0]:5000"]);
    refused(&["[fe80::1%no-such-if]:0"], TROUBLE, &["No such device", "ip link"]);
    refused(&["unix:@"], USAGE, &["the abstract name is empty"]);
    // If an address is given twice, the error does not blame another process.
    let twice = ["--listen", "127.0.0.1:45600", "127.0.0.1:45600"];
    let _network = Network::own();
    refused(&twice, TROUBLE, &["Address already in use", "this server listens there already"]);
}

/// Returns a command for `mpserv` with this text as /etc/hosts, which no other process sees.
fn with_hosts(text: &str, folder: &TempDir, arguments: &[&str]) -> Command {
    let hosts = folder.join("hosts");
    fs::write(&hosts, text).unwrap();
    let mut command = Command::new("unshare");
    command.args(["-m", "sh", "-c", "mount --bind \"$0\" /etc/hosts && exec \"$@\""]).arg(hosts).arg(MPSERV);
    command.args(arguments);
    command
}

/// Checks a name for which the C library gives 127.0.0.1 twice, because the file also has the name for `::1`. Without
/// IPv6 there is no `::1`.
fn each_address_of_a_host_is_listened_on_once() {
    needs_root();
    let _network = Network::own();
    fs::write("/proc/sys/net/ipv6/conf/all/disable_ipv6", "1").unwrap_or_else(|_| skip("no IPv6"));
    let folder = TempDir::new();
    let hosts = "127.0.0.1 server.test\n127.0.0.1 server.test\n::1 server.test\n2001:db8::1 nowhere.test\n";
    let server = Served::start_command(&mut with_hosts(hosts, &folder, &["-1", "server.test:5000"]));
    assert_eq!(server.ports, [5000]);
    let skipped = server.wait_events("skip", 1);
    assert_eq!((skipped.len(), skipped[0].get("address")), (1, "[::1]:5000"), "{skipped:?}");
    assert!(skipped[0].get("error").contains("assign requested address"), "{skipped:?}");
    assert_eq!(finish(server.client()), b"");
    server.stop();
    // If no address works, the server reports an error.
    let ended = run(&mut with_hosts(hosts, &folder, &["nowhere.test:5000"]), Output::Pipe);
    is_refusal(&ended, TROUBLE, &["nowhere.test:5000", "assign requested address"]);
}

/// Checks a host of which one address, the first or the last, is of a family that the system does not have.
fn an_address_of_a_family_that_there_is_not_is_skipped() {
    needs_root();
    let folder = TempDir::new();
    let trace = folder.join("trace");
    let hosts = "127.0.0.1 two.test\n127.0.0.2 two.test\n";
    let started = |fault: &str, count: usize| {
        let inner = with_hosts(hosts, &folder, &["-1", "two.test:0"]);
        let mut command = Command::new("strace");
        command.args(["-D", "-q", "-o"]).arg(&trace).args(["-e", "trace=socket", "-e", fault]);
        command.arg(inner.get_program()).args(inner.get_args()).stdin(Stdio::null());
        Served::start_ports(&mut command, count)
    };
    // The look-up of the name may make sockets as well.
    started("inject=socket:error=EAFNOSUPPORT:when=1000", 2).stop();
    let calls = fs::read_to_string(&trace).unwrap();
    let calls = calls.lines().filter(|line| line.contains("socket(")).enumerate();
    let of_listeners: Vec<usize> = calls
        .filter(|(_, line)| line.contains("SOCK_STREAM|SOCK_CLOEXEC|SOCK_NONBLOCK"))
        .map(|(at, _)| at + 1)
        .collect();
    assert!(of_listeners.len() >= 2, "{of_listeners:?}");
    for (at, skipped) in of_listeners[of_listeners.len() - 2..].iter().zip(["127.0.0.1:0", "127.0.0.2:0"]) {
        let server = started(&format!("inject=socket:error=EAFNOSUPPORT:when={at}"), 1);
        let skips = server.wait_events("skip", 1);
        let told = (skips.len(), skips[0].get("address"), skips[0].get("error"));
        assert_eq!(told, (1, skipped, "Address family not supported by protocol"));
        server.stop();
    }
}

/// Checks a name that has as many addresses as there may be, and one more.
fn a_host_with_too_many_addresses_is_told() {
    needs_root();
    let folder = TempDir::new();
    for (count, is_refused) in [(LISTENERS_MAX, false), (LISTENERS_MAX + 1, true)] {
        let line = |number: usize| format!("127.0.1.{number} many.test\n");
        let hosts: String = (1..=count).map(line).collect();
        if is_refused {
            let ended = run(&mut with_hosts(&hosts, &folder, &["many.test:0"]), Output::Pipe);
            is_refusal(&ended, USAGE, &["more than 32 addresses to listen on: too many", "second server"]);
        } else {
            let server = Served::start_ports(&mut with_hosts(&hosts, &folder, &["-1", "many.test:0"]), count);
            assert_eq!(server.wait_events("listen", count).len(), count);
            server.stop();
        }
    }
}

/// Starts `mpserv` at an abstract name that no other test has.
fn at_abstract_name(folder: &TempDir) -> (String, Running) {
    let name = format!("mpserv-test-{}", std::process::id());
    let mut command = mpserv(&[&format!("unix:@{name}")]);
    let server = Running::start(command.current_dir(&folder.0), Output::Pipe);
    let line = format!("mpserv: listen address=unix:@{name} ");
    wait_until("the server serves", || server.stderr_so_far().contains("mpserv: start "));
    assert!(server.stderr_so_far().contains(&line), "{}", server.stderr_so_far());
    (name, server)
}

fn an_abstract_name_is_in_no_file_system() {
    let folder = TempDir::new();
    let (name, server) = at_abstract_name(&folder);
    let address = SocketAddr::from_abstract_name(&name).unwrap();
    let mut client = watched(UnixStream::connect_addr(&address).unwrap());
    client.write_all(b"local").unwrap();
    client.shutdown(Shutdown::Write).unwrap();
    assert_eq!(std::io::read_to_string(&client).unwrap(), "local");
    refused(&[&format!("unix:@{name}")], TROUBLE, &["Address already in use", "a server listens there"]);
    assert_eq!(fs::read_dir(&folder.0).unwrap().count(), 0, "there is no file");
    assert_eq!(server.end(Signal::TERM).status.code(), Some(0));
    let server = Running::start(mpserv(&["unix:./@name"]).current_dir(&folder.0), Output::Pipe);
    wait_until("the server serves", || server.stderr_so_far().contains("mpserv: start "));
    assert!(UnixStream::connect(folder.join("@name")).is_ok(), "this is a file");
    assert_eq!(server.end(Signal::TERM).status.code(), Some(0));
}

fn socat_reaches_an_abstract_name() {
    needs_command("socat");
    let folder = TempDir::new();
    let (name, server) = at_abstract_name(&folder);
    let mut socat = Command::new("socat");
    socat.args(["-t", "20", "-", &format!("ABSTRACT-CONNECT:{name}")]).stdin(Stdio::piped());
    let mut socat = Running::start(&mut socat, Output::Pipe);
    socat.input(b"by socat");
    assert_eq!(socat.wait().stdout, "by socat");
    assert_eq!(server.end(Signal::TERM).status.code(), Some(0));
}

/// Checks that the log and the program's environment have the interface of a link-local address, which means nothing
/// without the interface.
fn a_link_local_address_names_its_interface() {
    needs_root();
    needs_command("ip");
    let _network = Network::own();
    let ip = |arguments: &str| assert!(Command::new("ip").args(arguments.split(' ')).status().unwrap().success());
    // A name has at most 15 bytes.
    const ONE: &str = "abcdefghijklmno";
    ip(&format!("link add {ONE} type veth peer name other"));
    ip(&format!("link set {ONE} up"));
    ip("link set other up");
    ip(&format!("addr add fe80::77/64 dev {ONE} nodad"));
    let index: u32 = fs::read_to_string(format!("/sys/class/net/{ONE}/ifindex"))
        .ok()
        .and_then(|text| text.trim().parse().ok())
        .or_else(|| mpserv::net::if_nametoindex(c"abcdefghijklmno").ok())
        .unwrap();
    let shown = format!("[fe80::77%{index}]:");
    let connect = |server: &Served| {
        let address = SocketAddrV6::new("fe80::77".parse().unwrap(), server.port(), 0, index);
        watched(TcpStream::connect(address).unwrap())
    };
    for (interface, mode) in [(ONE.to_owned(), &[][..]), (index.to_string(), &["--prefork", "1"])] {
        let server = Served::start(&[mode, &[&format!("[fe80::77%{interface}]:0")]].concat());
        assert!(server.wait_events("listen", 1)[0].get("address").starts_with(&shown));
        let mut client = connect(&server);
        assert_eq!(echo(&mut client, b"near"), b"near");
        drop(client);
        for event in ["accept", "end"] {
            let from = server.wait_events(event, 1)[0].get("from").to_owned();
            assert!(from.starts_with(&shown), "{event}: {from}");
        }
        server.stop();
    }
    let program = ["sh", "-c", "echo $TCPREMOTEIP $TCPLOCALIP"];
    let server = Served::start(&[&[&format!("[fe80::77%{ONE}]:0")[..]][..], &program].concat());
    let client = connect(&server);
    assert_eq!(String::from_utf8(finish(client)).unwrap(), format!("fe80::77%{index} fe80::77%{index}\n"));
    server.stop();
}
