//! Runs the recipes in the guide to the server, with the real tools.
//!
//! Each test has its own network, so that it can use the ports of the guide.

#[path = "../common/mod.rs"]
mod common;

mod container;
mod fail2ban;
mod logrotate;
mod prometheus;
mod runit;
mod s6;
mod ssh;
mod tls;

use std::ffi::OsString;
use std::fs;
use std::net::TcpStream;
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};
use std::time::Duration;

use common::server::MPSERV;
use common::{Ended, Output, Running, WATCHDOG, connect, wait_for};

fn main() -> ExitCode {
    common::solo::main(&[
        container::TESTS,
        fail2ban::TESTS,
        logrotate::TESTS,
        prometheus::TESTS,
        runit::TESTS,
        s6::TESTS,
        ssh::TESTS,
        tls::TESTS,
    ])
}

/// The port of most recipes.
const PORT: u16 = 7000;

/// Returns the text of a file of this repository.
#[track_caller]
fn file(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(name);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Returns the blocks of code in the guide under this heading, in their order.
#[track_caller]
fn blocks(heading: &str) -> Vec<String> {
    let guide = file("src/docs/server.md");
    let (_, text) = guide.split_once(&format!("\n{heading}\n")).unwrap_or_else(|| panic!("no {heading}"));
    let mut blocks = Vec::new();
    let mut open: Option<String> = None;
    for line in text.lines() {
        match &mut open {
            Some(_) if line == "```" => blocks.extend(open.take()),
            Some(block) => block.extend([line, "\n"]),
            None if line.starts_with('#') => break,
            None => open = line.starts_with("```").then(String::new),
        }
    }
    blocks
}

/// Returns a text with one part replaced. Fails if the part is missing.
#[track_caller]
fn with(text: &str, part: &str, other: impl AsRef<Path>) -> String {
    assert!(text.contains(part), "no {part} in {text}");
    text.replace(part, other.as_ref().to_str().unwrap())
}

/// Returns a command whose `PATH` includes `mpserv` and the programs for root.
fn command(program: &str) -> Command {
    let mut folders: Vec<std::path::PathBuf> = vec![Path::new(MPSERV).parent().unwrap().into()];
    folders.extend(std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default()));
    folders.extend(["/usr/sbin".into(), "/sbin".into()]);
    let path: OsString = std::env::join_paths(folders).unwrap();
    let mut command = Command::new(program);
    command.env("PATH", path).stdin(Stdio::null());
    command
}

/// The longest time of a foreign tool that ends by itself. Some tools take seconds on a busy machine.
const TOOL_LIMIT: Duration = Duration::from_secs(60);

/// Runs a foreign tool to its end.
#[track_caller]
fn run_tool(command: &mut Command) -> Ended {
    Running::start(command, Output::Pipe).wait_within(TOOL_LIMIT)
}

/// Returns the output of a foreign tool that must succeed.
#[track_caller]
fn output_of_tool(command: &mut Command) -> String {
    let ended = run_tool(command);
    assert!(ended.status.success(), "{command:?}: {}: {}", ended.status, ended.stderr);
    ended.stdout
}

/// Waits until a server listens on the port of the recipes, and connects to it.
#[track_caller]
fn client() -> TcpStream {
    wait_for("a server listens", || TcpStream::connect_timeout(&([127, 0, 0, 1], PORT).into(), WATCHDOG).ok());
    // The connection above may have come before the server was ready.
    connect(PORT)
}
