//! remove_zombie: a handler for SIGCHLD waits for the children, while the parent does something else.
//!
//! From:  the process notes (signals against zombies).
//! Shows: the end of a child interrupts the parent's sleep, which is not resumed; the handler takes the exit status.
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

fn reap(_signal: Signal) {
    // mended: the original reads it even when waitpid returned 0 or -1 and left it as it was
    let mut status = WaitStatus::default();
    // Wrong: signals of a kind do not queue, so of children that end together all but one stay zombies.
    let pid = waitpid(WaitFor::AnyChild, Some(&mut status), WaitOptions::NOHANG).c_return();

    if let Some(sent) = status.exit_status() {
        // Wrong: stdio in a handler. The library's writes directly where it was interrupted itself.
        printf!("Removed proc id: %d \n", pid);
        printf!("Child send: %d \n", sent);
    }
}

mpserv::main!(main);

fn main(_: Args) -> c_int {
    // SAFETY: `reap` is async-signal-safe: it calls waitpid and the library's stdio, and keeps nothing.
    let handler = unsafe { Handler::new(reap) };
    let action =
        SigAction { sa_handler: Disposition::Handler(handler), sa_mask: SigSet::empty(), sa_flags: SaFlags::NONE };
    let _ = sigaction(Signal::CHLD, &action);

    let mut pid = fork().c_return();
    if pid == 0 {
        printf!("Hi! I'm child process\n");
        sleep(10);
        return 12;
    }
    // Wrong: also when fork failed, with the id -1; so below.
    printf!("Child proc id: %d \n", pid);

    pid = fork().c_return();
    if pid == 0 {
        printf!("Hi! I'm child process\n");
        sleep(10);
        exit(24);
    }
    printf!("Child proc id: %d \n", pid);

    for _ in 0..5 {
        printf!("wait...\n");
        sleep(5);
    }
    0
}
