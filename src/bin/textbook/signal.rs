//! signal: two handled signals, and three long sleeps that the signals interrupt.
//!
//! From:  the process notes (signal handling with signal).
//! Shows: the kernel calls the handler in this same process. A signal ends a sleep early; the sleep is not resumed.
//! Next:  sigaction, which states everything that signal leaves to the system.
#![no_std]
#![no_main]

use core::ffi::c_int;

use mpserv::printf;
use mpserv::program::Args;
use mpserv::signal::{Disposition, Handler, Signal, signal};
use mpserv::time::{alarm, sleep};

fn timeout(sig: Signal) {
    // mended: the original uses stdio in its handlers. See handler_printf.h. The library's printf! does the same.
    if sig == Signal::ALRM {
        printf!("Time out!\n");
    }
    alarm(2);
}

fn keycontrol(sig: Signal) {
    if sig == Signal::INT {
        printf!("CTRL+C pressed\n");
    }
}

mpserv::main!(main);

fn main(_: Args) -> c_int {
    // SAFETY: `timeout` is async-signal-safe: it calls only the library's stdio and alarm.
    let timeout = unsafe { Handler::new(timeout) };
    // SAFETY: `keycontrol` is async-signal-safe: it calls only the library's stdio.
    let keycontrol = unsafe { Handler::new(keycontrol) };
    let _ = signal(Signal::ALRM, Disposition::Handler(timeout));
    let _ = signal(Signal::INT, Disposition::Handler(keycontrol));
    alarm(2);

    for _ in 0..3 {
        printf!("wait...\n");
        sleep(100);
    }
    0
}
