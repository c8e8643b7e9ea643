//! What the pages say of a run is true of that run.

use std::collections::{BTreeMap, BTreeSet};

use crate::html::Page;

type Pages = BTreeMap<String, (Page, String)>;

/// The text of a page, without its tags.
fn plain(pages: &Pages, name: &str) -> String {
    let mut out = String::new();
    for part in pages[name].1.split('<') {
        out.push_str(part.split_once('>').map_or(part, |(_, text)| text));
    }
    out.replace("&quot;", "\"")
}

/// The numbers that follow a mark.
fn numbers(text: &str, mark: &str) -> BTreeSet<u32> {
    let digits = |rest: &str| rest.chars().take_while(char::is_ascii_digit).collect::<String>();
    text.split(mark).skip(1).filter_map(|rest| digits(rest).parse().ok()).collect()
}

/// The process ids that forks have returned.
fn forked(text: &str) -> BTreeSet<u32> {
    (1..=3).flat_map(|child| numbers(text, &format!("child {child} = "))).collect()
}

#[track_caller]
fn has(text: &str, signs: &[&str]) {
    for sign in signs {
        assert!(text.contains(sign), "{sign}");
    }
}

/// Buffered texts are those of the run itself: its process ids, and each line's own part.
pub(crate) fn buffers(pages: &Pages) {
    for (name, mark) in [
        ("zombie-run-pipe.html", "no call: \"child process ID: "),
        ("echo_mpserv-three-clients-pipe.html", "no call: \"removed proc id: "),
    ] {
        let text = plain(pages, name);
        let ids = forked(&text);
        assert!(!ids.is_empty(), "{name}");
        assert_eq!(numbers(&text, mark), ids, "{name}");
    }
    let zombie = plain(pages, "zombie-run-pipe.html");
    has(
        &zombie,
        &[
            "no call: \"Hi, I am a child process\" stays in the buffer",
            "no call: \"END child process\\n\" stays in the buffer",
            "writes what was buffered at line 16, line 23",
        ],
    );
    let echo = plain(pages, "echo_mpserv-three-clients-pipe.html");
    has(
        &echo,
        &[
            "never written: SIGINT killed the process",
            "Child 1 writes 1, child 2 writes 2, child 3 writes 3, the first process loses its own 3.",
        ],
    );
}

/// What the kernel did and the program did not.
pub(crate) fn calls(pages: &Pages) {
    let zombie = plain(pages, "zombie.html");
    has(&zombie, &["The program called sleep once.", "from step 1 to step "]);
    assert!(!zombie.contains("sleep({30 s}) ×2"), "sleep was called once");
    let random = zombie.split("getrandom(\"").nth(1).unwrap().split('"').next().unwrap();
    assert!(!random.starts_with('x'), "{random}");
    has(&plain(pages, "fork.html"), &["fork() → 0"]);
    let echo = plain(pages, "echo_mpserv.html");
    has(&echo, &["accept now returns EINTR", "inside the kernel only", "nobody would accept them"]);
    assert!(!echo.contains("EADDRINUSE"), "closing the listener does not free the port while a connection is open");
    assert!(!plain(pages, "rot13_serv.html").contains("without SO_REUSEADDR"), "it is set");
}
