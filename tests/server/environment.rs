//! Tests the variables that describe the client to a program (UCSPI).

use std::collections::BTreeMap;
use std::io::Read;
use std::net::Ipv6Addr;
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::process::Command;

use crate::common::server::*;
use crate::common::solo::Test;
use crate::common::*;
use crate::tests;
use mpserv::signal::Signal;

pub(crate) const TESTS: &[Test] = tests![
    the_environment_says_who_is_connected,
    tcpserver_says_the_same,
    ipv6_has_the_same_names,
    connections_of_one_source_are_numbered,
    of_a_unix_socket_the_environment_says_who_it_is,
];

/// Returns the variables of UCSPI in the output of `env`.
fn ucspi(environment: &str) -> BTreeMap<String, String> {
    let variables = environment.lines().filter_map(|line| line.split_once('='));
    let ours = variables.filter(|(name, _)| ["PROTO", "TCP", "IPC"].iter().any(|prefix| name.starts_with(prefix)));
    ours.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

/// Connects and reads the output of `env`. Replaces the client's port by the word `client` and the server's port by
/// `server`.
fn ucspi_of(port: u16) -> BTreeMap<String, String> {
    let mut client = connect(port);
    let (ours, theirs) = (client.local_addr().unwrap().port().to_string(), port.to_string());
    let mut variables = ucspi(&String::from_utf8(read_all(&mut client)).unwrap());
    for value in variables.values_mut() {
        if *value == ours {
            "client".clone_into(value);
        } else if *value == theirs {
            "server".clone_into(value);
        }
    }
    variables
}

fn map(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn the_environment_says_who_is_connected() {
    // Variables that another server set for its own client are not passed on.
    let mut command = mpserv(&["0", "env"]);
    command.envs([("TCPREMOTEHOST", "stale"), ("TCPREMOTEINFO", "stale"), ("PROTO", "stale"), ("KEPT", "yes")]);
    let server = Served::start_command(&mut command);
    assert_eq!(ucspi_of(server.port()), expected());
    server.wait_childless();
    assert!(output_of(&server).contains("KEPT=yes\n"));
    server.stop();
}

/// Returns the expected variables for a client on 127.0.0.1.
fn expected() -> BTreeMap<String, String> {
    map(&[
        ("PROTO", "TCP"),
        ("TCPCONNNUM", "1"),
        ("TCPLOCALIP", "127.0.0.1"),
        ("TCPLOCALPORT", "server"),
        ("TCPREMOTEIP", "127.0.0.1"),
        ("TCPREMOTEPORT", "client"),
    ])
}

fn tcpserver_says_the_same() {
    needs_command("tcpserver");
    let tcpserver =
        Running::start(Command::new("tcpserver").args(["-HR", "-l0", "127.0.0.1", "0", "env"]), Output::Pipe);
    let mut theirs = ucspi_of(tcpserver.port());
    // Remove TCPLOCALHOST, which `-l0` sets, and add TCPCONNNUM, which tcpserver does not set.
    theirs.remove("TCPLOCALHOST");
    theirs.insert("TCPCONNNUM".to_owned(), "1".to_owned());
    assert_eq!(theirs, expected());
    tcpserver.end(Signal::TERM);
}

fn ipv6_has_the_same_names() {
    needs_ipv6();
    let server = Served::start(&["[::1]:0", "env"]);
    let mut v6 = connect_to(Ipv6Addr::LOCALHOST.into(), server.port());
    let variables = ucspi(&String::from_utf8(read_all(&mut v6)).unwrap());
    assert_eq!((variables["TCPREMOTEIP"].as_str(), variables["TCPLOCALIP"].as_str()), ("::1", "::1"));
    assert_eq!(variables["PROTO"], "TCP");
    server.stop();
}

fn connections_of_one_source_are_numbered() {
    let server = Served::start(&["127.0.0.1:0", "sh", "-c", "echo $TCPCONNNUM; exec cat"]);
    let mut clients: Vec<TcpStream> = (0..3).map(|_| server.connect()).collect();
    for (client, number) in clients.iter_mut().zip(["1\n", "2\n", "3\n"]) {
        let mut first = [0; 2];
        client.read_exact(&mut first).unwrap();
        assert_eq!(first, number.as_bytes());
    }
    // Connections that have ended do not count.
    drop(clients);
    server.wait_childless();
    let mut next = server.connect();
    let mut first = [0; 2];
    next.read_exact(&mut first).unwrap();
    assert_eq!(&first, b"1\n");
    drop(next);
    server.stop();
}

fn of_a_unix_socket_the_environment_says_who_it_is() {
    let folder = TempDir::new();
    let path = folder.join("socket");
    let address = format!("unix:{}", path.display());
    let server = Running::start(&mut mpserv(&["--mode", "666", &address, "env"]), Output::Pipe);
    wait_until("the server serves", || server.stderr_so_far().contains("mpserv: start "));
    let user = mpserv::user::geteuid();
    if is_root() {
        // Each id differs from the others.
        // SAFETY: the call takes a number.
        assert_eq!(unsafe { libc::setegid(23_456) }, 0);
        // SAFETY: the reason above holds here as well.
        assert_eq!(unsafe { libc::seteuid(12_345) }, 0);
    }
    let mut client = watched(UnixStream::connect(&path).unwrap());
    let mut text = String::new();
    client.read_to_string(&mut text).unwrap();
    let uid = mpserv::user::geteuid();
    let gid = mpserv::user::getegid();
    // SAFETY: the call takes a number. Only root can end the server.
    assert_eq!(unsafe { libc::seteuid(user) }, 0);
    let expected = map(&[
        ("PROTO", "IPC"),
        ("IPCREMOTEEUID", &uid.to_string()),
        ("IPCREMOTEEGID", &gid.to_string()),
        ("IPCREMOTEPID", &std::process::id().to_string()),
    ]);
    assert_eq!(ucspi(&text), expected);
    server.end(Signal::TERM);
}
