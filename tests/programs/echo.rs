//! Tests echo_mpserv and echo_mpclient: the C and the Rust programs must do the same, and must do it right.

use std::fs;
use std::io::Read;
use std::net::TcpListener;
use std::process::{Command, Stdio};

use crate::common::*;
use mpserv::signal::Signal;

fn server(language: Impl, output: Output) -> Running {
    Running::start(Command::new(language.path("echo_mpserv")).arg("0").stdin(Stdio::null()), output)
}

/// Checks the output of client and server, with the C client and the Rust client.
pub(crate) fn the_client_gets_its_lines_back() {
    for server_language in IMPLS {
        let server = server(server_language, Output::Pipe);
        let port = server.port().to_string();
        for (client_language, end) in IMPLS.into_iter().flat_map(|language| [(language, "q"), (language, "Q")]) {
            let mut client = Running::start(
                Command::new(client_language.path("echo_mpclient")).args(["127.0.0.1", &port]).stdin(Stdio::piped()),
                Output::Pipe,
            );
            // A client that does not end at this line sends the next line as well.
            client.input(format!("hello\n{end}\nmore\nq\n").as_bytes());
            let ended = client.wait();
            let what = format!("{client_language:?} at {server_language:?}, {end}");
            assert_eq!(ended.stdout, "Message from server: hello\n", "{what}");
            assert!(ended.status.success());
        }
        server.end(Signal::TERM);
    }
}

/// Checks that the client reads at most 29 bytes of a line at a time, and sends each part by a write of its own.
pub(crate) fn a_line_longer_than_the_clients_buffer_is_sent_in_parts() {
    for language in IMPLS {
        let folder = TempDir::new();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port().to_string();
        let mut command = Command::new("strace");
        command.args(["-f", "-q", "-e", "trace=write", "-o"]).arg(folder.join("trace"));
        command.arg(language.path("echo_mpclient")).args(["127.0.0.1", &port]).stdin(Stdio::piped());
        let mut client = Running::start(&mut command, Output::Pipe);
        client.input(format!("{}\nq\n", "a".repeat(36)).as_bytes());
        let (mut peer, _) = listener.accept().unwrap();
        assert_eq!(peer.read_to_end(&mut Vec::new()).unwrap(), 37, "{language:?}");
        drop(peer);
        assert!(client.wait().status.success());
        let trace = fs::read_to_string(folder.join("trace")).unwrap();
        let sent = trace.lines().filter(|line| line.contains("\"aaa")).filter_map(|line| line.rsplit(" = ").next());
        assert_eq!(sent.collect::<Vec<_>>(), ["29", "8"], "{language:?}: {trace}");
    }
}

pub(crate) fn nc_gets_its_lines_back() {
    for language in IMPLS {
        let server = server(language, Output::Pipe);
        let port = server.port().to_string();
        let mut nc = Running::start(
            Command::new("nc").args(["-N", "-w", "20", "127.0.0.1", &port]).stdin(Stdio::piped()),
            Output::Pipe,
        );
        nc.input(b"hello\nq\n");
        assert_eq!(nc.wait().stdout, "hello\nq\n", "{language:?}");
        server.end(Signal::TERM);
    }
}

pub(crate) fn three_clients_at_once_are_served_at_once() {
    for language in IMPLS {
        let server = server(language, Output::Pipe);
        let mut clients = [(); 3].map(|()| connect(server.port()));
        for (number, client) in clients.iter_mut().enumerate().rev() {
            let line = format!("client {number}\n");
            assert_eq!(echo(client, line.as_bytes()), line.as_bytes(), "{language:?}");
        }
        assert_eq!(children(server.pid()).len(), 3, "{language:?}: a process for each connection");
        for client in clients {
            assert_eq!(finish(client), b"");
        }
        server.end(Signal::TERM);
    }
}

pub(crate) fn the_echo_is_whole_whatever_the_bytes_and_however_many() {
    let bytes: Vec<u8> = (0..100_000_u32).map(|number| (number.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    for language in IMPLS {
        let server = server(language, Output::Pipe);
        let mut writer = connect(server.port());
        let mut reader = writer.try_clone().unwrap();
        let sent = bytes.clone();
        let writing = std::thread::spawn(move || {
            std::io::Write::write_all(&mut writer, &sent).unwrap();
            writer.shutdown(std::net::Shutdown::Write).unwrap();
        });
        let mut back = Vec::new();
        reader.read_to_end(&mut back).unwrap();
        writing.join().unwrap();
        assert!(back == bytes, "{language:?}: {} of {} bytes came back", back.len(), bytes.len());
        server.end(Signal::TERM);
    }
}

pub(crate) fn clients_one_after_another_leave_no_zombie() {
    for language in IMPLS {
        let server = server(language, Output::Pipe);
        for _ in 0..3 {
            let mut client = connect(server.port());
            assert_eq!(echo(&mut client, b"x"), b"x");
            finish(client);
            server.at_rest();
        }
        assert_eq!(zombies(server.pid()), [], "{language:?}");
        server.end(Signal::TERM);
    }
}

/// Checks that signals of one kind do not queue: while the server is stopped, five deaths cause one SIGCHLD, and the
/// handler waits once.
pub(crate) fn of_clients_that_end_together_all_but_one_leave_a_zombie() {
    let left = IMPLS.map(|language| {
        let server = server(language, Output::Pipe);
        let mut clients = [(); 5].map(|()| connect(server.port()));
        for client in &mut clients {
            assert_eq!(echo(client, b"x"), b"x");
        }
        wait_until("it has closed its copies of the connections", || waits_in(server.pid(), libc::SYS_accept));
        server.signal(Signal::STOP);
        wait_until("the server is stopped", || state(server.pid()) == Some('T'));
        clients.into_iter().for_each(|client| assert_eq!(finish(client), b""));
        wait_until("all five have ended", || zombies(server.pid()).len() == 5);
        server.signal(Signal::CONT);
        wait_until("the handler has run", || {
            zombies(server.pid()).len() < 5 && waits_in(server.pid(), libc::SYS_accept)
        });
        let left = zombies(server.pid()).len();
        server.end(Signal::TERM);
        left
    });
    assert_eq!(left, [4, 4]);
}

/// Runs one client, and then three clients at the same time, which end one after another.
fn session(language: Impl, output: Output) -> Ended {
    let server = server(language, output);
    let mut first = connect(server.port());
    assert_eq!(echo(&mut first, b"first\n"), b"first\n");
    finish(first);
    server.at_rest();
    let mut clients = Vec::new();
    for number in 0..3 {
        let mut client = connect(server.port());
        assert_eq!(echo(&mut client, b"one of three\n"), b"one of three\n");
        clients.push(client);
        wait_until("the server has forked and is back in accept", || {
            children(server.pid()).len() == number + 1 && waits_in(server.pid(), libc::SYS_accept)
        });
    }
    while let Some(client) = clients.pop() {
        finish(client);
        wait_until("the server has reaped and is back in accept", || {
            children(server.pid()).len() == clients.len() && waits_in(server.pid(), libc::SYS_accept)
        });
    }
    let mut ended = server.end(Signal::TERM);
    ended.stdout = without_pids(&ended.stdout, &["removed proc id: "]);
    ended
}

pub(crate) fn the_output_is_the_same_on_a_terminal_a_pipe_and_a_file() {
    for output in OUTPUTS {
        let [c, rust] = IMPLS.map(|language| session(language, output));
        assert_eq!(c, rust, "{output:?}");
    }
}

/// Checks that a terminal gets each line once, as soon as it is printed.
pub(crate) fn a_terminal_shows_each_line_once() {
    for language in IMPLS {
        let stdout = session(language, Output::Terminal).stdout;
        let count = |line: &str| stdout.matches(line).count();
        assert_eq!(
            [count("new client connected...\n"), count("client disconnected...\n"), count("removed proc id: PID \n")],
            [4, 4, 4],
            "{language:?}: {stdout}"
        );
    }
}

/// Checks that a pipe is buffered in full, so that each child prints again the text that its parent had printed before
/// the fork.
pub(crate) fn a_pipe_gets_what_the_children_inherited() {
    for language in IMPLS {
        let stdout = session(language, Output::Pipe).stdout;
        let first = "new client connected...\nclient disconnected...\n";
        let second = "new client connected...\nremoved proc id: PID \nnew client connected...\n";
        assert!(stdout.starts_with(&format!("{first}{second}")), "{language:?}: {stdout}");
    }
}

fn compare(program: &str, args: &[&str]) -> Ended {
    for output in OUTPUTS {
        let [c, rust] = IMPLS.map(|language| {
            let mut command = Command::new(language.path(program));
            // The usage line contains the program's name.
            std::os::unix::process::CommandExt::arg0(&mut command, program);
            run(command.args(args).stdin(Stdio::null()), output)
        });
        assert_eq!(c, rust, "{program} {args:?} on {output:?}");
        if output == Output::File {
            return rust;
        }
    }
    unreachable!()
}

pub(crate) fn usage_errors_are_the_same() {
    for args in [&[][..], &["1", "2"], &["a", "b", "c"]] {
        let ended = compare("echo_mpserv", args);
        assert_eq!(ended.stdout, "Usage : echo_mpserv <port>\n");
        assert_eq!(ended.status.code(), Some(1));
    }
    for args in [&[][..], &["1"], &["a", "b", "c"]] {
        let ended = compare("echo_mpclient", args);
        assert_eq!(ended.stdout, "Usage : echo_mpclient <IP> <port>\n");
        assert_eq!(ended.status.code(), Some(1));
    }
}

pub(crate) fn a_port_in_use_is_the_same() {
    let holder = TcpListener::bind(("0.0.0.0", 0)).unwrap();
    let port = holder.local_addr().unwrap().port();
    let ended = compare("echo_mpserv", &[&port.to_string()]);
    assert_eq!((ended.stdout.as_str(), ended.stderr.as_str()), ("", "bind() error\n"));
    assert_eq!(ended.status.code(), Some(1));
}

pub(crate) fn a_refused_connection_is_the_same() {
    // A port that is bound but does not listen refuses connections, and no other process can take it.
    let fd = mpserv::net::socket(
        mpserv::net::AddressFamily::INET,
        mpserv::net::SocketType::STREAM,
        mpserv::net::Protocol::DEFAULT,
    );
    let any = mpserv::net::SocketAddrV4::new(std::net::Ipv4Addr::LOCALHOST, 0);
    mpserv::net::bind(&fd, &any).unwrap();
    let Ok(mpserv::net::SockAddr::Inet(address)) = mpserv::net::getsockname(&fd) else { panic!("no address") };
    let ended = compare("echo_mpclient", &["127.0.0.1", &address.port().to_string()]);
    assert_eq!((ended.stdout.as_str(), ended.stderr.as_str()), ("", "connect() error!\n"));
    assert_eq!(ended.status.code(), Some(1));
    // An invalid address gives INADDR_NONE, to which no connection is possible.
    compare("echo_mpclient", &["nonsense", &address.port().to_string()]);
}
