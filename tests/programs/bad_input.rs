//! Tests invalid input and failures. The programs must do the same in C and in Rust.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::unix::process::ExitStatusExt;
use std::process::Command;

use mpserv::signal::Signal;

use crate::common::network::Network;
use crate::common::servers::{CODE05, ECHO_MPSERV, ROT13_SERV, SERVERS, SOCKET_SERVE, Server};
use crate::common::*;
use crate::same_everywhere;

/// The port that is built into the message servers.
pub(crate) const MESSAGE_PORT: u16 = 5051;
const ROT13_PORT: u16 = 43211;

fn is(stdout: &str, stderr: &str, status: i32) -> (String, String, Option<i32>) {
    (stdout.to_owned(), stderr.to_owned(), Some(status))
}

pub(crate) fn a_port_in_use() {
    let _network = Network::own();
    let _holders = [MESSAGE_PORT, ROT13_PORT].map(|port| TcpListener::bind((Ipv4Addr::UNSPECIFIED, port)).unwrap());
    let ends =
        |server: Server| same_everywhere(server.name, |language, output| run(&mut server.command(language), output));
    assert_eq!(ends(CODE05), is("", "", 255));
    assert_eq!(ends(SOCKET_SERVE), is("服务端初始化失败，程序退出。\n", "", 255));
    assert_eq!(ends(ROT13_SERV), is("", "bind failed : Address already in use (98)\n", 1));
}

pub(crate) fn no_server_to_connect_to() {
    let _network = Network::own();
    let ends = |program: &str| {
        same_everywhere(program, |language, output| run(&mut Command::new(language.path(program)), output))
    };
    assert_eq!(ends("code04"), is("connect failed\n", "", 255));
    assert_eq!(ends("socket_client"), is("连接服务端失败\n", "", 255));
}

/// Starts a server in its own network, runs clients one after another, and ends the server. After each client, the
/// server must be back in accept.
fn serve(server: Server, language: Impl, output: Output, clients: &[&dyn Fn(TcpStream)]) -> Ended {
    let _network = Network::own();
    let running = server.start(language, output);
    for client in clients {
        client(server.connect(&running));
        wait_until("that client's child has ended, and the server accepts again", || {
            children(running.pid()) == zombies(running.pid()) && waits_in(running.pid(), libc::SYS_accept)
        });
    }
    let mut ended = running.end(Signal::TERM);
    ended.stdout = without_pids(&ended.stdout, &["removed proc id: "]);
    ended
}

/// Runs a server while these clients come one after another. Returns its standard output and standard error on a
/// terminal. Both must be the same in C and in Rust on every kind of output.
#[track_caller]
fn printed(server: Server, clients: &[&dyn Fn(TcpStream)]) -> (String, String) {
    let [terminal, ..] = OUTPUTS.map(|output| {
        let [c, rust] = IMPLS.map(|language| serve(server, language, output, clients));
        assert_eq!(c, rust, "{} on {output:?}", server.name);
        c
    });
    (terminal.stdout, terminal.stderr)
}

/// Returns the output of each server for one client, with these lines for its messages.
fn session(server: Server, exchanges: &str) -> String {
    match server {
        ECHO_MPSERV => "new client connected...\nclient disconnected...\nremoved proc id: PID \n".to_owned(),
        CODE05 => format!("connect ok\n子进程与客户端连接\n{exchanges}连接断开\n"),
        SOCKET_SERVE => format!("客户端已连接。\n{exchanges}客户端已断开连接。\n"),
        _ => String::new(),
    }
}

/// Returns the lines that a server prints for one message, if it prints messages.
fn exchange(server: Server, message: &str) -> String {
    let colon = if server == CODE05 { ": " } else { "：" };
    format!("接收{colon}{message}\n发送{colon}{}\n", server.answer)
}

pub(crate) fn a_client_that_resets_in_mid_line() {
    for server in SERVERS {
        let part = &server.message[..3];
        let in_mid_line = |mut client: TcpStream| {
            client.write_all(part.as_bytes()).unwrap();
            // Wait until the server has taken the bytes: it has answered, or waits for the rest of the line.
            if server == ROT13_SERV {
                wait_until("the server has the part", || has_no_arrivals(&client));
            } else {
                let answer = if server == ECHO_MPSERV { part } else { server.answer };
                client.read_exact(&mut vec![0; answer.len()]).unwrap();
            }
            reset(client);
        };
        let in_order = |mut client: TcpStream| {
            assert_eq!(server.exchange(&mut client), server.answer, "{} serves on", server.name);
            finish(client);
        };
        let (stdout, stderr) = printed(server, &[&in_mid_line, &in_order]);
        let sessions = [session(server, &exchange(server, part)), session(server, &exchange(server, server.message))];
        assert_eq!(stdout, sessions.concat(), "{}", server.name);
        let said = if server == ROT13_SERV { "read: Connection reset by peer\n" } else { "" };
        assert_eq!(stderr, said, "{}", server.name);
    }
}

/// Whether the connection's peer has read all bytes that have arrived.
fn has_no_arrivals(client: &TcpStream) -> bool {
    let ports = [client.peer_addr().unwrap().port(), client.local_addr().unwrap().port()];
    let table = std::fs::read_to_string("/proc/thread-self/net/tcp").unwrap();
    let port = |address: &str| u16::from_str_radix(address.rsplit(':').next().unwrap(), 16).unwrap();
    table.lines().skip(1).any(|line| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        [port(fields[1]), port(fields[2])] == ports && fields[4].ends_with(":00000000")
    })
}

/// Returns a client that sends `request`, ends its half, and must get exactly `answer`.
fn gets(request: Vec<u8>, answer: Vec<u8>) -> impl Fn(TcpStream) {
    move |client| {
        let mut writer = client.try_clone().unwrap();
        writer.write_all(&request).unwrap();
        let got = finish(client);
        assert!(got == answer, "'{}'", got.escape_ascii());
    }
}

/// Checks that a line of 4097 bytes (4096 letters and the newline) arrives whole in rot13_serv. Bytes that do not fit
/// are lost, the newline included, but the next line is whole.
pub(crate) fn a_line_longer_than_the_buffer() {
    let lines = |letters: usize| [vec![b'a'; letters], b"\nb\n".to_vec()].concat();
    let fits = gets(lines(4096), [vec![b'n'; 4096], b"\no\n".to_vec()].concat());
    let without_its_newline = [vec![b'n'; 4097], b"o\n".to_vec()].concat();
    let loses_its_newline = gets(lines(4097), without_its_newline.clone());
    let loses_more = gets(lines(5000), without_its_newline);
    let never_ends = gets(vec![b'a'; 5000], Vec::new());
    let printed = printed(ROT13_SERV, &[&fits, &loses_its_newline, &loses_more, &never_ends]);
    assert_eq!(printed, (String::new(), String::new()));
}

pub(crate) fn binary_bytes_and_nuls() {
    let bytes: Vec<u8> = (0..=255).collect();
    let echo = gets(bytes.clone(), bytes.clone());
    printed(ECHO_MPSERV, &[&echo]);

    let rotated = |byte: &u8| match byte {
        b'a'..=b'z' => b'a' + (byte - b'a' + 13) % 26,
        b'A'..=b'Z' => b'A' + (byte - b'A' + 13) % 26,
        _ => *byte,
    };
    let line = [&bytes[..], b"\n"].concat();
    printed(ROT13_SERV, &[&gets(line.clone(), line.iter().map(rotated).collect())]);

    for server in [CODE05, SOCKET_SERVE] {
        // A message is printed up to its first NUL. No byte of the message keeps the server from answering.
        let message = b"\x01\xff%s\0behind";
        let (stdout, _) = printed(server, &[&gets(message.to_vec(), server.answer.as_bytes().to_vec())]);
        assert_eq!(stdout, session(server, &exchange(server, "\u{1}\u{fffd}%s")));
        let (stdout, _) = printed(server, &[&gets(b"\0".to_vec(), server.answer.as_bytes().to_vec())]);
        assert_eq!(stdout, session(server, &exchange(server, "")));
    }
}

/// Checks that a message which fills the buffer is still a string.
pub(crate) fn a_message_as_long_as_the_buffer() {
    for (server, fits) in [(CODE05, 1023), (SOCKET_SERVE, 1024)] {
        let message = "m".repeat(fits);
        let (stdout, _) = printed(server, &[&gets(message.clone().into(), server.answer.into())]);
        assert_eq!(stdout, session(server, &exchange(server, &message)));
    }
}

pub(crate) fn no_socket() {
    let _network = Network::own();
    let ends = |program: &str, arguments: &[&str]| {
        same_everywhere(program, |language, output| {
            let mut command = strace(&["inject=socket:error=EMFILE"], NOWHERE, language, program);
            run(command.args(arguments), output)
        })
    };
    assert_eq!(ends("echo_mpserv", &["0"]), is("", "bind() error\n", 1));
    assert_eq!(ends("echo_mpclient", &["127.0.0.1", "1"]), is("", "connect() error!\n", 1));
    assert_eq!(ends("code05", &[]), is("", "", 255));
    assert_eq!(ends("code04", &[]), is("connect failed\n", "", 255));
    assert_eq!(ends("socket_serve", &[]), is("服务端初始化失败，程序退出。\n", "", 255));
    assert_eq!(ends("socket_client", &[]), is("连接服务端失败\n", "", 255));
    assert_eq!(ends("rot13_serv", &[]), is("", "bind failed : Bad file descriptor (9)\n", 1));
}

/// Checks the servers when their port is taken between bind and listen.
pub(crate) fn no_listener() {
    let _network = Network::own();
    let ends = |server: Server| {
        same_everywhere(server.name, |language, output| {
            let mut command = strace(&["inject=listen:error=EADDRINUSE"], NOWHERE, language, server.name);
            run(command.args(server.arguments), output)
        })
    };
    assert_eq!(ends(ECHO_MPSERV), is("", "listen() error\n", 1));
    assert_eq!(ends(CODE05), is("", "", 255));
    assert_eq!(ends(SOCKET_SERVE), is("服务端初始化失败，程序退出。\n", "", 255));
    assert_eq!(ends(ROT13_SERV), is("", "listen failed : Address already in use (98)\n", 1));
}

/// Checks the programs when fork fails. A program that takes -1 for the parent's side goes on without a child. A
/// program that takes -1 for the child's side serves, and ends.
pub(crate) fn no_second_process() {
    let ends = |program: &str| {
        let (stdout, stderr, status) = same_everywhere(program, |language, output| {
            let ended = run(&mut strace(&[NO_FORK, NO_SLEEP, NO_LOOP], NOWHERE, language, program), output);
            let was_killed = ended.status.signal() == Some(Signal::KILL.raw());
            assert!(!was_killed, "{program} goes on for ever in {language:?} without a child: {ended:?}");
            ended
        });
        assert_eq!((stderr.as_str(), status), ("", Some(0)), "{program}");
        stdout
    };
    assert_eq!(ends("fork"), "parent proc: [9 23] \n");
    assert_eq!(ends("zombie"), "child process ID: -1\nEND parent process\n");
    assert_eq!(ends("waitpid"), "Child send 0 \n");
    let id = "Child proc id: -1 \n";
    assert_eq!(ends("remove_zombie"), format!("{id}{id}{}", "wait...\n".repeat(5)));

    for server in SERVERS {
        let [c, rust] = IMPLS.map(|language| {
            let _network = Network::own();
            let mut command = strace(&[NO_FORK, NO_LOOP], NOWHERE, language, server.name);
            let running = Running::start(command.args(server.arguments), Output::Terminal);
            // strace starts other processes first, to test the features of the system.
            let (process, port) = wait_for("it listens", || {
                children(running.pid()).into_iter().find_map(|pid| Some((pid, listening_port(pid)?)))
            });
            let mut client = connect(port);
            match server {
                CODE05 | SOCKET_SERVE => {
                    assert_eq!(server.exchange(&mut client), server.answer);
                    finish(client);
                }
                _ => {
                    assert_eq!(client.read(&mut [0]).unwrap(), 0, "{}: the connection is closed", server.name);
                    drop(client);
                    wait_until("it accepts again", || waits_in(process, libc::SYS_accept));
                    signal(process, Signal::TERM);
                }
            }
            running.wait()
        });
        assert_eq!(c, rust, "{}", server.name);
        let stdout = match server {
            ECHO_MPSERV => "new client connected...\n".to_owned(),
            _ => session(server, &exchange(server, server.message)),
        };
        assert_eq!(c.stdout, stdout, "{}", server.name);
    }
}

/// Checks servers that are started without standard input, so that the listener is descriptor 0. The children of
/// socket_serve take 0 for no descriptor, and keep the listener open. The children of code05 close the listener.
pub(crate) fn no_standard_input() {
    for server in SERVERS {
        for language in IMPLS {
            let _network = Network::own();
            let mut command = Command::new("sh");
            command.args(["-c", "exec \"$0\" \"$@\" <&-"]).arg(language.path(server.name)).args(server.arguments);
            let running = Running::start(&mut command, Output::Pipe);
            let mut client = connect(running.port());
            assert_eq!(server.exchange(&mut client), server.answer, "{} {language:?}", server.name);
            let child = children(running.pid())[0];
            let keeps_the_listener = server == SOCKET_SERVE;
            assert_eq!(listening_port(child).is_some(), keeps_the_listener, "{} {language:?}", server.name);
            finish(client);
            wait_until("the child has ended", || children(running.pid()) == zombies(running.pid()));
            running.end(Signal::TERM);
        }
    }
}

/// Checks that a program without any argument, even its name, does the same as with its name alone.
pub(crate) fn no_argument_at_all() {
    for language in IMPLS {
        let _network = Network::own();
        let start = |program: &str| Running::start(&mut nameless(&language.path(program)), Output::Pipe);
        for (program, said) in [("echo_mpserv", "Usage : "), ("echo_mpclient", "Usage : ")] {
            let ended = start(program).wait();
            assert!(ended.status.code() == Some(1) && ended.stdout.starts_with(said), "{language:?}: {ended:?}");
        }
        for program in ["code04", "socket_client"] {
            assert_eq!(start(program).wait().status.code(), Some(255), "{program} {language:?}: nobody listens");
        }
        for server in SERVERS.into_iter().filter(|server| *server != ECHO_MPSERV) {
            // Two programs have the same port, which a connection holds for a while after its end.
            let _network = Network::own();
            let running = start(server.name);
            let mut client = connect(running.port());
            assert_eq!(server.exchange(&mut client), server.answer, "{} {language:?}", server.name);
        }
        for program in ["fork", "zombie", "wait", "waitpid", "signal", "sigaction", "remove_zombie"] {
            let mut running = start(program);
            let mut has_ended = false;
            wait_until("it has ended, or sleeps in the middle of what it does", || {
                has_ended = running.has_ended();
                has_ended || waits_in(running.pid(), libc::SYS_clock_nanosleep)
            });
            if has_ended {
                assert_eq!(running.wait().status.code(), Some(0), "{program} {language:?}");
            }
        }
    }
}

/// Checks which command lines make `code05` ignore the ends of its children.
pub(crate) fn the_word_ignore_counts_alone() {
    let ignores = [(&[][..], false), (&["ignore"], true), (&["ignore", "more"], false), (&["other"], false)];
    for (arguments, is_ignored) in ignores {
        for language in IMPLS {
            let _network = Network::own();
            let running = Running::start(CODE05.command(language).args(arguments), Output::Pipe);
            running.port();
            let status = std::fs::read_to_string(format!("/proc/{}/status", running.pid())).unwrap();
            let ignored = server::signals_in(&status, "SigIgn") & (1 << (libc::SIGCHLD - 1));
            assert_eq!(ignored != 0, is_ignored, "{language:?} {arguments:?}");
        }
    }
}
