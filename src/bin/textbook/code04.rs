//! code04: sends ten messages, one each ten seconds, and prints each answer.
//!
//! From:  the server/client notes, as the client of code05, port 5051.
//! Shows: a client that takes turns: send, then wait for the answer; so one process is enough.
//! Next:  socket_client, which asks the resolver for the address; echo_mpclient, which does not take turns.
#![no_std]
#![no_main]

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
    connection: Option<OwnedFd>,
}

impl Client {
    fn connect(&mut self) -> Result<()> {
        let connection = &*self.connection.insert(socket(AddressFamily::INET, SocketType::STREAM, Protocol::DEFAULT)?);
        let address = SocketAddrV4::new(inet_addr(IP), PORT);
        connect(connection, &address)
    }

    fn send(&self, text: &CStr) -> bool {
        send(&self.connection, text.to_bytes(), MsgFlags::NONE).c_return() > 0
    }

    fn recv(&self, buffer: &mut [u8; BUF_SIZE]) -> bool {
        buffer.fill(0);
        recv(&self.connection, &mut buffer[..BUF_SIZE - 1], MsgFlags::NONE).c_return() > 0
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        match self.connection.take() {
            Some(connection) if connection.raw() > 0 => {
                let _ = close(connection);
            }
            none => forget(none),
        }
    }
}

mpserv::main!(main);

fn main(_: Args) -> c_int {
    let mut buffer = [0; BUF_SIZE];
    let mut client = Client { connection: None };

    if client.connect().is_err() {
        printf!("connect failed\n");
        return -1;
    }
    for i in 1..=10 {
        snprintf!(&mut buffer, "hello %d", i);
        if !client.send(until_nul(&buffer)) {
            break;
        }
        if !client.recv(&mut buffer) {
            break;
        }
        printf!("接收: %s\n", until_nul(&buffer));
        sleep(10);
    }
    0
}
