//! wait: two children that end in two ways, and two waits that read their exit status.
//!
//! From:  the notes on chapter 10 (wait).
//! Shows: a return from main and exit() both set the exit status. wait takes any child that has ended; no zombie stays.
//! Next:  waitpid, which can check for a child without blocking.
#![no_std]
#![no_main]

use core::ffi::c_int;

use mpserv::errno::CReturn;
use mpserv::printf;
use mpserv::process::{WaitStatus, exit, fork, wait};
use mpserv::program::Args;
use mpserv::time::sleep;

mpserv::main!(main);

fn main(_: Args) -> c_int {
    // mended: when both forks failed, the original reads a status that no wait has set
    let mut status = WaitStatus::default();

    let mut pid = fork().c_return();
    if pid == 0 {
        return 3;
    } else {
        // Wrong: this branch is also taken when fork failed, with the id -1. So is the branch below.
        printf!("child process one ID: %d\n", pid);

        pid = fork().c_return();
        if pid == 0 {
            exit(7);
        } else {
            printf!("child process two1 ID: %d\n", pid);

            let _ = wait(Some(&mut status));
            // C: if (WIFEXITED(status)) … WEXITSTATUS(status)
            if let Some(sent) = status.exit_status() {
                printf!("child sen one: %d\n", sent);
            }

            pid = wait(Some(&mut status)).c_return();
            printf!("child process two2 ID: %d\n", pid);
            if let Some(sent) = status.exit_status() {
                printf!("child sen two: %d\n", sent);
            }

            sleep(30); // time to see in `ps au` that there is no zombie
        }
    }
    0
}
