//! echo_mpserv PORT: sends back the bytes that it receives, with one process for each connection.
//!
//! From:  the process notes (multi-process servers). The earlier programs of the notes lead to this program.
//! Shows: a parent that only accepts and forks, children that only serve, and a SIGCHLD handler that reaps them.
//! Next:  echo_mpclient, which reads and writes in two processes; rot13_serv, whose handler reaps in a loop.
#![no_std]
#![no_main]

use core::ffi::{CStr, c_int};

use mpserv::errno::CReturn;
use mpserv::fd::{close, read, write_back};
use mpserv::net::{AddressFamily, Ipv4Addr, Protocol, SocketAddrV4, SocketType, acceptfrom_v4, bind, listen, socket};
use mpserv::printf;
use mpserv::process::{WaitFor, WaitOptions, WaitStatus, exit, fork, waitpid};
use mpserv::program::{Args, atoi};
use mpserv::signal::{Disposition, Handler, SaFlags, SigAction, SigSet, Signal, sigaction};
use mpserv::stdio::{fputc, fputs, stderr};

const BUF_SIZE: usize = 30;

fn error_handling(message: &CStr) -> ! {
    fputs(message, stderr());
    fputc(b'\n', stderr());
    exit(1)
}

fn read_childproc(_sig: Signal) {
    let mut status = WaitStatus::default();
    // Wrong: signals do not queue. If several children end together, one SIGCHLD may stand for all. One waitpid takes
    // one child, so the others can stay zombies.
    let pid = waitpid(WaitFor::AnyChild, Some(&mut status), WaitOptions::NOHANG).c_return();

    // mended: the original uses stdio in a handler. See handler_printf.h. The library's printf! does the same.
    printf!("removed proc id: %d \n", pid);
}

mpserv::main!(main);

fn main(args: Args) -> c_int {
    // C: if (argc != 2)
    let (2, Some(port)) = (args.len(), args.get(1)) else {
        printf!("Usage : %s <port>\n", args.program());
        exit(1)
    };

    // SAFETY: `read_childproc` is async-signal-safe: it calls only waitpid and the library's stdio.
    let read_childproc = unsafe { Handler::new(read_childproc) };
    let act = SigAction {
        sa_handler: Disposition::Handler(read_childproc),
        sa_mask: SigSet::empty(), // C: sigemptyset(&act.sa_mask)
        sa_flags: SaFlags::NONE,
    };
    let _ = sigaction(Signal::CHLD, &act);

    let serv_sock = socket(AddressFamily::INET, SocketType::STREAM, Protocol::DEFAULT);
    let serv_adr = SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, atoi(port) as u16);
    if bind(&serv_sock, &serv_adr).is_err() {
        error_handling(c"bind() error");
    }
    if listen(&serv_sock, 5).is_err() {
        error_handling(c"listen() error");
    }

    loop {
        // C: accept(serv_sock, &clnt_adr, &adr_sz). acceptfrom_v4 has room for the same address.
        // To try again is right for EINTR, which the handler causes. Wrong: after EMFILE the loop never waits.
        let Ok((clnt_sock, _clnt_adr)) = acceptfrom_v4(&serv_sock) else { continue };
        printf!("new client connected...\n");

        let pid = fork().c_return();
        if pid == -1 {
            let _ = close(clnt_sock);
            continue;
        }
        if pid == 0 {
            let mut buf = [0; BUF_SIZE];

            let _ = close(serv_sock);
            // C: while ((str_len = read(clnt_sock, buf, BUF_SIZE)) != 0)
            loop {
                let str_len = read(&clnt_sock, &mut buf);
                if str_len == Ok(0) {
                    break;
                }
                // C: write(clnt_sock, buf, str_len). write_back takes read's result as the length.
                // Wrong: read's -1 becomes the length, and write fails with EFAULT.
                let _ = write_back(&clnt_sock, &buf, str_len);
            }

            let _ = close(clnt_sock);
            printf!("client disconnected...\n");
            return 0;
        } else {
            let _ = close(clnt_sock);
        }
    }
}
