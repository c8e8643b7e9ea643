//! mpserv: what it says about what it cannot do, and how it ends then.

mod common;

use std::fs;
use std::net::TcpListener;
use std::os::unix::process::CommandExt;
use std::process::Command;

use common::server::*;
use common::*;

const USAGE: i32 = 100;
const TROUBLE: i32 = 111;

/// Whether this ends with the code, and one line on standard error that has all the words.
#[track_caller]
fn refused(arguments: &[&str], code: i32, words: &[&str]) {
    is_refusal(&run_mpserv(arguments), code, words);
}

#[track_caller]
fn is_refusal(ended: &Ended, code: i32, words: &[&str]) {
    assert_eq!((ended.status.code(), ended.stdout.as_str()), (Some(code), ""), "{}", ended.stderr);
    assert!(ended.stderr.starts_with("mpserv: ") && ended.stderr.lines().count() == 1, "{}", ended.stderr);
    for word in words {
        assert!(ended.stderr.contains(word), "no {word:?} in {}", ended.stderr);
    }
}

#[test]
fn alone_it_prints_a_short_usage() {
    let ended = run_mpserv(&[]);
    assert_eq!((ended.status.code(), ended.stdout.as_str()), (Some(USAGE), ""));
    assert!(ended.stderr.contains("usage: mpserv") && ended.stderr.lines().count() <= 3, "{}", ended.stderr);
}

#[test]
fn help_fits_a_screen_and_names_every_option() {
    let ended = run_mpserv(&["--help"]);
    assert_eq!((ended.status.code(), ended.stderr.as_str()), (Some(0), ""));
    assert!(ended.stdout.lines().all(|line| line.len() <= 80), "{}", ended.stdout);
    assert!(ended.stdout.lines().count() <= 40);
    assert_eq!(run_mpserv(&["-h"]).stdout, ended.stdout);
    let version = run_mpserv(&["--version"]);
    assert_eq!(version.stdout, concat!("mpserv ", env!("CARGO_PKG_VERSION"), "\n"));
    assert_eq!(run_mpserv(&["-V"]), version);
    // Each option that it shows is one.
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

#[test]
fn where_help_cannot_be_printed_it_says_so_by_its_status() {
    let status = Command::new("sh").args(["-c", &format!("exec '{MPSERV}' --help >/dev/full")]).status().unwrap();
    assert_eq!(status.code(), Some(TROUBLE));
}

#[test]
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

#[test]
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
    refused(&["--max-per-source", "x:message", "0"], USAGE, &["--max-per-source", "\"x\""]);
    refused(&["--max-per-source", &format!("1:{}", "m".repeat(600)), "0"], USAGE, &["the message is too long"]);
    refused(&["--orphans", "eat", "0"], USAGE, &["--orphans", "\"eat\"", "end or keep"]);
    refused(&["--keepalive", "maybe", "0"], USAGE, &["--keepalive", "on or off"]);
    refused(&["--log", "xml", "0"], USAGE, &["--log", "text, json or syslog"]);
    refused(&["--service", "time", "0"], USAGE, &["--service", "echo, discard or rot13"]);
}

#[test]
fn wrong_addresses_are_named() {
    let forms = "PORT, HOST:PORT, [IPV6]:PORT, unix:PATH or inherit";
    for address in [
        "x",
        "",
        "65536",
        "127.0.0.1:",
        "127.0.0.1:x",
        ":5000",
        "::1:5000",
        "[::1]",
        "[::1]5000",
        "[x]:5000",
        "[::1",
        "unix:",
        "1.2.3:5000",
        "256.1.1.1:80",
    ] {
        refused(&[address], USAGE, &[&format!("\"{address}\""), forms]);
    }
    refused(&["unix:/nonexistent-folder/socket"], TROUBLE, &["No such file or directory", "make it"]);
    refused(&[&format!("unix:/{}", "x".repeat(200))], TROUBLE, &["File name too long"]);
    refused(&["192.0.2.1:5000"], TROUBLE, &["192.0.2.1:5000", "ip address"]);
    refused(&["no-such-host.invalid:5000"], TROUBLE, &["no-such-host.invalid:5000", "check the name"]);
    refused(&[&format!("{}:5000", "h".repeat(300))], TROUBLE, &["File name too long"]);
    let many: Vec<&str> = (0..40).flat_map(|_| ["--listen", "127.0.0.1:0"]).collect();
    refused(&many, USAGE, &["too many", "second server"]);
}

#[test]
fn a_port_in_use_is_named() {
    let other = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = other.local_addr().unwrap().to_string();
    refused(&[&address], TROUBLE, &[&address, "Address already in use", "ss -ltnp"]);
}

#[test]
fn a_port_that_needs_privilege_is_named() {
    // SAFETY: the call has no precondition.
    let is_root = unsafe { mpserv::ffi::unistd::geteuid() == 0 };
    let first = fs::read_to_string("/proc/sys/net/ipv4/ip_unprivileged_port_start").unwrap();
    if first.trim().parse::<u16>().unwrap() <= 1 {
        eprintln!("skipped: on this machine no port needs privilege");
        return;
    }
    let folder = TempDir::new();
    let mut command = Command::new(copy_program(MPSERV, &folder));
    command.arg("127.0.0.1:1");
    if is_root {
        command.uid(user_of_nothing()).gid(user_of_nothing());
    }
    let ended = run(&mut command, Output::Pipe);
    is_refusal(&ended, TROUBLE, &["127.0.0.1:1", "Permission denied", "CAP_NET_BIND_SERVICE"]);
}

#[test]
fn a_program_that_cannot_run_is_named() {
    let folder = TempDir::new();
    let file = folder.join("file");
    fs::write(&file, "not a program").unwrap();
    let last_line = |arguments: &[&str]| {
        let ended = run_mpserv(arguments);
        assert_eq!(ended.status.code(), Some(TROUBLE), "{}", ended.stderr);
        ended.stderr.lines().last().unwrap().to_owned()
    };
    let line = last_line(&["127.0.0.1:0", "no-such-program"]);
    assert!(line.contains("no-such-program: No such file") && line.contains("PATH"), "{line}");
    let line = last_line(&["127.0.0.1:0", file.to_str().unwrap()]);
    assert!(line.contains("Permission denied") && line.contains("chmod +x"), "{line}");
    let line = last_line(&["127.0.0.1:0", folder.0.to_str().unwrap()]);
    assert!(line.contains("Permission denied"), "{line}");
    refused(&["127.0.0.1:0", ""], USAGE, &["no name"]);
}

#[test]
fn a_pidfile_that_cannot_be_is_named() {
    let folder = TempDir::new();
    refused(
        &["--pidfile", "/nonexistent-folder/pid", "127.0.0.1:0"],
        TROUBLE,
        &["/nonexistent-folder/pid", "No such file"],
    );
    refused(&["--pidfile", folder.0.to_str().unwrap(), "127.0.0.1:0"], TROUBLE, &["Is a directory"]);
    let link = folder.join("link");
    std::os::unix::fs::symlink("/dev/null", &link).unwrap();
    refused(&["--pidfile", link.to_str().unwrap(), "127.0.0.1:0"], TROUBLE, &["symbolic links"]);
    refused(&["--pidfile", "/dev/null", "127.0.0.1:0"], TROUBLE, &["not a regular file"]);
}
