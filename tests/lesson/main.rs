//! Tests the lessons: pages are consistent, sources are aligned, text can be read, and exercises are graded right.
//!
//! - `pages`: all pages of all programs, and a page with planted content
//! - `facts`: the statements of a page are true for its run
//! - `sentences`: what a page says about two programs whose runs have one order only
//! - `html`: reads a page's tags
//! - `contrast`: the colours of text
//! - `exercises`: the original fails, a mended program passes, another change does not

#[path = "../common/mod.rs"]
mod common;

mod contrast;
mod exercises;
mod facts;
mod html;
mod pages;
mod sentences;

use std::path::Path;
use std::process::{Command, Output, Stdio};

/// The longest time of a run of the tool, in seconds, on a busy machine.
const WATCHDOG: &str = "900";
/// The longest time of one run of a program, in seconds. Stacks of calls make strace slow.
const RUN_LIMIT: &str = "240";

/// Runs mpserv-audit to its end. On SIGTERM the tool first ends its programs.
fn audit(arguments: &[&str]) -> Output {
    let mut command = Command::new("timeout");
    command.args(["--signal=TERM", WATCHDOG, env!("CARGO_BIN_EXE_mpserv-audit")]);
    // The loader would seek each library in the folders that cargo sets, and strace would unwind each of these calls.
    command.args(["--timeout", RUN_LIMIT]).args(arguments).env_remove("LD_LIBRARY_PATH");
    command.stdin(Stdio::null()).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Returns a file of the repository.
fn repository(path: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// Compiles a C program with debugging information.
fn compile(source: &Path, program: &Path) {
    let mut compiler = Command::new(std::env::var_os("CC").unwrap_or_else(|| "cc".into()));
    compiler.args(["-g", "-w", "-pthread", "-I"]).arg(repository("src/bin/textbook"));
    assert!(compiler.arg("-o").arg(program).arg(source).status().unwrap().success());
}
