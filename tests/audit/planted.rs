//! Single changes of a program, and the verdict and the first line that each must give.

use super::*;

const OTHER: &str = "different";
const VALUES: &str = "same calls, other values";
const TEXTS: &str = "same but for the texts";

#[test]
fn nothing_planted_is_nothing_found() {
    let planted = Planted::new(&[]);
    let (original, changed) = (planted.path("original"), planted.path("changed"));
    assert_same(&["--c", &original, "--rust", &changed, "--stdout", "pipe", "echo_mpserv"]);
}

#[test]
fn an_extra_getpid_is_found() {
    Planted::new(&[("int serv_sock = socket", "getpid();\n\tint serv_sock = socket")]).gives(
        "no client",
        OTHER,
        &["getpid() only in Rust, once"],
    );
}

#[test]
fn a_listener_that_the_child_does_not_close_is_found() {
    Planted::new(&[("\t\t\tclose(serv_sock);\n", "")]).gives(
        "one client",
        OTHER,
        &["close(3) only in C, once", "child 1"],
    );
}

#[test]
fn restart_is_found() {
    Planted::new(&[("sa_flags = 0", "sa_flags = SA_RESTART")]).gives(
        "no client",
        VALUES,
        &["rt_sigaction: sa_flags SA_RESTORER / SA_RESTORER|SA_RESTART"],
    );
}

#[test]
fn another_backlog_is_found() {
    Planted::new(&[("listen(serv_sock, 5)", "listen(serv_sock, 6)")]).gives(
        "no client",
        VALUES,
        &["listen: backlog 5 / 6, once"],
    );
}

#[test]
fn an_ignored_sigchld_is_found() {
    Planted::new(&[
        ("sa_handler = read_childproc", "sa_handler = SIG_IGN"),
        ("static void read_childproc", "__attribute__((unused)) static void read_childproc"),
    ])
    .gives("one client", OTHER, &["SIGCHLD only in C"]);
}

#[test]
fn one_waitpid_too_many_is_found() {
    Planted::new(&[("\tprintf(\"removed", "\twaitpid(-1, &status, WNOHANG);\n\tprintf(\"removed")]).gives(
        "one client",
        OTHER,
        &["wait4(-1, ", "only in Rust"],
    );
}

#[test]
fn a_write_of_another_length_is_found() {
    Planted::new(&[("write(clnt_sock, buf, str_len)", "write(clnt_sock, buf, str_len - (str_len == 12))")]).gives(
        "one client",
        VALUES,
        &["write: size 12 / 11, once"],
    );
}

#[test]
fn two_writes_in_another_order_are_found() {
    let in_order = [("printf(\"client disconnected...\\n\");", "write(1, \"x\", 1); write(1, \"y\", 1);")];
    let swapped = [("printf(\"client disconnected...\\n\");", "write(1, \"y\", 1); write(1, \"x\", 1);")];
    let (one, other) = (Planted::new(&in_order), Planted::new(&swapped));
    let (one, other) = (one.path("changed"), other.path("changed"));
    let arguments = ["--c", &one, "--rust", &other, "--drive", "one client", "--stdout", "pipe", "echo_mpserv"];
    assert_verdict(&arguments, TEXTS, &["printed: "]);
}

#[test]
fn a_child_that_exits_with_1_is_found() {
    Planted::new(&[("return 0;", "return 1;")]).gives("one client", VALUES, &["status 0 / 1"]);
}

#[test]
fn a_process_more_is_found() {
    Planted::new(&[("close(serv_sock);\n", "close(serv_sock);\n\t\t\tif (fork() == 0)\n\t\t\t\t_exit(0);\n")]).gives(
        "one client",
        OTHER,
        &["only in Rust"],
    );
}

#[test]
fn other_texts_are_the_same_but_for_the_texts() {
    Planted::new(&[("new client connected...", "somebody came")]).gives("one client", TEXTS, &["printed: "]);
}

#[test]
fn the_accepted_level_decides_the_exit_status() {
    type Change<'a> = (&'a str, &'a [(&'a str, &'a str)], &'a [Option<i32>]);
    let changes: [Change<'_>; 3] = [
        ("texts", &[("new client connected...", "somebody came")], &[DIFFERENT, SAME, SAME, SAME]),
        ("values", &[("listen(serv_sock, 5)", "listen(serv_sock, 6)")], &[DIFFERENT, DIFFERENT, SAME, SAME]),
        (
            "calls",
            &[("int serv_sock = socket", "getpid();\n\tint serv_sock = socket")],
            &[DIFFERENT, DIFFERENT, DIFFERENT, SAME],
        ),
    ];
    for (what, changes, statuses) in changes {
        let planted = Planted::new(changes);
        let (original, changed) = (planted.path("original"), planted.path("changed"));
        for (level, status) in ["same", "texts", "values", "different"].into_iter().zip(statuses) {
            let arguments = ["--c", &original, "--rust", &changed, "-d", "one client", "-o", "pipe", "--accept", level];
            let output = run(&[&arguments[..], &["echo_mpserv"]].concat());
            assert_eq!(output.status.code(), *status, "other {what} with --accept {level}: {}", text(&output.stderr));
        }
    }
}
