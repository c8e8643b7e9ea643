//! Tests handlers that return an error, and the `end` line of the log.

use std::net::Shutdown;

use crate::common::server::{Line, read_all};
use crate::common::solo::Test;
use crate::{Serving, tests};
use mpserv::errno::Errno;
use mpserv::process::_exit;
use mpserv::server::limits::{EXIT_FAILED, HANDLER_ERROR_MAX};
use mpserv::server::{Connection, HandlerError, Server};

pub(crate) const TESTS: &[Test] = tests![
    a_handler_needs_no_type_for_its_errors,
    an_error_is_text_of_a_bounded_length_without_control_characters,
    a_preforked_child_logs_the_error_of_each_client,
    an_error_is_not_that_of_an_earlier_child,
    a_child_in_the_sandbox_can_leave_its_error,
];

/// Runs a handler for one client, and returns the line of its end.
fn end_of(handler: impl FnMut(Connection) -> Result<(), HandlerError>) -> Line {
    let serving = Serving::start(handler);
    assert_eq!(read_all(&mut serving.connect()), b"");
    serving.end_lines(1).remove(0)
}

/// Checks by compiling that neither `Ok(())` nor `?` on errors of any type needs an annotation.
fn a_handler_needs_no_type_for_its_errors() {
    let serving = Serving::start(|connection: Connection| {
        let mut bytes = [0; 16];
        let length = connection.read(&mut bytes)?;
        let number: u32 = std::str::from_utf8(&bytes[..length])?.parse()?;
        if number == 0 {
            return Err(HandlerError::new("zero"));
        }
        std::fs::metadata("/nothing/here")?;
        Ok(())
    });
    for bytes in [b"1".as_slice(), b"0", b"one", b"\xff"] {
        let mut client = serving.connect();
        std::io::Write::write_all(&mut client, bytes).unwrap();
        client.shutdown(Shutdown::Write).unwrap();
        assert_eq!(read_all(&mut client), b"");
    }
    let lines = serving.end_lines(4);
    let mut errors: Vec<&str> = lines.iter().map(|line| line.get("error")).collect();
    errors.sort_unstable();
    assert!(errors[0].contains("No such file or directory"), "{errors:?}");
    assert_eq!(errors[1..3], ["invalid digit found in string", "invalid utf-8 sequence of 1 bytes from index 0"]);
    assert_eq!(errors[3], "zero");
    for line in &lines {
        assert_eq!((line.number("exit"), line.get("meaning")), (EXIT_FAILED as u64, "failed"), "{line:?}");
    }
    // A handler that cannot fail may return nothing or a status.
    let serving = Serving::start(|_| ());
    assert_eq!(read_all(&mut serving.connect()), b"");
    assert!(!serving.end_lines(1)[0].fields.contains_key("error"));
}

fn an_error_is_text_of_a_bounded_length_without_control_characters() {
    let line = end_of(|_| Err(Errno::CONNRESET.into()));
    assert_eq!(line.get("error"), Errno::CONNRESET.to_string());
    // `parse_log` fails if the log has more than a line of fields.
    let line = end_of(|_| Err(HandlerError::new("a =\\\n\u{1b}[2J")));
    assert_eq!(line.get("error"), r"a =\\\u{a}\u{1b}[2J");
    let line = end_of(|_| Err(HandlerError::new("\u{1}".repeat(1000))));
    assert_eq!(line.get("error"), r"\u{1}".repeat(HANDLER_ERROR_MAX));
    // The text is cut at the end of a character.
    let line = end_of(|_| Err(HandlerError::new("x".to_owned() + &"\u{e9}".repeat(1000))));
    assert_eq!(line.get("error"), "x".to_owned() + &"\u{e9}".repeat((HANDLER_ERROR_MAX - 1) / 2));
    assert_eq!(end_of(|_| Err(HandlerError::new(""))).get("error"), "");
}

fn a_preforked_child_logs_the_error_of_each_client() {
    let mut served = 0;
    let prefork = |server: Server<'static>| server.prefork(1, 1);
    let serving = Serving::start_with(prefork, |_| {
        served += 1;
        if served == 2 { Ok(()) } else { Err(HandlerError::new(format_args!("client {served}"))) }
    });
    for _ in 0..3 {
        assert_eq!(read_all(&mut serving.connect()), b"");
    }
    let lines = serving.end_lines(3);
    let errors: Vec<Option<&String>> = lines.iter().map(|line| line.fields.get("error")).collect();
    assert_eq!(errors, [Some(&"client 1".to_owned()), None, Some(&"client 3".to_owned())]);
    assert_eq!(lines[0].number("exit"), EXIT_FAILED as u64);
}

/// Checks that the second child, which has the slot of the first child, ends with the status of a failed handler, but
/// without an error.
fn an_error_is_not_that_of_an_earlier_child() {
    let one_child = |server: Server<'static>| server.max_children(1);
    let serving = Serving::start_with(one_child, |connection: Connection| {
        if connection.number() == 2 {
            _exit(EXIT_FAILED);
        }
        Err::<(), _>(HandlerError::new("the first"))
    });
    for _ in 0..2 {
        assert_eq!(read_all(&mut serving.connect()), b"");
    }
    let lines = serving.end_lines(2);
    assert_eq!(lines[0].get("error"), "the first");
    assert_eq!((lines[1].number("exit"), lines[1].fields.get("error")), (EXIT_FAILED as u64, None));
}

fn a_child_in_the_sandbox_can_leave_its_error() {
    let serving = Serving::start_with(|server| server.sandbox(&[]), |_| Err::<(), _>(Errno::IO.into()));
    assert_eq!(read_all(&mut serving.connect()), b"");
    let line = serving.end_lines(1).remove(0);
    assert_eq!((line.number("exit"), line.get("error")), (EXIT_FAILED as u64, Errno::IO.to_string().as_str()));
}
