//! sigaction: handles one signal. The call sigaction states everything that the call signal leaves to the system.
//!
//! From:  the process notes (signal handling with sigaction).
//! Shows: sigemptyset empties the mask, which has no defined value before. With flags 0 no call is restarted.
//! Next:  remove_zombie, whose handler waits for children.
#![no_std]
#![no_main]

use core::ffi::c_int;

use mpserv::printf;
use mpserv::program::Args;
use mpserv::signal::{Disposition, Handler, SaFlags, SigAction, SigSet, Signal, sigaction};
use mpserv::time::{alarm, sleep};

fn timeout(sig: Signal) {
    // mended: the original uses stdio in a handler. See handler_printf.h. The library's printf! does the same.
    if sig == Signal::ALRM {
        printf!("Time out!\n");
    }
    alarm(2);
}

mpserv::main!(main);

fn main(_: Args) -> c_int {
    // SAFETY: `timeout` is async-signal-safe: it calls only the library's stdio and alarm.
    let timeout = unsafe { Handler::new(timeout) };
    let act = SigAction {
        sa_handler: Disposition::Handler(timeout),
        sa_mask: SigSet::empty(), // C: sigemptyset(&act.sa_mask)
        sa_flags: SaFlags::NONE,
    };
    let _ = sigaction(Signal::ALRM, &act);
    alarm(2);

    for _ in 0..3 {
        printf!("wait...\n");
        sleep(100);
    }
    0
}
