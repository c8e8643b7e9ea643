//! Tests the C library's streams, and output in a handler.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::IntoRawFd;

use crate::common::solo::{reap, spawn};
use crate::common::{std_pipe, wait_until, waits_in};
use mpserv::fd::OwnedFd;
use mpserv::process::getpid;
use mpserv::signal::{Disposition, Handler, Signal, raise, signal};
use mpserv::stdio::{fgets, stdin, stdout};
use mpserv::{ffi, fprintf, printf};

/// Runs `function` in a child whose standard input and output are pipes. Returns the other ends of the pipes, and the
/// child.
pub(crate) fn with_pipes(function: impl FnOnce()) -> (File, File, mpserv::process::Child) {
    let (input, our_input) = std_pipe();
    let (our_output, output) = std_pipe();
    let (input, output) = (input.into_raw_fd(), output.into_raw_fd());
    let (ours_in, ours_out) =
        (std::os::fd::AsRawFd::as_raw_fd(&our_input), std::os::fd::AsRawFd::as_raw_fd(&our_output));
    let child = spawn(|| {
        for (from, to) in [(input, 0), (output, 1)] {
            // SAFETY: the descriptor is open, and nothing else uses the numbers 0 and 1 in this process.
            assert_eq!(unsafe { ffi::unistd::dup2(from, to) }, to);
        }
        for fd in [input, output, ours_in, ours_out] {
            // SAFETY: the descriptor is this process's copy. Its owner is not dropped, because _exit is next.
            unsafe { ffi::unistd::close(fd) };
        }
        function();
        mpserv::process::exit(0);
    });
    for fd in [input, output] {
        // SAFETY: the descriptor was taken out of its owner above.
        drop(unsafe { OwnedFd::from_raw(fd) });
    }
    (our_input, our_output, child)
}

pub(crate) fn read_text(mut from: impl Read) -> String {
    let mut text = String::new();
    from.read_to_string(&mut text).unwrap();
    text
}

pub(crate) fn what_stdio_holds_is_written_when_c_writes_it() {
    let (_input, output, mut child) = with_pipes(|| {
        printf!("%s holds %d and %03d, 100%%\n", c"stdio", -12, 7);
        // The child's exit writes its copy of the line, and this process writes another copy.
        reap(&mut spawn(|| mpserv::process::exit(0)));
        assert_eq!(fprintf!(stdout(), "%d\n", getpid()), getpid().to_string().len() as i32 + 1);
    });
    let text = read_text(output);
    let line = "stdio holds -12 and 007, 100%\n";
    assert_eq!(text, format!("{line}{line}{}\n", child.pid()));
    assert_eq!(reap(&mut child).exit_status(), Some(0));
}

fn print_in_handler(signal: Signal) {
    printf!("%s %d %05d %% ", c"handler", signal.raw(), 42);
    printf!("%05d %d %d\n", -42, i32::MIN, 0);
}

fn install_printing_handler() {
    // SAFETY: the handler only uses the library's stdio.
    let handler = unsafe { Handler::new(print_in_handler) };
    // The read that the handler interrupts goes on.
    signal(Signal::USR1, Disposition::Handler(handler)).unwrap();
}

const HANDLER_LINE: &str = "handler 10 00042 % -0042 -2147483648 0\n";

pub(crate) fn a_handler_outside_stdio_prints_by_stdio() {
    let (_input, output, mut child) = with_pipes(|| {
        install_printing_handler();
        printf!("before\n");
        raise(Signal::USR1).unwrap();
        printf!("behind\n");
    });
    assert_eq!(read_text(output), format!("before\n{HANDLER_LINE}behind\n"));
    assert_eq!(reap(&mut child).exit_status(), Some(0));
}

pub(crate) fn a_handler_inside_stdio_writes_directly() {
    let (mut input, mut output, mut child) = with_pipes(|| {
        install_printing_handler();
        printf!("held by stdio\n");
        let mut line = [0; 10];
        assert_eq!(fgets(&mut line, stdin()), Some(c"a line\n"));
        printf!("behind\n");
    });
    wait_until("the child waits for its line, inside stdio", || waits_in(child.pid().raw() as u32, libc::SYS_read));
    child.kill(Signal::USR1).unwrap();
    // The handler's line is there at once, though the text before it is still in the buffer.
    let mut line = vec![0; HANDLER_LINE.len()];
    output.read_exact(&mut line).unwrap();
    assert_eq!(String::from_utf8(line).unwrap(), HANDLER_LINE);
    input.write_all(b"a line\n").unwrap();
    assert_eq!(read_text(output), "held by stdio\nbehind\n");
    assert_eq!(reap(&mut child).exit_status(), Some(0));
}

pub(crate) fn what_a_handler_writes_directly_is_what_printf_prints() {
    // The two tests above expect the same text from both ways. The command printf shows that C itself prints this text.
    let printed = std::process::Command::new("printf")
        .args(["%s %d %05d %% %05d %d %d\n", "handler", "10", "42", "-42", "-2147483648", "0"])
        .output()
        .unwrap();
    assert_eq!(String::from_utf8(printed.stdout).unwrap(), HANDLER_LINE);
}
