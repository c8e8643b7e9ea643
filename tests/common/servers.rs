//! The four servers, with their ports and answers.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::{Command, Stdio};

use super::{Impl, Output, Running, connect};

/// One server.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Server {
    pub name: &'static str,
    pub arguments: &'static [&'static str],
    /// A message, and the server's answer.
    pub message: &'static str,
    pub answer: &'static str,
}

pub const ECHO_MPSERV: Server =
    Server { name: "echo_mpserv", arguments: &["0"], message: "hello\n", answer: "hello\n" };
pub const CODE05: Server = Server { name: "code05", arguments: &[], message: "hello 1", answer: "成功接收" };
pub const SOCKET_SERVE: Server =
    Server { name: "socket_serve", arguments: &[], message: "这是第1个超级女生，编号001。", answer: "ok" };
pub const ROT13_SERV: Server =
    Server { name: "rot13_serv", arguments: &[], message: "Hello, World\n", answer: "Uryyb, Jbeyq\n" };

/// All four servers. Three servers have a fixed port, so a test that starts such a server has its own network.
pub const SERVERS: [Server; 4] = [ECHO_MPSERV, CODE05, SOCKET_SERVE, ROT13_SERV];

impl Server {
    pub fn command(&self, language: Impl) -> Command {
        let mut command = Command::new(language.path(self.name));
        command.args(self.arguments).stdin(Stdio::null());
        command
    }

    /// Starts the server, and waits until it listens.
    pub fn start(&self, language: Impl, output: Output) -> Running {
        let running = Running::start(&mut self.command(language), output);
        running.port();
        running
    }

    pub fn connect(&self, running: &Running) -> TcpStream {
        connect(running.port())
    }

    /// Sends the message, and returns the answer.
    #[track_caller]
    pub fn exchange(&self, client: &mut TcpStream) -> String {
        client.write_all(self.message.as_bytes()).unwrap();
        let mut answer = vec![0; self.answer.len()];
        client.read_exact(&mut answer).unwrap();
        String::from_utf8(answer).unwrap()
    }
}
