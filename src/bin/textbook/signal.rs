//! signal: two signals handled, and three long sleeps that they cut short.
//!
//! From:  the process notes (signal handling with signal).
//! Shows: the kernel calls the handler in this very process; a signal wakes a sleep, and the sleep is not resumed.
//! Next:  sigaction, which says what signal leaves to the system.
#![no_std]
#![no_main]

use core::ffi::c_int;

use mpserv::printf;
use mpserv::program::Args;
use mpserv::signal::{Disposition, Handler, Signal, signal};
use mpserv::time::{alarm, sleep};

fn time_out(signal: Signal) {
    // Wrong: stdio in a handler, here and below. The library's writes directly where it was interrupted itself.
    if signal == Signal::ALRM {
        printf!("Time out!\n");
    }
    alarm(2);
}

fn key_pressed(signal: Signal) {
    if signal == Signal::INT {
        printf!("CTRL+C pressed\n");
    }
}

mpserv::main!(main);

fn main(_: Args) -> c_int {
    // SAFETY: `time_out` is async-signal-safe: it calls the library's stdio and alarm, and keeps nothing.
    let time_out = unsafe { Handler::new(time_out) };
    // SAFETY: `key_pressed` is async-signal-safe: it calls the library's stdio, and keeps nothing.
    let key_pressed = unsafe { Handler::new(key_pressed) };
    let _ = signal(Signal::ALRM, Disposition::Handler(time_out));
    let _ = signal(Signal::INT, Disposition::Handler(key_pressed));
    alarm(2);

    for _ in 0..3 {
        printf!("wait...\n");
        sleep(100);
    }
    0
}
