//! Tests each exercise. The original must fail with the idea in its message. A mended program must pass. A program with
//! another change must fail.

use std::fs;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use crate::common::TempDir;
use crate::{audit, repository, text};

/// An exercise, what is seen of the original, a word of its idea, and the change that mends the program.
struct Exercise {
    program: &'static str,
    name: &'static str,
    seen: &'static str,
    idea: &'static str,
    mend: &'static [(&'static str, &'static str)],
}

const FORK_SERVES: &str =
    "fork failed. The server took itself for the child, closed the listener, and served until its client went.";
const FORK_FAILS: &str = "fork has three results";
const LOOP: (&str, &str) =
    ("pid_t pid = waitpid(-1, &status, WNOHANG);", "pid_t pid;\n\twhile ((pid = waitpid(-1, &status, WNOHANG)) > 0)");
const CHECKED: &str = "pid_t pid = fork();\n\tif (pid == -1)\n\t\treturn 1;";

const ALL: [Exercise; 15] = [
    Exercise {
        program: "wait",
        name: "fork",
        seen: "fork failed, and the program printed: ",
        idea: FORK_FAILS,
        mend: &[("pid_t pid = fork();", CHECKED)],
    },
    Exercise {
        program: "remove_zombie",
        name: "zombies",
        seen: "2 children ended together, and 1 of them stay zombies.",
        idea: "do not queue",
        mend: &[LOOP],
    },
    Exercise {
        program: "remove_zombie",
        name: "fork",
        seen: "fork failed, and the program printed: ",
        idea: FORK_FAILS,
        mend: &[("pid_t pid = fork();", CHECKED)],
    },
    Exercise {
        program: "echo_mpserv",
        name: "zombies",
        seen: "5 children ended together, and 4 of them stay zombies.",
        idea: "do not queue",
        mend: &[LOOP],
    },
    Exercise {
        program: "echo_mpserv",
        name: "busy-loop",
        seen: "accept fails with EMFILE, and was called more than 1000 times without a pause.",
        idea: "EMFILE",
        mend: &[("if (clnt_sock == -1)\n", "if (clnt_sock == -1 && sleep(1) == 0)\n")],
    },
    Exercise {
        program: "echo_mpserv",
        name: "read-error",
        seen: "the client reset the connection, read failed, and then: write(",
        idea: "read returns -1 when it fails",
        mend: &[("read(clnt_sock, buf, BUF_SIZE)) != 0)", "read(clnt_sock, buf, BUF_SIZE)) > 0)")],
    },
    Exercise {
        program: "echo_mpclient",
        name: "end-of-input",
        seen: "the input was one line and ended, and the client has written ",
        idea: "fgets returns NULL",
        mend: &[("fgets(buf, BUF_SIZE, stdin);\n\t\tif (", "if (fgets(buf, BUF_SIZE, stdin) == NULL || ")],
    },
    Exercise {
        program: "rot13_serv",
        name: "standard-c",
        seen: "after its first client, the server ended.",
        idea: "System V",
        mend: &[
            ("#include", "#define _XOPEN_SOURCE 700\n#include"),
            (
                "signal(SIGCHLD, sigchld_handler);",
                "struct sigaction act = {.sa_handler = sigchld_handler, .sa_flags = SA_RESTART};\n\tsigaction(SIGCHLD, &act, NULL);",
            ),
        ],
    },
    Exercise {
        program: "code05",
        name: "zombies",
        seen: "5 clients came and went one by one, and 5 of the children stay zombies.",
        idea: "until its parent waits",
        mend: &[("if (argc == 2 && strcmp(argv[1], \"ignore\") == 0)", "")],
    },
    Exercise {
        program: "code05",
        name: "fork",
        seen: FORK_SERVES,
        idea: FORK_FAILS,
        mend: &[("if (fork() > 0)", "if (fork() != 0)")],
    },
    Exercise {
        program: "code05",
        name: "socket",
        seen: "socket failed, and then: ",
        idea: "no descriptor",
        mend: &[
            (
                "server->m_listenfd = socket(AF_INET, SOCK_STREAM, 0);",
                "if ((server->m_listenfd = socket(AF_INET, SOCK_STREAM, 0)) == -1)\n\t\texit(1);",
            ),
            ("#include", "#include <stdlib.h>\n#include"),
        ],
    },
    Exercise {
        program: "code04",
        name: "socket",
        seen: "socket failed, and then: ",
        idea: "no descriptor",
        mend: &[
            (
                "client->m_connfd = socket(AF_INET, SOCK_STREAM, 0);",
                "if ((client->m_connfd = socket(AF_INET, SOCK_STREAM, 0)) == -1)\n\t\texit(1);",
            ),
            ("#include", "#include <stdlib.h>\n#include"),
        ],
    },
    Exercise {
        program: "socket_serve",
        name: "descriptor-0",
        seen: "started without standard input, the listener is descriptor 0, and the child did not close it.",
        idea: "0 is a descriptor like any other",
        mend: &[(
            "if (server->m_listen_sock > 0)\n\t\tclose(server->m_listen_sock);\n\tserver->m_listen_sock = 0;",
            "if (server->m_listen_sock >= 0)\n\t\tclose(server->m_listen_sock);\n\tserver->m_listen_sock = -1;",
        )],
    },
    Exercise {
        program: "socket_serve",
        name: "fork",
        seen: FORK_SERVES,
        idea: FORK_FAILS,
        mend: &[("if (fork() > 0)", "if (fork() != 0)")],
    },
    Exercise {
        program: "socket_client",
        name: "socket",
        seen: "socket failed, and then: ",
        idea: "no descriptor",
        mend: &[
            (
                "client->m_sockfd = socket(AF_INET, SOCK_STREAM, 0);",
                "if ((client->m_sockfd = socket(AF_INET, SOCK_STREAM, 0)) == -1)\n\t\texit(1);",
            ),
            ("#include", "#include <stdlib.h>\n#include"),
        ],
    },
];

/// The number of exercises that are graded at once. A grade waits most of the time.
const AT_ONCE: usize = 4;

#[test]
fn faults_are_told_from_mends() {
    let next = AtomicUsize::new(0);
    thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                while let Some(exercise) = ALL.get(next.fetch_add(1, Ordering::Relaxed)) {
                    fault_is_told_from_mend(exercise);
                }
            });
        }
    });
}

fn fault_is_told_from_mend(exercise: &Exercise) {
    let folder = TempDir::new();
    let original = fs::read_to_string(repository(&format!("src/bin/textbook/{}.c", exercise.program))).unwrap();
    let change = |changes: &[(&str, &str)]| {
        changes.iter().fold(original.clone(), |source, (from, to)| {
            assert!(source.contains(from), "{} has no {from}", exercise.program);
            source.replacen(from, to, 1)
        })
    };
    let grade = |source: &str| {
        let file = folder.join("mine.c");
        fs::write(&file, source).unwrap();
        audit(&["--exercise", file.to_str().unwrap(), exercise.program, exercise.name])
    };
    let name = format!("{} {}", exercise.program, exercise.name);
    for (what, source) in [
        ("the original", original.clone()),
        ("another change", change(&[("int main(", "static const int other = 1;\n\nint main(")])),
    ] {
        let output = grade(&source);
        assert_eq!(output.status.code(), Some(1), "{name}: {what}: {}", text(&output.stderr));
        let said = text(&output.stdout);
        let lines: Vec<&str> = said.lines().collect();
        let [seen, idea, task] = lines.as_slice() else { panic!("{name}: {what}: {said}") };
        assert!(seen.starts_with(&format!("{}: not yet. {}", exercise.name, exercise.seen)), "{name}: {what}: {said}");
        assert!(idea.starts_with("    Idea: ") && idea.contains(exercise.idea), "{name}: {what}: {said}");
        assert!(task.starts_with("    Task: ") && !task.contains(exercise.idea), "{name}: {what}: {said}");
    }
    let output = grade(&change(exercise.mend));
    let said = text(&output.stdout) + &text(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{name}: mended: {said}");
    assert_eq!(said, format!("{}: passed\n", exercise.name), "{name}");
}

/// Grades a textbook program with one change, and checks the beginning of what is said.
#[track_caller]
fn assert_not_yet(program: &str, exercise: &str, (from, to): (&str, &str), seen: &str) {
    let folder = TempDir::new();
    let file = folder.join("mine.c");
    let source = fs::read_to_string(repository(&format!("src/bin/textbook/{program}.c"))).unwrap();
    assert!(source.contains(from));
    fs::write(&file, source.replace(from, to)).unwrap();
    let output = audit(&["--exercise", file.to_str().unwrap(), program, exercise]);
    let said = text(&output.stdout);
    assert_eq!(output.status.code(), Some(1), "{said}{}", text(&output.stderr));
    assert!(said.starts_with(&format!("{exercise}: not yet. {seen}")), "{said}");
}

/// Checks a server that serves its client itself. Nobody can tell how its children would close the listener.
#[test]
fn a_server_without_children_closes_nothing_in_them() {
    assert_not_yet("socket_serve", "descriptor-0", ("if (fork() > 0)", "if (0)"), "");
}

/// Checks a server that serves one line only: it does not read again, so its read cannot fail.
#[test]
fn a_server_that_does_not_meet_a_failed_read_has_not_mended_it() {
    let read = "((str_len = read(clnt_sock, buf, BUF_SIZE)) != 0)";
    let seen = "the client reset the connection, and no read failed with ECONNRESET.";
    assert_not_yet("echo_mpserv", "read-error", (&format!("while {read}"), &format!("if {read}")), seen);
}

/// Checks a server that leaves no zombies because it ends.
#[test]
fn a_server_that_ends_with_its_children_reaps_none() {
    let first = "\tprintf(\"removed proc id: %d \\n\", pid);\n";
    assert_not_yet("echo_mpserv", "zombies", (first, "\t_exit(0);\n"), "5 children ended together, and 0 of them");
}

/// Checks a server that ends when it has no descriptor: it is no busy loop, and no server either.
#[test]
fn a_server_that_ends_without_descriptors_is_told_so() {
    const ACCEPTED: &str = "if (clnt_sock == -1)\n";
    let ends = format!("if (clnt_sock == -1)\n\t\t\treturn 1;\n\t\t{ACCEPTED}");
    let seen = "accept failed once with EMFILE, and the server ended.";
    assert_not_yet("echo_mpserv", "busy-loop", (ACCEPTED, &ends), seen);
}

#[test]
fn what_cannot_be_graded_is_said() {
    let folder = TempDir::new();
    let file = folder.join("mine.c");
    let path = file.to_str().unwrap();
    fs::write(&file, "int main(void) { return }\n").unwrap();
    for (arguments, status, said) in [
        (&["--exercise", path, "echo_mpserv", "zombies"][..], 2, "does not compile"),
        (&["--exercise", path, "echo_mpserv", "none"], 2, "zombies, busy-loop, read-error"),
        (&["--exercise", path, "fork"], 2, "no exercises"),
        (&["--exercise", path], 2, "of which program"),
    ] {
        let output = audit(arguments);
        assert_eq!(output.status.code(), Some(status), "{arguments:?}");
        assert!(text(&output.stderr).contains(said), "{arguments:?}: {}", text(&output.stderr));
    }
}
