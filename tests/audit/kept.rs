//! A kept trace is compared like a run.

use std::fs;

use super::*;
use crate::common::Impl;

/// A trace of `fork` by this tool, and what the folder is called.
fn kept() -> (TempDir, String) {
    let folder = TempDir::new();
    let path = folder.join("kept").to_str().unwrap().to_owned();
    let fork = Impl::C.path("fork").display().to_string();
    assert_same(&["--a", &fork, "--b", &fork, "--stdout", "pipe", "--save", &path]);
    (folder, path)
}

#[test]
fn a_saved_trace_is_the_same_elsewhere() {
    let (folder, kept) = kept();
    let elsewhere = folder.join("elsewhere");
    fs::create_dir(&elsewhere).unwrap();
    fs::copy(Impl::C.path("fork"), elsewhere.join("fork")).unwrap();
    let compare = |program: &str| {
        let mut command = Command::new(program);
        command.current_dir(&elsewhere).stdin(Stdio::null()).env("HOME", "/nowhere").env("MORE", "than before");
        command
    };
    let arguments = ["--a", &kept, "--b", "./fork", "--output"];
    let tool = env!("CARGO_BIN_EXE_mpserv-audit");
    let output = finish(compare(tool).args(arguments));
    assert_eq!(output.status.code(), SAME, "{}{}", text(&output.stdout), text(&output.stderr));
    // An address space that is laid out as it was before addresses were random.
    let output = finish(compare("setarch").args(["-R", tool]).args(arguments));
    assert_eq!(output.status.code(), SAME, "{}{}", text(&output.stdout), text(&output.stderr));
}

#[test]
fn a_saved_trace_of_another_program_differs() {
    let (_folder, kept) = kept();
    let wait = Impl::C.path("zombie").display().to_string();
    let sleepless = ["--a", &kept, "--b", &wait, "--timeout", "50"];
    assert_verdict(&sleepless, "different", &["clock_nanosleep", "only in B"]);
}

#[test]
fn a_folder_with_one_side_serves_either() {
    let (_folder, kept) = kept();
    for entry in fs::read_dir(&kept).unwrap().flatten() {
        if entry.file_name().to_str().unwrap().starts_with("B.") {
            fs::remove_file(entry.path()).unwrap();
        }
    }
    let fork = Impl::Rust.path("fork").display().to_string();
    assert_same(&["--a", &kept, "--b", &fork]);
    assert_same(&["--a", &fork, "--b", &format!("{kept}/A.pipe"), "--stdout", "pipe"]);
    assert_trouble(&run(&["--a", &fork, "--b", &kept, "--stdout", "file"]), "no trace is called B.file");
}

#[test]
fn a_second_trace_takes_the_place_of_the_first() {
    let (_folder, kept) = kept();
    let names = || {
        let mut names: Vec<_> = fs::read_dir(&kept).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        names
    };
    let before = names();
    let fork = Impl::C.path("fork").display().to_string();
    assert_same(&["--a", &fork, "--b", &fork, "--stdout", "pipe", "--save", &kept]);
    assert_eq!(before.len(), names().len());
    assert_ne!(before, names(), "other process ids");
}

#[test]
fn plain_files_of_strace_are_compared_or_refused_by_name() {
    let folder = TempDir::new();
    let fork = Impl::C.path("fork").display().to_string();
    let trace = |name: &str, options: &[&str]| {
        let path = folder.join(name);
        let mut command = Command::new("strace");
        command.args(["-ff", "-o"]).arg(&path).args(options).arg(&fork).stdin(Stdio::null());
        assert!(finish(&mut command).status.success());
        path.to_str().unwrap().to_owned()
    };
    let whole = trace("whole", &["-v", "-s", "65535"]);
    assert_same(&["--a", &whole, "--b", &fork, "--stdout", "pipe"]);
    let short = trace("short", &[]);
    assert_trouble(&run(&["--a", &short, "--b", &fork]), "normalization environment");
    assert_trouble(&run(&["--a", &short, "--b", &fork]), "strace -ff -v -s 65535 -o FILE");
    let timed = trace("timed", &["-v", "-s", "65535", "-T"]);
    assert_trouble(&run(&["--a", &timed, "--b", &fork]), "strace -T");
    // One of the two processes is gone.
    let children = |prefix: &str| {
        let of_it = |path: &std::path::PathBuf| path.with_extension("") == Path::new(prefix);
        let mut all: Vec<_> = fs::read_dir(&folder.0).unwrap().map(|entry| entry.unwrap().path()).collect();
        all.retain(of_it);
        all.sort_by_key(|path| fs::metadata(path).unwrap().len());
        all
    };
    fs::remove_file(&children(&whole)[0]).unwrap();
    assert_trouble(&run(&["--a", &whole, "--b", &fork, "--stdout", "pipe"]), "is missing");
}
