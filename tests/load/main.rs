//! Tests of `mpserv-load`.

#[path = "../common/mod.rs"]
mod common;

mod percentiles;
mod runs;

use std::process::ExitCode;

fn main() -> ExitCode {
    common::solo::main(&[runs::TESTS, percentiles::TESTS])
}
