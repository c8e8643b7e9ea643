//! Tests `--proxy-protocol`: connections with a header, and without one.

use std::io::{ErrorKind, Read, Write};
use std::time::{Duration, Instant};

use crate::common::server::*;
use crate::common::solo::Test;
use crate::common::*;
use crate::proxy_header::{V4_BLOCK, v2, v6_block};
use crate::tests;
use mpserv::signal::Signal;

pub(crate) const TESTS: &[Test] = tests![
    not_a_byte_beyond_the_header_is_taken,
    a_local_header_leaves_the_address_as_it_is,
    who_sends_no_header_is_turned_away,
    a_header_has_three_seconds,
    a_child_that_is_retired_while_it_waits_for_a_header_serves_its_client,
    a_program_that_waits_for_a_header_holds_no_listener,
    a_child_that_waits_for_a_header_ends_with_the_server,
    out_of_band_data_is_no_header,
    while_a_child_is_idle_silent_connections_have_their_time,
    a_server_that_could_not_run_gives_silent_connections_more_time,
    rules_and_limits_are_about_the_client_and_not_the_balancer,
    a_program_finds_the_client_in_its_environment,
    a_program_that_is_gone_is_told,
    a_child_without_descriptors_neither_waits_for_a_header_nor_runs_a_program,
];

/// Sends a header, and returns the answer of an echo server.
fn talk(server: &Served, bytes: &[u8]) -> Vec<u8> {
    let mut client = server.connect();
    // The server may have closed the connection already.
    let _ = client.write_all(bytes);
    let _ = client.shutdown(std::net::Shutdown::Write);
    read_all(&mut client)
}

const MODES: [&[&str]; 2] = [&[], &["--prefork", "2"]];

fn not_a_byte_beyond_the_header_is_taken() {
    for mode in MODES {
        let server = Served::start(&[mode, &["--proxy-protocol", "127.0.0.1:0"]].concat());
        for header in [
            b"PROXY TCP4 192.0.2.1 198.51.100.2 4660 443\r\n".to_vec(),
            v2(0x21, 0x11, &[&V4_BLOCK[..], &[4, 0x10, 0], &[0; 0x1000]].concat()),
        ] {
            assert_eq!(talk(&server, &[&header[..], b"PROXY \r\n\r\n"].concat()), b"PROXY \r\n\r\n");
            // Send the header byte by byte.
            let mut client = server.connect();
            client.set_nodelay(true).unwrap();
            for byte in &header[..header.len().min(60)] {
                client.write_all(&[*byte]).unwrap();
            }
            client.write_all(&header[header.len().min(60)..]).unwrap();
            assert_eq!(echo(&mut client, b"Hello"), b"Hello");
            assert_eq!(finish(client), b"");
        }
        let log = server.stop();
        let accepts: Vec<&Line> = log.iter().filter(|line| line.event == "accept").collect();
        assert_eq!(accepts.len(), 4);
        for line in accepts.into_iter().chain(log.iter().filter(|line| line.event == "end")) {
            assert_eq!(line.get("from"), "192.0.2.1:4660", "{line:?}");
            assert!(line.event == "end" || line.get("by").starts_with("127.0.0.1:"));
        }
    }
}

fn a_local_header_leaves_the_address_as_it_is() {
    for mode in MODES {
        let server = Served::start(&[mode, &["--proxy-protocol", "127.0.0.1:0"]].concat());
        assert_eq!(talk(&server, &[&v2(0x20, 0, &[])[..], b"x"].concat()), b"x");
        assert!(server.wait_events("accept", 1)[0].get("from").starts_with("127.0.0.1:"));
        server.stop();
    }
}

fn who_sends_no_header_is_turned_away() {
    for mode in MODES {
        for (bytes, why) in [
            (&b"GET / HTTP/1.0\r\n\r\n"[..], "no PROXY header: it begins otherwise"),
            (b"PROXY TCP4 1.2.3.4\r\n", "no PROXY header: a field is missing"),
            (b"PRO", "no PROXY header: the peer closed the connection"),
            (b"", "no PROXY header: the peer closed the connection"),
        ] {
            let server = Served::start(&[mode, &["--proxy-protocol", "127.0.0.1:0"]].concat());
            let mut client = server.connect();
            let from = client.local_addr().unwrap().to_string();
            client.write_all(bytes).unwrap();
            let _ = client.shutdown(std::net::Shutdown::Write);
            assert_eq!(read_all(&mut client), b"", "{mode:?} {}", bytes.escape_ascii());
            let refused = server.wait_events("refuse", 1);
            let told = (refused[0].get("why"), refused[0].get("from"), refused[0].get("from_source"));
            assert_eq!(told, (why, &from[..], "0"), "{mode:?} {}", bytes.escape_ascii());
            let log = server.stop();
            assert!(log.iter().all(|line| line.event != "accept"));
        }
    }
}

/// Checks the time that a header has. With one child, its connection has half of the children, and not more than half.
fn a_header_has_three_seconds() {
    for mode in [["-c", "1"], ["--prefork", "1"]] {
        let server = Served::start(&[&mode[..], &["--proxy-protocol", "127.0.0.1:0"]].concat());
        let start = Instant::now();
        let mut client = server.connect();
        // A client that sends a byte now and then gets no more time.
        client.set_read_timeout(Some(Duration::from_millis(500))).unwrap();
        let header = format!("PROXY UNKNOWN {}", "x".repeat(60));
        let is_closed = |byte: u8| {
            // The write may fail, because the client's time may be up.
            let _ = client.write_all(&[byte]);
            match client.read(&mut [0]) {
                Ok(0) => true,
                Ok(_) => panic!("{mode:?}: an answer"),
                Err(error) => !matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut),
            }
        };
        assert!(header.bytes().take(20).any(is_closed), "{mode:?}: it reads for longer than three seconds");
        let time = start.elapsed().as_secs_f64();
        assert!(time >= 2.9, "{mode:?}: {time}");
        assert_eq!(server.wait_events("refuse", 1)[0].get("why"), "no PROXY header within 3 s");
        assert_eq!(talk(&server, b"PROXY UNKNOWN\r\nx"), b"x");
        server.stop();
    }
}

/// Tests a server whose waits end late, as on a machine that was suspended: its children could not run either, so the
/// headers may be there. strace delays each wait of the parent.
fn a_server_that_could_not_run_gives_silent_connections_more_time() {
    let folder = TempDir::new();
    let trace = folder.join("trace");
    let server = faulty("poll:delay_exit=600000", &trace, &["--proxy-protocol", "--max-children", "3", "127.0.0.1:0"]);
    let _clients = [(); 3].map(|()| server.connect());
    wait_until("each connection has a child", || children(server.pid()).len() == 3);
    let waits = || std::fs::read_to_string(&trace).unwrap().matches("(DELAYED)").count();
    let before = waits();
    wait_until("the server has waited twice", || waits() >= before + 2);
    let refused = server.events("refuse").into_iter().find(|line| line.get("why").contains("too many others"));
    assert!(refused.is_none(), "{refused:?}");
    server.running.end(Signal::QUIT);
}

fn rules_and_limits_are_about_the_client_and_not_the_balancer() {
    let folder = TempDir::new();
    let rules = folder.join("rules");
    std::fs::write(&rules, "deny 192.0.2.9\nallow 192.0.2.0/24\nallow 2001:db8::/32\ndeny all\n").unwrap();
    for mode in [MODES[0], &["--prefork", "8"]] {
        let options = ["--proxy-protocol", "--rules", rules.to_str().unwrap(), "-C", "2:enough", "127.0.0.1:0"];
        let server = Served::start(&[mode, &options].concat());
        let connect = |source: &str| {
            let mut client = server.connect();
            write!(client, "PROXY TCP4 {source} 198.51.100.2 1 2\r\n").unwrap();
            client
        };
        assert_eq!(read_all(&mut connect("192.0.2.9")), b"");
        assert_eq!(read_all(&mut connect("203.0.113.1")), b"");
        let mut clients = [connect("192.0.2.1"), connect("192.0.2.1"), connect("192.0.2.2")];
        clients.iter_mut().for_each(|client| assert_eq!(echo(client, b"x"), b"x"));
        assert_eq!(read_all(&mut connect("192.0.2.1")), b"enough\r\n");
        assert_eq!(talk(&server, &[v2(0x21, 0x21, &v6_block()), b"six".to_vec()].concat()), b"six");
        // A preforked child that refuses several clients within a second logs one of them.
        if mode.is_empty() {
            assert_eq!(server.wait_events("refuse", 3).iter().filter(|line| line.get("why") == "rules").count(), 2);
        }
        server.running.signal(Signal::USR1);
        assert_eq!(server.wait_events("status", 1)[0].number("refused"), 3);
        drop(clients);
        server.stop();
    }
}

fn a_program_finds_the_client_in_its_environment() {
    let server =
        Served::start(&["--proxy-protocol", "127.0.0.1:0", "sh", "-c", "env | grep -E '^(PROTO|TCP)' | sort; cat"]);
    let expected = "PROTO=TCP\nTCPCONNNUM=1\nTCPLOCALIP=198.51.100.2\nTCPLOCALPORT=443\nTCPREMOTEIP=192.0.2.1\n\
                    TCPREMOTEPORT=4660\nand this";
    // A proxy may name addresses of IPv4 in the form of IPv6.
    let mapped = b"PROXY TCP6 ::ffff:192.0.2.1 ::ffff:198.51.100.2 4660 443\r\n".to_vec();
    for (count, header) in [v2(0x21, 0x11, &V4_BLOCK), mapped].into_iter().enumerate() {
        let mut proxy = server.connect();
        proxy.write_all(&[&header[..], b"and this"].concat()).unwrap();
        let by = proxy.local_addr().unwrap().to_string();
        assert_eq!(String::from_utf8(finish(proxy)).unwrap(), expected, "{}", header.escape_ascii());
        let accept = &server.wait_events("accept", count + 1)[count];
        assert_eq!((accept.get("from"), accept.get("by")), ("192.0.2.1:4660", &by[..]));
        server.wait_childless();
    }
    server.stop();
}

/// Checks that a child which cannot become the program says so, and that the server goes on.
fn a_program_that_is_gone_is_told() {
    let folder = TempDir::new();
    let program = copy_program("/bin/cat", &folder);
    let server = Served::start(&["--proxy-protocol", "127.0.0.1:0", program.to_str().unwrap()]);
    let away = folder.join("elsewhere");
    let header = b"PROXY TCP4 192.0.2.1 198.51.100.2 4660 443\r\nx";
    for count in 1..=2 {
        std::fs::rename(&program, &away).unwrap();
        assert_eq!(talk(&server, header), b"");
        let fail = server.wait_events("fail", count)[count - 1].clone();
        assert_eq!((fail.get("call"), fail.get("error")), ("execve", "No such file or directory"));
        let end = server.wait_events("end", 2 * count - 1)[2 * count - 2].clone();
        let told = (end.get("exit"), end.get("from"), end.get("pid"));
        assert_eq!(told, ("4", "192.0.2.1:4660", fail.get("pid")), "{end:?}");
        std::fs::rename(&away, &program).unwrap();
        assert_eq!(talk(&server, header), b"x");
        server.wait_events("end", 2 * count);
    }
    server.stop();
}

/// Tests children that may open nothing. A built-in service needs no descriptor but its connection.
fn a_child_without_descriptors_neither_waits_for_a_header_nor_runs_a_program() {
    let start = |more: &[&str]| Served::start(&[&["--rlimit", "nofile=0"], more].concat());
    let server = start(&["127.0.0.1:0"]);
    assert_eq!(talk(&server, b"x"), b"x");
    server.stop();
    let server = start(&["--proxy-protocol", "127.0.0.1:0"]);
    // The client sends nothing, so its child has to wait.
    assert_eq!(read_all(&mut server.connect()), b"");
    assert_eq!(server.wait_events("refuse", 1)[0].get("why"), "no PROXY header: Invalid argument");
    server.stop();
    let server = start(&["127.0.0.1:0", "cat"]);
    assert_eq!(talk(&server, b"x"), b"");
    assert_eq!(server.wait_events("fail", 1)[0].get("call"), "execve");
    server.stop();
}

/// Checks data that makes a Unix socket readable, and cannot be read like other data.
fn out_of_band_data_is_no_header() {
    use std::os::fd::AsRawFd;
    let folder = TempDir::new();
    let path = folder.join("socket");
    let address = format!("unix:{}", path.display());
    for mode in MODES {
        let server = Served::start(&[mode, &["--proxy-protocol", "--listen", &address, "127.0.0.1:0"]].concat());
        let client = watched(std::os::unix::net::UnixStream::connect(&path).unwrap());
        // SAFETY: the pointer is to one byte.
        let sent = unsafe { libc::send(client.as_raw_fd(), b"!".as_ptr().cast(), 1, libc::MSG_OOB) };
        if sent < 0 {
            solo::skip("Unix sockets have no out-of-band data");
        }
        let refused = &server.wait_events("refuse", 1)[0];
        assert_eq!(refused.get("why"), "no PROXY header: it begins with out-of-band data");
        drop(client);
        server.stop();
    }
}

/// Retires a preforked child while it waits for a header. The signal interrupts the wait, and the client does not notice.
fn a_child_that_is_retired_while_it_waits_for_a_header_serves_its_client() {
    let folder = TempDir::new();
    let rules = folder.join("rules");
    std::fs::write(&rules, "allow all\n").unwrap();
    let options = ["--prefork", "1", "--proxy-protocol", "--rules", rules.to_str().unwrap(), "127.0.0.1:0"];
    let server = Served::start(&options);
    let child = wait_for("there is a child", || children(server.pid()).first().copied());
    let mut client = server.connect();
    wait_until("it waits for the header", || waits_in(child, libc::SYS_ppoll));
    let sockets = || {
        let links = (0..64).filter_map(|number| std::fs::read_link(format!("/proc/{child}/fd/{number}")).ok());
        links.filter(|link| link.to_string_lossy().starts_with("socket:")).count()
    };
    let before = sockets();
    server.running.signal(Signal::HUP);
    wait_until("it has closed the listener", || sockets() < before);
    client.write_all(b"PROXY TCP4 192.0.2.1 198.51.100.2 4660 443\r\n").unwrap();
    assert_eq!(echo(&mut client, b"served"), b"served");
    assert_eq!(finish(client), b"");
    let log = server.stop();
    assert!(log.iter().all(|line| line.event != "refuse"), "{log:?}");
    let accept = log.iter().find(|line| line.event == "accept").unwrap();
    assert_eq!((accept.get("from"), accept.get("pid")), ("192.0.2.1:4660", &child.to_string()[..]));
}

/// Checks that a child which waits for a header has no socket but its connection: a listener would stay open for as long
/// as a client likes.
fn a_program_that_waits_for_a_header_holds_no_listener() {
    for program in [&[][..], &["cat"]] {
        let server = Served::start(&[&["--proxy-protocol", "127.0.0.1:0"], program].concat());
        let client = server.connect();
        let child = wait_for("there is a child", || children(server.pid()).first().copied());
        wait_until("it waits for the header", || waits_in(child, libc::SYS_ppoll));
        let descriptors = std::fs::read_dir(format!("/proc/{child}/fd")).unwrap();
        let is_socket = |path: std::path::PathBuf| {
            std::fs::read_link(path).is_ok_and(|link| link.to_string_lossy().starts_with("socket:"))
        };
        let sockets = descriptors.filter(|entry| is_socket(entry.as_ref().unwrap().path())).count();
        assert_eq!(sockets, 1, "{program:?}");
        drop(client);
        server.stop();
    }
}

/// Checks that SIGTERM, which the server has blocked, ends a child that has no client yet.
fn a_child_that_waits_for_a_header_ends_with_the_server() {
    for program in [&[][..], &["cat"]] {
        let server = Served::start(&[&["--proxy-protocol", "127.0.0.1:0"], program].concat());
        let _client = server.connect();
        let child = wait_for("there is a child", || children(server.pid()).first().copied());
        wait_until("it waits for the header", || waits_in(child, libc::SYS_ppoll));
        server.running.signal(Signal::QUIT);
        assert_eq!(server.wait_events("end", 1)[0].fields.get("signal").map(String::as_str), Some("SIGTERM"));
        server.running.wait();
    }
}

/// Checks that silent connections of one source, more than half of the children, are not closed early.
fn while_a_child_is_idle_silent_connections_have_their_time() {
    for mode in [["--prefork", "4"], ["-c", "4"]] {
        let server = Served::start(&[&mode[..], &["--proxy-protocol", "127.0.0.1:0"]].concat());
        let silent = [(); 3].map(|()| server.connect());
        for mut client in silent {
            assert_eq!(read_all(&mut client), b"");
        }
        let count = |lines: &[Line]| lines.iter().map(|line| line.number("count")).sum::<u64>();
        let lines = wait_for("all are in the log", || Some(server.events("refuse")).filter(|lines| count(lines) == 3));
        for line in lines {
            assert_eq!(line.get("why"), "no PROXY header within 3 s", "{mode:?}");
        }
        server.stop();
    }
}
