//! Tests of the documents about `mpserv`, and of the installed files.

#[path = "../common/mod.rs"]
mod common;

mod ci;
mod commands;
mod events;
mod excerpts;
mod facts;
mod install;
mod links;
mod make;
mod options;
mod values;

use std::path::Path;
use std::process::ExitCode;

fn main() -> ExitCode {
    common::solo::main(&[
        ci::TESTS,
        commands::TESTS,
        excerpts::TESTS,
        options::TESTS,
        events::TESTS,
        facts::TESTS,
        install::TESTS,
        links::TESTS,
        make::TESTS,
        values::TESTS,
    ])
}

/// Returns the text of a file of this repository.
#[track_caller]
fn file(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(name);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}
