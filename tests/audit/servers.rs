//! Compares any two servers, with any client.

use super::*;
use crate::common::Impl;

pub(crate) fn server(of: Impl, port: &str) -> String {
    format!("{} {port}", of.path("echo_mpserv").display())
}

/// Returns the shell command of a client, which takes the port from the environment.
fn client() -> String {
    format!("sh -c 'printf \"hello\\nq\\n\" | {} 127.0.0.1 $PORT'", Impl::C.path("echo_mpclient").display())
}

#[test]
fn a_server_that_serves_on_after_its_drive_is_interrupted() {
    let port = free_port().to_string();
    let (a, b) = (server(Impl::C, &port), server(Impl::Rust, &port));
    let out = assert_same(&["--a", &a, "--b", &b, "--listen", &port, "--drive", &client(), "--traces", "-o", "pipe"]);
    assert!(out.contains("--- SIGINT "), "{out}");
}

#[test]
fn two_servers_may_have_two_ports() {
    let (one, other) = (free_port().to_string(), free_port().to_string());
    let (a, b) = (server(Impl::C, &one), server(Impl::Rust, &other));
    let both = format!("{one},{other}");
    assert_same(&["--a", &a, "--b", &b, "--listen", &both, "--drive", &client(), "-o", "pipe"]);
}

#[test]
fn a_server_that_listens_elsewhere_is_told_at_once() {
    let (one, other) = (free_port().to_string(), free_port().to_string());
    let (a, b) = (server(Impl::C, &one), server(Impl::Rust, &other));
    // The failure must come before the time limit.
    let output = run(&["--a", &a, "--b", &b, "--listen", &one, "-o", "pipe", "--timeout", "1000"]);
    assert_trouble(&output, &format!("B: '{b}' listens on port {other}, not on port {one}"));
}

/// Checks that a program which is no server may go on for as long as it wants after its drive.
#[test]
fn a_program_that_goes_on_after_its_drive_is_not_interrupted() {
    let folder = TempDir::new();
    let source = "#include <unistd.h>\nint main(void)\n{\n\treturn (int)sleep(1);\n}\n";
    let sleeps = compile(&folder.0, "sleeps", source);
    let out = assert_same(&["--a", &sleeps, "--b", &sleeps, "--drive", "true", "--traces", "-o", "pipe"]);
    assert!(out.contains("exited with 0") && !out.contains("SIGINT"), "{out}");
}
