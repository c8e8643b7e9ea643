//! code05 [ignore]: receives messages and answers each, with one process for each connection.
//!
//! From:  the server/client notes, as a class Server, port 5051. The argument is not from there: see below.
//! Shows: what parent and child each close, with the two descriptors held by an object that closes them at its end.
//! Next:  code04, its client; socket_serve, which leaves no zombies.
#![no_std]
#![no_main]

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
const BUF_SIZE: usize = 1024;

struct Server {
    listener: Option<OwnedFd>,
    connection: Option<OwnedFd>,
}

fn close_once(descriptor: &mut Option<OwnedFd>) {
    // Wrong: 0 stands for none, but is a descriptor where standard input was closed. mended: -1 is not closed.
    match descriptor.take() {
        Some(fd) if fd.raw() > 0 => {
            let _ = close(fd);
        }
        none => forget(none),
    }
}

impl Server {
    fn listen(&mut self) -> Result<()> {
        let listener = &*self.listener.insert(socket(AddressFamily::INET, SocketType::STREAM, Protocol::DEFAULT)?);
        let address = SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, PORT);
        bind(listener, &address)?;
        listen(listener, BACKLOG)
    }

    fn accept(&mut self) -> bool {
        self.connection = accept(&self.listener).ok();
        self.connection.as_ref().is_some_and(|connection| connection.raw() > 0)
    }

    fn recv(&self, buffer: &mut [u8; BUF_SIZE]) -> bool {
        buffer.fill(0);
        recv(&self.connection, &mut buffer[..BUF_SIZE - 1], MsgFlags::NONE).c_return() > 0
    }

    fn send(&self, text: &CStr) -> bool {
        send(&self.connection, text.to_bytes(), MsgFlags::NONE).c_return() > 0
    }

    fn close_listener(&mut self) {
        close_once(&mut self.listener);
    }

    fn close_connection(&mut self) {
        close_once(&mut self.connection);
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.close_listener();
        self.close_connection();
    }
}

mpserv::main!(main);

fn main(args: Args) -> c_int {
    let answer = c"成功接收";
    let mut buffer = [0; BUF_SIZE];
    let mut server = Server { listener: None, connection: None };

    // Wrong: without this, which the original has as a comment, each child stays a zombie while the server lives.
    if args.len() == 2 && args.get(1) == Some(c"ignore") {
        let _ = signal(Signal::CHLD, Disposition::Ignore);
    }

    if server.listen().is_err() {
        return -1;
    }
    loop {
        // Wrong: one connection that failed ends the server.
        if !server.accept() {
            return -1;
        }
        printf!("connect ok\n");
        if fork().c_return() <= 0 {
            break; // Wrong: also when fork failed: then the server itself serves, and ends.
        }
        server.close_connection();
    }
    server.close_listener();
    printf!("子进程与客户端连接\n");
    while server.recv(&mut buffer) {
        printf!("接收: %s\n", until_nul(&buffer));
        if !server.send(answer) {
            break;
        }
        printf!("发送: %s\n", answer);
    }
    printf!("连接断开\n");
    0
}
