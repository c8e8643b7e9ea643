//! echo_mpclient IP PORT: sends lines to an echo server and prints the answers, until q.
//!
//! From:  the process notes (separate input and output), as the client of echo_mpserv.
//! Shows: one socket in two processes. The child only writes, the parent only reads, and neither waits for the other.
//! Next:  echo_mpserv, its server; socket_client, which sends and receives in turn.
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

fn error_handling(message: &CStr) -> ! {
    fputs(message, stderr());
    fputc(b'\n', stderr());
    exit(1)
}

fn read_routine(sock: &Result<OwnedFd>, buf: &mut [u8; BUF_SIZE + 1]) {
    loop {
        let str_len = read(sock, &mut buf[..BUF_SIZE]);
        // Wrong: when the server ends, only the parent ends. The child stays and takes the next line typed.
        if str_len == Ok(0) {
            return;
        }
        // mended: after a failed read the original writes the NUL at [-1]
        if let Ok(str_len) = str_len {
            buf[str_len] = b'\0';
        }
        printf!("Message from server: %s", until_nul(buf));
    }
}

fn write_routine(sock: &Result<OwnedFd>, buf: &mut [u8; BUF_SIZE + 1]) {
    loop {
        // Wrong: at the end of input fgets returns NULL, and the last line is sent for ever.
        let _ = fgets(&mut buf[..BUF_SIZE], stdin());
        let line = until_nul(buf);
        if line == c"q\n" || line == c"Q\n" {
            let _ = shutdown(sock, Shutdown::Write);
            return;
        }
        let _ = write(sock, line.to_bytes());
    }
}

mpserv::main!(main);

fn main(args: Args) -> c_int {
    // mended: the original has no room for the NUL after 30 bytes. Without input, the original sends an unset buffer.
    let mut buf = [0; BUF_SIZE + 1];

    // C: if (argc != 3)
    let (3, Some(ip), Some(port)) = (args.len(), args.get(1), args.get(2)) else {
        printf!("Usage : %s <IP> <port>\n", args.program());
        exit(1)
    };

    let sock = socket(AddressFamily::INET, SocketType::STREAM, Protocol::DEFAULT);
    let serv_adr = SocketAddrV4::new(inet_addr(ip), atoi(port) as u16);
    if connect(&sock, &serv_adr).is_err() {
        error_handling(c"connect() error!");
    }

    let pid = fork().c_return();
    if pid == 0 {
        write_routine(&sock, &mut buf);
    } else {
        read_routine(&sock, &mut buf); // Wrong: this function is also called when fork failed. Then no process sends.
    }
    let _ = close(sock);
    0
}
