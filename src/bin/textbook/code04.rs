//! code04: sends ten messages, one each ten seconds, and prints each answer.
//!
//! From:  the server/client notes, as the client of code05, port 5051.
//! Shows: a client that sends and then waits for the answer, so that one process is enough.
//! Next:  socket_client, which looks the host up by name; echo_mpclient, which reads and writes in two processes.
#![no_std]
#![no_main]
#![allow(non_snake_case, reason = "the methods have names like those of code05's class")]

use core::ffi::{CStr, c_int};
use core::mem::forget;

use mpserv::errno::{CReturn, Result};
use mpserv::fd::{OwnedFd, close};
use mpserv::net::{AddressFamily, MsgFlags, Protocol, SocketAddrV4, SocketType};
use mpserv::net::{connect, inet_addr, recv, send, socket};
use mpserv::program::Args;
use mpserv::stdio::until_nul;
use mpserv::time::sleep;
use mpserv::{printf, snprintf};

const IP: &CStr = c"127.0.0.1";
const PORT: u16 = 5051;
const BUF_SIZE: usize = 1024;

struct Client {
    m_connfd: Option<Result<OwnedFd>>, // None is C's 0, which stands for no descriptor. An error is C's -1
}

impl Client {
    fn InitClient(&mut self, ip: &CStr, port: u16) -> bool {
        // Wrong: a -1 from socket is not checked. connect fails with EBADF, and so does close.
        self.m_connfd = Some(socket(AddressFamily::INET, SocketType::STREAM, Protocol::DEFAULT));
        let servaddr = SocketAddrV4::new(inet_addr(ip), port);
        connect(&self.m_connfd, &servaddr).is_ok()
    }

    fn Send(&self, buf: &[u8]) -> c_int {
        send(&self.m_connfd, buf, MsgFlags::NONE).c_return()
    }

    fn Recv(&self, buf: &mut [u8]) -> c_int {
        recv(&self.m_connfd, buf, MsgFlags::NONE).c_return()
    }
}

// C: Client_drop(). Rust calls this function at each return from main.
impl Drop for Client {
    fn drop(&mut self) {
        // C: if (m_connfd != 0) close(m_connfd)
        let _ = self.m_connfd.take_if(|fd| fd.c_return() != 0).map(close);
        // C leaves a descriptor 0 open. forget() keeps Rust from closing the descriptor.
        forget(self.m_connfd.take());
    }
}

mpserv::main!(main);

fn main(_: Args) -> c_int {
    let mut buf = [0; BUF_SIZE];
    let mut client = Client { m_connfd: None };

    if !client.InitClient(IP, PORT) {
        printf!("connect failed\n");
        return -1;
    }

    for i in 1..=10 {
        snprintf!(&mut buf, "hello %d", i);
        if client.Send(until_nul(&buf).to_bytes()) <= 0 {
            break;
        }

        buf.fill(0);
        if client.Recv(&mut buf[..BUF_SIZE - 1]) <= 0 {
            break;
        }
        printf!("接收: %s\n", until_nul(&buf));
        sleep(10);
    }
    0
}
