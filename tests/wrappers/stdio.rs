//! Tests the C library's streams, and output in a handler.

use std::ffi::CStr;
use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::fd::{AsRawFd, IntoRawFd};
use std::sync::atomic::{AtomicI32, Ordering};

use crate::common::solo::{reap, spawn};
use crate::common::{WATCHDOG, std_pipe, wait_until, waits_in};
use mpserv::errno::Errno;
use mpserv::fd::OwnedFd;
use mpserv::process::getpid;
use mpserv::signal::{Disposition, Handler, Signal, raise, signal};
use mpserv::stdio::{EOF, fflush, fgets, fputc, fputs, perror, stderr, stdin, stdout, until_nul};
use mpserv::time::alarm;
use mpserv::{ffi, fprintf, printf, snprintf};

/// Runs `function` in a child whose standard input and output are pipes. Returns the other ends of the pipes, and the
/// child.
pub(crate) fn with_pipes(function: impl FnOnce()) -> (File, File, mpserv::process::Child) {
    let (input, our_input) = std_pipe();
    let (our_output, output) = std_pipe();
    let (input, output) = (input.into_raw_fd(), output.into_raw_fd());
    let (ours_in, ours_out) = (our_input.as_raw_fd(), our_output.as_raw_fd());
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
    let (mut input, output, mut child) = with_pipes(|| {
        install_printing_handler();
        printf!("held by stdio\n");
        let mut line = [0; 10];
        assert_eq!(fgets(&mut line, stdin()), Some(c"a line\n"));
        printf!("behind\n");
    });
    wait_until("the child waits for its line, inside stdio", || waits_in(child.pid().raw() as u32, libc::SYS_read));
    child.kill(Signal::USR1).unwrap();
    // The handler's line is there at once, though the text before it is still in the buffer.
    let (mut output, mut line) = (BufReader::new(output), String::new());
    output.read_line(&mut line).unwrap();
    assert_eq!(line, HANDLER_LINE);
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

/// The results of the functions in a handler that has interrupted stdio.
static RESULTS: [AtomicI32; 6] = [const { AtomicI32::new(-2) }; 6];

/// Calls each function for a stream. The text is longer than the buffer of a direct write.
fn print_everything(_signal: Signal) {
    let results = [
        fputs(c"a text ", stderr()),
        fputc(b'x', stderr()),
        fprintf!(stderr(), " %s %012d\n", LONG, 7),
        fflush(stdout()),
        i32::from(fgets(&mut [0; 8], stdin()).is_some()),
        fputc(b'o', stdout()),
    ];
    RESULTS.iter().zip(results).for_each(|(place, result)| place.store(result, Ordering::Relaxed));
    Errno::XDEV.set();
    perror(c"the prefix");
}

const LONG: &CStr = {
    const BYTES: &[u8] = &{
        let mut bytes = [b'-'; 1001];
        (bytes[500], bytes[999], bytes[1000]) = (b'm', b'e', 0);
        bytes
    };
    match CStr::from_bytes_with_nul(BYTES) {
        Ok(text) => text,
        Err(_) => panic!("it ends in a NUL"),
    }
};

/// Runs `function` in a child with pipes, whose standard error is a pipe as well. Returns the three ends, and the child.
fn with_error_pipe(function: impl FnOnce()) -> (File, File, File, mpserv::process::Child) {
    let (our_error, error) = std_pipe();
    let (input, output, child) = with_pipes(|| {
        // SAFETY: the call takes numbers, and nothing relies on the old file of the descriptor.
        assert_eq!(unsafe { ffi::unistd::dup2(error.as_raw_fd(), 2) }, 2);
        drop(error);
        function();
    });
    (input, output, our_error, child)
}

pub(crate) fn a_handler_inside_stdio_prints_everything_to_its_stream() {
    let (mut input, output, error, mut child) = with_error_pipe(|| {
        // SAFETY: the handler only uses the library's stdio, sets errno and stores to atomics.
        let handler = unsafe { Handler::new(print_everything) };
        signal(Signal::USR1, Disposition::Handler(handler)).unwrap();
        printf!("held ");
        assert_eq!(fgets(&mut [0; 10], stdin()), Some(c"line\n"));
        let results = RESULTS.each_ref().map(|result| result.load(Ordering::Relaxed));
        assert_eq!(results, [0, i32::from(b'x'), 0, EOF, 0, i32::from(b'o')]);
    });
    wait_until("the child waits for its line, inside stdio", || waits_in(child.pid().raw() as u32, libc::SYS_read));
    child.kill(Signal::USR1).unwrap();
    input.write_all(b"line\n").unwrap();
    drop(input);
    assert_eq!(read_text(output), "oheld ");
    let long = LONG.to_str().unwrap();
    let expected = format!("a text x {long} 000000000007\nthe prefix: Invalid cross-device link\n");
    assert_eq!(read_text(error), expected);
    assert_eq!(reap(&mut child).exit_status(), Some(0));
}

/// Checks the results of the functions, and when they write. The output is a pipe, so stdio keeps it.
pub(crate) fn stdio_returns_what_c_returns() {
    let (mut input, mut output, error, mut child) = with_error_pipe(|| {
        assert!(fputs(c"kept ", stdout()) >= 0);
        assert_eq!(fputc(0xff, stdout()), 0xff);
        assert_eq!(printf!("%d", -5), 2);
        assert_eq!(fflush(stdout()), 0);
        // The line has no newline, and the next read finds the end.
        let mut buffer = [0; 16];
        assert_eq!(fgets(&mut buffer, stdin()), Some(c"go on"));
        assert_eq!(fgets(&mut buffer, stdin()), None);
        Errno::NOSPC.set();
        perror(c"prefix");
        assert!(fprintf!(stderr(), "%s", c"not kept") > 0);
        let mut text = [b'.'; 8];
        assert_eq!(snprintf!(&mut text, "%s %d", c"abc", 123), 7);
        assert_eq!((until_nul(&text), until_nul(b"no end"), until_nul(b"")), (c"abc 123", c"", c""));
        fill_standard_output();
        assert!(fputs(c"lost", stdout()) >= 0);
        assert_eq!(fflush(stdout()), EOF);
    });
    // A text that does not come ends the test by SIGALRM.
    alarm(WATCHDOG.as_secs() as u32);
    let mut flushed = [0; 8];
    output.read_exact(&mut flushed).unwrap();
    assert_eq!(&flushed, b"kept \xff-5");
    input.write_all(b"go on").unwrap();
    drop(input);
    assert_eq!(read_text(error), "prefix: No space left on device\nnot kept");
    assert_eq!(read_text(output), "");
    assert_eq!(reap(&mut child).exit_status(), Some(0));
}

/// Makes every later write to standard output fail.
fn fill_standard_output() {
    // SAFETY: the call takes numbers.
    let null = unsafe { libc::open(c"/dev/full".as_ptr(), libc::O_WRONLY) };
    // SAFETY: the call takes numbers.
    assert_eq!(unsafe { libc::dup2(null, 1) }, 1);
}
