//! mpserv with programs: what they find, and real ones, unchanged.

mod common;

use std::collections::BTreeMap;
use std::fs;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::process::{Command, Stdio};

use common::server::*;
use common::*;
use mpserv::signal::Signal;

/// What a program that only prints has printed.
fn output_of(server: &Served) -> String {
    String::from_utf8(read_all(&mut server.connect())).unwrap()
}

#[test]
fn a_program_finds_three_descriptors_default_signals_and_an_empty_mask() {
    // The server itself is started with more open, with signals ignored, and it ignores none in its programs.
    let script = format!(
        "exec 7</dev/null 8</dev/null; trap '' PIPE HUP INT; \
         exec '{MPSERV}' -1 --pidfile \"$0\" --listen 127.0.0.1:0 127.0.0.1:0 \
         sh -c 'ls /proc/self/fd; cat /proc/self/status; readlink /proc/self/fd/0 /proc/self/fd/1'"
    );
    let folder = TempDir::new();
    let mut command = Command::new("sh");
    command.args(["-c", &script]).arg(folder.join("pid"));
    let server = Served::start_ports(&mut command, 2);
    let _open = (server.connect(), server.connect());
    let output = output_of(&server);
    let lines: Vec<&str> = output.lines().collect();
    // 3 is the one through which ls reads the folder.
    assert_eq!(lines[..4], ["0", "1", "2", "3"], "{output}");
    assert_eq!(["SigBlk", "SigIgn", "SigCgt"].map(|set| signals_in(&output, set)), [0; 3], "{output}");
    assert!(lines.iter().rev().take(2).all(|line| line.starts_with("socket:")), "{output}");
    server.stop();
}

/// The variables of UCSPI in what `env` has printed.
fn ucspi(environment: &str) -> BTreeMap<String, String> {
    let variables = environment.lines().filter_map(|line| line.split_once('='));
    let ours = variables.filter(|(name, _)| ["PROTO", "TCP", "IPC"].iter().any(|prefix| name.starts_with(prefix)));
    ours.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

/// Connects and reads what `env` prints, with the client's own port as the word `client` and the server's as `server`.
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

#[test]
fn the_environment_says_who_is_connected() {
    let expected = map(&[
        ("PROTO", "TCP"),
        ("TCPCONNNUM", "1"),
        ("TCPLOCALIP", "127.0.0.1"),
        ("TCPLOCALPORT", "server"),
        ("TCPREMOTEIP", "127.0.0.1"),
        ("TCPREMOTEPORT", "client"),
    ]);
    // What another server has said of its own client is not passed on.
    let mut command = mpserv(&["0", "env"]);
    command.envs([("TCPREMOTEHOST", "stale"), ("TCPREMOTEINFO", "stale"), ("PROTO", "stale"), ("KEPT", "yes")]);
    let server = Served::start_command(&mut command);
    assert_eq!(ucspi_of(server.port()), expected);
    server.wait_childless();
    assert!(output_of(&server).contains("KEPT=yes\n"));
    // IPv6 has the same names.
    let mut v6 = TcpStream::connect(("::1", server.port())).unwrap();
    let variables = ucspi(&String::from_utf8(read_all(&mut v6)).unwrap());
    assert_eq!((variables["TCPREMOTEIP"].as_str(), variables["TCPLOCALIP"].as_str()), ("::1", "::1"));
    server.stop();
    if has_command("tcpserver", "ucspi-tcp") {
        let tcpserver =
            Running::start(Command::new("tcpserver").args(["-HR", "-l0", "127.0.0.1", "0", "env"]), Output::Pipe);
        let mut theirs = ucspi_of(tcpserver.port());
        // Of -l0, and of s6's: tcpserver has no TCPCONNNUM.
        theirs.remove("TCPLOCALHOST");
        theirs.insert("TCPCONNNUM".to_owned(), "1".to_owned());
        assert_eq!(theirs, expected);
        tcpserver.end(Signal::TERM);
    }
}

#[test]
fn connections_of_one_source_are_numbered() {
    let server = Served::start(&["127.0.0.1:0", "sh", "-c", "echo $TCPCONNNUM; exec cat"]);
    let mut clients: Vec<TcpStream> = (0..3).map(|_| server.connect()).collect();
    for (client, number) in clients.iter_mut().zip(["1\n", "2\n", "3\n"]) {
        let mut first = [0; 2];
        client.read_exact(&mut first).unwrap();
        assert_eq!(first, number.as_bytes());
    }
    drop(clients);
    server.stop();
}

#[test]
fn of_a_unix_socket_the_environment_says_who_it_is() {
    let folder = TempDir::new();
    let path = folder.join("socket");
    let server = Running::start(&mut mpserv(&[&format!("unix:{}", path.display()), "env"]), Output::Pipe);
    let mut client = wait_for("the server listens", || UnixStream::connect(&path).ok());
    let mut text = String::new();
    client.read_to_string(&mut text).unwrap();
    // SAFETY: the call has no precondition.
    let uid = unsafe { mpserv::ffi::unistd::geteuid() };
    // SAFETY: as above.
    let gid = unsafe { mpserv::ffi::unistd::getegid() };
    let expected = map(&[
        ("PROTO", "IPC"),
        ("IPCREMOTEEUID", &uid.to_string()),
        ("IPCREMOTEEGID", &gid.to_string()),
        ("IPCREMOTEPID", &std::process::id().to_string()),
    ]);
    assert_eq!(ucspi(&text), expected);
    server.end(Signal::TERM);
}

#[test]
fn arguments_reach_the_program_as_they_are() {
    let server = Served::start(&["127.0.0.1:0", "--", "printf", "%s|", "-c", "a b", "", "--help", "ü"]);
    assert_eq!(output_of(&server), "-c|a b||--help|ü|");
    server.stop();
}

#[test]
fn cat_and_a_shell_script_serve() {
    let server = Served::start(&["127.0.0.1:0", "cat"]);
    let mut client = server.connect();
    client.write_all(b"through cat\n").unwrap();
    assert_eq!(finish(client), b"through cat\n");
    server.stop();
    let folder = TempDir::new();
    let script = folder.join("greet");
    fs::write(&script, "#!/bin/sh\nread name\necho \"Hello, $name, of $TCPREMOTEIP\"\n").unwrap();
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).unwrap();
    let server = Served::start(&["127.0.0.1:0", script.to_str().unwrap()]);
    let mut client = server.connect();
    client.write_all(b"world\n").unwrap();
    assert_eq!(read_all(&mut client), b"Hello, world, of 127.0.0.1\n");
    server.stop();
}

#[test]
fn git_clones_from_git_daemon() {
    if !has_command("git", "git") {
        return;
    }
    let folder = TempDir::new();
    let git = |arguments: &[&str]| {
        let mut command = Command::new("git");
        command.current_dir(&folder.0).args(arguments).stdin(Stdio::null());
        command.envs([("GIT_CONFIG_GLOBAL", "/dev/null"), ("GIT_CONFIG_NOSYSTEM", "1")]);
        for role in ["AUTHOR", "COMMITTER"] {
            command.env(format!("GIT_{role}_NAME"), "test").env(format!("GIT_{role}_EMAIL"), "test@localhost");
        }
        let ended = run(&mut command, Output::Pipe);
        assert!(ended.status.success(), "{arguments:?}: {}", ended.stderr);
    };
    git(&["init", "-q", "repository"]);
    fs::write(folder.join("repository/file"), "content\n").unwrap();
    git(&["-C", "repository", "add", "file"]);
    git(&["-C", "repository", "commit", "-q", "-m", "first"]);
    let base = format!("--base-path={}", folder.0.display());
    let mut command = mpserv(&["127.0.0.1:0", "git", "daemon", "--inetd", "--export-all", &base]);
    // The owner of the folder is whoever runs the tests.
    command.env("GIT_CONFIG_COUNT", "1").env("GIT_CONFIG_KEY_0", "safe.directory").env("GIT_CONFIG_VALUE_0", "*");
    let server = Served::start_command(&mut command);
    git(&["clone", "-q", &format!("git://127.0.0.1:{}/repository", server.port()), "clone"]);
    assert_eq!(fs::read_to_string(folder.join("clone/file")).unwrap(), "content\n");
    server.stop();
}

#[test]
fn servers_for_inetd_serve() {
    if has_command("/usr/sbin/in.fingerd", "fingerd") && has_command("finger", "finger") {
        let server = Served::start(&["127.0.0.1:0", "/usr/sbin/in.fingerd"]);
        let mut client = server.connect();
        client.write_all(b"root\r\n").unwrap();
        let answer = String::from_utf8_lossy(&read_all(&mut client)).into_owned();
        assert!(answer.contains("Login: root"), "{answer}");
        server.stop();
    }
    if has_command("/usr/sbin/ftpd", "inetutils-ftpd") {
        let server = Served::start(&["127.0.0.1:0", "/usr/sbin/ftpd"]);
        let mut client = server.connect();
        client.write_all(b"QUIT\r\n").unwrap();
        client.shutdown(Shutdown::Write).unwrap();
        let answer = String::from_utf8_lossy(&read_all(&mut client)).into_owned();
        assert!(answer.starts_with("220 ") && answer.contains("\r\n221 "), "{answer}");
        server.stop();
    }
}

#[test]
fn a_program_with_processes_of_its_own_ends_with_all_of_them() {
    let server =
        Served::start(&["--grace", "0.1", "127.0.0.1:0", "sh", "-c", "sleep 600 & sleep 600 & echo ready; wait"]);
    let mut client = server.connect();
    client.read_exact(&mut [0]).unwrap();
    let ended = server.running.end(Signal::TERM);
    assert_eq!(ended.status.code(), Some(0));
    // Each of them holds the connection.
    read_all(&mut client);
}
