//! Checks the last calls of the four class programs after a call has failed.

use std::net::{Ipv4Addr, TcpListener};

use crate::bad_input::MESSAGE_PORT;
use crate::common::network::Network;
use crate::common::*;

/// Runs a program on a terminal, and returns calls after its first `socket()`, each as its name and result. The calls
/// are those on that socket, those on -1, and the writes.
fn calls(program: &str, language: Impl, injected: &[&str]) -> Vec<String> {
    let folder = TempDir::new();
    let trace = folder.join("trace");
    run(&mut strace(injected, &trace, language, program), Output::Terminal);
    let trace = std::fs::read_to_string(trace).unwrap();
    let (_, after) = trace.split_once("socket(AF_INET, SOCK_STREAM").unwrap();
    let mut lines = after.lines();
    let (_, socket) = lines.next().unwrap().rsplit_once(" = ").unwrap();
    let socket = socket.split(' ').next().unwrap();
    let call = |line: &str| {
        let (name, rest) = line.split_once(' ')?.1.trim_start().split_once('(')?;
        let (arguments, result) = rest.rsplit_once(" = ")?;
        let descriptor = arguments.split([',', ')']).next()?;
        let is_printed = name == "write" && descriptor == "1";
        let result = result.strip_prefix("-1 ").unwrap_or(result).split(' ').next()?;
        match is_printed {
            true => Some("print".to_owned()),
            false => (descriptor == socket || descriptor == "-1").then(|| format!("{name} {result}")),
        }
    };
    lines.take_while(|line| !line.contains("exit_group(")).filter_map(call).collect()
}

#[track_caller]
fn ends(program: &str, injected: &[&str], expected: &[&str]) {
    for language in IMPLS {
        assert_eq!(calls(program, language, injected), expected, "{program} {language:?}");
    }
}

pub(crate) fn a_socket_that_failed_is_used_and_closed() {
    let _network = Network::own();
    let no_socket = ["inject=socket:error=EMFILE:when=1"];
    ends("code05", &no_socket, &["bind EBADF", "close EBADF"]);
    ends("code04", &no_socket, &["connect EBADF", "print", "close EBADF"]);
    ends("socket_serve", &no_socket, &["bind EBADF", "close EBADF", "print"]);
    ends("socket_client", &no_socket, &["connect EBADF", "close EBADF", "print"]);
}

/// Checks that InitServer and ConnectToServer close the socket before main prints.
pub(crate) fn what_could_not_start_closes_its_socket() {
    let _network = Network::own();
    ends("code04", &[], &["connect ECONNREFUSED", "print", "close 0"]);
    ends("socket_client", &[], &["connect ECONNREFUSED", "close 0", "print"]);
    let no_listen = ["inject=listen:error=EADDRINUSE"];
    ends("code05", &no_listen, &["bind 0", "listen EADDRINUSE", "close 0"]);
    ends("socket_serve", &no_listen, &["bind 0", "listen EADDRINUSE", "close 0", "print"]);
    let _holder = TcpListener::bind((Ipv4Addr::UNSPECIFIED, MESSAGE_PORT)).unwrap();
    ends("code05", &[], &["bind EADDRINUSE", "close 0"]);
    ends("socket_serve", &[], &["bind EADDRINUSE", "close 0", "print"]);
}

/// Checks the destructors. The destructor of code05 closes every descriptor except 0, so it also closes -1. The
/// destructor of socket_serve closes descriptors above 0.
pub(crate) fn a_failed_accept_closes_what_the_destructor_closes() {
    let _network = Network::own();
    let no_connection = ["inject=accept:error=ECONNABORTED"];
    let started = ["bind 0", "listen 0", "accept ECONNABORTED"];
    ends("code05", &no_connection, &[&started[..], &["close 0", "close EBADF"]].concat());
    ends("socket_serve", &no_connection, &[&started[..], &["print", "close 0"]].concat());
}
