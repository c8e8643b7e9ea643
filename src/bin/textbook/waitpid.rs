//! waitpid: a parent that goes on with its work and asks now and then whether its child has ended.
//!
//! From:  the process notes (waitpid).
//! Shows: with WNOHANG waitpid returns 0 for as long as the child lives; -1 in place of an id means any child.
//! Next:  signal, so that a process is told and need not ask.
#![no_std]
#![no_main]

use core::ffi::c_int;

use mpserv::errno::CReturn;
use mpserv::printf;
use mpserv::process::{WaitFor, WaitOptions, WaitStatus, fork, waitpid};
use mpserv::program::Args;
use mpserv::time::sleep;

mpserv::main!(main);

fn main(_: Args) -> c_int {
    // mended: the original reads it even when waitpid returned -1 and left it as it was
    let mut status = WaitStatus::default();

    let pid = fork().c_return();
    if pid == 0 {
        sleep(15);
        return 24;
    }
    // Wrong: also when fork failed; then waitpid has no child to wait for, and the loop ends at once.
    while waitpid(WaitFor::AnyChild, Some(&mut status), WaitOptions::NOHANG) == Ok(None) {
        sleep(3);
        printf!("sleep 3sec.\n");
    }
    if let Some(sent) = status.exit_status() {
        printf!("Child send %d \n", sent);
    }
    0
}
