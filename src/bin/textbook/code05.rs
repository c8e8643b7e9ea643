//! code05 [ignore]: receives messages and answers each, with one process for each connection.
//!
//! From:  the server/client notes, as a class Server, port 5051. The argument `ignore` is our addition.
//! Shows: which descriptors parent and child close. An object holds both descriptors and closes them at its end.
//! Next:  code04, its client; socket_serve, which leaves no zombies.
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

struct Server {
    m_listenfd: Option<Result<OwnedFd>>, // None is C's 0, which stands for no descriptor. An error is C's -1
    m_connfd: Option<Result<OwnedFd>>,
}

impl Server {
    fn Closelistenfd(&mut self) {
        // C: close(m_listenfd), which closes any number, also 0; m_listenfd = 0
        let _ = self.m_listenfd.take().map(close);
    }

    fn Closeconnfd(&mut self) {
        let _ = self.m_connfd.take().map(close);
    }

    fn InitServer(&mut self, port: u16) -> bool {
        // Wrong: a -1 from socket is not checked. bind fails with EBADF, and so does close.
        self.m_listenfd = Some(socket(AddressFamily::INET, SocketType::STREAM, Protocol::DEFAULT));
        let servaddr = SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, port);
        if bind(&self.m_listenfd, &servaddr).is_err() {
            self.Closelistenfd();
            return false;
        }
        if listen(&self.m_listenfd, BACKLOG).is_err() {
            self.Closelistenfd();
            return false;
        }
        true
    }

    fn Accept(&mut self) -> bool {
        self.m_connfd = Some(accept(&self.m_listenfd));
        self.m_connfd.c_return() > 0
    }

    fn Send(&self, buf: &[u8]) -> c_int {
        send(&self.m_connfd, buf, MsgFlags::NONE).c_return()
    }

    fn Recv(&self, buf: &mut [u8]) -> c_int {
        recv(&self.m_connfd, buf, MsgFlags::NONE).c_return()
    }
}

// C: Server_drop(). Rust calls this function at each return from main.
impl Drop for Server {
    fn drop(&mut self) {
        // C: if (m_listenfd != 0) close(m_listenfd)
        let _ = self.m_listenfd.take_if(|fd| fd.c_return() != 0).map(close);
        // Wrong: after a failed accept, this line closes -1.
        let _ = self.m_connfd.take_if(|fd| fd.c_return() != 0).map(close);
        // C leaves a descriptor 0 open. forget() keeps Rust from closing the descriptor.
        forget(self.m_listenfd.take());
        forget(self.m_connfd.take());
    }
}

mpserv::main!(main);

fn main(args: Args) -> c_int {
    let mut server = Server { m_listenfd: None, m_connfd: None };

    // Wrong: in the original this call is commented out, so each child stays a zombie while the server lives.
    if args.len() == 2 && args.get(1) == Some(c"ignore") {
        let _ = signal(Signal::CHLD, Disposition::Ignore);
    }

    if !server.InitServer(PORT) {
        return -1;
    }

    loop {
        // Wrong: one connection that failed ends the server.
        if !server.Accept() {
            return -1;
        }
        printf!("connect ok\n");

        if fork().c_return() > 0 {
            server.Closeconnfd();
            continue;
        }
        // Wrong: this line is also reached when fork failed. Then the server itself serves the client, and ends.
        server.Closelistenfd();
        printf!("子进程与客户端连接\n");

        let mut buf = [0; BUF_SIZE];
        loop {
            buf.fill(0);
            if server.Recv(&mut buf[..BUF_SIZE - 1]) <= 0 {
                break;
            }
            printf!("接收: %s\n", until_nul(&buf));

            snprintf!(&mut buf, "成功接收"); // C: strcpy(buf, "成功接收")
            if server.Send(until_nul(&buf).to_bytes()) <= 0 {
                break;
            }
            printf!("发送: %s\n", until_nul(&buf));
        }
        printf!("连接断开\n");
        return 0;
    }
}
