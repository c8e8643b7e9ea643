//! Checks `build.rs`: the systems that it refuses, and the C programs that it compiles.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::common::solo::Test;
use crate::common::{Output, TempDir, run};
use crate::tests;

pub(crate) const TESTS: &[Test] =
    tests![other_systems_are_refused_by_name, the_c_programs_are_compiled_again_after_each_change,];

/// Compiles the build script, as for this package or for a package that depends on it.
fn script(folder: &TempDir, is_own: bool) -> PathBuf {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("build.rs");
    let script = folder.join("script");
    let mut rustc = Command::new("rustc");
    if is_own {
        rustc.env("CARGO_PRIMARY_PACKAGE", "1");
    } else {
        rustc.env_remove("CARGO_PRIMARY_PACKAGE");
    }
    let ended = run(rustc.args(["--edition", "2024", "-o"]).arg(&script).arg(source), Output::Pipe);
    assert!(ended.status.success(), "{}", ended.stderr);
    script
}

/// Runs the build script with a compiler that only makes its last argument, the output.
fn the_c_programs_are_compiled_again_after_each_change() {
    let folder = TempDir::new();
    let script = script(&folder, true);
    let (compiler, out) = (folder.join("compiler"), folder.join("target/debug/build/mpserv-0/out"));
    fs::write(&compiler, "#!/bin/sh\nfor last; do :; done\n[ $last = --version ] || echo \"$0\" >\"$last\"\n").unwrap();
    fs::set_permissions(&compiler, PermissionsExt::from_mode(0o755)).unwrap();
    fs::create_dir_all(&out).unwrap();
    let mut command = Command::new(&script);
    command.current_dir(env!("CARGO_MANIFEST_DIR")).env("CC", &compiler).env("OUT_DIR", &out);
    for (name, value) in [("TARGET", "x"), ("HOST", "x"), ("CARGO_CFG_TARGET_OS", "linux")] {
        command.env(name, value);
    }
    command.env("CARGO_CFG_TARGET_ENV", "gnu").env("CARGO_CFG_TARGET_ARCH", "x86_64");
    let ended = run(command.env("CARGO_CFG_TARGET_POINTER_WIDTH", "64"), Output::Pipe);
    assert!(ended.status.success() && !ended.stdout.contains("warning"), "{ended:?}");
    let again: Vec<&str> = ended.stdout.lines().filter_map(|line| line.strip_prefix("cargo::rerun-if-")).collect();
    let expected = ["changed=build.rs", "changed=tests/ffi/cc.rs", "changed=src/bin/textbook", "env-changed=CC"];
    assert_eq!(again, expected, "{ended:?}");
    let programs = folder.join("target/c");
    assert!(ended.stdout.contains(&format!("cargo::rustc-env=MPSERV_C_DIR={}\n", programs.display())), "{ended:?}");
    let names = |folder: &Path| {
        let files = fs::read_dir(folder).unwrap().map(|file| file.unwrap().path());
        files.collect::<Vec<PathBuf>>()
    };
    let sources = names(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src/bin/textbook"));
    let mut sources: Vec<_> = sources.iter().filter(|path| path.extension().is_some_and(|end| end == "c")).collect();
    sources.sort();
    let mut made = names(&programs);
    made.sort();
    assert!(made.iter().map(|path| path.file_stem()).eq(sources.iter().map(|path| path.file_stem())), "{made:?}");
}

/// Runs the build script as cargo does for a package that depends on this one: the script compiles no C programs.
fn other_systems_are_refused_by_name() {
    let folder = TempDir::new();
    let script = script(&folder, false);
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
