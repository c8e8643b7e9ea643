//! rot13_serv: sends back each line rotated by 13 letters, with one process for each connection.
//!
//! From:  lecture 25 (sockets and processes), port 43211.
//! Shows: a handler that waits in a loop, so that no zombie stays however many children end together. SO_REUSEADDR,
//!        so that the port can be used again at once. signal(), whose meaning depends on how the C file is compiled.
//! Next:  echo_mpserv, whose handler waits only once.
#![no_std]
#![no_main]

use core::ffi::{CStr, c_int};

use mpserv::errno::{CReturn, Errno, MESSAGE_MAX, Result, strerror};
use mpserv::fd::{OwnedFd, close};
use mpserv::fprintf;
use mpserv::net::{AddressFamily, Ipv4Addr, MsgFlags, Protocol, SocketAddrV4, SocketOption, SocketType};
use mpserv::net::{acceptfrom, bind, listen, recv, send, setsockopt, socket};
use mpserv::process::{WaitFor, WaitOptions, exit, fork, waitpid};
use mpserv::program::Args;
use mpserv::signal::{Disposition, Handler, Signal, signal};
use mpserv::stdio::{fputs, perror, stderr};

const PORT: u16 = 43211;
const BACKLOG: c_int = 1024;
const MAX_LINE: usize = 4096;

fn fail(message: &CStr) -> ! {
    let error = Errno::last();

    fputs(message, stderr());
    fprintf!(stderr(), ": %s (%d)\n", strerror(error, &mut [0; MESSAGE_MAX]), error.raw());
    exit(1)
}

fn rot13_char(c: u8) -> u8 {
    match c {
        b'a'..=b'm' | b'A'..=b'M' => c + 13,
        b'n'..=b'z' | b'N'..=b'Z' => c - 13,
        _ => c,
    }
}

fn child_run(fd: &OwnedFd) {
    let mut outbuf = [0; MAX_LINE + 1];
    let mut outbuf_used = 0;

    loop {
        let mut ch = [0];
        let result = recv(fd, &mut ch, MsgFlags::NONE).c_return(); // Wrong: recv makes a system call for each byte.
        if result == 0 {
            break; // Wrong: a last line without a newline is lost.
        }
        if result == -1 {
            perror(c"read");
            break;
        }
        // Wrong: bytes that do not fit are lost, the newline included.
        if outbuf_used < outbuf.len() {
            outbuf[outbuf_used] = rot13_char(ch[0]);
            outbuf_used += 1;
        }
        if ch == *b"\n" {
            let _ = send(fd, &outbuf[..outbuf_used], MsgFlags::NONE); // Wrong: send may send only a part, or nothing.
            outbuf_used = 0;
        }
    }
}

// mended: the original lets waitpid change the errno of the interrupted code. The library restores errno.
fn sigchld_handler(_sig: Signal) {
    while waitpid(WaitFor::AnyChild, None, WaitOptions::NOHANG).c_return() > 0 {}
}

fn tcp_server_listen(port: u16) -> Result<OwnedFd> {
    let on = true; // C: 1

    let listener = socket(AddressFamily::INET, SocketType::STREAM, Protocol::DEFAULT);
    let _ = setsockopt(&listener, SocketOption::REUSEADDR, on);
    let address = SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, port);
    if bind(&listener, &address).is_err() {
        fail(c"bind failed ");
    }
    if listen(&listener, BACKLOG).is_err() {
        fail(c"listen failed ");
    }
    listener
}

mpserv::main!(main);

fn main(_: Args) -> c_int {
    let listener = tcp_server_listen(PORT);

    let _ = signal(Signal::PIPE, Disposition::Ignore);
    // SAFETY: `sigchld_handler` is async-signal-safe: it calls only waitpid.
    let sigchld_handler = unsafe { Handler::new(sigchld_handler) };
    // Wrong: with -std=c99 this call is System V's signal. Such a handler works once, and makes accept fail with EINTR.
    let _ = signal(Signal::CHLD, Disposition::Handler(sigchld_handler));

    loop {
        // C: accept(listener, &client, &client_size). acceptfrom has room for the same sockaddr_storage.
        // Wrong: a client that went away, or a signal, ends the server.
        let Ok((fd, _client)) = acceptfrom(&listener) else { fail(c"accept failed") };

        if fork().c_return() == 0 {
            let _ = close(listener);
            child_run(&fd);
            exit(0);
        }
        let _ = close(fd); // Wrong: this line is also reached when fork failed. Then no process serves the client.
    }
}
