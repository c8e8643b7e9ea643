//! rot13_serv: sends back each line rotated by 13 letters, with one process for each connection.
//!
//! From:  lecture 25 (sockets and processes), port 43211.
//! Shows: a handler that waits in a loop, so that no zombie stays however many children end together; a port that can
//!        be used again at once (SO_REUSEADDR); signal(), whose meaning hangs on how the C file is compiled.
//! Next:  echo_mpserv, whose handler waits once.
#![no_std]
#![no_main]

use core::ffi::{CStr, c_int};

use mpserv::errno::{CReturn, Errno, MESSAGE_MAX, strerror};
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
const LINE_MAX_LENGTH: usize = 4096;

fn fail(message: &CStr) -> ! {
    let error = Errno::last();

    fputs(message, stderr());
    fprintf!(stderr(), ": %s (%d)\n", strerror(error, &mut [0; MESSAGE_MAX]), error.raw());
    exit(1)
}

// mended: the original leaves waitpid's errno to whatever it interrupted; the library puts it back
fn reap(_signal: Signal) {
    while waitpid(WaitFor::AnyChild, None, WaitOptions::NOHANG).c_return() > 0 {}
}

fn rot13(byte: u8) -> u8 {
    match byte {
        b'a'..=b'm' | b'A'..=b'M' => byte + 13,
        b'n'..=b'z' | b'N'..=b'Z' => byte - 13,
        _ => byte,
    }
}

fn serve(connection: &OwnedFd) {
    let mut line = [0; LINE_MAX_LENGTH];
    let mut length = 0;

    loop {
        let mut byte = [0];
        // Wrong: one system call for each byte.
        match recv(connection, &mut byte, MsgFlags::NONE) {
            Ok(0) => return, // Wrong: a last line without a newline is lost.
            Ok(_) => {}
            Err(_) => {
                perror(c"read");
                return;
            }
        }
        // Wrong: what does not fit is lost, the newline too.
        if length < LINE_MAX_LENGTH {
            line[length] = rot13(byte[0]);
            length += 1;
        }
        if byte == *b"\n" {
            let _ = send(connection, &line[..length], MsgFlags::NONE); // Wrong: a part may be sent, or none.
            length = 0;
        }
    }
}

mpserv::main!(main);

fn main(_: Args) -> c_int {
    let listener = socket(AddressFamily::INET, SocketType::STREAM, Protocol::DEFAULT);
    let on = true;
    let _ = setsockopt(&listener, SocketOption::REUSEADDR, on);
    let address = SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, PORT);
    if bind(&listener, &address).is_err() {
        fail(c"bind failed ");
    }
    if listen(&listener, BACKLOG).is_err() {
        fail(c"listen failed ");
    }

    // SAFETY: `reap` is async-signal-safe: it calls waitpid, and keeps nothing.
    let handler = unsafe { Handler::new(reap) };
    let _ = signal(Signal::PIPE, Disposition::Ignore);
    // Wrong: in C under -std=c99 this is `sysv_signal`: it works once, and has accept fail with EINTR.
    let _ = signal(Signal::CHLD, Disposition::Handler(handler));

    loop {
        // Wrong: a client that went away, or a signal, ends the server.
        let Ok((connection, _client)) = acceptfrom(&listener) else { fail(c"accept failed") };

        if fork().c_return() == 0 {
            let _ = listener.and_then(close);
            serve(&connection);
            exit(0);
        }
        let _ = close(connection); // also when fork failed: then nobody serves it
    }
}
