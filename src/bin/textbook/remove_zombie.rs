//! remove_zombie: a SIGCHLD handler waits for the children while the parent does other work.
//!
//! From:  the process notes (signals against zombies).
//! Shows: the end of a child interrupts the parent's sleep, which is not resumed. The handler reads the exit status.
//! Next:  echo_mpserv, where the parent's other work is to accept connections.
#![no_std]
#![no_main]

use core::ffi::c_int;

use mpserv::errno::CReturn;
use mpserv::printf;
use mpserv::process::{WaitFor, WaitOptions, WaitStatus, exit, fork, waitpid};
use mpserv::program::Args;
use mpserv::signal::{Disposition, Handler, SaFlags, SigAction, SigSet, Signal, sigaction};
use mpserv::time::sleep;

fn read_childproc(_sig: Signal) {
    // mended: the original reads status even when waitpid returned 0 or -1 and did not set it
    let mut status = WaitStatus::default();
    // Wrong: signals do not queue. If several children end together, one SIGCHLD may stand for all. One waitpid takes
    // one child, so the others can stay zombies.
    let pid = waitpid(WaitFor::AnyChild, Some(&mut status), WaitOptions::NOHANG).c_return();

    // C: if (WIFEXITED(status)) … WEXITSTATUS(status)
    if let Some(sent) = status.exit_status() {
        // mended: the original uses stdio in a handler. See handler_printf.h. The library's printf! does the same.
        printf!("Removed proc id: %d \n", pid);
        printf!("Child send: %d \n", sent);
    }
}

mpserv::main!(main);

fn main(_: Args) -> c_int {
    // SAFETY: `read_childproc` is async-signal-safe: it calls only waitpid and the library's stdio.
    let read_childproc = unsafe { Handler::new(read_childproc) };
    let act = SigAction {
        sa_handler: Disposition::Handler(read_childproc),
        sa_mask: SigSet::empty(), // C: sigemptyset(&act.sa_mask)
        sa_flags: SaFlags::NONE,
    };
    let _ = sigaction(Signal::CHLD, &act);

    let mut pid = fork().c_return();
    if pid == 0 {
        printf!("Hi! I'm child process\n");
        sleep(10);
        return 12;
    } else {
        // Wrong: this branch is also taken when fork failed, with the id -1. So is the branch below.
        printf!("Child proc id: %d \n", pid);

        pid = fork().c_return();
        if pid == 0 {
            printf!("Hi! I'm child process\n");
            sleep(10);
            exit(24);
        } else {
            printf!("Child proc id: %d \n", pid);

            for _ in 0..5 {
                printf!("wait...\n");
                sleep(5);
            }
        }
    }
    0
}
