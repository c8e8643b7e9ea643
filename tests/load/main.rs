//! Tests of `mpserv-load`.

#[path = "../common/mod.rs"]
mod common;

mod percentiles;
mod processes;
mod report;
mod runs;
mod server;

use std::process::ExitCode;

fn main() -> ExitCode {
    common::solo::main(&[runs::TESTS, report::TESTS, percentiles::TESTS, processes::TESTS])
}
