//! Tests of the program `mpserv`, seen from outside: a module for each option, signal or kind of error.
//!
//! `cargo test --test server idle_timeout` runs one module.

#[path = "../common/mod.rs"]
mod common;

mod accept_errors;
mod call_errors;
mod children;
mod command_line;
mod environment;
mod fork_errors;
mod grace;
mod haproxy;
mod hup;
mod idle_timeout;
mod inherited_signals;
mod listen;
mod log;
mod log_limits;
mod log_reader;
mod many_clients;
mod max_children;
mod max_lifetime;
mod max_per_source;
mod max_rate;
mod orphans;
mod pidfile;
mod prefork;
mod program;
mod proxy_header;
mod proxy_protocol;
mod rules;
mod sandbox;
mod sandbox_reach;
mod service;
mod signals;
mod socket_file;
mod socket_options;
mod status;
mod surroundings;
mod syslog;
mod systemd;
mod terminal;
mod usage;
mod user;
mod usr2;
mod usr2_handover;
mod usr2_stop;
mod usr2_under_load;

use std::process::ExitCode;

fn main() -> ExitCode {
    common::solo::main(&[
        accept_errors::TESTS,
        call_errors::TESTS,
        children::TESTS,
        command_line::TESTS,
        environment::TESTS,
        fork_errors::TESTS,
        grace::TESTS,
        haproxy::TESTS,
        hup::TESTS,
        idle_timeout::TESTS,
        inherited_signals::TESTS,
        listen::TESTS,
        log::TESTS,
        log_limits::TESTS,
        log_reader::TESTS,
        many_clients::TESTS,
        max_children::TESTS,
        max_lifetime::TESTS,
        max_per_source::TESTS,
        max_rate::TESTS,
        orphans::TESTS,
        pidfile::TESTS,
        prefork::TESTS,
        program::TESTS,
        proxy_header::TESTS,
        proxy_protocol::TESTS,
        rules::TESTS,
        sandbox::TESTS,
        sandbox_reach::TESTS,
        service::TESTS,
        signals::TESTS,
        socket_file::TESTS,
        socket_options::TESTS,
        status::TESTS,
        surroundings::TESTS,
        syslog::TESTS,
        systemd::TESTS,
        terminal::TESTS,
        usage::TESTS,
        user::TESTS,
        usr2::TESTS,
        usr2_handover::TESTS,
        usr2_stop::TESTS,
        usr2_under_load::TESTS,
    ])
}
