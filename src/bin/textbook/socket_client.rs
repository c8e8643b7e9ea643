//! socket_client: sends fifty messages, one each second, and prints each answer.
//!
//! From:  the blog on concurrent servers, as the client of socket_serve, port 5051.
//! Shows: gethostbyname looks up a host by name. The call reads the resolver's files even when the name is an address.
//! Next:  echo_mpclient, which sends and receives at the same time.
#![no_std]
#![no_main]
#![allow(non_snake_case, reason = "the methods have the names of the published class")]

use core::ffi::{CStr, c_int};
use core::mem::forget;

use mpserv::errno::{CReturn, Result};
use mpserv::fd::{OwnedFd, close};
use mpserv::net::{AddressFamily, MsgFlags, Protocol, SocketAddrV4, SocketType};
use mpserv::net::{connect, gethostbyname, recv, send, socket};
use mpserv::program::Args;
use mpserv::stdio::until_nul;
use mpserv::time::sleep;
use mpserv::{printf, snprintf};

const IP: &CStr = c"127.0.0.1";
const PORT: u16 = 5051;
const BUF_SIZE: usize = 1024;

struct CTcpClient {
    m_sockfd: Option<Result<OwnedFd>>, // None is C's 0, which stands for no descriptor. An error is C's -1
}

impl CTcpClient {
    fn ConnectToServer(&mut self, ip: &CStr, port: u16) -> bool {
        // Wrong: a -1 from socket is not checked. connect fails with EBADF, and so does close.
        self.m_sockfd = Some(socket(AddressFamily::INET, SocketType::STREAM, Protocol::DEFAULT));
        let Some(host) = gethostbyname(ip) else {
            let _ = self.m_sockfd.take().map(close); // C: close(m_sockfd); m_sockfd = 0
            return false;
        };
        let servaddr = SocketAddrV4::new(host, port);
        if connect(&self.m_sockfd, &servaddr).is_err() {
            let _ = self.m_sockfd.take().map(close);
            return false;
        }
        true
    }

    fn Send(&self, buf: &[u8]) -> c_int {
        send(&self.m_sockfd, buf, MsgFlags::NONE).c_return()
    }

    fn Recv(&self, buf: &mut [u8]) -> c_int {
        recv(&self.m_sockfd, buf, MsgFlags::NONE).c_return()
    }
}

// C: CTcpClient_drop(). Rust calls this function at each return from main.
impl Drop for CTcpClient {
    fn drop(&mut self) {
        // C: if (m_sockfd > 0) close(m_sockfd)
        let _ = self.m_sockfd.take_if(|fd| fd.c_return() > 0).map(close);
        // C leaves a descriptor 0 open. forget() keeps Rust from closing the descriptor.
        forget(self.m_sockfd.take());
    }
}

mpserv::main!(main);

fn main(_: Args) -> c_int {
    let mut client = CTcpClient { m_sockfd: None };

    if !client.ConnectToServer(IP, PORT) {
        printf!("连接服务端失败\n");
        return -1;
    }

    let mut buf = [0; BUF_SIZE + 1]; // mended: the original has no room for the NUL after 1024 bytes
    for i in 1..=50 {
        snprintf!(&mut buf, "这是第%d个超级女生，编号%03d。", i, i);
        if client.Send(until_nul(&buf).to_bytes()) <= 0 {
            break;
        }
        printf!("发送：%s\n", until_nul(&buf));

        buf.fill(0);
        if client.Recv(&mut buf[..BUF_SIZE]) <= 0 {
            break;
        }
        printf!("接收：%s\n", until_nul(&buf));
        sleep(1);
    }
    0
}
