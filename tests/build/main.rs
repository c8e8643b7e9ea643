//! Tests of the programs' linking, and of other processors than that of this machine.

#[path = "../ffi/cc.rs"]
mod cc;
#[path = "../common/mod.rs"]
mod common;
mod cross;
mod linking;
#[path = "../ffi/mirror/mod.rs"]
mod mirror;
#[path = "../ffi/proof.rs"]
mod proof;
mod supported;

use std::process::ExitCode;

fn main() -> ExitCode {
    common::solo::main(&[linking::TESTS, supported::TESTS, cross::TESTS])
}
