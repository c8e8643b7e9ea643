//! echo_mpserv PORT: sends back what it receives, with one process for each connection.
//!
//! From:  the process notes (multi-process servers), where it is the program that everything before it leads to.
//! Shows: a parent that only accepts and forks, children that only serve, and a SIGCHLD handler that reaps them.
//! Next:  echo_mpclient, which splits its own work over two processes; rot13_serv, whose handler reaps in a loop.
#![no_std]
#![no_main]

use core::ffi::{CStr, c_int};

use mpserv::errno::CReturn;
use mpserv::fd::{close, read, write_back};
use mpserv::net::{AddressFamily, Ipv4Addr, Protocol, SocketAddrV4, SocketType, acceptfrom_v4, bind, listen, socket};
use mpserv::printf;
use mpserv::process::{Fork, WaitFor, WaitOptions, WaitStatus, exit, fork, waitpid};
use mpserv::program::{Args, atoi};
use mpserv::signal::{Disposition, Handler, SaFlags, SigAction, SigSet, Signal, sigaction};
use mpserv::stdio::{fputc, fputs, stderr};

const BUF_SIZE: usize = 30;

fn fail(message: &CStr) -> ! {
    fputs(message, stderr());
    fputc(b'\n', stderr());
    exit(1)
}

fn reap(_signal: Signal) {
    let mut status = WaitStatus::default();
    // Wrong: signals of a kind do not queue, so of children that end together all but one stay zombies.
    let pid = waitpid(WaitFor::AnyChild, Some(&mut status), WaitOptions::NOHANG).c_return();

    // Wrong: stdio in a handler. The library's writes directly where it was interrupted itself.
    printf!("removed proc id: %d \n", pid);
}

mpserv::main!(main);

fn main(args: Args) -> c_int {
    let (2, Some(port)) = (args.len(), args.get(1)) else {
        printf!("Usage : %s <port>\n", args.program());
        exit(1)
    };

    // SAFETY: `reap` is async-signal-safe: it calls waitpid and the library's stdio, and keeps nothing.
    let handler = unsafe { Handler::new(reap) };
    let action =
        SigAction { sa_handler: Disposition::Handler(handler), sa_mask: SigSet::empty(), sa_flags: SaFlags::NONE };
    let _ = sigaction(Signal::CHLD, &action);

    let listener = socket(AddressFamily::INET, SocketType::STREAM, Protocol::DEFAULT);
    let address = SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, atoi(port) as u16);
    if bind(&listener, &address).is_err() {
        fail(c"bind() error");
    }
    if listen(&listener, 5).is_err() {
        fail(c"listen() error");
    }

    loop {
        // Right for EINTR, when the handler has run; wrong for EMFILE, which makes this a busy loop.
        let Ok((connection, _client)) = acceptfrom_v4(&listener) else { continue };
        printf!("new client connected...\n");

        match fork() {
            Err(_) => {
                let _ = close(connection);
            }
            Ok(Fork::Child) => {
                let mut buffer = [0; BUF_SIZE];

                let _ = listener.and_then(close);
                // Wrong: read's -1 becomes the length, and write fails with EFAULT.
                loop {
                    let length = read(&connection, &mut buffer);
                    if length == Ok(0) {
                        break;
                    }
                    let _ = write_back(&connection, &buffer, length);
                }
                let _ = close(connection);
                printf!("client disconnected...\n");
                return 0;
            }
            Ok(Fork::Parent(_)) => {
                let _ = close(connection);
            }
        }
    }
}
