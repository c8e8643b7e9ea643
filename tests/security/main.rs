//! mpserv: what separates a server, its children, other users and other processes of its own user. Each test is for a
//! promise in SECURITY.md.

#[path = "../common/mod.rs"]
mod common;

mod jail;
mod pidfile;
mod start;
mod tracing;
mod unix_socket;

use std::process::ExitCode;

fn main() -> ExitCode {
    common::solo::main(&[jail::TESTS, pidfile::TESTS, start::TESTS, tracing::TESTS, unix_socket::TESTS])
}
