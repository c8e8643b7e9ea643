//! fork: a parent and a child change the same two variables, each its own copy.
//!
//! From:  the notes on chapter 10 (processes), the first example.
//! Shows: fork returns twice, 0 in the child and the child's id in the parent. The child gets a copy of the memory.
//! Next:  zombie, which shows a child whose parent does not wait for it.
#![no_std]
#![no_main]
#![allow(non_upper_case_globals, reason = "the global has its name in the published program")]

use core::ffi::c_int;
use core::sync::atomic::{AtomicI32, Ordering::Relaxed};

use mpserv::errno::CReturn;
use mpserv::printf;
use mpserv::process::fork;
use mpserv::program::Args;

// C: int gval = 10; In Rust a global that changes is an atomic.
static gval: AtomicI32 = AtomicI32::new(10);

mpserv::main!(main);

fn main(_: Args) -> c_int {
    let mut lval = 20;

    gval.fetch_add(1, Relaxed);
    lval += 5;

    let pid = fork().c_return();
    if pid == 0 {
        gval.fetch_add(2, Relaxed);
        lval += 2;
    } else {
        // Wrong: this branch is also taken when fork failed. Then there is a parent without a child.
        gval.fetch_sub(2, Relaxed);
        lval -= 2;
    }

    if pid == 0 {
        printf!("Child proc: [%d %d] \n", gval.load(Relaxed), lval);
    } else {
        printf!("parent proc: [%d %d] \n", gval.load(Relaxed), lval);
    }
    0
}
