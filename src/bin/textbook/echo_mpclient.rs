//! echo_mpclient IP PORT: sends lines to an echo server and prints what comes back, until q.
//!
//! From:  the process notes (dividing input and output), as the client of echo_mpserv.
//! Shows: one socket in two processes: the child only writes, the parent only reads, and neither waits for the other.
//! Next:  echo_mpserv, its server; socket_client, which takes turns instead.
#![no_std]
#![no_main]

use core::ffi::{CStr, c_int};

use mpserv::errno::{CReturn, Result};
use mpserv::fd::{OwnedFd, close, read, write};
use mpserv::net::{AddressFamily, Protocol, Shutdown, SocketAddrV4, SocketType, connect, inet_addr, shutdown, socket};
use mpserv::printf;
use mpserv::process::{exit, fork};
use mpserv::program::{Args, atoi};
use mpserv::stdio::{fgets, fputc, fputs, stderr, stdin, until_nul};

const BUF_SIZE: usize = 30;

fn fail(message: &CStr) -> ! {
    fputs(message, stderr());
    fputc(b'\n', stderr());
    exit(1)
}

fn print_answers(connection: &Result<OwnedFd>) {
    let mut message = [0; BUF_SIZE + 1]; // mended: the original has no room for the NUL behind 30 bytes

    loop {
        match read(connection, &mut message[..BUF_SIZE]) {
            Ok(0) => return,
            Ok(length) => message[length] = b'\0',
            Err(_) => {} // mended: the original puts the NUL at [-1], too
        }
        printf!("Message from server: %s", until_nul(&message));
    }
}

fn send_lines(connection: &Result<OwnedFd>) {
    let mut line = [0; BUF_SIZE];

    loop {
        // Wrong: at the end of input fgets changes nothing, and the last line is sent for ever.
        let _ = fgets(&mut line, stdin());
        let line = until_nul(&line);
        if line == c"q\n" || line == c"Q\n" {
            let _ = shutdown(connection, Shutdown::Write);
            return;
        }
        let _ = write(connection, line.to_bytes());
    }
}

mpserv::main!(main);

fn main(args: Args) -> c_int {
    let (3, Some(ip), Some(port)) = (args.len(), args.get(1), args.get(2)) else {
        printf!("Usage : %s <IP> <port>\n", args.program());
        exit(1)
    };

    let connection = socket(AddressFamily::INET, SocketType::STREAM, Protocol::DEFAULT);
    let address = SocketAddrV4::new(inet_addr(ip), atoi(port) as u16);
    if connect(&connection, &address).is_err() {
        fail(c"connect() error!");
    }

    let pid = fork().c_return();
    if pid == 0 {
        send_lines(&connection);
    } else {
        print_answers(&connection); // also when fork failed: then nobody sends
    }
    let _ = connection.and_then(close);
    0
}
