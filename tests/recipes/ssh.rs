//! Tests sshd for each connection, instead of a socket unit with `Accept=yes`. A flood only makes the server pause.

use std::fs;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use crate::common::network::Network;
use crate::common::server::*;
use crate::common::solo::Test;
use crate::common::*;
use crate::{blocks, command, output_of_tool, run_tool, tests, with};
use mpserv::signal::Signal;

pub(crate) const TESTS: &[Test] = tests![
    the_units_are_what_systemd_takes,
    after_a_flood_over_the_limit_of_children_the_next_client_is_served,
    after_a_flood_over_the_rate_the_next_client_is_served,
    a_real_client_logs_in_by_ssh_during_a_flood;
    ignored: after_200_connections_a_second_for_10_seconds_the_next_client_is_served,
];

const HEADING: &str = "## Coming from systemd's `Accept=yes`";

/// Returns the options of the unit's command, and the command of sshd with its options.
fn command_of_unit() -> (Vec<String>, Vec<String>) {
    let service = &blocks(HEADING)[1];
    let line = service.lines().find_map(|line| line.strip_prefix("ExecStart=/usr/local/bin/mpserv ")).unwrap();
    let (options, program) = line.split_once(" inherit ").unwrap();
    let words = |text: &str| text.split(' ').map(str::to_owned).collect();
    (words(options), words(program))
}

fn the_units_are_what_systemd_takes() {
    needs_command("systemd-analyze");
    needs_command("sshd");
    let folder = TempDir::new();
    let recipe = blocks(HEADING);
    let socket = folder.join("ssh-mpserv.socket");
    fs::write(&socket, &recipe[0]).unwrap();
    let service = folder.join("ssh-mpserv.service");
    fs::write(&service, with(&recipe[1], "/usr/local/bin/mpserv", MPSERV)).unwrap();
    let verify = run_tool(command("systemd-analyze").args(["verify", "--man=no"]).args([&service, &socket]));
    // Messages about other units of this machine do not matter here.
    let ours: Vec<&str> = verify.stderr.lines().filter(|line| line.contains("ssh-mpserv")).collect();
    assert!(verify.status.success() && ours.is_empty(), "{}", verify.stderr);
}

/// Checks that the next client is served without help, by the same process, which has paused and gone on.
#[track_caller]
fn is_served(server: Served, why: &str) {
    let mut next = server.connect();
    // The client waits for its turn after the clients of the flood.
    next.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    assert_eq!(echo(&mut next, b"next"), b"next");
    drop(next);
    let log = server.stop();
    for event in ["pause", "resume"] {
        assert!(log.iter().any(|line| line.event == event && line.get("why") == why), "no {event}: {log:#?}");
    }
    assert_eq!(log.iter().filter(|line| line.event == "start").count(), 1);
}

fn after_a_flood_over_the_limit_of_children_the_next_client_is_served() {
    const FLOOD: usize = 60;
    let server = Served::start(&["-c", "4", "127.0.0.1:0", "cat"]);
    // All connections stay open, and most of them wait in the backlog.
    let flood: Vec<TcpStream> = (0..FLOOD).map(|_| server.connect()).collect();
    let pause = server.wait_events("pause", 1);
    assert_eq!((pause[0].get("why"), pause[0].number("children")), ("max-children", 4));
    drop(flood);
    is_served(server, "max-children");
}

fn after_a_flood_over_the_rate_the_next_client_is_served() {
    const FLOOD: usize = 30;
    let server = Served::start(&["--max-rate", "20/3", "127.0.0.1:0", "cat"]);
    // The server is stopped, so that all connections are in the backlog when it goes on.
    server.running.signal(Signal::STOP);
    let flood: Vec<TcpStream> = (0..FLOOD).map(|_| server.connect()).collect();
    server.running.signal(Signal::CONT);
    server.wait_events("pause", 1);
    drop(flood);
    is_served(server, "max-rate");
}

/// Repeats systemd#15633. With `Accept=yes` the socket unit has failed by this time.
fn after_200_connections_a_second_for_10_seconds_the_next_client_is_served() {
    const EVERY: Duration = Duration::from_millis(5);
    const FLOOD: Duration = Duration::from_secs(10);
    let (options, _) = command_of_unit();
    let options: Vec<&str> = options.iter().map(String::as_str).collect();
    let server = Served::start(&[&options[..], &["127.0.0.1:0", "cat"]].concat());
    let address = SocketAddr::from(([127, 0, 0, 1], server.port()));
    let (start, mut count) = (Instant::now(), 0);
    while start.elapsed() < FLOOD {
        // When the backlog is full, the client gives up.
        let client = TcpStream::connect_timeout(&address, EVERY);
        count += 1;
        std::thread::sleep((EVERY * count).saturating_sub(start.elapsed()));
        drop(client);
    }
    is_served(server, "max-rate");
}

/// Makes a key without a passphrase.
fn make_key(path: &Path) {
    output_of_tool(command("ssh-keygen").args(["-q", "-t", "ed25519", "-N", "", "-f"]).arg(path));
}

/// Starts the server with the unit's options. Passes the socket as the service manager does.
fn start_unit(folder: &TempDir, listener: TcpListener) -> Served {
    let (options, program) = command_of_unit();
    let sshd = program.join(" ");
    // In the unit, systemd makes /run/sshd.
    let script = format!(
        "mount -t tmpfs none /run && mkdir /run/sshd && LISTEN_PID=$$ LISTEN_FDS=1 exec '{MPSERV}' -1 {} inherit {sshd} -f '{}' \
         3<&0 </dev/null",
        options.join(" "),
        folder.join("sshd_config").display()
    );
    let mut unshare = command("unshare");
    Served::start_command(unshare.args(["--mount", "sh", "-c", &script]).stdin(OwnedFd::from(listener)))
}

fn a_real_client_logs_in_by_ssh_during_a_flood() {
    for tool in ["sshd", "ssh", "ssh-keygen", "unshare"] {
        needs_command(tool);
    }
    needs_root();
    let _network = Network::own();
    let folder = TempDir::new();
    let [host, key, known] = ["host", "key", "known"].map(|name| folder.join(name));
    make_key(&host);
    make_key(&key);
    let configuration = format!(
        "HostKey {}\nAuthorizedKeysFile {}\nUsePAM no\nStrictModes no\nPasswordAuthentication no\n\
         KbdInteractiveAuthentication no\nPermitRootLogin prohibit-password\n",
        host.display(),
        key.with_extension("pub").display()
    );
    fs::write(folder.join("sshd_config"), configuration).unwrap();
    let listener = TcpListener::bind("0.0.0.0:0").unwrap();
    let server = start_unit(&folder, listener);
    let port = server.port();
    fs::write(&known, format!("[127.0.0.1]:{port} {}", fs::read_to_string(host.with_extension("pub")).unwrap()))
        .unwrap();
    // These silent clients are twice as many as one source may have.
    let flood: Vec<TcpStream> = (0..20).map(|_| connect_from("127.0.0.2", port)).collect();
    let refused = server.wait_events("refuse", 1);
    assert_eq!(refused[0].get("why"), "max-per-source");
    let mut ssh = Command::new("ssh");
    ssh.args(["-F", "none", "-p", &port.to_string(), "-i"]).arg(&key);
    for option in ["BatchMode=yes", "StrictHostKeyChecking=yes", "IdentitiesOnly=yes", "IdentityAgent=none"] {
        ssh.args(["-o", option]);
    }
    ssh.args(["-o", &format!("UserKnownHostsFile={}", known.display()), "-o", "GlobalKnownHostsFile=/dev/null"]);
    ssh.args(["root@127.0.0.1", "echo \"$SSH_CONNECTION\""]).stdin(std::process::Stdio::null());
    let ended = run_tool(&mut ssh);
    let words: Vec<&str> = ended.stdout.split_whitespace().collect();
    assert_eq!(ended.status.code(), Some(0), "{} {}", ended.stderr, server.running.stderr_so_far());
    let port = port.to_string();
    assert!(matches!(words[..], ["127.0.0.1", _, "127.0.0.1", own] if own == port), "{words:?}");
    drop(flood);
    server.wait_childless();
    // The processes that sshd has left end as well.
    let ended = server.running.end(Signal::QUIT);
    assert_eq!(ended.status.code(), Some(0), "{}", ended.stderr);
}
