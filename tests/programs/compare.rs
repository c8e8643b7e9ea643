//! `make compare`, by the tool that it runs: C and Rust print the same and make the same calls, however they are driven.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use crate::cc;
use crate::common::network::Network;
use crate::common::{Impl, TempDir};

/// How many seconds the tool gives one run: some programs sleep for half a minute.
const TIMEOUT: &str = "60";

/// Runs `mpserv-audit --output`.
fn compare(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mpserv-audit"));
    let tool = command.args(["--output", "--timeout", TIMEOUT]).args(arguments).output().unwrap();
    assert!(tool.status.code() < Some(2), "{}", String::from_utf8_lossy(&tool.stderr));
    tool
}

/// The verdicts on a program: on a terminal, on a pipe, in a file, and on its calls.
fn verdicts<'o>(table: &'o str, program: &str) -> Vec<&'o str> {
    let (_, table) = table.rsplit_once("\n\n").unwrap();
    let row = table.lines().find(|line| line.split_whitespace().next() == Some(program));
    row.unwrap_or_else(|| panic!("{program} is not in {table}")).split_whitespace().skip(1).collect()
}

pub(crate) fn all_fourteen_print_the_same_and_make_the_same_calls() {
    let _network = Network::own();
    let tool = compare(&[]);
    let said = String::from_utf8(tool.stdout).unwrap();
    let programs: Vec<PathBuf> = std::fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("src/bin/textbook"))
        .unwrap()
        .map(|file| file.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "c"))
        .collect();
    assert_eq!(programs.len(), 14);
    let differ: Vec<&str> = programs
        .iter()
        .map(|program| program.file_stem().unwrap().to_str().unwrap())
        .filter(|program| verdicts(&said, program) != ["same"; 4])
        .collect();
    // Of those that differ, and of no other, all that the tool said.
    let about = |part: &&str| differ.iter().any(|program| part.trim_start().starts_with(&format!("{program} (")));
    let parts: Vec<&str> = said.split("\n\n").filter(about).collect();
    assert!(differ.is_empty(), "{differ:?} differ:\n{}", parts.join("\n\n"));
    assert_eq!(tool.status.code(), Some(0));
}

/// A user's own copy of a C program, in place of ours: once the same, once with another number, once with a call more.
pub(crate) fn a_program_that_does_otherwise_is_found() {
    let source =
        std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("src/bin/textbook/fork.c")).unwrap();
    let rust = Impl::Rust.path("fork");
    let rust = rust.parent().unwrap().to_str().unwrap();
    let own = |change: (&str, &str)| {
        let folder = TempDir::new();
        let changed = source.replace(change.0, change.1);
        std::fs::write(folder.join("fork.c"), changed).unwrap();
        cc::compile(cc::compiler(), &[folder.join("fork.c")], &["-O2"], &folder.join("fork")).unwrap();
        let tool = compare(&["--c", folder.0.to_str().unwrap(), "--rust", rust, "fork"]);
        let said = String::from_utf8(tool.stdout).unwrap();
        (verdicts(&said, "fork").join(" "), tool.status.code())
    };
    assert_eq!(own(("int lval = 20;", "int lval = 20;")), ("same same same same".to_owned(), Some(0)));
    let otherwise = "different different different different".to_owned();
    assert_eq!(own(("lval = 20", "lval = 21")), (otherwise, Some(1)));
    assert_eq!(own(("pid_t pid", "getppid(); pid_t pid")), ("same same same different".to_owned(), Some(1)));
}
