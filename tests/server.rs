//! mpserv: what it does for its clients, its limits, where it listens, its log.

mod common;

use std::fs;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::unix::net::{UnixListener, UnixStream};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use common::server::*;
use common::*;
use mpserv::signal::Signal;

/// Long enough for what must not happen to happen, if it did.
const A_WHILE: Duration = Duration::from_millis(300);

/// Bytes without a pattern that is easily met by chance.
fn bytes(length: usize) -> Vec<u8> {
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let mut bytes = Vec::with_capacity(length + 8);
    while bytes.len() < length {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes.truncate(length);
    bytes
}

/// Sends `text` from one thread and reads what comes back in this one, to the end.
fn exchange(client: TcpStream, text: &[u8]) -> Vec<u8> {
    let mut writer = client.try_clone().unwrap();
    let mut reader = client;
    thread::scope(|scope| {
        scope.spawn(move || {
            writer.write_all(text).unwrap();
            writer.shutdown(Shutdown::Write).unwrap();
        });
        let mut back = Vec::new();
        reader.read_to_end(&mut back).unwrap();
        back
    })
}

#[test]
fn long_lines_and_binary_data_come_back() {
    let server = Served::start(&["127.0.0.1:0"]);
    let mut line = vec![b'x'; 50_000];
    line.push(b'\n');
    assert_eq!(exchange(server.connect(), &line), line);
    let all: Vec<u8> = (0..=255).cycle().take(100_000).collect();
    assert_eq!(exchange(server.connect(), &all), all);
    let log = server.stop();
    assert!(log.iter().filter(|line| line.event == "end").all(|line| line.get("exit") == "0"));
}

fn echo_of(length: usize) {
    let server = Served::start(&["127.0.0.1:0"]);
    let client = server.connect();
    // Not all in memory: a block that does not divide what the service reads at once.
    let block = bytes(1_000_003);
    let mut writer = client.try_clone().unwrap();
    let mut reader = client;
    thread::scope(|scope| {
        scope.spawn(|| {
            let mut left = length;
            while left > 0 {
                let part = &block[..left.min(block.len())];
                writer.write_all(part).unwrap();
                left -= part.len();
            }
            writer.shutdown(Shutdown::Write).unwrap();
        });
        let mut back = vec![0; block.len()];
        let mut left = length;
        while left > 0 {
            let part = left.min(block.len());
            reader.read_exact(&mut back[..part]).unwrap();
            assert!(back[..part] == block[..part], "{left} bytes before the end the echo differs");
            left -= part;
        }
        assert_eq!(reader.read(&mut back).unwrap(), 0);
    });
    server.stop();
}

#[test]
fn sixteen_megabytes_come_back_bit_by_bit() {
    echo_of(16 << 20);
}

#[test]
#[ignore = "takes its time"]
fn a_gigabyte_comes_back_bit_by_bit() {
    echo_of(1 << 30);
}

#[test]
fn a_client_that_ends_its_half_gets_the_rest() {
    let server = Served::start(&["127.0.0.1:0"]);
    let mut client = server.connect();
    client.write_all(b"without a newline").unwrap();
    assert_eq!(finish(client), b"without a newline");
    server.stop();
}

/// Processes of a built-in service do not have the parent's tables.
#[test]
fn a_child_does_not_have_the_parents_tables() {
    let server = Served::start(&["127.0.0.1:0"]);
    let mut client = server.connect();
    assert_eq!(echo(&mut client, b"hello"), b"hello");
    let mappings = |pid: u32| fs::read_to_string(format!("/proc/{pid}/maps")).unwrap().lines().count();
    let (child, parent) = (mappings(children(server.pid())[0]), mappings(server.pid()));
    assert!(child < parent, "{child} mappings in the child, {parent} in the parent");
    drop(client);
    server.stop();
}

#[test]
fn clients_that_say_nothing_or_reset_hinder_nobody() {
    let server = Served::start(&["127.0.0.1:0"]);
    let silent: Vec<TcpStream> = (0..5).map(|_| server.connect()).collect();
    server.wait_events("accept", 5);
    for _ in 0..5 {
        let client = server.client();
        mpserv::net::setsockopt_linger(as_fd(&client), Some(0)).unwrap();
        drop(client);
    }
    let ends = server.wait_events("end", 5);
    assert!(ends.iter().all(|end| end.get("exit") == "1"), "{ends:?}");
    let mut client = server.client();
    assert_eq!(echo(&mut client, b"still here"), b"still here");
    drop((silent, client));
    server.wait_events("end", 11);
    server.stop();
}

fn as_fd(stream: &TcpStream) -> mpserv::fd::BorrowedFd<'_> {
    use std::os::fd::AsRawFd;
    // SAFETY: the stream stays open for as long as it is borrowed.
    unsafe { mpserv::fd::BorrowedFd::from_raw(stream.as_raw_fd()) }
}

#[test]
fn the_other_services_do_what_they_are_called() {
    let server = Served::start(&["--service", "rot13", "127.0.0.1:0"]);
    let mut client = server.connect();
    client.write_all(b"Hello, World! \xff\n").unwrap();
    assert_eq!(finish(client), b"Uryyb, Jbeyq! \xff\n");
    server.stop();
    let server = Served::start(&["--service=discard", "127.0.0.1:0"]);
    let mut client = server.connect();
    client.write_all(&bytes(1_000_000)).unwrap();
    assert_eq!(finish(client), b"");
    server.stop();
}

/// So many connections, each answered; and the server is as it was before.
fn load(connections: usize) {
    /// How many there are at once: more than there may be by default.
    const AT_ONCE: usize = 200;
    let at_once = AT_ONCE.to_string();
    let server = Served::start(&["--max-children", &at_once, "127.0.0.1:0"]);
    drop(server.client());
    server.wait_childless();
    let descriptors = server.descriptors();
    let memory = server.anonymous_memory();
    let together: Vec<TcpStream> = (0..AT_ONCE).map(|_| server.client()).collect();
    assert_eq!(children(server.pid()).len(), AT_ONCE);
    drop(together);
    let text = bytes(64);
    thread::scope(|scope| {
        for worker in 0..AT_ONCE {
            let (server, text) = (&server, &text);
            let share = connections / AT_ONCE + usize::from(worker < connections % AT_ONCE);
            scope.spawn(move || {
                for _ in 0..share {
                    let mut client = server.connect();
                    assert_eq!(&echo(&mut client, text), text);
                    // Reset, so that no port stays in TIME_WAIT: 100,000 are more than there are.
                    mpserv::net::setsockopt_linger(as_fd(&client), Some(0)).unwrap();
                }
            });
        }
    });
    server.wait_childless();
    assert_eq!(server.descriptors(), descriptors);
    assert!(server.anonymous_memory() <= memory + 64, "{memory} kB, then {} kB", server.anonymous_memory());
    let log = server.stop();
    let count = |event: &str| log.iter().filter(|line| line.event == event).count();
    let served = 1 + AT_ONCE + connections;
    assert_eq!((count("accept"), count("end")), (served, served));
}

#[test]
fn two_thousand_connections_leave_nothing_behind() {
    load(2_000);
}

#[test]
#[ignore = "takes its time"]
fn a_hundred_thousand_connections_leave_nothing_behind() {
    load(100_000);
}

#[test]
#[ignore = "takes its time"]
fn a_million_connections_leave_nothing_behind() {
    load(1_000_000);
}

#[test]
fn at_the_limit_of_children_the_next_client_waits() {
    let server = Served::start(&["--max-children", "3", "127.0.0.1:0"]);
    let mut clients: Vec<TcpStream> = (0..3).map(|_| server.client()).collect();
    let mut fourth = server.connect();
    fourth.write_all(b"fourth").unwrap();
    let pause = server.wait_events("pause", 1);
    assert_eq!((pause[0].get("why"), pause[0].number("children")), ("max-children", 3));
    assert!(is_silent(&fourth, A_WHILE));
    drop(clients.pop());
    let mut back = [0; 6];
    fourth.read_exact(&mut back).unwrap();
    assert_eq!(&back, b"fourth");
    server.wait_events("resume", 1);
    drop((fourth, clients));
    server.wait_events("end", 4);
    let log = server.stop();
    assert!(log.iter().filter(|line| line.event == "accept").all(|line| line.number("children") <= 3));
}

/// A connection from another address of this machine's.
fn connect_from(source: &str, port: u16) -> TcpStream {
    use mpserv::net::{AddressFamily, Protocol, SocketAddrV4, SocketType, bind, connect, socket};
    let fd = socket(AddressFamily::INET, SocketType::STREAM, Protocol::DEFAULT).unwrap();
    bind(&fd, &SocketAddrV4::new(source.parse().unwrap(), 0)).unwrap();
    connect(&fd, &SocketAddrV4::new("127.0.0.1".parse().unwrap(), port)).unwrap();
    // SAFETY: the descriptor is open, and `into_raw` has given it away.
    let stream: TcpStream = unsafe { std::os::fd::FromRawFd::from_raw_fd(fd.into_raw()) };
    stream.set_read_timeout(Some(WATCHDOG)).unwrap();
    stream
}

#[test]
fn over_the_limit_of_a_source_the_client_is_told() {
    let server = Served::start(&["--max-per-source", "2:too many of you", "127.0.0.1:0"]);
    let first = server.client();
    let second = server.client();
    let mut third = server.connect();
    assert_eq!(read_all(&mut third), b"too many of you\r\n");
    // Also one that has spoken before it was told.
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

#[test]
fn the_rate_is_exact_at_its_boundary() {
    const PERIOD: Duration = Duration::from_millis(1_500);
    let server = Served::start(&["--max-rate", "3/1.5", "127.0.0.1:0"]);
    let start = Instant::now();
    for _ in 0..3 {
        drop(server.client());
    }
    let in_time = start.elapsed();
    assert!(in_time < PERIOD, "three came within the period: {in_time:?}");
    let mut fourth = server.connect();
    assert_eq!(echo(&mut fourth, b"fourth"), b"fourth");
    // The server counted the first one a moment after we began.
    let took = start.elapsed();
    assert!(took >= PERIOD, "the fourth came after {took:?}");
    let pause = server.wait_events("pause", 1);
    assert_eq!(pause[0].get("why"), "max-rate");
    let resume = server.wait_events("resume", 1);
    assert_eq!(resume[0].get("why"), "max-rate");
    drop(fourth);
    server.stop();
}

#[test]
fn a_flood_of_refusals_is_a_line_a_second_and_none_is_lost() {
    let server = Served::start(&["-C", "1", "127.0.0.1:0"]);
    let kept = server.client();
    let start = Instant::now();
    for _ in 0..200 {
        assert_eq!(read_all(&mut server.connect()), b"");
    }
    let sum = |lines: &[Line]| lines.iter().map(|line| line.number("count")).sum::<u64>();
    let lines = wait_for("all 200 are in the log", || Some(server.events("refuse")).filter(|lines| sum(lines) == 200));
    let seconds = start.elapsed().as_secs() as usize + 1;
    assert!(lines.len() <= seconds + 1, "{} lines in {seconds} seconds", lines.len());
    drop(kept);
    server.stop();
}

#[test]
fn a_client_of_a_service_that_is_silent_for_too_long_is_closed() {
    let server = Served::start(&["--idle-timeout", "0.2", "127.0.0.1:0"]);
    let mut client = server.client();
    assert_eq!(read_all(&mut client), b"");
    assert_eq!(server.wait_events("end", 1)[0].get("exit"), "2");
    // Nor does one that takes nothing hold its child for ever.
    let mut deaf = server.connect();
    deaf.set_write_timeout(Some(Duration::from_millis(100))).unwrap();
    let text = bytes(1 << 20);
    while deaf.write(&text).is_ok() {}
    server.wait_events("end", 2);
    server.stop();
}

#[test]
fn a_child_whose_time_is_up_is_ended_and_nobody_else() {
    let server = Served::start(&["--max-lifetime", "0.5", "127.0.0.1:0"]);
    let mut stopped = server.client();
    let accepts = server.wait_events("accept", 1);
    send(accepts[0].number("pid"), Signal::STOP);
    assert_eq!(read_all(&mut stopped), b"");
    assert_eq!(server.wait_events("end", 1)[0].get("signal"), "SIGTERM");
    assert_eq!(server.events("lifetime").len(), 1);
    drop(server.client());
    server.stop();
    // One that goes on for ever and does not listen to SIGTERM gets SIGKILL.
    let server = Served::start(&[
        "--max-lifetime",
        "0.3",
        "127.0.0.1:0",
        "sh",
        "-c",
        "trap '' TERM; echo ready; while :; do :; done",
    ]);
    let mut looping = server.connect();
    assert_eq!(read_all(&mut looping), b"ready\n");
    assert_eq!(server.wait_events("end", 1)[0].get("signal"), "SIGKILL");
    server.stop();
}

fn send(pid: u64, signal: Signal) {
    let pid = mpserv::process::Pid::from_raw(i32::try_from(pid).unwrap()).unwrap();
    mpserv::signal::kill(pid, signal).unwrap();
}

#[test]
fn a_child_that_crashes_or_stops_hurts_only_its_own_connection() {
    let server = Served::start(&["127.0.0.1:0"]);
    let mut others: Vec<TcpStream> = (0..3).map(|_| server.client()).collect();
    for (index, signal) in [Signal::SEGV, Signal::ABRT, Signal::KILL].into_iter().enumerate() {
        let mut victim = server.client();
        send(server.wait_events("accept", 4 + index)[3 + index].number("pid"), signal);
        assert_eq!(read_all(&mut victim), b"");
        let end = &server.wait_events("end", 1 + index)[index];
        assert!(end.get("signal").starts_with(&signal.to_string()), "{end:?}");
    }
    let stopped = server.client();
    let pid = server.wait_events("accept", 7)[6].number("pid");
    send(pid, Signal::STOP);
    for other in &mut others {
        assert_eq!(echo(other, b"unhurt"), b"unhurt");
    }
    assert_eq!(echo(&mut server.client(), b"new"), b"new");
    drop(others);
    send(pid, Signal::CONT);
    drop(stopped);
    server.stop();
}

#[test]
fn twenty_children_that_end_at_once_are_no_zombies_for_long() {
    let server = Served::start(&["127.0.0.1:0"]);
    let clients: Vec<TcpStream> = (0..20).map(|_| server.client()).collect();
    assert_eq!(children(server.pid()).len(), 20);
    drop(clients);
    server.wait_childless();
    server.stop();
}

#[test]
fn it_listens_wherever_it_is_told_to() {
    // A port alone is for both families.
    let server = Served::start(&["0"]);
    assert_eq!(echo(&mut server.connect(), b"v4"), b"v4");
    let mut v6 = TcpStream::connect(("::1", server.port())).unwrap();
    assert_eq!(echo(&mut v6, b"v6"), b"v6");
    let from = server.wait_events("accept", 2);
    // An IPv4 client is shown as one.
    assert!(from[0].get("from").starts_with("127.0.0.1:") && from[1].get("from").starts_with("[::1]:"), "{from:?}");
    drop(v6);
    server.stop();
    // [::] is for IPv6 only, so the same port is free for IPv4.
    let server = Served::start(&["[::1]:0"]);
    assert_eq!(echo(&mut TcpStream::connect(("::1", server.port())).unwrap(), b"v6"), b"v6");
    assert!(TcpStream::connect(("127.0.0.1", server.port())).is_err());
    server.stop();
    let server =
        Served::start_ports(&mut mpserv(&["--listen", "127.0.0.1:0", "--listen", "127.0.0.2:0", "[::1]:0"]), 3);
    for (address, port) in ["127.0.0.1", "127.0.0.2", "::1"].into_iter().zip(&server.ports) {
        assert_eq!(echo(&mut TcpStream::connect((address, *port)).unwrap(), b"each"), b"each");
    }
    assert_eq!(server.wait_events("listen", 3).len(), 3);
    server.stop();
    // A name, and no ADDRESS beside --listen.
    let server = Served::start(&["--listen", "127.0.0.1:0", "--", "cat"]);
    assert_eq!(echo(&mut server.connect(), b"cat"), b"cat");
    server.stop();
    let mut server = Running::start(&mut mpserv(&["localhost:0"]), Output::Pipe);
    wait_until("localhost has an address", || server.stdout_so_far().ends_with('\n') || server.has_ended());
    assert_eq!(server.end(Signal::TERM).status.code(), Some(0));
}

#[test]
fn where_there_is_no_ipv6_a_port_is_for_ipv4() {
    let folder = TempDir::new();
    let options = ["-e", "trace=socket", "-e", "inject=socket:error=EAFNOSUPPORT:when=1"];
    let server = Served::start_command(&mut traced(&options, &folder.join("trace"), &["0"]));
    assert!(server.wait_events("listen", 1)[0].get("address").starts_with("0.0.0.0:"));
    assert_eq!(echo(&mut server.connect(), b"v4"), b"v4");
    server.stop();
}

#[test]
fn a_stale_unix_socket_is_replaced_and_a_live_one_is_not() {
    let folder = TempDir::new();
    let path = folder.join("socket");
    let address = format!("unix:{}", path.display());
    // A socket whose server has gone without removing it.
    drop(UnixListener::bind(&path).unwrap());
    let server = Running::start(&mut mpserv(&[&address]), Output::Pipe);
    let mut client = wait_for("the server listens", || UnixStream::connect(&path).ok());
    client.write_all(b"local").unwrap();
    client.shutdown(Shutdown::Write).unwrap();
    let mut back = String::new();
    client.read_to_string(&mut back).unwrap();
    assert_eq!(back, "local");
    // The user who connected is in the log.
    wait_until("it is in the log", || {
        server.stderr_so_far().contains(&format!("from=unix:pid:{}:", std::process::id()))
    });
    let second = run_mpserv(&[&address]);
    assert_eq!(second.status.code(), Some(111));
    assert!(second.stderr.contains("Address already in use"), "{}", second.stderr);
    assert!(UnixStream::connect(&path).is_ok(), "the live one lives on");
    assert_eq!(server.end(Signal::TERM).status.code(), Some(0));
    assert!(!path.exists(), "the file is removed at the end");
    // A file that is no socket is left alone.
    fs::write(&path, "precious").unwrap();
    assert_eq!(run_mpserv(&[&address]).status.code(), Some(111));
    assert_eq!(fs::read_to_string(&path).unwrap(), "precious");
}

#[test]
fn the_pidfile_is_locked_and_removed() {
    let folder = TempDir::new();
    let path = folder.join("pid");
    let pidfile = path.to_str().unwrap();
    fs::write(&path, "999999 of a server that was killed\n").unwrap();
    let server = Served::start(&["--pidfile", pidfile, "127.0.0.1:0"]);
    assert_eq!(fs::read_to_string(&path).unwrap(), format!("{}\n", server.pid()));
    let held = server.client();
    let second = run_mpserv(&["--pidfile", pidfile, "127.0.0.1:0"]);
    assert_eq!(second.status.code(), Some(111));
    assert!(second.stderr.contains(&format!("of process {}", server.pid())), "{}", second.stderr);
    drop(held);
    server.stop();
    assert!(!path.exists());
}

#[test]
fn a_child_that_lives_on_does_not_hold_the_pidfile() {
    let folder = TempDir::new();
    let path = folder.join("pid");
    let arguments = ["--orphans", "keep", "--pidfile", path.to_str().unwrap(), "127.0.0.1:0"];
    let mut server = Served::start(&arguments);
    let mut client = server.client();
    server.running.signal(Signal::KILL);
    wait_until("the server is gone", || server.running.has_ended());
    let next = Served::start(&arguments);
    assert_eq!(echo(&mut client, b"orphan"), b"orphan");
    drop(client);
    next.stop();
}

#[test]
fn the_log_is_json_where_it_is_asked_for() {
    let server = Served::start_command(&mut mpserv(&["--log", "json", "-C", "1", "127.0.0.1:0"]));
    let client = server.client();
    assert_eq!(read_all(&mut server.connect()), b"");
    drop(client);
    wait_until("the end is in the log", || server.running.stderr_so_far().contains("\"event\":\"end\""));
    let ended = server.running.end(Signal::TERM);
    let events: Vec<&str> =
        ended.stderr.lines().map(|line| json_event(line).unwrap_or_else(|| panic!("{line}"))).collect();
    assert_eq!(events, ["listen", "start", "accept", "refuse", "end", "stop", "stopped"]);
    if has_command("python3", "python3") {
        let check = "import json, sys\nfor line in sys.stdin: assert isinstance(json.loads(line)['time'], float)";
        let mut python =
            Running::start(Command::new("python3").args(["-c", check]).stdin(Stdio::piped()), Output::Pipe);
        python.input(ended.stderr.as_bytes());
        let ended = python.wait();
        assert!(ended.status.success(), "{}", ended.stderr);
    }
}

fn json_event(line: &str) -> Option<&str> {
    let (time, rest) = line.strip_prefix("{\"time\":")?.split_once(",\"event\":\"")?;
    time.parse::<f64>().ok()?;
    rest.strip_suffix('}')?.split_once('"').map(|(event, _)| event)
}

#[test]
fn the_log_goes_to_syslog_where_it_is_asked_for() {
    let folder = TempDir::new();
    let trace = folder.join("trace");
    // Whether there is a log on this machine or not: what is sent is what counts.
    let options = ["-s", "200", "-e", "trace=connect,sendto", "-e", "inject=connect,sendto:retval=0"];
    let server = Served::start_command(&mut traced(&options, &trace, &["--log", "syslog", "127.0.0.1:0"]));
    let ended = server.running.end(Signal::TERM);
    assert_eq!((ended.status.code(), ended.stderr.as_str()), (Some(0), ""));
    let trace = fs::read_to_string(trace).unwrap();
    assert!(trace.contains("connect(") && trace.contains("/dev/log"), "{trace}");
    // Facility daemon, priority notice: 3 * 8 + 5.
    assert!(trace.contains("\"<29>") && trace.contains(": start pid=") && trace.contains("mpserv["), "{trace}");
}

#[test]
fn quiet_leaves_out_connections_and_verbose_adds_details() {
    let server = Served::start(&["-q", "127.0.0.1:0"]);
    drop(server.client());
    server.wait_childless();
    let events: Vec<String> = server.stop().into_iter().map(|line| line.event).collect();
    assert_eq!(events, ["listen", "start", "stop", "stopped"]);
    let server = Served::start(&["-v", "127.0.0.1:0"]);
    let client = server.client();
    server.running.signal(Signal::USR1);
    let child = server.wait_events("child", 1);
    assert_eq!(child[0].number("pid"), server.wait_events("accept", 1)[0].number("pid"));
    drop(client);
    server.stop();
}

#[test]
fn a_backlog_that_the_kernel_caps_is_told() {
    let cap = fs::read_to_string("/proc/sys/net/core/somaxconn").unwrap();
    let server = Served::start(&["--backlog", "2000000000", "127.0.0.1:0"]);
    let listen = &server.wait_events("listen", 1)[0];
    assert_eq!((listen.get("backlog"), listen.get("asked")), (cap.trim(), "2000000000"));
    server.stop();
}

/// The value of an integer option of a connection's other end, as /proc and getsockopt do not show it: by the server's
/// own calls.
#[test]
fn options_of_sockets_are_set_once_on_the_listener() {
    let folder = TempDir::new();
    let trace = folder.join("trace");
    let options = ["-f", "-e", "trace=setsockopt"];
    let all = ["--nodelay", "--reuse-port", "--defer-accept", "1", "127.0.0.1:0"];
    let server = Served::start_command(&mut traced(&options, &trace, &all));
    drop(server.client());
    server.wait_childless();
    server.stop();
    let trace = fs::read_to_string(trace).unwrap();
    let count = |option: &str| trace.matches(&format!("{option}, [1]")).count();
    for option in ["SO_KEEPALIVE", "SO_REUSEADDR", "SO_REUSEPORT", "TCP_NODELAY", "TCP_DEFER_ACCEPT"] {
        assert_eq!(count(option), 1, "{option}: {trace}");
    }
    let server =
        Served::start_command(&mut traced(&options, &folder.join("off"), &["--keepalive", "off", "127.0.0.1:0"]));
    server.stop();
    assert!(!fs::read_to_string(folder.join("off")).unwrap().contains("SO_KEEPALIVE"));
}

#[test]
fn two_servers_share_a_port_only_if_both_say_so() {
    let server = Served::start(&["--reuse-port", "127.0.0.1:0"]);
    let address = format!("127.0.0.1:{}", server.port());
    Served::start(&["--reuse-port", &address]).stop();
    let alone = run_mpserv(&[&address]);
    assert_eq!(alone.status.code(), Some(111));
    server.stop();
    // And a port whose last connections are in TIME_WAIT is taken again.
    let server = Served::start(&["127.0.0.1:0", "sh", "-c", "exit 0"]);
    let address = format!("127.0.0.1:{}", server.port());
    assert_eq!(read_all(&mut server.connect()), b"");
    server.stop();
    Served::start(&[&address]).stop();
}

#[test]
fn it_serves_with_its_standard_descriptors_closed() {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let script =
        format!("exec '{MPSERV}' 127.0.0.1:{port} -- sh -c 'read line; ls /proc/self/fd; echo $line' <&- >&- 2>&-");
    let server = Running::start(Command::new("sh").args(["-c", &script]), Output::Pipe);
    let mut client = wait_for("the server listens", || TcpStream::connect(("127.0.0.1", port)).ok());
    client.write_all(b"hello\n").unwrap();
    // 3 is ls's own.
    assert_eq!(String::from_utf8(finish(client)).unwrap(), "0\n1\n2\n3\nhello\n");
    assert_eq!(server.end(Signal::TERM).status.code(), Some(0));
}

#[test]
fn a_log_that_nobody_takes_does_not_stop_it() {
    let script = format!("exec '{MPSERV}' -1 127.0.0.1:0 2>/dev/full");
    let server = Served::start_command(Command::new("sh").args(["-c", &script]));
    for _ in 0..10 {
        drop(server.client());
    }
    assert_eq!(server.running.end(Signal::TERM).status.code(), Some(0));
}

/// Of many children those that have ended are not all sought at once. That holds nobody up who needs a slot of theirs.
#[test]
fn of_many_children_those_that_have_ended_count_against_nobody() {
    const MANY: usize = 600;
    const ENDED: usize = 40;
    let many = MANY.to_string();
    // They wait for a slot, or are turned away.
    for limits in [["--max-children", &many, "-C", "1000"], ["--max-children", "1000", "-C", &many]] {
        let mut command = mpserv(&["-q"]);
        let server = Served::start_command(command.args(limits).arg("127.0.0.1:0"));
        let mut clients: Vec<TcpStream> = (0..MANY).map(|_| server.client()).collect();
        assert_eq!(children(server.pid()).len(), MANY);
        // While the server does nothing, the oldest end: one SIGCHLD stands for all of them.
        let old = children(server.pid());
        server.running.signal(Signal::STOP);
        clients.drain(..ENDED);
        let is_ended = |pid: &&u32| state(**pid) == Some('Z');
        wait_until("they have ended", || old.iter().filter(is_ended).count() == ENDED);
        let mut new: Vec<TcpStream> = (0..ENDED).map(|_| server.connect()).collect();
        server.running.signal(Signal::CONT);
        for client in &mut new {
            assert_eq!(echo(client, b"in their place"), b"in their place", "{limits:?}");
        }
        drop((clients, new));
        server.wait_childless();
        let log = server.stop();
        assert_eq!(log.iter().filter(|line| line.event == "refuse").count(), 0, "{limits:?}");
        assert_eq!(log.last().unwrap().number("accepted"), (MANY + ENDED) as u64, "{limits:?}");
    }
}
