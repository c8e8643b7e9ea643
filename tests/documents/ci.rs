//! Checks the commands of `.ci/run`, by programs of the same names that write down how they are called.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::common::solo::Test;
use crate::common::{Output, TempDir, run};
use crate::tests;

pub(crate) const TESTS: &[Test] = tests![each_check_is_made_and_ends_the_run_if_it_fails];

/// The calls of a run in which nothing fails.
const CALLS: [&str; 10] = [
    "make test-packages",
    "make test SKIPS=fail",
    "make memcheck",
    "make sanitize",
    "make audit",
    "make faults FAULTS=part ARGS=mpserv fork wait",
    "make lint",
    "make test-cross",
    "rustup toolchain install 1.85.1 --profile minimal",
    "cargo +1.85.1 check --all-targets --all-features --target-dir target/oldest RUSTFLAGS=-D warnings",
];

fn each_check_is_made_and_ends_the_run_if_it_fails() {
    let folder = TempDir::new();
    let calls = folder.join("calls");
    fs::write(folder.join("test-summary"), "the first line\nthe last line\n").unwrap();
    for name in ["apt-get", "make", "rustup", "cargo"] {
        let call = "call=\"${0##*/} $*${RUSTFLAGS:+ RUSTFLAGS=$RUSTFLAGS}\"\necho \"$call\" >>\"$CALLS\"\n[ \"$call\" != \"$FAILS\" ]\n";
        fs::write(folder.join(name), format!("#!/bin/sh\n{call}")).unwrap();
        fs::set_permissions(folder.join(name), fs::Permissions::from_mode(0o755)).unwrap();
    }
    let path = std::env::join_paths([folder.0.as_path(), Path::new("/usr/bin"), Path::new("/bin")]).unwrap();
    let ci = |fails: &str| {
        let _ = fs::remove_file(&calls);
        let mut command = Command::new(Path::new(env!("CARGO_MANIFEST_DIR")).join(".ci/run"));
        command.env("PATH", &path).env("CALLS", &calls).env("FAILS", fails).env("CARGO_TARGET_DIR", &folder.0);
        let ended = run(command.env_remove("RUSTFLAGS").stdin(Stdio::null()), Output::Pipe);
        let calls: Vec<String> = fs::read_to_string(&calls).unwrap().lines().map(str::to_owned).collect();
        (ended.status.success(), ended.stdout, calls)
    };
    assert_eq!(ci(""), (true, "the last line\n".to_owned(), CALLS.map(str::to_owned).to_vec()));
    for (index, fails) in CALLS.iter().enumerate() {
        let (succeeds, _, calls) = ci(fails);
        // A machine on which an older Rust cannot be installed goes without.
        assert_eq!(succeeds, fails.starts_with("rustup"), "{fails}");
        assert_eq!(calls, CALLS[..=index], "{fails}");
    }
}
