//! Errors that prevent a comparison. After such an error the tool leaves nothing behind.

use std::fs::{self, File};
use std::path::PathBuf;

use super::*;
use crate::common::{Impl, wait_for, wait_until, write_executable};
use crate::servers::server;
use mpserv::process::Pid;
use mpserv::signal::kill;

/// Returns a folder with a script in place of strace.
fn other_strace(script: &str) -> TempDir {
    let folder = TempDir::new();
    write_executable(&folder.join("strace"), &format!("#!/bin/sh\n{script}\n"));
    folder
}

fn with_strace(folder: &TempDir, arguments: &[&str]) -> Output {
    let path = format!("{}:/usr/bin:/bin", folder.0.display());
    finish(audit(arguments).env("PATH", path))
}

const TRUE: [&str; 6] = ["--a", "/bin/true", "--b", "/bin/true", "--stdout", "pipe"];

#[test]
fn a_missing_strace_is_told_with_how_to_get_it() {
    let empty = TempDir::new();
    let output = finish(audit(&TRUE).env("PATH", &empty.0));
    assert_trouble(&output, "apt-get install strace");
}

#[test]
fn a_strace_that_may_not_trace_is_told_with_how_to_permit_it() {
    let folder = other_strace(
        "[ \"$1\" = -V ] && echo 'strace -- version 6' && exit\n\
         echo 'strace: ptrace(PTRACE_SEIZE, 7): Operation not permitted' >&2; exit 1",
    );
    assert_trouble(&with_strace(&folder, &TRUE), "--cap-add=SYS_PTRACE");
}

#[test]
fn a_strace_that_may_not_attach_is_told_with_its_words() {
    let refusal = "strace: attach: ptrace(PTRACE_SEIZE, 7): Operation not permitted";
    let folder =
        other_strace(&format!("[ \"$1\" = -V ] && echo 'strace -- version 6' && exit\necho '{refusal}' >&2; exit 1"));
    let told = format!("strace did not attach to A: '/bin/true': {refusal}");
    assert_trouble(&with_strace(&folder, &[&TRUE[..], &["--faults", "part"]].concat()), &told);
}

#[test]
fn a_line_that_is_not_straces_is_shown_and_counts() {
    // The options are -ff -q -v -s N -o FILE.
    let folder = other_strace(
        "[ \"$1\" = -V ] && echo 'strace -- version 6' && exit\n\
         printf 'execve(\"/bin/true\", [], []) = 0\\nwhat is this\\n+++ exited with 0 +++\\n' > $7.4000000",
    );
    let output = with_strace(&folder, &TRUE);
    assert_eq!(output.status.code(), DIFFERENT, "{}", text(&output.stderr));
    assert!(text(&output.stdout).contains("unreadable line: what is this, once, first in the first process"));
}

/// Returns a command that does not end by itself, and that no other process on this machine runs.
fn long_sleep(number: u32) -> String {
    format!("sleep {number}.{}", std::process::id())
}

fn is_running(command: &str) -> bool {
    let processes = fs::read_dir("/proc").unwrap().flatten();
    processes.into_iter().any(|process| {
        fs::read(process.path().join("cmdline")).is_ok_and(|line| text(&line).replace('\0', " ").trim_end() == command)
    })
}

#[track_caller]
fn assert_nothing_left(temporary: &TempDir, command: &str) {
    let left: Vec<PathBuf> = fs::read_dir(&temporary.0).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert!(left.is_empty(), "{left:?}");
    assert!(!is_running(command), "{command} still runs");
}

#[test]
fn a_program_that_does_not_end_is_ended() {
    let temporary = TempDir::new();
    let command_line = long_sleep(98765);
    let mut command = audit(&["--a", &command_line, "--b", "true", "--timeout", "1"]);
    assert_trouble(&finish(command.env("TMPDIR", &temporary.0)), &format!("'{command_line}' did not end within 1 s"));
    assert_nothing_left(&temporary, &command_line);
}

#[test]
fn a_server_that_never_listens_is_told() {
    let temporary = TempDir::new();
    let port = free_port().to_string();
    let command_line = long_sleep(98764);
    // The program must have begun by then.
    let mut command = audit(&["--a", &command_line, "--b", "true", "--listen", &port, "--timeout", "5"]);
    assert_trouble(&finish(command.env("TMPDIR", &temporary.0)), &format!("never listened on port {port}"));
    assert_nothing_left(&temporary, &command_line);
    let output = run(&["--a", "true", "--b", "true", "--listen", &port]);
    assert_trouble(&output, &format!("ended without ever listening on port {port}"));
}

#[test]
fn a_port_in_use_is_told() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port().to_string();
    let output = run(&["--a", "true", "--b", "true", "--listen", &port]);
    assert_trouble(&output, &format!("port {port} is in use"));
}

#[test]
fn a_drive_that_fails_is_told() {
    let soon = ["--a", "sleep 0.5", "--b", "sleep 0.5", "--drive", "false", "-o", "pipe"];
    assert_trouble(&run(&soon), "--drive: false failed");
    let command_line = long_sleep(98763);
    let output = run(&["--a", &command_line, "--b", "true", "--drive", "false"]);
    assert_trouble(&output, "--drive: false failed");
    assert!(!is_running(&command_line));
    assert_trouble(&run(&["--a", &command_line, "--b", "true", "--drive", "/no/such/client"]), "/no/such/client");
}

#[test]
fn an_interrupted_audit_leaves_nothing() {
    let temporary = TempDir::new();
    let command = &long_sleep(98762);
    for signal in [Signal::INT, Signal::TERM, Signal::HUP] {
        let errors = temporary.join("errors");
        let mut audit = audit(&["--a", command, "--b", "true"]);
        let folder = TempDir::new();
        audit.env("TMPDIR", &folder.0).stdout(Stdio::null()).stderr(File::create(&errors).unwrap());
        let mut child = audit.spawn().unwrap();
        wait_until("the command runs", || is_running(command));
        let pid = Pid::from_raw(child.id().try_into().unwrap()).unwrap();
        kill(pid, signal).unwrap();
        let status = wait_for("the audit ends", || child.try_wait().unwrap());
        assert_eq!(status.code(), TROUBLE);
        let errors = fs::read_to_string(errors).unwrap();
        assert!(errors.contains("interrupted"), "{errors}");
        assert_nothing_left(&folder, command);
    }
}

#[test]
fn what_does_not_end_is_told_by_side_and_by_what_it_does() {
    let port = free_port().to_string();
    let ignores = format!("sh -c 'trap \"\" INT; exec {}'", server(Impl::C, &port));
    let arguments =
        ["--a", &server(Impl::C, &port), "--b", &ignores, "--listen", &port, "--timeout", "15", "-o", "pipe"];
    let output = run(&arguments);
    assert_trouble(&output, "B: 'sh -c");
    assert_trouble(&output, "did not end within 15 s");
    assert_trouble(&output, " is in accept(3, …)");
}

#[test]
fn sources_without_what_they_need_are_told() {
    let folder = other_strace("echo 'strace -- version 6'");
    let sources = [&TRUE[..], &["--sources"]].concat();
    assert_trouble(&with_strace(&folder, &sources), "strace -- version 6 cannot show stacks, which --sources needs");
    let folder = other_strace("echo other");
    assert_trouble(
        &with_strace(&folder, &TRUE),
        "is not the strace that is meant; install it with: apt-get install strace",
    );
    // The true strace, and nothing else.
    let folder = TempDir::new();
    let strace = Command::new("sh").args(["-c", "command -v strace"]).output().unwrap();
    std::os::unix::fs::symlink(text(&strace.stdout).trim(), folder.join("strace")).unwrap();
    let output = finish(audit(&sources).env("PATH", &folder.0));
    assert_trouble(
        &output,
        "addr2line, which --sources needs (install it with: apt-get install binutils): No such file",
    );
    write_executable(&folder.join("addr2line"), "#!/bin/sh\nkill -KILL $$\n");
    let output = finish(audit(&sources).env("PATH", &folder.0));
    assert_trouble(&output, "addr2line: signal: 9 (SIGKILL)");
}

/// An strace that gives no stacks in the first run of A and of B. It is first asked for its version.
const WITHOUT_STACKS_ONCE: &str = "\
echo \"$1\" >> \"${0%/*}/ran\"
real=$(PATH=${PATH#*:} && command -v strace)
[ \"$(wc -l < \"${0%/*}/ran\")\" -le 3 ] || exec \"$real\" \"$@\"
for word; do shift; [ \"$word\" = -k ] || set -- \"$@\" \"$word\"; done
exec \"$real\" \"$@\"";

#[test]
fn a_run_without_stacks_is_repeated() {
    let folder = other_strace(WITHOUT_STACKS_ONCE);
    let program = compile(&folder.0, "program", "#include <unistd.h>\nint main(void)\n{\n\treturn dup(1) < 0;\n}\n");
    let output = with_strace(&folder, &["--a", &program, "--b", &program, "--stdout", "pipe", "--sources"]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert!(text(&output.stdout).contains("program.c:4: return dup(1) < 0;"), "{}", text(&output.stdout));
    assert_eq!(fs::read_to_string(folder.join("ran")).unwrap().lines().count(), 5, "-V, and two runs of A and B");
}

#[test]
fn a_lesson_of_a_program_without_debugging_information_is_told() {
    let folder = TempDir::new();
    let page = folder.join("page.html");
    let output = run(&["--a", "/bin/true", "--lesson", page.to_str().unwrap()]);
    assert_trouble(&output, "the program: no call can be traced to a line of its source: compile it with -g, and");
    assert_trouble(&output, "strip it (");
}

#[test]
fn a_pair_that_cannot_meet_faults_is_told() {
    let folder = TempDir::new();
    let kept = report::keep(&folder, "one", 100, "");
    let told = "--faults runs both commands: a kept trace cannot meet a fault";
    assert_trouble(&run(&["--faults", "part", "--a", &kept, "--b", "true"]), told);
    let told = "/bin/true : /bin/false, without a fault: same calls, other values; --accept LEVEL takes less for good";
    assert_trouble(&run(&["--faults", "part", "--a", "/bin/true", "--b", "/bin/false"]), told);
}

#[test]
fn a_drive_that_does_not_end_either_is_told() {
    let (command_line, client) = (long_sleep(98761), long_sleep(98760));
    // The program must sleep by then.
    let output = run(&["--a", &command_line, "--b", "true", "--drive", &client, "--timeout", "5", "-o", "pipe"]);
    let told = format!("A: '{command_line}' did not end within 5 s (--timeout gives it more): process ");
    assert_trouble(&output, &told);
    assert_trouble(&output, " is in clock_nanosleep(");
    assert_trouble(&output, ". Its drive had not ended either");
    assert!(!is_running(&command_line) && !is_running(&client));
}

#[test]
fn a_textbook_program_that_is_not_built_is_told_with_how_to_make_it() {
    let folder = TempDir::new();
    let tool = folder.join("mpserv-audit");
    fs::copy(env!("CARGO_BIN_EXE_mpserv-audit"), &tool).unwrap();
    let output = finish(Command::new(&tool).arg("fork").stdin(Stdio::null()));
    assert_trouble(&output, &format!("{}/fork is not there; 'cargo build' makes it", folder.0.display()));
    let output = run(&["--rust", folder.0.to_str().unwrap(), "fork"]);
    let told = format!("{}/fork is not there: name a folder that has it, or its source", folder.0.display());
    assert_trouble(&output, &told);
}
