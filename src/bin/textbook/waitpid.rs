//! waitpid: a parent that continues its work and checks now and then whether its child has ended.
//!
//! From:  the process notes (waitpid).
//! Shows: with WNOHANG waitpid returns 0 while the child lives. The id -1 means any child.
//! Next:  signal: the kernel tells a process, so the process need not ask.
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
    // mended: the original reads status even when waitpid returned -1 and did not set it
    let mut status = WaitStatus::default();

    let pid = fork().c_return();
    if pid == 0 {
        sleep(15);
        return 24;
    } else {
        // Wrong: this branch is also taken when fork failed. Then there is no child, and the loop ends at once.
        while waitpid(WaitFor::AnyChild, Some(&mut status), WaitOptions::NOHANG).c_return() == 0 {
            sleep(3);
            printf!("sleep 3sec.\n");
        }

        // C: if (WIFEXITED(status)) … WEXITSTATUS(status)
        if let Some(sent) = status.exit_status() {
            printf!("Child send %d \n", sent);
        }
    }
    0
}
