//! Tests the usage text, and the messages about wrong command lines.

use std::path::Path;
use std::process::Command;

use crate::common::server::*;
use crate::common::solo::Test;
use crate::common::*;
use crate::tests;

pub(crate) const TESTS: &[Test] = tests![
    alone_it_prints_a_short_usage,
    help_fits_a_screen_and_names_every_option,
    where_help_cannot_be_printed_it_says_so_by_its_status,
    wrong_options_are_named,
    wrong_numbers_are_named,
    each_wrong_word_is_told_in_full,
    a_message_to_clients_has_510_bytes_at_most,
    without_any_argument_not_even_a_name_it_prints_its_usage,
];

fn alone_it_prints_a_short_usage() {
    let ended = run_mpserv(&[]);
    assert_eq!((ended.status.code(), ended.stdout.as_str()), (Some(USAGE), ""));
    assert!(ended.stderr.contains("usage: mpserv") && ended.stderr.lines().count() <= 3, "{}", ended.stderr);
}

fn help_fits_a_screen_and_names_every_option() {
    let ended = run_mpserv(&["--help"]);
    assert_eq!((ended.status.code(), ended.stderr.as_str()), (Some(0), ""));
    assert!(ended.stdout.lines().all(|line| line.len() <= 80), "{}", ended.stdout);
    assert!(ended.stdout.lines().count() <= 48);
    assert_eq!(run_mpserv(&["-h"]).stdout, ended.stdout);
    let version = run_mpserv(&["--version"]);
    assert_eq!(version.stdout, concat!("mpserv ", env!("CARGO_PKG_VERSION"), "\n"));
    assert_eq!(run_mpserv(&["-V"]), version);
    // Each option in the text is a real option.
    let options: Vec<&str> = ended
        .stdout
        .split_whitespace()
        .filter_map(|word| word.strip_prefix("--"))
        .filter(|word| word.starts_with(|c: char| c.is_ascii_lowercase()))
        .collect();
    assert!(options.len() >= 20, "{options:?}");
    for option in options.iter().filter(|option| !["help", "version"].contains(option)) {
        let stderr = run_mpserv(&[&format!("--{option}")]).stderr;
        assert!(!stderr.contains("begins so"), "--{option}: {stderr}");
    }
}

fn where_help_cannot_be_printed_it_says_so_by_its_status() {
    let status = Command::new("sh").args(["-c", &format!("exec '{MPSERV}' --help >/dev/full")]).status().unwrap();
    assert_eq!(status.code(), Some(TROUBLE));
}

fn wrong_options_are_named() {
    let help = "mpserv --help shows the options";
    refused(&["--nosuch", "0"], USAGE, &["--nosuch", help]);
    refused(&["-x", "0"], USAGE, &["-x", help]);
    refused(&["-vx", "0"], USAGE, &["-x", help]);
    refused(&["--max", "3", "0"], USAGE, &["--max", "more than one"]);
    refused(&["--quiet=3", "0"], USAGE, &["--quiet=3", "takes an argument"]);
    for option in ["-c", "-C", "-b", "-t", "--grace", "--listen", "--pidfile", "--log"] {
        refused(&[option], USAGE, &[option, "its argument is missing"]);
    }
    refused(&["0", "--max-children", "3"], USAGE, &["--max-children", "options stand before ADDRESS"]);
    refused(&["--service", "echo", "0", "cat"], USAGE, &["cat", "--service"]);
    refused(&["--idle-timeout", "3", "0", "cat"], USAGE, &["--idle-timeout", "--max-lifetime"]);
    refused(&["-v"], USAGE, &["no ADDRESS"]);
}

fn wrong_numbers_are_named() {
    for number in ["0", "-1", "+1", "x", "", "1x", "4194305", "99999999999999999999", " 1"] {
        refused(&["-c", number, "0"], USAGE, &["--max-children", &format!("\"{number}\""), "from 1 to 4194304"]);
    }
    for time in ["x", "", "-1", "1.", ".5", "1.2345", "1.2.3", "40000001", "1e3"] {
        refused(&["--grace", time, "0"], USAGE, &["--grace", &format!("\"{time}\""), "number of seconds"]);
    }
    refused(&["--idle-timeout", "0", "0"], USAGE, &["--idle-timeout", "\"0\""]);
    refused(&["--max-lifetime", "0.000", "0"], USAGE, &["--max-lifetime"]);
    refused(&["--max-rate", "3", "0"], USAGE, &["--max-rate", "N/SECONDS"]);
    refused(&["--max-rate", "0/1", "0"], USAGE, &["--max-rate", "from 1 to 1000000"]);
    refused(&["--max-rate", "3/0", "0"], USAGE, &["--max-rate", "number of seconds"]);
    for wrong in ["0", "33", "32:0", "32:129", "32:", ":64", "24:64:1", "+24"] {
        refused(&["--source-prefix", wrong, "0"], USAGE, &["--source-prefix"]);
    }
    refused(&["--max-per-source", "x:message", "0"], USAGE, &["--max-per-source", "\"x\""]);
    refused(&["--max-per-source", &format!("1:{}", "m".repeat(600)), "0"], USAGE, &["the message is too long"]);
    refused(&["--orphans", "eat", "0"], USAGE, &["--orphans", "\"eat\"", "end or keep"]);
    refused(&["--keepalive", "maybe", "0"], USAGE, &["--keepalive", "on or off"]);
    refused(&["--log", "xml", "0"], USAGE, &["--log", "text, json or syslog"]);
    refused(&["--service", "time", "0"], USAGE, &["--service", "echo, discard or rot13"]);
}

/// Checks the whole line for each option, and for options that do not go together.
fn each_wrong_word_is_told_in_full() {
    const COUNT: &str = "it is a number from 1 to 4194304";
    const TIME: &str = "it is a number of seconds from 0.001 to 40000000";
    const MODE: &str = "it is an octal number from 0 to 777, such as 660";
    const NAMES: &str = "the name is one of as core cpu data fsize locks memlock msgqueue nice nofile nproc rss rtprio \
                         rttime sigpending stack";
    let forms = "PORT, HOST:PORT, [IPV6]:PORT or unix:PATH";
    for (line, told) in [
        ("--max-children 0", format!("--max-children \"0\": {COUNT}")),
        ("--max-per-source 0", format!("--max-per-source \"0\": {COUNT}")),
        ("--source-prefix 33", "--source-prefix \"33\": it is a number from 1 to 32".to_owned()),
        ("--source-prefix 24:129", "--source-prefix \"129\": it is a number from 1 to 128".to_owned()),
        ("--max-rate 3", "--max-rate \"3\": it is N/SECONDS".to_owned()),
        ("--max-rate 1000001/1", "--max-rate \"1000001\": it is a number from 1 to 1000000".to_owned()),
        ("--max-rate 1/0", format!("--max-rate \"0\": {TIME}")),
        ("--prefork 0", format!("--prefork \"0\": {COUNT}")),
        ("--prefork 2-4194305", format!("--prefork \"4194305\": {COUNT}")),
        ("--prefork 1 --max-requests 0", "--max-requests \"0\": it is a number from 1 to 4294967295".to_owned()),
        ("--backlog 2147483648", "--backlog \"2147483648\": it is a number from 1 to 2147483647".to_owned()),
        ("--mode 888", format!("--mode \"888\": {MODE}")),
        ("--mode 1000", format!("--mode \"1000\": {MODE}")),
        ("--idle-timeout 0", format!("--idle-timeout \"0\": {TIME}")),
        ("--max-lifetime 40000001", format!("--max-lifetime \"40000001\": {TIME}")),
        ("--grace x", "--grace \"x\": it is a number of seconds from 0 to 40000000".to_owned()),
        ("--defer-accept 0.5", "--defer-accept \"0.5\": it is a number of seconds from 1 to 40000000".to_owned()),
        ("--rlimit x", "--rlimit \"x\": it is NAME=N".to_owned()),
        ("--rlimit x=1", format!("--rlimit \"x\": {NAMES}")),
        ("--rlimit core=y", "--rlimit \"y\": it is a number, or unlimited".to_owned()),
        ("--log-time x", "--log-time \"x\": it is auto, yes or no".to_owned()),
        ("--status /x", "ADDRESS \"0\": --status shows a server that runs; leave it out".to_owned()),
        ("--json", "--json: it is for --status PIDFILE".to_owned()),
        ("--watch", "--watch: it is for --status PIDFILE".to_owned()),
        ("--max-requests 5", "--max-requests: it is for --prefork".to_owned()),
        ("--owner 0", "--owner: it is for the file of an ADDRESS unix:PATH".to_owned()),
        ("--service echo 0", "PROGRAM \"0\": there is a --service as well; name one of them".to_owned()),
        ("--idle-timeout 1 0", "--idle-timeout: it is for services; for a PROGRAM use --max-lifetime".to_owned()),
        ("--prefork 1 0", "--prefork: it is for services; a PROGRAM serves one client and ends".to_owned()),
    ] {
        let arguments: Vec<&str> = line.split(' ').chain(["0"]).collect();
        let ended = run_mpserv(&arguments);
        assert_eq!((ended.status.code(), ended.stderr), (Some(USAGE), format!("mpserv: {told}\n")), "{line}");
    }
    assert_eq!(run_mpserv(&["-v"]).stderr, format!("mpserv: no ADDRESS is named; it is {forms}\n"));
    let short = "mpserv: usage: mpserv [OPTION]... ADDRESS [--] [PROGRAM [ARG]...]\n\
                 ADDRESS is PORT, HOST:PORT, [IPV6]:PORT, unix:PATH or inherit. mpserv --help shows the options.\n";
    assert_eq!(run_mpserv(&[]).stderr, short);
    // A long word is cut short.
    let shown = "x".repeat(80);
    refused(&["-c", &format!("{shown}y"), "0"], USAGE, &[&format!("--max-children \"{shown}\": ")]);
}

/// Counts the bytes without the end of the line. The end of the line makes 512 bytes of them.
fn a_message_to_clients_has_510_bytes_at_most() {
    let message = "m".repeat(510);
    let server = Served::start(&["-C", &format!("1:{message}"), "127.0.0.1:0"]);
    let first = server.client();
    assert_eq!(read_all(&mut server.connect()), format!("{message}\r\n").as_bytes());
    drop(first);
    server.stop();
    refused(&["-C", &format!("1:{message}m"), "0"], USAGE, &["--max-per-source", "the message is too long"]);
}

fn without_any_argument_not_even_a_name_it_prints_its_usage() {
    for (program, told) in [(MPSERV, "mpserv: usage: "), (env!("CARGO_BIN_EXE_mpserv-load"), "mpserv-load: no ADDRESS")]
    {
        let ended = run(&mut nameless(Path::new(program)), Output::Pipe);
        assert_eq!(ended.status.code(), Some(100), "{ended:?}");
        assert!(ended.stderr.starts_with(told), "{ended:?}");
    }
}
