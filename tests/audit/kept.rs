//! Checks that a kept trace is compared like a run.

use std::fs;
use std::path::PathBuf;

use super::*;
use crate::common::Impl;

/// A program whose child ends after its parent, whichever process the kernel runs first.
const CHILD_ENDS_LAST: &str = r"
#include <unistd.h>
int main(void)
{
	int ends[2];
	char byte;
	if (pipe(ends) != 0)
		return 1;
	switch (fork()) {
	case -1:
		return 1;
	case 0:
		close(ends[1]);
		return read(ends[0], &byte, 1) != 0;
	}
	return 0;
}
";

/// Makes a trace of `fork` by this tool. Returns its folder, and the folder's name.
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
    let mut compare = audit(&["--a", &kept, "--b", "./fork", "--output"]);
    let output = finish(compare.current_dir(&elsewhere).env("HOME", "/nowhere").env("MORE", "than before"));
    assert_eq!(output.status.code(), SAME, "{}{}", text(&output.stdout), text(&output.stderr));
}

#[test]
fn a_saved_trace_of_another_program_differs() {
    let (folder, kept) = kept();
    let source = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("src/bin/textbook/fork.c")).unwrap();
    let end = "\treturn 0;\n";
    assert!(source.contains(end));
    let sleeps = compile(&folder.0, "fork", &source.replacen(end, &format!("\tusleep(1);\n{end}"), 1));
    assert_verdict(&["--a", &kept, "--b", &sleeps], "different", &["clock_nanosleep", "only in B"]);
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
fn a_plain_trace_tells_on_which_output_it_was_made() {
    let folder = TempDir::new();
    let says = compile(&folder.0, "says", "#include <stdio.h>\nint main(void)\n{\n\treturn puts(\"hello\") < 0;\n}\n");
    let path = folder.join("trace").to_str().unwrap().to_owned();
    // The program's output goes to a pipe, and its addresses are random.
    assert!(finish(Command::new("strace").args(["-ff", "-v", "-s", "65535", "-o", &path, &says])).status.success());
    let output = run(&["--a", &path, "--b", &says]);
    assert_eq!(output.status.code(), SAME, "{}{}", text(&output.stdout), text(&output.stderr));
    assert!(text(&output.stderr).contains("(run, pipe)") && !text(&output.stderr).contains("(run, pty)"));
}

#[test]
fn plain_files_of_strace_are_compared_or_refused_by_name() {
    let folder = TempDir::new();
    let program = compile(&folder.0, "child_ends_last", CHILD_ENDS_LAST);
    let trace = |name: &str, options: &[&str]| {
        let path = folder.join(name);
        let mut command = Command::new("strace");
        // Without -s, strace could cut off the path of the folder.
        command.current_dir(&folder.0).arg("-o").arg(&path).args(options).arg("./child_ends_last");
        command.stdin(Stdio::null());
        assert!(finish(&mut command).status.success());
        path.to_str().unwrap().to_owned()
    };
    let whole = trace("whole", &["-ff", "-v", "-s", "65535"]);
    assert_same(&["--a", &whole, "--b", &program, "--stdout", "pipe"]);
    let short = trace("short", &["-ff"]);
    let output = run(&["--a", &short, "--b", &program]);
    assert_trouble(&output, "normalization environment");
    // The environment is in the first line of the first process.
    assert!(text(&output.stderr).contains(" line 1: "), "{}", text(&output.stderr));
    assert_trouble(&run(&["--a", &short, "--b", &program]), "strace -ff -v -s 65535 -o FILE");
    let timed = trace("timed", &["-ff", "-v", "-s", "65535", "-T"]);
    assert_trouble(&run(&["--a", &timed, "--b", &program]), "strace -T");
    let timed = trace("both_times", &["-ff", "-v", "-s", "65535", "-ttt", "-T"]);
    assert_same(&["--a", &timed, "--b", &program, "--stdout", "pipe"]);
    // A user may name one file of several, or have one file for all processes.
    let one = files(&folder.0, "whole").remove(0).display().to_string();
    assert_trouble(&run(&["--a", &one, "--b", &program]), &format!("one file of a trace; name them all: {whole}"));
    let together = trace("together", &["-f"]);
    assert_trouble(&run(&["--a", &together, "--b", &program]), "a trace in one file, but each process needs its own");
    // Remove the trace of one of the two processes.
    fs::remove_file(&files(&folder.0, "whole")[0]).unwrap();
    assert_trouble(&run(&["--a", &whole, "--b", &program, "--stdout", "pipe"]), "is missing");
}

/// Returns the files of the trace with this name, from the shortest to the longest. The trace of the root is the
/// longest, because it has the loader's calls.
fn files(folder: &Path, name: &str) -> Vec<PathBuf> {
    let mut all: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    all.retain(|path| path.file_stem().is_some_and(|stem| stem == name));
    all.retain(|path| path.extension().is_some_and(|id| id.to_str().unwrap().parse::<u32>().is_ok()));
    all.sort_by_key(|path| fs::metadata(path).unwrap().len());
    all
}

#[test]
fn the_kernels_order_of_two_processes_varies() {
    let (folder, kept) = kept();
    let kept_folder = folder.join("kept");
    let files = files(&kept_folder, "A.pipe");
    let [child, root] = files.as_slice() else { panic!("{files:?}") };
    let child = child.extension().unwrap().to_str().unwrap();
    let trace = fs::read_to_string(root).unwrap();
    let (before, end) = trace.split_at(trace.find("exit_group(0)").unwrap());
    let signal = format!(
        "--- SIGCHLD {{si_signo=SIGCHLD, si_code=CLD_EXITED, si_pid={child}, si_uid=0, si_status=0, si_utime=0, \
         si_stime=0}} ---\n"
    );
    fs::write(root, [before, &signal, end].concat()).unwrap();
    let fork = Impl::C.path("fork").display().to_string();
    let kept = format!("{kept}/A.pipe");
    let arguments = ["--a", &kept, "--b", &fork, "--stdout", "pipe"];
    // In a trace of this tool, the order is this tool's.
    assert_verdict(&arguments, "different", &["SIGCHLD only in A"]);
    fs::remove_file(kept_folder.join("A.pipe.printed")).unwrap();
    let json = folder.join("report.json");
    let out = assert_output(&[&arguments[..], &["--json", json.to_str().unwrap()]].concat());
    assert!(out.contains("  varies\n") && out.contains("  varies from run to run: SIGCHLD\n"), "{out}");
    // Each level includes those that are nearer.
    for level in ["same", "texts", "values", "different"] {
        assert_output(&[&arguments[..], &["--accept", level]].concat());
    }
    // For a machine as well, a difference that varies is none.
    let json = fs::read_to_string(json).unwrap();
    assert!(json.contains("\"same\":true,\"verdict\":\"varies\""), "{json}");
}

#[test]
fn traces_that_cannot_be_compared_are_refused_with_the_reason() {
    let folder = TempDir::new();
    let end = "exit_group(0) = ?\n+++ exited with 0 +++\n";
    let begin = "execve(\"/bin/x\", [\"x\"], []) = 0\n";
    let write = |name: &str, text: &str| fs::write(folder.join(name), text).unwrap();
    for (name, text) in [("two.100", format!("{begin}{end}")), ("two.101", format!("{begin}{end}"))] {
        write(name, &text);
    }
    write("late.100", end);
    write("child.100", &format!("{begin}fork() = 101\n{end}"));
    let make = "; make the trace with: strace -ff -v -s 65535 -o FILE COMMAND";
    let empty = folder.join("empty");
    fs::create_dir(&empty).unwrap();
    let path = |name: &str| folder.join(name).to_str().unwrap().to_owned();
    let (all, two, late, child) = (folder.0.display(), path("two"), path("late"), path("child"));
    for (kept, told) in [
        (path("empty"), format!("{}: there is no trace in this folder{make}", empty.display())),
        (all.to_string(), format!("{all}: no trace is called A.pipe; name one, as {all}/NAME: child, late, two")),
        (two.clone(), format!("{two}: 2 processes that no other has forked; one trace is of one command{make}")),
        (late.clone(), format!("{late}.100 does not begin with execve, which --from main needs{make}")),
        (
            child.clone(),
            format!(
                "{child}.100 line 2: it forked process 101, but {child}.101 is missing, which the normalization \
                 process-id needs{make}"
            ),
        ),
    ] {
        let output = run(&["--from", "execve", "--stdout", "pipe", "--a", &kept, "--b", "/bin/true"]);
        assert_trouble(&output, &told);
    }
}

#[test]
fn saved_traces_have_the_names_of_their_program_drive_output_and_side() {
    let folder = TempDir::new();
    let path = folder.0.to_str().unwrap();
    assert_same(&["--save", path, "-o", "pipe", "-d", "no client", "echo_mpserv"]);
    let mut names: Vec<String> = fs::read_dir(&folder.0)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .map(|name| name.trim_end_matches(|letter: char| letter.is_ascii_digit()).to_owned())
        .collect();
    names.sort();
    let expected = ["C.", "C.printed", "Rust.", "Rust.printed"].map(|end| format!("echo_mpserv.no-client.pipe.{end}"));
    assert_eq!(names, expected);
}
