//! Tests all pages of all programs.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Output;

use crate::common::TempDir;
use crate::html::Page;
use crate::{audit, compile, repository, text};

/// The most bytes of a page that can still be sent to others.
const MOST_BYTES: usize = 1_000_000;

const PROGRAMS: [&str; 14] = [
    "fork",
    "zombie",
    "wait",
    "waitpid",
    "signal",
    "sigaction",
    "remove_zombie",
    "echo_mpserv",
    "echo_mpclient",
    "rot13_serv",
    "code05",
    "code04",
    "socket_serve",
    "socket_client",
];

/// Reads all pages of a folder.
fn read_all(folder: &Path) -> BTreeMap<String, (Page, String)> {
    let files = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    files
        .map(|path| {
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            let text = fs::read_to_string(&path).unwrap();
            (name.clone(), (Page::read(&name, &text), text))
        })
        .collect()
}

/// Returns the links to the lines of code that a reader should read first.
fn first_links(page: &str) -> impl Iterator<Item = &str> {
    let (_, rest) = page.split_once("<ol class=\"tour\">").unwrap();
    let (tour, _) = rest.split_once("</ol>").unwrap();
    tour.split("href=\"#c").skip(1).map(|rest| rest.split('"').next().unwrap())
}

/// Checks that all links lead to existing targets.
fn check_links(pages: &BTreeMap<String, (Page, String)>) {
    for (name, (page, _)) in pages {
        for link in &page.links {
            let is_there = match link.split_once('#') {
                Some(("", anchor)) => page.ids.contains(anchor),
                Some((file, anchor)) => pages.get(file).is_some_and(|(page, _)| page.ids.contains(anchor)),
                None => pages.contains_key(link),
            };
            assert!(is_there, "{name} leads to {link}");
        }
    }
}

#[test]
fn all_programs_are_aligned_and_all_pages_hold_together() {
    let folder = TempDir::new();
    // The command fails if the lines of the two sources have different orders in any drive.
    let output = audit(&["--lesson", folder.0.to_str().unwrap()]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let pages = read_all(&folder.0);
    check_links(&pages);
    let (index, _) = &pages["index.html"];
    for program in PROGRAMS {
        assert!(index.links.contains(&format!("{program}.html")), "{program}");
    }
    for (name, (page, text)) in &pages {
        assert!(text.len() < MOST_BYTES, "{name}: {} bytes", text.len());
        if name == "index.html" {
            continue;
        }
        let questions = text.matches("<details><summary>").count();
        assert!((3..=5).contains(&questions), "{name}: {questions} questions");
        assert!(page.ids.contains("s1"), "{name} has no steps");
        assert!(!text.contains(">root<") && !text.contains(", root"), "{name}: a reader is told of a root");
        for line in first_links(text) {
            let shown = text.split_once(&format!(" id=\"c{line}\"")).unwrap().1;
            let code = shown.split_once('>').unwrap().1.trim_start();
            assert!(
                !code.starts_with("/*") && !code.starts_with("* "),
                "{name}: the tour stops at a comment, line {line}"
            );
        }
        // Both sources must be on the page in full.
        let program = PROGRAMS
            .iter()
            .find(|program| name.strip_prefix(**program).is_some_and(|rest| rest.starts_with(['.', '-'])));
        for (extension, mark) in [("c", 'c'), ("rs", 'r')] {
            let source = repository(&format!("src/bin/textbook/{}.{extension}", program.unwrap()));
            let lines = fs::read_to_string(source).unwrap().lines().count();
            let shown =
                page.ids.iter().filter(|id| id.strip_prefix(mark).is_some_and(|rest| rest.parse::<u32>().is_ok()));
            assert_eq!(shown.count(), lines, "{name}");
        }
    }
    let (_, echo) = &pages["echo_mpserv.html"];
    for sign in [
        "3 listener (port 9190), 4 client 1",
        "child 2 is a zombie",
        "interrupts accept at line",
        "signals do not queue",
        "<th scope=\"row\">first process</th>",
        "first process: close(4) returned 0",
        "the first process close descriptor 4 at step",
        "<h2 id=\"picture\">",
        "href=\"#picture\"",
        ">killed</text>",
    ] {
        assert!(echo.contains(sign), "{sign}");
    }
    crate::facts::buffers(&pages);
    crate::facts::calls(&pages);
    crate::facts::sentences(&pages);
    crate::facts::steps(&pages);
    let (_, pipe) = &pages["echo_mpserv-three-clients-pipe.html"];
    for sign in ["stays in the buffer", "writes what was buffered at", "of the first process</a>"] {
        assert!(pipe.contains(sign), "{sign}");
    }
    assert!(pages["socket_serve.html"].1.contains("客户端已连接"), "letters of all languages");
}

#[test]
fn two_statements_in_another_order_are_found() {
    let folder = TempDir::new();
    let source = fs::read_to_string(repository("src/bin/textbook/echo_mpserv.c")).unwrap();
    let first = "\tsigaction(SIGCHLD, &act, NULL);\n";
    let second = "\tint serv_sock = socket(PF_INET, SOCK_STREAM, 0);\n";
    assert!(source.contains(first) && source.contains(second));
    let swapped = source.replace(first, "").replace(second, &format!("{second}{first}"));
    let place = |name: &str, source: &str| {
        let place = folder.join(name);
        fs::create_dir(&place).unwrap();
        let file = place.join("echo_mpserv.c");
        fs::write(&file, source).unwrap();
        compile(&file, &place.join("echo_mpserv"));
        place.to_str().unwrap().to_owned()
    };
    let (original, swapped) = (place("original", &source), place("swapped", &swapped));
    let pages = folder.join("pages").to_str().unwrap().to_owned();
    let lesson = |other: &str| {
        audit(&["--lesson", &pages, "--c", &original, "--rust", other, "--drive", "no client", "echo_mpserv"])
    };
    assert_eq!(lesson(&original).status.code(), Some(0));
    let found = lesson(&swapped);
    assert_eq!(found.status.code(), Some(1), "{}", text(&found.stderr));
    assert!(text(&found.stderr).contains("do not have one order"), "{}", text(&found.stderr));
}

/// Checks that each signal is shown with its sender: a child, the program itself, or the kernel.
/// Compiles a text in C, as `program` in a folder.
fn compile_text(text: &str, folder: &TempDir) {
    let source = folder.join("program.c");
    fs::write(&source, text).unwrap();
    compile(&source, &folder.join("program"));
}

/// Returns the page of the program in a folder, or the output of a tool that makes none.
fn page_of_program(folder: &TempDir) -> Result<String, Output> {
    let (program, page) = (folder.join("program"), folder.join("page.html"));
    let output = audit(&["--lesson", page.to_str().unwrap(), "--a", program.to_str().unwrap()]);
    if output.status.success() { Ok(fs::read_to_string(page).unwrap()) } else { Err(output) }
}

#[test]
fn a_signal_is_shown_with_its_sender() {
    const SOURCE: &str = "\
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

static void handle(int number)
{
}

int main(void)
{
\tsigset_t set, before;

\tsignal(SIGALRM, handle);
\tsignal(SIGUSR1, handle);
\tsignal(SIGUSR2, handle);
\tif (fork() == 0) {
\t\tkill(getppid(), SIGUSR1);
\t\t_exit(0);
\t}
\twhile (wait(NULL) < 0)
\t\t;
\traise(SIGUSR2);
\tsigemptyset(&set);
\tsigaddset(&set, SIGALRM);
\tsigprocmask(SIG_BLOCK, &set, &before);
\talarm(1);
\tsigsuspend(&before);
\treturn 0;
}
";
    let folder = TempDir::new();
    compile_text(SOURCE, &folder);
    let html = page_of_program(&folder).unwrap();
    for (signal, sender) in [("SIGUSR1", "child 1"), ("SIGUSR2", "the first process"), ("SIGALRM", "the kernel")] {
        let sign = format!(": {signal} from {sender}");
        assert!(html.contains(&sign), "{sign}");
    }
}

#[test]
fn any_c_program_gives_a_page() {
    const SOURCE: &str = "\
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

int main(void)
{
\tint ends[2], status;
\tchar buffer[100];

\tpipe(ends);
\tif (fork() == 0) {
\t\tclose(ends[0]);
\t\tdprintf(ends[1], \"h\\xc3\\xa9llo\");
\t\texit(3);
\t}
\tclose(ends[1]);
\tread(ends[0], buffer, sizeof(buffer));
\twait(&status);
\treturn WEXITSTATUS(status);
}
";
    let folder = TempDir::new();
    compile_text(SOURCE, &folder);
    let html = page_of_program(&folder).unwrap();
    let read = Page::read("page.html", &html);
    assert!(read.ids.contains("c21") && !read.ids.contains("r1"), "one source");
    for sign in
        ["3 pipe, to read, 4 pipe, to write", "write(4, &quot;héllo&quot;, 6)", "child 1 is a zombie", "exited with 3"]
    {
        assert!(html.contains(sign), "{sign}");
    }
    // A stripped program cannot be shown.
    let status = std::process::Command::new("strip").arg(folder.join("program")).status().unwrap();
    assert!(status.success());
    let refused = page_of_program(&folder).unwrap_err();
    assert_eq!(refused.status.code(), Some(2));
    assert!(text(&refused.stderr).contains("compile it with -g"), "{}", text(&refused.stderr));
}

#[test]
fn a_source_that_cannot_be_read_is_told_with_what_to_do() {
    let folder = TempDir::new();
    let (source, program) = (folder.join("moved.c"), folder.join("program"));
    // A comment in Latin-1 is no reason to refuse a source.
    fs::write(&source, b"#include <unistd.h>\nint main(void) { return getppid() == 0; } /* caf\xe9 */\n").unwrap();
    compile(&source, &program);
    let page = folder.join("page.html");
    let lesson = || audit(&["--a", program.to_str().unwrap(), "--lesson", page.to_str().unwrap()]);
    let output = lesson();
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert!(fs::read_to_string(&page).unwrap().contains("caf\u{fffd}"));
    fs::remove_file(&page).unwrap();
    fs::rename(&source, folder.join("elsewhere.c")).unwrap();
    let output = lesson();
    assert_eq!(output.status.code(), Some(2));
    let told = format!(
        "mpserv-audit: the program: its source {} cannot be read: No such file or directory (os error 2): put the \
         source there, or compile the program again from the source as it is now\n",
        source.display()
    );
    assert!(text(&output.stderr).ends_with(&told), "{}", text(&output.stderr));
    assert!(!page.exists(), "a page without its source was written");
}
