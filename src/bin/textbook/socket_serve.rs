//! socket_serve: receives messages and answers each, with one process for each connection.
//!
//! From:  the blog on concurrent servers, as a class CTcpServer with CloseListen and CloseClient, port 5051.
//! Shows: the parent closes the connection, the child closes the listener. With SIGCHLD ignored no zombie stays.
//! Next:  socket_client, its client; code05, whose children do become zombies.
#![no_std]
#![no_main]
#![allow(non_snake_case, reason = "the methods have the names of the published class")]

use core::ffi::c_int;
use core::mem::forget;

use mpserv::errno::{CReturn, Result};
use mpserv::fd::{OwnedFd, close};
use mpserv::net::{AddressFamily, Ipv4Addr, MsgFlags, Protocol, SocketAddrV4, SocketType};
use mpserv::net::{accept, bind, listen, recv, send, socket};
use mpserv::process::fork;
use mpserv::program::Args;
use mpserv::signal::{Disposition, Signal, signal};
use mpserv::stdio::until_nul;
use mpserv::{printf, snprintf};

const PORT: u16 = 5051;
const BACKLOG: c_int = 5;
const BUF_SIZE: usize = 1024;

struct CTcpServer {
    m_listen_sock: Option<Result<OwnedFd>>, // None is C's 0, which stands for no descriptor. An error is C's -1
    m_serve_sock: Option<Result<OwnedFd>>,
}

impl CTcpServer {
    fn InitServer(&mut self, port: u16) -> bool {
        // Wrong: a -1 from socket is not checked. bind fails with EBADF, and so does close.
        self.m_listen_sock = Some(socket(AddressFamily::INET, SocketType::STREAM, Protocol::DEFAULT));
        let servaddr = SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, port);
        if bind(&self.m_listen_sock, &servaddr).is_err() {
            let _ = self.m_listen_sock.take().map(close); // C: close(m_listen_sock); m_listen_sock = 0
            return false;
        }
        if listen(&self.m_listen_sock, BACKLOG).is_err() {
            let _ = self.m_listen_sock.take().map(close);
            return false;
        }
        true
    }

    fn Accept(&mut self) -> bool {
        self.m_serve_sock = Some(accept(&self.m_listen_sock));
        self.m_serve_sock.c_return() > 0
    }

    fn Send(&self, buf: &[u8]) -> c_int {
        send(&self.m_serve_sock, buf, MsgFlags::NONE).c_return()
    }

    fn Recv(&self, buf: &mut [u8]) -> c_int {
        recv(&self.m_serve_sock, buf, MsgFlags::NONE).c_return()
    }

    fn CloseListen(&mut self) {
        // Wrong: a listener can be 0, where standard input was closed. Then the child keeps the port.
        // C: if (m_listen_sock > 0) close(m_listen_sock)
        let _ = self.m_listen_sock.take_if(|sock| sock.c_return() > 0).map(close);
        forget(self.m_listen_sock.take()); // C: m_listen_sock = 0. A descriptor 0 stays open.
    }

    fn CloseClient(&mut self) {
        let _ = self.m_serve_sock.take_if(|sock| sock.c_return() > 0).map(close);
        forget(self.m_serve_sock.take());
    }
}

// C: CTcpServer_drop(). Rust calls this function at each return from main.
impl Drop for CTcpServer {
    fn drop(&mut self) {
        self.CloseListen();
        self.CloseClient();
    }
}

mpserv::main!(main);

fn main(_: Args) -> c_int {
    let _ = signal(Signal::CHLD, Disposition::Ignore); // the kernel removes each child at its end, so no wait is needed

    let mut server = CTcpServer { m_listen_sock: None, m_serve_sock: None };
    if !server.InitServer(PORT) {
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
        } else {
            // Wrong: this branch is also taken when fork failed. Then the server itself serves the client, and ends.
            server.CloseListen();
            break;
        }
    }
    printf!("客户端已连接。\n");

    let mut buf = [0; BUF_SIZE + 1]; // mended: the original has no room for the NUL after 1024 bytes
    loop {
        buf.fill(0);
        if server.Recv(&mut buf[..BUF_SIZE]) <= 0 {
            break;
        }
        printf!("接收：%s\n", until_nul(&buf));

        snprintf!(&mut buf, "ok"); // C: strcpy(buf, "ok")
        if server.Send(until_nul(&buf).to_bytes()) <= 0 {
            break;
        }
        printf!("发送：%s\n", until_nul(&buf));
    }
    printf!("客户端已断开连接。\n");
    0
}
