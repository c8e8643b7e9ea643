//! mpserv-audit: it finds what is planted, says of equal runs that they are equal, and says clearly what is in its way.

#[path = "../common/mod.rs"]
mod common;

use std::fs::{self, File};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use common::{Impl, TempDir, wait_for, wait_until};
use mpserv::process::Pid;
use mpserv::signal::{Signal, kill};

const SAME: Option<i32> = Some(0);
const DIFFERENT: Option<i32> = Some(1);
const TROUBLE: Option<i32> = Some(2);

fn audit(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mpserv-audit"));
    command.args(arguments).stdin(Stdio::null());
    command
}

fn run(arguments: &[&str]) -> Output {
    audit(arguments).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// It finds no difference.
#[track_caller]
fn assert_same(arguments: &[&str]) -> String {
    let output = run(arguments);
    let (out, err) = (text(&output.stdout), text(&output.stderr));
    assert_eq!(output.status.code(), SAME, "{arguments:?}\n{out}\n{err}");
    assert!(out.contains("  same"), "{out}");
    out
}

/// It finds a difference, and shows it in a line that has all of these.
#[track_caller]
fn assert_different(arguments: &[&str], signs: &[&str]) {
    let output = run(arguments);
    let (out, err) = (text(&output.stdout), text(&output.stderr));
    assert_eq!(output.status.code(), DIFFERENT, "{arguments:?}\n{out}\n{err}");
    assert!(out.contains("  different"), "{out}");
    let shows = |line: &str| signs.iter().all(|sign| line.contains(sign));
    assert!(out.lines().any(shows), "no line has {signs:?}:\n{out}");
}

/// It cannot compare, and says why.
#[track_caller]
fn assert_trouble(output: &Output, sign: &str) {
    let err = text(&output.stderr);
    assert_eq!(output.status.code(), TROUBLE, "{}\n{err}", text(&output.stdout));
    assert!(
        err.lines().any(|line| line.starts_with("mpserv-audit: ") && line.contains(sign)),
        "{sign} is not in: {err}"
    );
}

// What is planted in the C program.

/// Folders with echo_mpserv, as it is and with changes.
struct Planted {
    folder: TempDir,
}

impl Planted {
    /// Makes each change, which must apply.
    fn new(changes: &[(&str, &str)]) -> Planted {
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/bin/textbook/echo_mpserv.c");
        let original = fs::read_to_string(source).unwrap();
        let mut changed = original.clone();
        for (from, to) in changes {
            assert!(changed.contains(from), "{from} is not in echo_mpserv.c");
            changed = changed.replacen(from, to, 1);
        }
        let planted = Planted { folder: TempDir::new() };
        planted.compile("original", &original);
        planted.compile("changed", &changed);
        planted
    }

    fn compile(&self, name: &str, source: &str) {
        let folder = self.folder.join(name);
        fs::create_dir(&folder).unwrap();
        let file = folder.join("echo_mpserv.c");
        fs::write(&file, source).unwrap();
        let headers = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/bin/textbook");
        let mut compiler = Command::new(std::env::var_os("CC").unwrap_or("cc".into()));
        compiler.args(["-O2", "-g", "-I"]).arg(headers).arg("-o").arg(folder.join("echo_mpserv")).arg(file);
        assert!(compiler.status().unwrap().success());
    }

    fn path(&self, name: &str) -> String {
        self.folder.join(name).to_str().unwrap().to_owned()
    }

    /// Compares the two, with one of the drives.
    #[track_caller]
    fn is_found(&self, drive: &str, signs: &[&str]) {
        let (original, changed) = (self.path("original"), self.path("changed"));
        let arguments = ["--c", &original, "--rust", &changed, "--drive", drive, "--stdout", "pipe", "echo_mpserv"];
        assert_different(&arguments, signs);
    }
}

#[test]
fn nothing_planted_is_nothing_found() {
    let planted = Planted::new(&[]);
    let (original, changed) = (planted.path("original"), planted.path("changed"));
    assert_same(&["--c", &original, "--rust", &changed, "--stdout", "pipe", "echo_mpserv"]);
}

#[test]
fn an_extra_getpid_is_found() {
    Planted::new(&[("int serv_sock = socket", "getpid();\n\tint serv_sock = socket")])
        .is_found("no client", &[">", "getpid()"]);
}

#[test]
fn a_listener_that_the_child_does_not_close_is_found() {
    Planted::new(&[("\t\t\tclose(serv_sock);\n", "")]).is_found("one client", &["close(3)", "<"]);
}

#[test]
fn restart_is_found() {
    Planted::new(&[("sa_flags = 0", "sa_flags = SA_RESTART")]).is_found("no client", &["|SA_RESTART,"]);
}

#[test]
fn another_backlog_is_found() {
    Planted::new(&[("listen(serv_sock, 5)", "listen(serv_sock, 6)")])
        .is_found("no client", &["listen(3, 5)", "|", "listen(3, 6)"]);
}

#[test]
fn an_ignored_sigchld_is_found() {
    Planted::new(&[
        ("sa_handler = read_childproc", "sa_handler = SIG_IGN"),
        ("static void read_childproc", "__attribute__((unused)) static void read_childproc"),
    ])
    .is_found("one client", &["SIG_IGN"]);
}

#[test]
fn one_waitpid_too_many_is_found() {
    Planted::new(&[("\tprintf(\"removed", "\twaitpid(-1, &status, WNOHANG);\n\tprintf(\"removed")])
        .is_found("one client", &[">", "wait4(-1", "ECHILD"]);
}

#[test]
fn a_write_of_another_length_is_found() {
    Planted::new(&[("write(clnt_sock, buf, str_len)", "write(clnt_sock, buf, str_len - (str_len == 12))")])
        .is_found("one client", &["write(4, ", "|", "= 11"]);
}

#[test]
fn two_writes_in_another_order_are_found() {
    let in_order = [("printf(\"client disconnected...\\n\");", "write(1, \"x\", 1); write(1, \"y\", 1);")];
    let swapped = [("printf(\"client disconnected...\\n\");", "write(1, \"y\", 1); write(1, \"x\", 1);")];
    let (one, other) = (Planted::new(&in_order), Planted::new(&swapped));
    let (one, other) = (one.path("changed"), other.path("changed"));
    let arguments = ["--c", &one, "--rust", &other, "--drive", "one client", "--stdout", "pipe", "echo_mpserv"];
    assert_different(&arguments, &["write(1, \"x\", 1)", "<"]);
    assert_different(&arguments, &["> write(1, \"x\", 1)"]);
}

#[test]
fn a_child_that_exits_with_1_is_found() {
    Planted::new(&[("return 0;", "return 1;")])
        .is_found("one client", &["+++ exited with 0 +++", "|", "+++ exited with 1 +++"]);
}

#[test]
fn a_process_more_is_found() {
    Planted::new(&[("close(serv_sock);\n", "close(serv_sock);\n\t\t\tif (fork() == 0)\n\t\t\t\t_exit(0);\n")])
        .is_found("one client", &["child 1.1 (not there)", "child 1.1"]);
}

// Equal runs.

#[test]
fn the_programs_are_the_same_on_all_outputs() {
    let c = Impl::C.path("fork");
    let c = c.parent().unwrap().to_str().unwrap();
    let out = assert_same(&["--c", c, "fork", "zombie", "wait", "echo_mpserv"]);
    assert_eq!(out.lines().filter(|line| line.ends_with("  same")).count(), 4);
}

#[test]
fn a_run_is_the_same_as_itself() {
    for command in ["/bin/true", "sh -c 'ls /; id; true'", "sh -c 'ls / | wc -l & wait; exit 3'"] {
        for from in ["main", "execve"] {
            assert_same(&["--a", command, "--b", command, "--from", from]);
        }
    }
}

#[test]
fn two_shells_are_not_the_same() {
    assert_different(&["--a", "dash -c :", "--b", "bash -c :", "--stdout", "pipe"], &[">"]);
}

#[test]
#[ignore = "needs python3 and nginx-light"]
fn a_program_with_children_is_the_same_as_itself() {
    let python = "/usr/bin/python3 -c 'import os; pid = os.fork() or os._exit(3); print(os.waitpid(pid, 0)[0] == pid)'";
    assert_same(&["--a", python, "--b", python, "--from", "execve"]);
}

#[test]
#[ignore = "needs python3 and nginx-light"]
fn a_server_with_two_workers_is_the_same_as_itself() {
    let folder = TempDir::new();
    let path = |name: &str| folder.join(name).to_str().unwrap().to_owned();
    let port = free_port();
    let configuration = format!(
        "daemon off; worker_processes 2; pid {}; error_log stderr; events {{ worker_connections 8; }}\n\
         http {{ access_log off; client_body_temp_path {}; proxy_temp_path {}; fastcgi_temp_path {}; uwsgi_temp_path {}; \
         scgi_temp_path {}; server {{ listen 127.0.0.1:{port}; }} }}\n",
        path("pid"),
        path("a"),
        path("b"),
        path("c"),
        path("d"),
        path("e"),
    );
    fs::write(path("nginx.conf"), configuration).unwrap();
    let command = format!("/usr/sbin/nginx -e stderr -c {}", path("nginx.conf"));
    let listen = port.to_string();
    // The first run makes the folders that later ones find.
    let warm_up = ["--a", &command, "--b", &command, "--listen", &listen, "--signal", "QUIT", "--stdout", "pipe"];
    assert!(run(&warm_up).status.code() != TROUBLE);
    assert_same(&["--a", &command, "--b", &command, "--listen", &listen, "--signal", "QUIT"]);
}

/// A port that was free a moment ago.
fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

#[test]
fn a_server_of_ones_own_is_driven_by_any_client() {
    let port = free_port().to_string();
    let server = |of: Impl| format!("{} {port}", of.path("echo_mpserv").display());
    let client = Impl::C.path("echo_mpclient");
    let drive = format!("sh -c 'printf \"hello\\nq\\n\" | {} 127.0.0.1 {port}'", client.display());
    let arguments = ["--listen", &port, "--drive", &drive, "--signal", "INT"];
    let (a, b) = (server(Impl::C), server(Impl::Rust));
    assert_same(&[&["--a", &a, "--b", &b], &arguments[..]].concat());
}

// Reports.

#[test]
fn reports_are_whole_and_need_nothing_else() {
    let folder = TempDir::new();
    let path = |name: &str| folder.join(name).to_str().unwrap().to_owned();
    let (html, json, save) = (path("page.html"), path("report.json"), path("traces"));
    assert_same(&["--html", &html, "--json", &json, "--save", &save, "--stdout", "pipe", "fork"]);
    let page = fs::read_to_string(html).unwrap();
    for sign in ["<svg", "fork: child 1", "prefers-color-scheme: dark", "</html>"] {
        assert!(page.contains(sign), "{sign}");
    }
    for outside in ["http:", "https:", "<script", "@import", "src="] {
        assert!(!page.contains(outside), "{outside}");
    }
    let report = fs::read_to_string(json).unwrap();
    for sign in ["\"same\":true", "\"name\":\"fork\"", "\"differences\":0", "\"place\":\"child 1\""] {
        assert!(report.contains(sign), "{sign}");
    }
    assert_eq!(fs::read_dir(save).unwrap().count(), 4);
}

#[test]
fn traces_are_shown_side_by_side_as_wide_as_asked() {
    let arguments = ["--diff", "--stdout", "pipe", "--a", "/bin/true", "--b", "/bin/false"];
    for width in [60, 100, 200] {
        let output = audit(&arguments).env("COLUMNS", width.to_string()).output().unwrap();
        let out = text(&output.stdout);
        let traces = out.lines().skip_while(|line| !line.starts_with("A: root"));
        assert!(traces.clone().count() >= 3);
        assert!(traces.into_iter().all(|line| line.chars().count() <= width), "{out}");
        assert!(out.lines().any(|line| line.contains("exit_group(0)") && line.contains("exit_group(1)")));
        assert!(!out.contains('\x1b'), "colour in a pipe");
    }
}

#[test]
fn sources_name_the_line_that_made_each_call() {
    let planted = Planted::new(&[]);
    let (original, changed) = (planted.path("original"), planted.path("changed"));
    let out = assert_same(&[
        "--c",
        &original,
        "--rust",
        &changed,
        "-d",
        "no client",
        "-o",
        "pipe",
        "--sources",
        "echo_mpserv",
    ]);
    let lines: Vec<&str> = out.lines().collect();
    let at = lines.iter().position(|line| line.starts_with("listen(3, 5)")).unwrap();
    assert!(
        lines[at + 1].contains("echo_mpserv.c:") && lines[at + 1].contains("listen(serv_sock, 5)"),
        "{}",
        lines[at + 1]
    );
}

#[test]
fn the_normalizations_are_listed_with_their_reasons() {
    let out = assert_output(&["--normalizations"]);
    for name in
        ["process-id", "pointer", "ephemeral-port", "own-path", "random", "time", "usage", "own-segments", "endless"]
    {
        assert!(out.lines().any(|line| line == name), "{name}");
    }
    assert!(out.matches("  why:  ").count() >= 8);
}

fn assert_output(arguments: &[&str]) -> String {
    let output = run(arguments);
    assert_eq!(output.status.code(), SAME);
    text(&output.stdout)
}

#[test]
fn help_fits_a_screen_and_names_all_options() {
    let help = assert_output(&["--help"]);
    assert!(help.lines().all(|line| line.chars().count() <= 100));
    for option in [
        "--a",
        "--b",
        "--listen",
        "--drive",
        "--signal",
        "--stdout",
        "--from",
        "--normalizations",
        "--diff",
        "--sources",
        "--html",
        "--json",
        "--save",
        "--timeout",
        "--c ",
        "--rust",
    ] {
        assert!(help.contains(option), "{option}");
    }
    assert!(assert_output(&["--version"]).starts_with("mpserv-audit "));
}

// What is in its way.

#[test]
fn a_wrong_command_line_is_told() {
    for (arguments, sign) in [
        (&["--nonsense"][..], "--nonsense"),
        (&["--listen"], "--listen"),
        (&["--listen", "0", "--a", "x", "--b", "y"], "not a port"),
        (&["--a", "true"], "--a and --b"),
        (&["--stdout", "paper"], "paper"),
        (&["--from", "here"], "here"),
        (&["--timeout", "0"], "--timeout 0"),
        (&["nonsense"], "nonsense"),
        (&["--drive", "nonsense", "fork"], "nonsense"),
        (&["--c", "/nowhere", "fork"], "/nowhere/fork"),
        (&["--signal", "INT"], "--signal"),
        (&["--a", "true", "--b", "true", "--signal", "NONSENSE"], "NONSENSE"),
        (&["--a", "true | cat", "--b", "true"], "sh -c"),
        (&["--a", "'true", "--b", "true"], "does not end"),
        (&["--a", "", "--b", "true"], "no command"),
        (&["--a", "/no/such/program", "--b", "true"], "/no/such/program"),
        (&["--a", "true", "--b", "true", "--html", "/no/such/folder/page"], "/no/such/folder/page"),
    ] {
        assert_trouble(&run(arguments), sign);
    }
}

/// A folder with a strace that is this script.
fn other_strace(script: &str) -> TempDir {
    let folder = TempDir::new();
    let path = folder.join("strace");
    fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    folder
}

fn with_strace(folder: &TempDir, arguments: &[&str]) -> Output {
    let path = format!("{}:/usr/bin:/bin", folder.0.display());
    audit(arguments).env("PATH", path).output().unwrap()
}

const TRUE: [&str; 6] = ["--a", "/bin/true", "--b", "/bin/true", "--stdout", "pipe"];

#[test]
fn a_missing_strace_is_told_with_how_to_get_it() {
    let empty = TempDir::new();
    let output = audit(&TRUE).env("PATH", &empty.0).output().unwrap();
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
fn a_line_that_is_not_straces_is_shown_and_counts() {
    // The options are -ff -q -v -s N -o FILE.
    let folder = other_strace(
        "[ \"$1\" = -V ] && echo 'strace -- version 6' && exit\n\
         printf 'execve(\"/bin/true\", [], []) = 0\\nwhat is this\\n+++ exited with 0 +++\\n' > $7.4000000",
    );
    let output = with_strace(&folder, &TRUE);
    assert_eq!(output.status.code(), DIFFERENT, "{}", text(&output.stderr));
    assert!(text(&output.stdout).contains("what is this"));
}

/// What an audit leaves in the folder for temporary files, and which processes run a command.
/// A command that does not end by itself, and that nobody else on this machine runs.
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
    assert_trouble(
        &command.env("TMPDIR", &temporary.0).output().unwrap(),
        &format!("'{command_line}' did not end within 1 s"),
    );
    assert_nothing_left(&temporary, &command_line);
}

#[test]
fn a_server_that_never_listens_is_told() {
    let temporary = TempDir::new();
    let port = free_port().to_string();
    let command_line = long_sleep(98764);
    let mut command = audit(&["--a", &command_line, "--b", "true", "--listen", &port, "--timeout", "1"]);
    assert_trouble(&command.env("TMPDIR", &temporary.0).output().unwrap(), &format!("never listened on port {port}"));
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
    for signal in [Signal::INT, Signal::TERM] {
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
        assert!(fs::read_to_string(errors).unwrap().contains("interrupted"));
        assert_nothing_left(&folder, command);
    }
}
