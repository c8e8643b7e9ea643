//! Checks `build.rs`: the systems that it refuses, and the C programs that it compiles.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::common::solo::Test;
use crate::common::{Output, TempDir, run, write_executable};
use crate::{cc, tests};

pub(crate) const TESTS: &[Test] = tests![
    other_systems_are_refused_by_name,
    the_c_programs_are_compiled_again_after_each_change,
    c_programs_that_cannot_be_made_are_warned_of,
];

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
    // A busy machine may take long to compile.
    cc::run(rustc.args(["--edition", "2024", "-o"]).arg(&script).arg(source)).unwrap_or_else(|why| panic!("{why}"));
    script
}

/// Writes a compiler that notes its arguments, and then does what `shell` says. `$last` is its last argument.
fn compiler(folder: &TempDir, shell: &str) -> PathBuf {
    let (path, notes) = (folder.join("compiler"), folder.join("notes"));
    let script = format!("#!/bin/sh\nfor last; do :; done\necho \"$*\" >>{}\n{shell}\n", notes.display());
    write_executable(&path, &script);
    path
}

/// Returns the command that runs the build script as cargo does, on a system that is supported.
fn own(folder: &TempDir, script: &Path, compiler: &Path) -> Command {
    let out = folder.join("target/debug/build/mpserv-0/out");
    fs::create_dir_all(&out).unwrap();
    let mut command = Command::new(script);
    command.current_dir(env!("CARGO_MANIFEST_DIR")).env("CC", compiler).env("OUT_DIR", &out);
    for (name, value) in [("TARGET", "x"), ("HOST", "x"), ("CARGO_CFG_TARGET_OS", "linux")] {
        command.env(name, value);
    }
    command.env("CARGO_CFG_TARGET_ENV", "gnu").env("CARGO_CFG_TARGET_ARCH", "x86_64");
    command.env("CARGO_CFG_TARGET_POINTER_WIDTH", "64");
    command
}

/// Returns the lines that a run of the build script prints, without `cargo::`.
fn lines_of(command: &mut Command) -> Vec<String> {
    let ended = run(command, Output::Pipe);
    assert!(ended.status.success(), "{ended:?}");
    ended.stdout.lines().map(|line| line.strip_prefix("cargo::").unwrap().to_owned()).collect()
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut files: Vec<_> = fs::read_dir(folder).into_iter().flatten().map(|file| file.unwrap().path()).collect();
    files.sort();
    files
}

/// Returns the names of the C programs.
fn programs() -> Vec<String> {
    let sources = files(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src/bin/textbook"));
    let c = sources.iter().filter(|path| path.extension().is_some_and(|end| end == "c"));
    c.map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned()).collect()
}

/// The line that makes every linker put code into separate pages.
const LINKING: &str = "rustc-link-arg-bins=-Wl,-z,separate-code";

/// Runs the build script with a compiler that only makes its last argument, the output.
fn the_c_programs_are_compiled_again_after_each_change() {
    let folder = TempDir::new();
    let script = script(&folder, true);
    let compiler = compiler(&folder, "[ $last = --version ] || echo made >\"$last\"");
    let found = lines_of(&mut own(&folder, &script, &compiler));
    let made = folder.join("target/c");
    let expected = [
        "rerun-if-changed=build.rs",
        LINKING,
        "rerun-if-changed=tests/ffi/cc.rs",
        "rerun-if-changed=src/bin/textbook",
        "rerun-if-env-changed=CC",
        &format!("rustc-env=MPSERV_C_DIR={}", made.display()),
    ];
    assert_eq!(found, expected);
    assert_eq!(files(&made), programs().iter().map(|name| made.join(name)).collect::<Vec<_>>());
    // Each program is compiled alone, with lines and without tail calls, and linked as rustc links ours.
    let notes = fs::read_to_string(folder.join("notes")).unwrap();
    for name in programs() {
        let line = format!(
            "-std=gnu11 -O2 -g -fno-optimize-sibling-calls -fPIE -pie -Wl,-z,relro,-z,now,-z,separate-code \
             src/bin/textbook/{name}.c -o {}.new",
            made.join(&name).display()
        );
        assert!(notes.lines().any(|found| found == line), "no {line} in\n{notes}");
    }
}

/// Checks the warnings about C programs that cannot be made, and that cargo tries again.
fn c_programs_that_cannot_be_made_are_warned_of() {
    let folder = TempDir::new();
    let script = script(&folder, true);
    let of_warnings = |lines: Vec<String>| {
        let is_known = |line: &String| line == LINKING || line.starts_with("rustc-env=");
        lines.into_iter().filter(|line| !is_known(line)).skip(4).collect::<Vec<_>>()
    };
    // One program is refused, and what an earlier build made of it is removed.
    let refusing = compiler(
        &folder,
        "case $* in *textbook/wait.c*) printf 'a note\\nwait.c: error: no\\nmore\\n' >&2; exit 1;; *--version) ;; \
         *) echo made >\"$last\";; esac",
    );
    let wait = folder.join("target/c/wait");
    fs::create_dir_all(wait.parent().unwrap()).unwrap();
    fs::write(&wait, "of an earlier build").unwrap();
    let found = of_warnings(lines_of(&mut own(&folder, &script, &refusing)));
    let wait_is_there = format!("rerun-if-changed={}", wait.display());
    assert_eq!(found, [format!("warning=no C program {}: wait.c: error: no", wait.display()), wait_is_there]);
    assert!(!wait.exists() && wait.with_file_name("fork").exists());
    // There is no compiler.
    let found = of_warnings(lines_of(&mut own(&folder, &script, &folder.join("none"))));
    let never = folder.join("target/debug/build/mpserv-0/out/never");
    let hint = "warning=no C programs: there is no C compiler ($CC, else cc): apt-get install gcc libc6-dev";
    assert_eq!(found, [hint.to_owned(), format!("rerun-if-changed={}", never.display())]);
    // The compiler of this machine does not make programs for another.
    let found = of_warnings(lines_of(own(&folder, &script, &refusing).env("TARGET", "y").env_remove("CC")));
    assert_eq!(found, ["warning=no C programs: set CC to a C compiler for y"]);
    let found = lines_of(own(&folder, &script, &refusing).env("TARGET", "y"));
    assert!(found.iter().any(|line| line.contains("wait.c: error")), "{found:?}");
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
        // A package that depends on this one gets neither C programs nor flags of a linker.
        let lines = if is_supported { 1 } else { 2 };
        assert_eq!(ended.stdout.lines().count(), lines, "{target}: {}", ended.stdout);
    }
}
