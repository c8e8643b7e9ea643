//! socket_client: sends fifty messages, one each second, and prints each answer.
//!
//! From:  the blog on concurrent servers, as the client of socket_serve, port 5051.
//! Shows: a host is looked up by name, even where the name is an address: the resolver's files are read.
//! Next:  echo_mpclient, which sends and receives at the same time.
#![no_std]
#![no_main]
#![allow(non_snake_case, reason = "the methods have the names of the class in the blog")]

use core::ffi::{CStr, c_int};
use core::mem::forget;

use mpserv::errno::CReturn;
use mpserv::fd::{OwnedFd, close};
use mpserv::net::{AddressFamily, MsgFlags, Protocol, SocketAddrV4, SocketType};
use mpserv::net::{connect, gethostbyname, recv, send, socket};
use mpserv::program::Args;
use mpserv::stdio::until_nul;
use mpserv::time::sleep;
use mpserv::{printf, snprintf};

const HOST: &CStr = c"127.0.0.1";
const PORT: u16 = 5051;
const MESSAGE_MAX_LENGTH: usize = 1024;
const BUF_SIZE: usize = MESSAGE_MAX_LENGTH + 1; // mended: the original has no room for the NUL behind 1024 bytes

struct CTcpClient {
    server: Option<OwnedFd>,
}

impl CTcpClient {
    fn Connect(&mut self) -> bool {
        self.server = socket(AddressFamily::INET, SocketType::STREAM, Protocol::DEFAULT).ok();
        if self.server.is_none() {
            return false;
        }
        let Some(host) = gethostbyname(HOST) else { return false };
        let address = SocketAddrV4::new(host, PORT);
        connect(&self.server, &address).is_ok()
    }

    fn Send(&self, text: &CStr) -> bool {
        send(&self.server, text.to_bytes(), MsgFlags::NONE).c_return() > 0
    }

    fn Recv(&self, buffer: &mut [u8; BUF_SIZE]) -> bool {
        buffer.fill(0);
        recv(&self.server, &mut buffer[..MESSAGE_MAX_LENGTH], MsgFlags::NONE).c_return() > 0
    }
}

impl Drop for CTcpClient {
    fn drop(&mut self) {
        match self.server.take() {
            Some(server) if server.raw() > 0 => {
                let _ = close(server);
            }
            none => forget(none),
        }
    }
}

mpserv::main!(main);

fn main(_: Args) -> c_int {
    let mut buffer = [0; BUF_SIZE];
    let mut client = CTcpClient { server: None };

    if !client.Connect() {
        printf!("连接服务端失败\n");
        return -1;
    }
    for i in 1..=50 {
        snprintf!(&mut buffer, "这是第%d个超级女生，编号%03d。", i, i);
        if !client.Send(until_nul(&buffer)) {
            break;
        }
        printf!("发送：%s\n", until_nul(&buffer));
        if !client.Recv(&mut buffer) {
            break;
        }
        printf!("接收：%s\n", until_nul(&buffer));
        sleep(1);
    }
    0
}
