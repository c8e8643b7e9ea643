//! socket_serve: receives messages and answers each, with one process for each connection.
//!
//! From:  the blog on concurrent servers, as a class CTcpServer with CloseListen and CloseClient, port 5051.
//! Shows: the parent closes the connection and the child the listener; with SIGCHLD ignored no child becomes a zombie.
//! Next:  socket_client, its client; code05, where the children do become zombies.
#![no_std]
#![no_main]
#![allow(non_snake_case, reason = "the methods have the names of the class in the blog")]

use core::ffi::{CStr, c_int};
use core::mem::forget;

use mpserv::errno::{CReturn, Result};
use mpserv::fd::{OwnedFd, close};
use mpserv::net::{AddressFamily, Ipv4Addr, MsgFlags, Protocol, SocketAddrV4, SocketType};
use mpserv::net::{accept, bind, listen, recv, send, socket};
use mpserv::printf;
use mpserv::process::fork;
use mpserv::program::Args;
use mpserv::signal::{Disposition, Signal, signal};
use mpserv::stdio::until_nul;

const PORT: u16 = 5051;
const BACKLOG: c_int = 5;
const MESSAGE_MAX_LENGTH: usize = 1024;
const BUF_SIZE: usize = MESSAGE_MAX_LENGTH + 1; // mended: the original has no room for the NUL behind 1024 bytes

struct CTcpServer {
    listener: Option<OwnedFd>,
    client: Option<OwnedFd>,
}

impl CTcpServer {
    fn CloseListen(&mut self) {
        // Wrong: 0 stands for none, here and below, but is a descriptor where standard input was closed.
        match self.listener.take() {
            Some(listener) if listener.raw() > 0 => {
                let _ = close(listener);
            }
            none => forget(none),
        }
    }

    fn CloseClient(&mut self) {
        match self.client.take() {
            Some(client) if client.raw() > 0 => {
                let _ = close(client);
            }
            none => forget(none),
        }
    }

    fn Init(&mut self) -> Result<()> {
        let listener = &*self.listener.insert(socket(AddressFamily::INET, SocketType::STREAM, Protocol::DEFAULT)?);
        let address = SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, PORT);
        bind(listener, &address)?;
        listen(listener, BACKLOG)
    }

    fn Accept(&mut self) -> bool {
        self.client = accept(&self.listener).ok();
        self.client.as_ref().is_some_and(|client| client.raw() > 0)
    }

    fn Recv(&self, buffer: &mut [u8; BUF_SIZE]) -> bool {
        buffer.fill(0);
        recv(&self.client, &mut buffer[..MESSAGE_MAX_LENGTH], MsgFlags::NONE).c_return() > 0
    }

    fn Send(&self, text: &CStr) -> bool {
        send(&self.client, text.to_bytes(), MsgFlags::NONE).c_return() > 0
    }
}

impl Drop for CTcpServer {
    fn drop(&mut self) {
        self.CloseListen();
        self.CloseClient();
    }
}

mpserv::main!(main);

fn main(_: Args) -> c_int {
    let answer = c"ok";
    let mut buffer = [0; BUF_SIZE];
    let mut server = CTcpServer { listener: None, client: None };

    let _ = signal(Signal::CHLD, Disposition::Ignore); // the kernel drops each child when it ends: nothing to wait for

    if server.Init().is_err() {
        printf!("服务端初始化失败，程序退出。\n");
        return -1;
    }
    loop {
        // Wrong: one connection that failed ends the server.
        if !server.Accept() {
            printf!("接收客户端的连接失败\n");
            return -1;
        }
        if fork().c_return() > 0 {
            server.CloseClient();
            continue;
        }
        server.CloseListen(); // Wrong: also when fork failed: then the server itself serves, and ends.
        break;
    }
    printf!("客户端已连接。\n");
    while server.Recv(&mut buffer) {
        printf!("接收：%s\n", until_nul(&buffer));
        if !server.Send(answer) {
            break;
        }
        printf!("发送：%s\n", answer);
    }
    printf!("客户端已断开连接。\n");
    0
}
