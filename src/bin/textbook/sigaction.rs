//! sigaction: one signal handled, by the call that says all that signal leaves to the system.
//!
//! From:  the process notes (signal handling with sigaction).
//! Shows: the mask is emptied with sigemptyset, for it has no value of its own; with flags 0 nothing is restarted.
//! Next:  remove_zombie, whose handler waits for children.
#![no_std]
#![no_main]

use core::ffi::c_int;

use mpserv::printf;
use mpserv::program::Args;
use mpserv::signal::{Disposition, Handler, SaFlags, SigAction, SigSet, Signal, sigaction};
use mpserv::time::{alarm, sleep};

fn time_out(signal: Signal) {
    // Wrong: stdio in a handler. The library's writes directly where it was interrupted itself.
    if signal == Signal::ALRM {
        printf!("Time out!\n");
    }
    alarm(2);
}

mpserv::main!(main);

fn main(_: Args) -> c_int {
    // SAFETY: `time_out` is async-signal-safe: it calls the library's stdio and alarm, and keeps nothing.
    let handler = unsafe { Handler::new(time_out) };
    let action =
        SigAction { sa_handler: Disposition::Handler(handler), sa_mask: SigSet::empty(), sa_flags: SaFlags::NONE };
    let _ = sigaction(Signal::ALRM, &action);
    alarm(2);

    for _ in 0..3 {
        printf!("wait...\n");
        sleep(100);
    }
    0
}
