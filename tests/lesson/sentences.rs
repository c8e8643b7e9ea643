//! Checks what a page says about two programs whose runs have one order only.

use std::fs;

use crate::common::TempDir;
use crate::html::Page;
use crate::{audit, compile, text};

/// Makes the page of a program. Returns its text without tags, with a space in place of each tag and each line's end,
/// and with `#` in place of the number of a step.
fn page_of(source: &str) -> String {
    let folder = TempDir::new();
    let (file, program, page) = (folder.join("program.c"), folder.join("program"), folder.join("page.html"));
    fs::write(&file, source).unwrap();
    compile(&file, &program);
    let output = audit(&["--lesson", page.to_str().unwrap(), "--a", program.to_str().unwrap()]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let html = fs::read_to_string(&page).unwrap();
    Page::read("page.html", &html);
    let parts = html.split("</style>").nth(1).unwrap().split('<');
    let plain = parts.map(|part| part.split_once('>').map_or(part, |(_, text)| text)).collect::<Vec<_>>().join(" ");
    let plain = [("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&amp;", "&")]
        .iter()
        .fold(plain, |plain, (entity, letter)| plain.replace(entity, letter));
    let words: Vec<&str> = plain.split_whitespace().collect();
    let mut out = String::new();
    for (at, word) in words.iter().enumerate() {
        let before = at.checked_sub(1).map_or("", |before| words[before]);
        let digits = word.bytes().take_while(u8::is_ascii_digit).count();
        // The step at which most is open is the first step in each C library.
        let is_first = at > 1 && words[at - 2] == "At";
        let is_step = digits > 0 && !is_first && ["step", "→", "SIGALRM", "SIGCHLD"].contains(&before);
        out += &if is_step { format!("#{} ", &word[digits..]) } else { format!("{word} ") };
    }
    out
}

#[track_caller]
fn says(page: &str, sentences: &[&str]) {
    let missing: Vec<&&str> = sentences.iter().filter(|sentence| !page.contains(**sentence)).collect();
    assert!(missing.is_empty(), "{missing:#?} are not on the page: {page}");
}

const SIGNALS: &str = "\
#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

static void handle(int number)
{
	write(2, \"!\", number > 0);
}

int main(void)
{
	int ends[2];
	char byte;
	struct sigaction act = {.sa_handler = handle};

	pipe(ends);
	open(\"/nowhere\", O_RDONLY);
	sigaction(SIGALRM, &act, NULL);
	act.sa_flags = SA_RESTART;
	sigaction(SIGUSR1, &act, NULL);
	signal(SIGUSR2, SIG_IGN);
	alarm(4);
	alarm(3);
	read(ends[0], &byte, 1);
	return 3;
}
";

#[test]
fn of_a_signal_its_handler_and_an_alarm() {
    let page = page_of(SIGNALS);
    says(
        &page,
        &[
            "13 steps (11 calls, 1 signal, 1 end of a process), from main on",
            "openat(AT_FDCWD, \"/nowhere\", O_RDONLY) → # ENOENT",
            "sigaction(SIGALRM, {handler}, NULL) → # 0",
            "sigaction(SIGUSR1, {handler, SA_RESTART}, NULL) → # 0",
            "sigaction(SIGUSR2, {SIG_IGN, SA_RESTART}, {SIG_DFL}) → # 0",
            "alarm(3) → #",
            "alarm in 3 s for the first process",
            "read(3, …, 1) → # interrupted",
            "SIGALRM # from the kernel, interrupts read at line 24",
            "SIGALRM blocked in the first process; no alarm set for the first process",
            "rt_sigreturn() → # read now returns EINTR in the handler, which interrupted line 24",
            "SIGALRM unblocked in the first process",
            "After the handler the call fails with EINTR at step # .",
            "the program line 7, in the handler, interrupting line 24",
            "write(2, \"!\", 1) → # 1 in the handler, which interrupted line 24",
            // The kernel's table: descriptors, children and signals.
            "first process 0 1 2, 3 = pipe, to read, 4 = pipe, to write SIGALRM: handler; SIGUSR1: handler; SIGUSR2: ignored; alarm in 4 s",
            "first process 0 1 2, 3 = pipe, to read, 4 = pipe, to write SIGALRM: handler; SIGUSR1: handler; SIGUSR2: ignored; blocked: SIGALRM",
            // The questions.
            "On a terminal this run prints 1 line. How many lines does a pipe get, and why? 1 line.",
            "What does SIGALRM do to the first process at step #? It interrupts read ( step # ). The handler runs. Then read fails \
             with EINTR ( step # ), because the handler was installed without SA_RESTART.",
            "alarm(4) is called at step #. How often is it called in all, and how often does SIGALRM come? alarm is called twice, \
             SIGALRM comes once.",
            "Which call is the first to fail, and with which error? openat of the first process, at step # , with ENOENT: No such \
             file or directory.",
            "what does the first process have open at most at the same time? At step 1 : descriptor 3, pipe, to read; descriptor 4, \
             pipe, to write.",
        ],
    );
}

#[test]
fn of_a_call_that_is_made_again_and_of_a_signal_without_a_handler() {
    // A handler with SA_RESTART.
    let page =
        page_of(&SIGNALS.replace("sigaction(SIGALRM, &act, NULL);\n", "").replace("SIGUSR1", "SIGALRM").replace(
            "	read(ends[0], &byte, 1);",
            "	if (fork() == 0) {\n		sleep(6);\n		write(ends[1], \"a\", 1);\n		_exit(0);\n	}\n	read(ends[0], &byte, 1);",
        ));
    says(
        &page,
        &[
            "The program called read once. After the handler the kernel makes the call again.",
            "rt_sigreturn() → # goes on",
            "The handler runs until step # . Then the kernel makes read again, and the program does not notice.",
        ],
    );
    // No handler at all.
    let page = page_of(&SIGNALS.replace("sigaction(SIGALRM, &act, NULL);\n", ""));
    says(&page, &["There is no handler, so it ends the process.", "killed by SIGALRM the first process is gone"]);
}

const CHILDREN: &str = "\
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

int main(void)
{
	int status;
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGUSR1);
	sigprocmask(SIG_BLOCK, &set, NULL);
	kill(getpid(), SIGTERM);
	if (fork() == 0)
		_exit(3);
	waitpid(-1, &status, 0);
	signal(SIGCHLD, SIG_IGN);
	if (fork() == 0)
		_exit(4);
	waitpid(-1, &status, 0);
	return 0;
}
";

#[test]
fn of_children_their_ends_and_a_blocked_signal() {
    let page = page_of(CHILDREN);
    says(
        &page,
        &[
            "sigprocmask(SIG_BLOCK, [USR1 TERM], NULL) → # 0 SIGTERM, SIGUSR1 blocked in the first process",
            "getpid() → # first process",
            "SIGTERM) → # 0 SIGTERM pending for the first process",
            " 1 signal, 3 ends of processes), from main on",
            "fork() → # child 1 = ",
            "fork() → # the same call returns in the child too, with 0",
            "exited with 3 child 1 is a zombie",
            "waitpid(-1, [{WIFEXITED(s) && WEXITSTATUS(s) == 3}], 0) → # child 1 child 1 is a zombie no more",
            "SIGCHLD # from child 1 at line 17: no handler, ignored",
            "exited with 4 child 2 is gone",
            "→ # ECHILD",
            "first process 0 1 2 child 1 blocked: SIGTERM, SIGUSR1; pending: SIGTERM child 1 0 1 2 blocked: SIGTERM, SIGUSR1",
            "first process 0 1 2 child 1 (zombie) blocked: SIGTERM, SIGUSR1; pending: SIGTERM child 1 none (zombie)",
            "first process 0 1 2 child 2 SIGCHLD: ignored; blocked: SIGTERM, SIGUSR1; pending: SIGTERM child 2 0 1 2 SIGCHLD: ignored; blocked",
            "3: the first one and 2 children. 2 at the same time, from step # to step # .",
            "Child 1 ends at step # and is a zombie until its parent waits at step # .",
            "Child 1 exited with 3 ( step # ); child 2 exited with 4 ( step # ); the first process exited with 0 ( step # ).",
        ],
    );
}

#[test]
fn of_a_child_that_becomes_no_zombie() {
    let (before, after) = CHILDREN.split_once("	if (fork() == 0)\n		_exit(3);\n	waitpid(-1, &status, 0);\n").unwrap();
    let ignores = [before, after].concat();
    let flag =
        "struct sigaction act = {.sa_handler = SIG_DFL, .sa_flags = SA_NOCLDWAIT};\n	sigaction(SIGCHLD, &act, NULL)";
    let keeps_none = ignores.replace("signal(SIGCHLD, SIG_IGN)", flag);
    for (source, choice) in [(ignores, "ignores SIGCHLD"), (keeps_none, "set SA_NOCLDWAIT")] {
        let answer = "Which children are zombies, and for how long? None is. Child 1 ends at step # : its parent, the first \
                      process, ";
        says(
            &page_of(&source),
            &[&format!("{answer}{choice}, and the kernel keeps no exit status."), "child 1 is gone"],
        );
    }
}

const PRINTS: &str = "\
/*
 * program: prints.
 *
 * Shows: a buffer.
 */
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

int main(void)
{
	printf(\"one\\n\"); /* Wrong: it is printed twice. */
	write(1, \"two\\n\", 4);
	if (fork() == 0)
		return 5;
	wait(NULL);
	return 0;
}
";

#[test]
fn of_what_is_printed_on_a_terminal_and_to_a_pipe() {
    says(
        &page_of(PRINTS),
        &[
            "What it prints on a terminal one two to a pipe two one one On a terminal printf makes its call",
            "On a terminal this run prints 2 lines. How many lines does a pipe get, and why? 3 lines. printf keeps its text in a \
             buffer when standard output is no terminal, and writes it at exit. More often: “one” (1 on the terminal, 2 on the \
             pipe). fork copies the buffer with all other memory, and each process writes its copy. two one one",
            "2: the first one and 1 child. 2 at the same time, from step # to step # .",
            "4 by lines of the program, ",
            "Look first fork: one process becomes two, each with its own copy of the variables the first zombie what is printed , on \
             a terminal and to a pipe line 12 , a known mistake, left in on purpose: it is printed twice",
            "“First process” and “parent” are one process.",
            "child 1 fork() → # the same call returns in the child too, with 0",
            "Child 1 exited with 5 ( step # ); the first process exited with 0 ( step # ).",
        ],
    );
    let same = PRINTS.replace("	printf(", "	if (fork() != 0)\n		wait(NULL);\n	printf(");
    let lines = same.lines().take_while(|line| !line.contains("write(1"));
    let page = page_of(&format!("{}\n	return 0;\n}}\n", lines.collect::<Vec<_>>().join("\n")));
    says(&page, &["2 lines. printf keeps", "Here the text is the same; what differs is when write is called."]);
}

/// Checks each row of the index: its order, and the numbers of its page.
#[test]
fn of_the_index() {
    let folder = TempDir::new();
    // The programs come in the order in which they are learnt.
    let output = audit(&["--lesson", folder.0.to_str().unwrap(), "--stdout", "pty", "wait", "fork"]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let read = |name: &str| fs::read_to_string(folder.join(name)).unwrap();
    let index = read("index.html");
    for (program, order, processes, does) in [
        ("fork", 1, 2, "A parent and a child change the same two variables, each its own copy."),
        ("wait", 2, 3, "Two children that end in two ways, and two waits that read their exit status."),
    ] {
        let page = read(&format!("{program}.html"));
        let calls = page.split_once(" steps (").unwrap().1.split(' ').next().unwrap();
        let start =
            format!("<tr><th scope=\"row\">{order}. <a href=\"{program}.html\">{program}</a></th><td>{does}<br>");
        let end = format!("<td>{processes}</td><td>{calls}</td></tr>");
        let row = index.lines().find(|line| line.starts_with(&start));
        assert!(row.is_some_and(|row| row.ends_with(&end)), "{start} {end}: {index}");
    }
}
