//! zombie: a child that has ended stays in the process table until its parent waits for it, or ends and init waits.
//!
//! From:  the notes on chapter 10 (zombie processes).
//! Shows: for the 30 seconds in which the parent sleeps, `ps au` lists the child with the state Z+.
//! Next:  wait, which reads the child's exit status and so removes the zombie.
#![no_std]
#![no_main]

use core::ffi::c_int;

use mpserv::errno::CReturn;
use mpserv::printf;
use mpserv::process::fork;
use mpserv::program::Args;
use mpserv::time::sleep;

mpserv::main!(main);

fn main(_: Args) -> c_int {
    let pid = fork().c_return();

    if pid == 0 {
        printf!("Hi, I am a child process"); // no newline, so even a terminal shows the text only with the next line
    } else {
        // Wrong: this branch is also taken when fork failed, with the id -1.
        printf!("child process ID: %d\n", pid);
        sleep(30);
    }

    if pid == 0 {
        printf!("END child process\n");
    } else {
        printf!("END parent process\n");
    }
    0
}
