//! Tests verdicts on copies of the C programs that differ from ours in one way each. The copies differ in the texts, by
//! one more call, by another argument, by one call less, or by two calls in another order. The report must have a line
//! that names the change.
//!
//! The programs in `foreign` were written from the specification, in another style: other names, other texts, C++
//! classes. The verdict on each program must be that only the texts differ.

use std::path::Path;
use std::process::Command;

use crate::common::TempDir;
use crate::common::network::Network;

const TEXTS: &str = "same but for the texts";
const VALUES: &str = "same calls, other values";
const DIFFERENT: &str = "different";

/// A change to the source, its level, and the allowed beginnings of a line in the report, separated by bars.
type Change = (&'static [(&'static str, &'static str)], &'static str, &'static str);

/// The longest time of one run of the tool, in seconds: more than a very busy machine needs.
const TIMEOUT: &str = "90";

/// Returns the verdict on a C or C++ source, and the lines that name the differences.
fn verdict(source: &Path, arguments: &[&str], program: &str) -> (String, Vec<String>) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mpserv-audit"));
    let tool = command.args(["--timeout", TIMEOUT, "--c"]).arg(source).args(arguments).arg(program).output().unwrap();
    let (said, error) = (String::from_utf8(tool.stdout).unwrap(), String::from_utf8_lossy(&tool.stderr));
    let mut lines = said.lines().skip(1);
    let row = lines.next().unwrap_or_else(|| panic!("{program}: {error}"));
    // The level comes after the name and four numbers.
    let level: Vec<&str> = row.split_whitespace().skip(5).collect();
    let is_same = [["same"], ["varies"]].contains(&[level[0]]) && level.len() == 1;
    assert_eq!(tool.status.code(), Some(i32::from(!is_same)), "{said}{error}");
    (level.join(" "), lines.map(str::to_owned).collect())
}

/// Checks the verdict on a program with other texts, and on each change of it, with one drive.
#[track_caller]
fn levels(program: &str, drive: &str, changes: [Change; 4]) {
    let _network = Network::own();
    let folder = TempDir::new();
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let ours = std::fs::read_to_string(root.join("src/bin/textbook").join(program).with_extension("c")).unwrap();
    let changed = folder.join("changed.c");

    let mut texts = ours.clone();
    for print in ["printf(\"", "error_handling(\"", "fail(\"", "perror(\""] {
        texts = texts.replace(print, &format!("{print}other text: "));
    }
    std::fs::write(&changed, texts).unwrap();
    let (level, lines) = verdict(&changed, &["-o", "pty", "-d", drive], program);
    assert_eq!(level, TEXTS, "{program}, with other texts: {lines:#?}");
    assert!(lines.iter().any(|line| line.contains("printed: \"other text: ")), "{program}: {lines:#?}");

    for (edits, expected, named) in changes {
        let mut source = ours.clone();
        for (from, to) in edits {
            assert_eq!(source.matches(from).count(), 1, "{program}: '{from}'");
            source = source.replace(from, to);
        }
        std::fs::write(&changed, source).unwrap();
        let (level, lines) = verdict(&changed, &["-o", "pty", "-d", drive], program);
        assert_eq!(level, expected, "{program} with {edits:?}: {lines:#?}");
        let names = |line: &String| named.split('|').any(|named| line.trim_start().starts_with(named));
        assert!(lines.iter().any(names), "{program} with {edits:?}: {lines:#?}");
    }
}

pub(crate) fn of_fork() {
    levels(
        "fork",
        "run",
        [
            (&[("pid_t pid = fork", "getppid();\n\tpid_t pid = fork")], DIFFERENT, "getppid() only in C"),
            (&[("return 0;", "return 1;")], VALUES, "exit_group: status 1 / 0"),
            (&[("pid_t pid = fork()", "pid_t pid = 1")], DIFFERENT, "child 1 only in Rust"),
            // All other calls of the program print, and calls that print are put aside.
            (&[("pid_t pid", "printf(\"first\\n\");\n\tpid_t pid")], TEXTS, "printed: "),
        ],
    );
}

pub(crate) fn of_zombie() {
    levels(
        "zombie",
        "run",
        [
            (&[("pid_t pid = fork", "getppid();\n\tpid_t pid = fork")], DIFFERENT, "getppid() only in C"),
            (&[("sleep(30)", "sleep(31)")], VALUES, "clock_nanosleep: "),
            (&[("\t\tsleep(30);\n", "")], DIFFERENT, "clock_nanosleep(CLOCK_REALTIME, 0, {tv_sec=30,"),
            (
                &[("\t\tsleep(30);\n", ""), ("pid_t pid = fork", "sleep(30);\n\tpid_t pid = fork")],
                DIFFERENT,
                "clone(|clock_nanosleep(",
            ),
        ],
    );
}

pub(crate) fn of_wait() {
    const SECOND: &str = "\t\t\tpid = wait(&status);\n";
    const BETWEEN: &str = "\t\tpid = fork();\n\t\tif (pid == 0) {\n\t\t\texit(7);";
    levels(
        "wait",
        "run",
        [
            (
                &[("\t\t\tsleep(30)", "\t\t\twait(NULL);\n\t\t\tsleep(30)")],
                DIFFERENT,
                "wait4(-1, NULL, 0, NULL) only in C",
            ),
            (&[("exit(7)", "exit(8)")], VALUES, "exit_group: status 8 / 7"),
            (&[(SECOND, "")], DIFFERENT, "wait4("),
            (
                &[
                    ("\t\t\twait(&status);\n", ""),
                    (BETWEEN, "\t\twait(&status);\n\t\tpid = fork();\n\t\tif (pid == 0) {\n\t\t\texit(7);"),
                ],
                DIFFERENT,
                "clone(|wait4(",
            ),
        ],
    );
}

pub(crate) fn of_waitpid() {
    const LOOP: &str = "while (waitpid(-1, &status, WNOHANG) == 0) {\n\t\t\tsleep(3);";
    levels(
        "waitpid",
        "run",
        [
            (&[("pid_t pid = fork", "getppid();\n\tpid_t pid = fork")], DIFFERENT, "getppid() only in C"),
            (&[("sleep(15)", "sleep(14)")], VALUES, "clock_nanosleep: "),
            (&[("\t\tsleep(15);\n", "")], DIFFERENT, "clock_nanosleep(CLOCK_REALTIME, 0, {tv_sec=15,"),
            (&[(LOOP, "for (sleep(3); waitpid(-1, &status, WNOHANG) == 0; sleep(3)) {")], DIFFERENT, "wait4(-1, "),
        ],
    );
}

pub(crate) fn of_signal() {
    const ALARM: &str = "\talarm(2);\n\n\tfor";
    const TWO: &str = "\tsignal(SIGALRM, timeout);\n\tsignal(SIGINT, keycontrol);\n";
    const SWAPPED: &str = "\tsignal(SIGINT, keycontrol);\n\tsignal(SIGALRM, timeout);\n";
    levels(
        "signal",
        "ctrl-c",
        [
            (&[(ALARM, "\tgetppid();\n\talarm(2);\n\n\tfor")], DIFFERENT, "getppid() only in C"),
            (&[(ALARM, "\talarm(20);\n\n\tfor")], VALUES, "alarm: seconds 20 / 2"),
            (&[(ALARM, "\n\tfor")], DIFFERENT, "alarm(2) only in Rust"),
            (&[(TWO, SWAPPED)], DIFFERENT, "rt_sigaction(SIG"),
        ],
    );
}

pub(crate) fn of_sigaction() {
    const TWO: &str = "\tsigaction(SIGALRM, &act, NULL);\n\talarm(2);\n";
    levels(
        "sigaction",
        "ctrl-c",
        [
            (
                &[(TWO, "\tgetppid();\n\tsigaction(SIGALRM, &act, NULL);\n\talarm(2);\n")],
                DIFFERENT,
                "getppid() only in C",
            ),
            (&[("sa_flags = 0", "sa_flags = SA_RESTART")], VALUES, "rt_sigaction: "),
            (&[(TWO, "\tsigaction(SIGALRM, &act, NULL);\n")], DIFFERENT, "alarm(2) only in Rust"),
            (
                &[(TWO, "\talarm(2);\n\tsigaction(SIGALRM, &act, NULL);\n")],
                DIFFERENT,
                "rt_sigaction(SIGALRM|alarm(2) earlier",
            ),
        ],
    );
}

pub(crate) fn of_remove_zombie() {
    const TWO: &str = "\tsigaction(SIGCHLD, &act, NULL);\n\n\tpid_t pid = fork();\n";
    levels(
        "remove_zombie",
        "run",
        [
            (
                &[(TWO, "\tgetppid();\n\tsigaction(SIGCHLD, &act, NULL);\n\tpid_t pid = fork();\n")],
                DIFFERENT,
                "getppid() only in C",
            ),
            (&[("sleep(5)", "sleep(6)")], VALUES, "clock_nanosleep: "),
            (
                &[("\t\tsleep(10);\n\t\treturn 12;", "\t\treturn 12;")],
                DIFFERENT,
                "clock_nanosleep(CLOCK_REALTIME, 0, {tv_sec=10,",
            ),
            (
                &[(TWO, "\tpid_t pid = fork();\n\tif (pid != 0)\n\t\tsigaction(SIGCHLD, &act, NULL);\n")],
                DIFFERENT,
                "clone(|rt_sigaction(",
            ),
        ],
    );
}

pub(crate) fn of_echo_mpserv() {
    const TWO: &str = "\tsigaction(SIGCHLD, &act, NULL);\n\n\tint serv_sock = socket(PF_INET, SOCK_STREAM, 0);\n";
    const SWAPPED: &str = "\tint serv_sock = socket(PF_INET, SOCK_STREAM, 0);\n\tsigaction(SIGCHLD, &act, NULL);\n";
    levels(
        "echo_mpserv",
        "one client",
        [
            (&[("\tint serv_sock", "\tgetppid();\n\tint serv_sock")], DIFFERENT, "getppid() only in C"),
            (&[("listen(serv_sock, 5)", "listen(serv_sock, 6)")], VALUES, "listen: backlog 6 / 5"),
            (&[("\t\t\tclose(serv_sock);\n", "")], DIFFERENT, "close(3) only in Rust"),
            (&[(TWO, SWAPPED)], DIFFERENT, "rt_sigaction(SIGCHLD|socket(AF_INET, SOCK_STREAM, IPPROTO_IP) earlier"),
        ],
    );
}

pub(crate) fn of_echo_mpclient() {
    const SHUTDOWN: &str = "\t\t\tshutdown(sock, SHUT_WR);\n";
    levels(
        "echo_mpclient",
        "one server",
        [
            (&[("\tpid_t pid = fork", "\tgetppid();\n\tpid_t pid = fork")], DIFFERENT, "getppid() only in C"),
            (&[("read(sock, buf, BUF_SIZE)", "read(sock, buf, BUF_SIZE - 1)")], VALUES, "read: size 29 / 30"),
            (&[("\tclose(sock);\n", "")], DIFFERENT, "close(3) only in Rust"),
            (
                &[(SHUTDOWN, "\t\t\tclose(sock);\n\t\t\tshutdown(sock, SHUT_WR);\n\t\t\t_exit(0);\n")],
                DIFFERENT,
                "shutdown(3, SHUT_WR)",
            ),
        ],
    );
}

pub(crate) fn of_code05() {
    const CLOSES: &str = "\t\tServer_Closelistenfd(&server);\n\t\tprintf(";
    const ENDS: &str = "\t\tprintf(\"连接断开\\n\");\n";
    levels(
        "code05",
        "one client",
        [
            (
                &[(CLOSES, "\t\tServer_Closelistenfd(&server);\n\t\tgetppid();\n\t\tprintf(")],
                DIFFERENT,
                "getppid() only in C",
            ),
            (&[("BACKLOG 5", "BACKLOG 6")], VALUES, "listen: backlog 6 / 5"),
            (&[("\t\t\tServer_Closeconnfd(&server);\n", "")], DIFFERENT, "close(4) only in Rust"),
            (
                &[
                    (CLOSES, "\t\tprintf("),
                    (ENDS, "\t\tServer_Closelistenfd(&server);\n\t\tprintf(\"连接断开\\n\");\n"),
                ],
                DIFFERENT,
                "close(3) earlier in Rust than in C",
            ),
        ],
    );
}

pub(crate) fn of_code04() {
    const RECEIVES: &str = "\t\tif (Client_Recv(&client, buf, sizeof(buf) - 1) <= 0)\n";
    const SLEEPS: &str = "\t\tsleep(10);\n";
    levels(
        "code04",
        "one server",
        [
            (&[("\tfor (int i", "\tgetppid();\n\tfor (int i")], DIFFERENT, "getppid() only in C"),
            (&[("sizeof(buf) - 1)", "sizeof(buf) - 2)")], VALUES, "recvfrom: size 1022 / 1023"),
            (&[("\tClient_drop(&client);\n\treturn 0;", "\treturn 0;")], DIFFERENT, "close(3) only in Rust"),
            (
                &[
                    (SLEEPS, ""),
                    (RECEIVES, "\t\tsleep(10);\n\t\tif (Client_Recv(&client, buf, sizeof(buf) - 1) <= 0)\n"),
                ],
                DIFFERENT,
                "clock_nanosleep(|recvfrom(3",
            ),
        ],
    );
}

pub(crate) fn of_socket_serve() {
    const IGNORES: &str = "\tsignal(SIGCHLD, SIG_IGN); /*";
    const SOCKET: &str = "\tserver->m_listen_sock = socket(AF_INET, SOCK_STREAM, 0);\n";
    levels(
        "socket_serve",
        "one client",
        [
            (&[(IGNORES, "\tgetppid();\n\tsignal(SIGCHLD, SIG_IGN); /*")], DIFFERENT, "getppid() only in C"),
            (&[("BACKLOG 5", "BACKLOG 6")], VALUES, "listen: backlog 6 / 5"),
            (&[("\t\t\tCTcpServer_CloseClient(&server);\n", "")], DIFFERENT, "close(4) only in Rust"),
            (
                &[
                    (IGNORES, "\t/*"),
                    (
                        SOCKET,
                        "\tserver->m_listen_sock = socket(AF_INET, SOCK_STREAM, 0);\n\tsignal(SIGCHLD, SIG_IGN);\n",
                    ),
                ],
                DIFFERENT,
                "rt_sigaction(SIGCHLD|socket(AF_INET, SOCK_STREAM, IPPROTO_IP) earlier",
            ),
        ],
    );
}

pub(crate) fn of_socket_client() {
    const RECEIVES: &str = "\t\tif (CTcpClient_Recv(&client, buf, BUF_SIZE) <= 0)\n";
    const SLEEPS: &str = "\t\tsleep(1);\n";
    levels(
        "socket_client",
        "one server",
        [
            (&[("\tfor (int i", "\tgetppid();\n\tfor (int i")], DIFFERENT, "getppid() only in C"),
            (&[("buf, BUF_SIZE) <= 0", "buf, BUF_SIZE - 1) <= 0")], VALUES, "recvfrom: size 1023 / 1024"),
            (&[("\tCTcpClient_drop(&client);\n\treturn 0;", "\treturn 0;")], DIFFERENT, "close(3) only in Rust"),
            (
                &[(SLEEPS, ""), (RECEIVES, "\t\tsleep(1);\n\t\tif (CTcpClient_Recv(&client, buf, BUF_SIZE) <= 0)\n")],
                DIFFERENT,
                "clock_nanosleep(|recvfrom(3",
            ),
        ],
    );
}

pub(crate) fn of_rot13_serv() {
    const PIPE: &str = "\tsignal(SIGPIPE, SIG_IGN);\n";
    const CHILD: &str = "\tsignal(SIGCHLD, sigchld_handler);\n";
    levels(
        "rot13_serv",
        "reset",
        [
            (&[(PIPE, "\tgetppid();\n\tsignal(SIGPIPE, SIG_IGN);\n")], DIFFERENT, "getppid() only in C"),
            (&[("BACKLOG 1024", "BACKLOG 1023")], VALUES, "listen: backlog 1023 / 1024"),
            (
                &[("\tsetsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));\n", "")],
                DIFFERENT,
                "setsockopt(3",
            ),
            (
                &[(PIPE, ""), (CHILD, "\tsignal(SIGCHLD, sigchld_handler);\n\tsignal(SIGPIPE, SIG_IGN);\n")],
                DIFFERENT,
                "rt_sigaction(SIG",
            ),
        ],
    );
}

/// Checks the verdict on these programs of `foreign`.
#[track_caller]
fn only_texts_differ(files: &[&str]) {
    let _network = Network::own();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/programs/foreign");
    for file in files {
        let (program, _) = file.split_once('.').unwrap();
        let (level, lines) = verdict(&folder.join(file), &["-o", "pty"], program);
        assert_eq!(level, TEXTS, "{file}: {lines:#?}");
    }
}

pub(crate) fn foreign_processes() {
    only_texts_differ(&["fork.c", "zombie.c", "wait.c", "waitpid.c", "remove_zombie.c"]);
}

pub(crate) fn foreign_signals() {
    only_texts_differ(&["signal.c", "sigaction.c"]);
}

pub(crate) fn foreign_echo() {
    only_texts_differ(&["echo_mpserv.c", "echo_mpclient.c"]);
}

pub(crate) fn foreign_class_servers() {
    only_texts_differ(&["code05.cpp", "socket_serve.cpp"]);
}

pub(crate) fn foreign_class_clients() {
    only_texts_differ(&["code04.cpp", "socket_client.cpp"]);
}

pub(crate) fn foreign_rot13() {
    only_texts_differ(&["rot13_serv.c"]);
}
