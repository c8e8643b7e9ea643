//! Checks the systems that `build.rs` refuses.

use std::path::Path;
use std::process::Command;

use crate::common::solo::Test;
use crate::common::{Output, TempDir, run};
use crate::tests;

pub(crate) const TESTS: &[Test] = tests![other_systems_are_refused_by_name];

/// Runs the build script as cargo does for a package that depends on this one: the script compiles no C programs.
fn other_systems_are_refused_by_name() {
    let (folder, source) = (TempDir::new(), Path::new(env!("CARGO_MANIFEST_DIR")).join("build.rs"));
    let script = folder.join("script");
    let mut rustc = Command::new("rustc");
    rustc.env_remove("CARGO_PRIMARY_PACKAGE").args(["--edition", "2024", "-o"]).arg(&script).arg(source);
    let ended = run(&mut rustc, Output::Pipe);
    assert!(ended.status.success(), "{}", ended.stderr);
    for (target, system, library, processor, width, is_supported) in [
        ("x86_64-unknown-linux-gnu", "linux", "gnu", "x86_64", "64", true),
        ("aarch64-unknown-linux-gnu", "linux", "gnu", "aarch64", "64", true),
        ("riscv64gc-unknown-linux-gnu", "linux", "gnu", "riscv64", "64", true),
        ("x86_64-unknown-linux-gnux32", "linux", "gnu", "x86_64", "32", false),
        ("aarch64-unknown-linux-gnu_ilp32", "linux", "gnu", "aarch64", "32", false),
        ("i686-unknown-linux-gnu", "linux", "gnu", "x86", "32", false),
        ("s390x-unknown-linux-gnu", "linux", "gnu", "s390x", "64", false),
        ("x86_64-unknown-linux-musl", "linux", "musl", "x86_64", "64", false),
        ("x86_64-unknown-hurd-gnu", "hurd", "gnu", "x86_64", "64", false),
        ("x86_64-unknown-freebsd", "freebsd", "", "x86_64", "64", false),
    ] {
        let mut command = Command::new(&script);
        command.env("TARGET", target).env("CARGO_CFG_TARGET_OS", system).env("CARGO_CFG_TARGET_ENV", library);
        command.env("CARGO_CFG_TARGET_ARCH", processor).env("CARGO_CFG_TARGET_POINTER_WIDTH", width);
        let ended = run(&mut command, Output::Pipe);
        assert!(ended.status.success(), "{target}: {}", ended.stderr);
        let refusal = format!("cargo::error={target} is not supported: mpserv needs Linux with glibc 2.34 or later");
        assert_eq!(!ended.stdout.contains(&refusal), is_supported, "{target}: {}", ended.stdout);
    }
}
