//! Tests servers with clients of the same language and of the other language.

use std::net::TcpStream;

use mpserv::signal::Signal;

use crate::common::network::Network;
use crate::common::servers::{CODE05, ROT13_SERV, SOCKET_SERVE, Server};
use crate::common::*;

/// Connects a client of each language to a server of each language, on each kind of output. Checks the output of both
/// programs.
fn cross(server: Server, client: &str, server_prints: &str, client_prints: &str) {
    for output in OUTPUTS {
        for server_language in IMPLS {
            for client_language in IMPLS {
                let _network = Network::own();
                let what = format!("{server_language:?} server, {client_language:?} client, {output:?}");
                let running = server.start(server_language, output);
                let ended = run(&mut strace(&[NO_SLEEP], NOWHERE, client_language, client), output);
                assert_eq!(ended.stdout, client_prints, "{what}");
                assert_eq!((ended.stderr.as_str(), ended.status.code()), ("", Some(0)), "{what}");
                wait_until("the server's child has ended", || {
                    children(running.pid()) == zombies(running.pid()) && waits_in(running.pid(), libc::SYS_accept)
                });
                assert_eq!(running.end(Signal::TERM).stdout, server_prints, "{what}");
            }
        }
    }
}

pub(crate) fn code04_and_code05_talk_whatever_their_languages() {
    let exchange = |number| format!("接收: hello {number}\n发送: 成功接收\n");
    let exchanges: String = (1..=10).map(exchange).collect();
    let server_prints = format!("connect ok\n子进程与客户端连接\n{exchanges}连接断开\n");
    cross(CODE05, "code04", &server_prints, &"接收: 成功接收\n".repeat(10));
}

pub(crate) fn socket_client_and_socket_serve_talk_whatever_their_languages() {
    let message = |number| format!("这是第{number}个超级女生，编号{number:03}。");
    let server_exchanges: String = (1..=50).map(|number| format!("接收：{}\n发送：ok\n", message(number))).collect();
    let client_prints: String = (1..=50).map(|number| format!("发送：{}\n接收：ok\n", message(number))).collect();
    let server_prints = format!("客户端已连接。\n{server_exchanges}客户端已断开连接。\n");
    cross(SOCKET_SERVE, "socket_client", &server_prints, &client_prints);
}

pub(crate) fn rot13_serv_rotates_each_line() {
    let _network = Network::own();
    let alphabet = b"abcdefghijklmnopqrstuvwxyz ABCDEFGHIJKLMNOPQRSTUVWXYZ 0123 @[`{\n";
    let rotated = b"nopqrstuvwxyzabcdefghijklm NOPQRSTUVWXYZABCDEFGHIJKLM 0123 @[`{\n";
    for language in IMPLS {
        let running = ROT13_SERV.start(language, Output::Pipe);
        let mut clients: [TcpStream; 2] = [(); 2].map(|()| ROT13_SERV.connect(&running));
        for client in &mut clients {
            assert_eq!(echo(client, alphabet), rotated, "{language:?}");
            // Rotating twice gives the original text.
            assert_eq!(echo(client, rotated), alphabet);
        }
        for client in clients {
            assert_eq!(finish(client), b"");
        }
        let ended = running.end(Signal::TERM);
        assert_eq!((ended.stdout.as_str(), ended.stderr.as_str()), ("", ""), "{language:?}");
    }
}
