//! fork: a parent and a child change the same two variables, each its own copy.
//!
//! From:  the notes on chapter 10 (processes), the first example.
//! Shows: fork returns twice, 0 to the child and the child's id to the parent; memory is copied, not shared.
//! Next:  zombie, for what becomes of a child that nobody waits for.
#![no_std]
#![no_main]

use core::ffi::c_int;
use core::sync::atomic::{AtomicI32, Ordering::Relaxed};

use mpserv::errno::CReturn;
use mpserv::printf;
use mpserv::process::fork;
use mpserv::program::Args;

static GLOBAL: AtomicI32 = AtomicI32::new(10);

mpserv::main!(main);

fn main(_: Args) -> c_int {
    let mut local = 20;

    GLOBAL.fetch_add(1, Relaxed);
    local += 5;

    let pid = fork().c_return();
    if pid == 0 {
        GLOBAL.fetch_add(2, Relaxed);
        local += 2;
        printf!("Child proc: [%d %d] \n", GLOBAL.load(Relaxed), local);
    } else {
        // Wrong: also when fork failed; then there is a parent without a child.
        GLOBAL.fetch_sub(2, Relaxed);
        local -= 2;
        printf!("parent proc: [%d %d] \n", GLOBAL.load(Relaxed), local);
    }
    0
}
