//! Tests `--max-per-source`: beyond the limit a client gets the message, and other sources are served.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::Command;

use crate::children::calls_on_connections;
use crate::common::server::*;
use crate::common::solo::Test;
use crate::common::*;
use crate::tests;
use mpserv::namespace::own_network;
use mpserv::signal::Signal;

pub(crate) const TESTS: &[Test] = tests![
    over_the_limit_of_a_source_the_client_is_told,
    of_a_client_that_it_refuses_the_parent_reads_a_little_once,
    addresses_of_one_network_are_one_source,
    hosts_with_link_local_addresses_are_sources_of_their_own,
    rules_count_by_network_as_well,
    a_client_that_a_proxy_names_counts_by_network,
    a_program_finds_the_number_of_connections_of_its_network,
];

fn over_the_limit_of_a_source_the_client_is_told() {
    // If the option is given twice, the last one holds, with its message.
    let server = Served::start(&["-C", "1:another message", "--max-per-source", "2:too many of you", "127.0.0.1:0"]);
    let first = server.client();
    let second = server.client();
    let mut third = server.connect();
    assert_eq!(read_all(&mut third), b"too many of you\r\n");
    // A client that has sent data first also gets the message.
    let mut spoke = server.connect();
    spoke.write_all(b"hello").unwrap();
    assert_eq!(read_all(&mut spoke), b"too many of you\r\n");
    let refused = server.wait_events("refuse", 1);
    assert_eq!((refused[0].get("why"), refused[0].number("from_source")), ("max-per-source", 2));
    let mut other = connect_from("127.0.0.2", server.port());
    assert_eq!(echo(&mut other, b"another source"), b"another source");
    drop(first);
    server.wait_events("end", 1);
    let mut again = server.client();
    assert_eq!(echo(&mut again, b"room again"), b"room again");
    drop((second, other, again));
    server.stop();
}

fn of_a_client_that_it_refuses_the_parent_reads_a_little_once() {
    const MOST: usize = 4096;
    let folder = TempDir::new();
    let trace = folder.join("trace");
    let server = Served::start_command(&mut traced(&["-y"], &trace, &["-C", "1", "127.0.0.1:0"]));
    let kept = server.client();
    for sent in [0, 5, 10 * MOST] {
        // All data has arrived before the server accepts.
        server.running.signal(Signal::STOP);
        wait_until("it has stopped", || matches!(state(server.pid()), Some('T' | 't')));
        let mut client = server.connect();
        client.write_all(&vec![b'x'; sent]).unwrap();
        server.running.signal(Signal::CONT);
        assert_eq!(read_all(&mut client), b"");
    }
    drop(kept);
    server.stop();
    let (accepted, calls) = calls_on_connections(&trace);
    assert_eq!((accepted, calls.join(" ")), (4, "close".to_owned() + &" sendto recvfrom close".repeat(3)));
    let trace = fs::read_to_string(trace).unwrap();
    let reads = trace.lines().filter(|line| line.starts_with("recvfrom("));
    let read: Vec<&str> = reads.map(|line| line.rsplit_once(" = ").unwrap().1).collect();
    assert_eq!(read, ["-1 EAGAIN (Resource temporarily unavailable)", "5", &MOST.to_string()], "{trace}");
}

/// Makes a network for this test. Its loopback interface also has addresses of two IPv6 networks of 64 bits.
fn network_of_ipv6() {
    needs_root();
    needs_ipv6();
    needs_command("ip");
    own_network().unwrap();
    run_all("ip link set lo up");
    for address in [FIRST, SAME_64, OTHER_64] {
        // Without `nodad` the address could not be used at once.
        run_all(&format!("ip -6 addr add {address}/128 dev lo nodad"));
    }
}

fn run_all(command: &str) {
    let mut words = command.split(' ');
    let status = Command::new(words.next().unwrap()).args(words).status().unwrap();
    assert!(status.success(), "{command}");
}

const FIRST: &str = "2001:db8:0:1::1";
const SAME_64: &str = "2001:db8:0:1:ffff::2";
const OTHER_64: &str = "2001:db8:0:2::1";

/// Connects clients from these addresses one after another, and keeps them. Only the last client must be refused.
fn last_is_refused(options: &[&str], sources: &[&str]) {
    for pool in [&[][..], &["--prefork", "8"]] {
        let server = Served::start(&[pool, options, &["0"]].concat());
        let (last, others) = sources.split_last().unwrap();
        let kept: Vec<TcpStream> = others
            .iter()
            .map(|source| {
                let mut client = connect_from(source, server.port());
                assert_eq!(echo(&mut client, b"x"), b"x", "{source}");
                client
            })
            .collect();
        assert_eq!(read_all(&mut connect_from(last, server.port())), b"", "{options:?}: {sources:?}");
        assert_eq!(server.wait_events("refuse", 1)[0].get("why"), "max-per-source");
        drop(kept);
        server.stop();
    }
}

fn addresses_of_one_network_are_one_source() {
    network_of_ipv6();
    last_is_refused(&["-C", "1"], &[FIRST, OTHER_64, "127.0.0.1", "127.0.0.2", SAME_64]);
    last_is_refused(&["-C", "1", "--source-prefix", "32:128"], &[FIRST, SAME_64, OTHER_64, FIRST]);
    last_is_refused(&["-C", "1", "--source-prefix", "31:48"], &[FIRST, "127.0.0.1", "127.0.0.2", OTHER_64]);
    last_is_refused(&["-C", "1", "--source-prefix", "31"], &["127.0.0.1", FIRST, "127.0.0.2", OTHER_64, "127.0.0.3"]);
    // Without a prefix for IPv6, it is the default.
    last_is_refused(&["-C", "1", "--source-prefix", "31"], &[FIRST, OTHER_64, SAME_64]);
}

/// Makes two interfaces, with two hosts on the link of each interface. The hosts have the same addresses on both links.
fn hosts_with_link_local_addresses_are_sources_of_their_own() {
    use mpserv::net::{AddressFamily, Protocol, SocketAddrV6, SocketType, bind, connect, if_nametoindex, socket};
    network_of_ipv6();
    run_all("ip link add one type veth peer name two");
    for interface in ["one", "two"] {
        run_all(&format!("ip link set {interface} up"));
        for address in ["fe80::1", "fe80::77", "fe80::78"] {
            run_all(&format!("ip -6 addr add {address}/64 dev {interface} nodad"));
        }
    }
    let connect = |source: &str, interface, port| -> TcpStream {
        let scope = if_nametoindex(interface).unwrap();
        let fd = socket(AddressFamily::INET6, SocketType::STREAM, Protocol::DEFAULT).unwrap();
        bind(&fd, &SocketAddrV6::new(source.parse().unwrap(), 0, 0, scope)).unwrap();
        connect(&fd, &SocketAddrV6::new("fe80::1".parse().unwrap(), port, 0, scope)).unwrap();
        // SAFETY: the descriptor is open, and nothing else owns it after `into_raw`.
        let stream: TcpStream = unsafe { std::os::fd::FromRawFd::from_raw_fd(fd.into_raw()) };
        stream.set_read_timeout(Some(WATCHDOG)).unwrap();
        stream
    };
    for pool in [&[][..], &["--prefork", "8"]] {
        let server = Served::start(&[pool, &["-C", "1", "0"]].concat());
        let mut kept = Vec::new();
        for (source, interface) in [("fe80::77", c"one"), ("fe80::78", c"one"), ("fe80::77", c"two")] {
            let mut client = connect(source, interface, server.port());
            assert_eq!(echo(&mut client, b"x"), b"x", "{source}%{interface:?}");
            kept.push(client);
        }
        assert_eq!(read_all(&mut connect("fe80::77", c"two", server.port())), b"");
        assert_eq!(server.wait_events("refuse", 1)[0].get("why"), "max-per-source");
        drop(kept);
        server.stop();
    }
}

fn rules_count_by_network_as_well() {
    network_of_ipv6();
    let folder = TempDir::new();
    let file = folder.join("rules");
    fs::write(&file, "allow 2001:db8::/32 max-per-source=2\n").unwrap();
    let file = file.to_str().unwrap();
    last_is_refused(&["--rules", file], &[FIRST, OTHER_64, SAME_64, FIRST]);
    last_is_refused(&["--rules", file, "--source-prefix", "32:48"], &[FIRST, OTHER_64, SAME_64]);
}

fn a_client_that_a_proxy_names_counts_by_network() {
    for pool in [&[][..], &["--prefork", "8"]] {
        for (prefix, refused) in [("32:64", "2001:db8:0:1::9"), ("24:128", "192.0.2.9")] {
            let options = ["--proxy-protocol", "-C", "1:enough", "--source-prefix", prefix, "127.0.0.1:0"];
            let server = Served::start(&[pool, &options].concat());
            let connect = |source: &str| {
                let mut client = server.connect();
                let (family, destination) = if source.contains(':') { ("TCP6", "::1") } else { ("TCP4", "127.0.0.1") };
                write!(client, "PROXY {family} {source} {destination} 1 2\r\n").unwrap();
                client
            };
            let mut kept = ["2001:db8:0:1::1", "2001:db8:0:2::1", "192.0.2.1", "198.51.100.1"].map(connect);
            kept.iter_mut().for_each(|client| assert_eq!(echo(client, b"x"), b"x"));
            assert_eq!(read_all(&mut connect(refused)), b"enough\r\n", "{prefix}");
            drop(kept);
            server.stop();
        }
    }
}

fn a_program_finds_the_number_of_connections_of_its_network() {
    network_of_ipv6();
    let server = Served::start(&["0", "sh", "-c", "echo $TCPCONNNUM; cat"]);
    let mut kept = Vec::new();
    for (source, number) in [(FIRST, "1"), (SAME_64, "2"), (OTHER_64, "1"), (SAME_64, "3")] {
        let mut client = connect_from(source, server.port());
        let mut line = [0; 2];
        client.read_exact(&mut line).unwrap();
        assert_eq!(line, format!("{number}\n").as_bytes(), "{source}");
        kept.push(client);
    }
    drop(kept);
    server.stop();
}
