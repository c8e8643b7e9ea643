//! Tests the separation of a server from its children, from other users, and from other processes of its user. Each
//! test is for a promise in SECURITY.md.

#[path = "../common/mod.rs"]
mod common;

mod closing;
mod environment;
mod escape;
mod jail;
mod limits_behind_proxy;
mod pidfile;
mod rule_counts;
mod scoreboard;
mod start;
mod tracing;
mod unix_socket;

use std::process::ExitCode;

fn main() -> ExitCode {
    common::solo::main(&[
        closing::TESTS,
        environment::TESTS,
        escape::TESTS,
        jail::TESTS,
        limits_behind_proxy::TESTS,
        pidfile::TESTS,
        rule_counts::TESTS,
        scoreboard::TESTS,
        start::TESTS,
        tracing::TESTS,
        unix_socket::TESTS,
    ])
}
