//! Checks that the statements of each page are true for its own run.

use std::collections::{BTreeMap, BTreeSet};

use crate::html::Page;

type Pages = BTreeMap<String, (Page, String)>;

/// Returns the text of a page, without its tags.
fn plain(pages: &Pages, name: &str) -> String {
    let mut out = String::new();
    for part in pages[name].1.split('<') {
        out.push_str(part.split_once('>').map_or(part, |(_, text)| text));
    }
    out.replace("&quot;", "\"")
}

/// Returns the numbers that follow a mark.
fn numbers(text: &str, mark: &str) -> BTreeSet<u32> {
    let digits = |rest: &str| rest.chars().take_while(char::is_ascii_digit).collect::<String>();
    text.split(mark).skip(1).filter_map(|rest| digits(rest).parse().ok()).collect()
}

/// Returns the process ids that forks have returned.
fn forked(text: &str) -> BTreeSet<u32> {
    (1..=3).flat_map(|child| numbers(text, &format!("child {child} = "))).collect()
}

#[track_caller]
fn has(text: &str, signs: &[&str]) {
    for sign in signs {
        assert!(text.contains(sign), "{sign}");
    }
}

/// Checks that buffered texts are those of the run itself, with its process ids, and that each line has its own part.
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
            "Child 1 writes 1, child 2 writes 2, child 3 writes 3, the first process loses its own 3 of “new client connected...”.",
        ],
    );
}

/// The number of random bytes that the memory allocator requests.
const GETRANDOM_BYTES: usize = 8;

/// Checks that calls which the kernel made again do not count as calls of the program.
pub(crate) fn calls(pages: &Pages) {
    let zombie = plain(pages, "zombie.html");
    has(&zombie, &["The program called sleep once.", "No handler runs", "sleep, called once, was made twice"]);
    assert!(!zombie.contains("sleep({30 s}) ×2"), "sleep was called once");
    // Some C libraries make their own call before the fork. That call is a step as well.
    let [from, to] =
        ["from step ", " to step "].map(|mark| numbers(&zombie, mark).first().copied().unwrap_or_default());
    assert!((1..to).contains(&from), "from step {from} to step {to}");
    // Not every C library takes random bytes.
    for random in zombie.split("getrandom(\"").skip(1).filter_map(|rest| rest.split('"').next()) {
        let is_in_hexadecimal = random.split('x').skip(1).count() == GETRANDOM_BYTES;
        assert!(!is_in_hexadecimal, "{random}");
    }
    has(&plain(pages, "fork.html"), &["fork() → 0", "None for longer than a moment.", "3 by lines of the program"]);
    let echo = plain(pages, "echo_mpserv.html");
    has(
        &echo,
        &[
            "accept now returns EINTR",
            "inside the kernel only",
            "the call fails with EINTR at step ",
            "Even then the port is not free",
            "nobody would accept them",
            "“First process”, “parent” and “server” are one process.",
        ],
    );
    assert!(!echo.contains("EADDRINUSE"), "closing the listener does not free the port while a connection is open");
    assert!(!plain(pages, "rot13_serv.html").contains("Even then the port"), "it is set");
}

/// Checks the sentences that depend on the run.
pub(crate) fn sentences(pages: &Pages) {
    has(&plain(pages, "zombie-run-pipe.html"), &["for 30 s, so the line of child 1 comes first."]);
    let remove = plain(pages, "remove_zombie.html");
    assert!(!remove.contains("waits in its buffer"), "other lines come before it and after it");
    has(&remove, &["        char line[128];", "“First process” and “parent” are one process."]);
    let pipe = plain(pages, "echo_mpserv-three-clients-pipe.html");
    has(
        &pipe,
        &[
            "9 too, but not the same 9: 3 “new client connected...” lines more, 3 “removed proc id: …” lines fewer.",
            "The first process loses its own 3 of “removed proc id: …”.",
        ],
    );
    let alone = plain(pages, "echo_mpserv-no-client-pty.html");
    has(&alone, &["The first process was killed by SIGINT (step ", ": descriptor 3, a socket"]);
    has(&plain(pages, "echo_mpserv-no-client-pipe.html"), &[" from outside, interrupts accept at line "]);
    let (_, fork) = &pages["fork.html"];
    assert!(!fork.contains("<dt>SIGCHLD</dt>") && fork.contains("<dt>zombie</dt>"), "the words of the page");
    let (_, echo) = &pages["echo_mpserv.html"];
    has(echo, &[" mended\" data-n=\"35\"", "A call stands where it returns", "the system call wait4"]);
}

/// Checks that each step which a sentence names is the one that the sentence is about.
pub(crate) fn steps(pages: &Pages) {
    let mut found = BTreeMap::new();
    for (name, (_, page)) in pages.iter().filter(|(name, _)| *name != "index.html") {
        // Returns the first code of a step: its call, signal or end.
        let code = |step: &str| {
            let at =
                page.split_once(&format!(" id=\"s{step}\"")).unwrap_or_else(|| panic!("{name} has no step {step}")).1;
            at.split_once("<code>").unwrap().1.split_once("</code>").unwrap().0
        };
        let plain = plain(pages, name);
        let mut rest = plain.as_str();
        while let Some((before, after)) = rest.split_once(" at step ") {
            let step: String = after.chars().take_while(char::is_ascii_digit).collect();
            let last = |mark: &str| before.rsplit_once(mark).map(|(_, rest)| rest).filter(|rest| !rest.contains(' '));
            let sign = if let Some(descriptor) = last(" close descriptor ") {
                Some(("close", format!("close({descriptor}) = ")))
            } else if before.ends_with("fails with EINTR") {
                Some(("EINTR", " EINTR (".to_owned()))
            } else if let Some(text) = before.strip_suffix(" is called") {
                let is_of_call = |letter: char| letter.is_ascii_alphanumeric() || "()".contains(letter);
                let call = text.rsplit(|letter| !is_of_call(letter)).next().unwrap();
                Some(("alarm", format!("{call} = ")))
            } else if before.ends_with(" ends") {
                Some(("end", "+++ ".to_owned()))
            } else if before.ends_with(" parent waits") {
                Some(("wait", "wait".to_owned()))
            } else {
                let (_, signal) = before.rsplit_once("What does ").unwrap_or_default();
                let signal = signal.split_once(" do to ").map(|(signal, _)| signal);
                signal.filter(|signal| !signal.contains(' ')).map(|signal| ("signal", format!("--- {signal} {{")))
            };
            if let Some((kind, sign)) = sign {
                assert!(code(&step).contains(&sign), "{name}: step {step} is no {sign}: {}", code(&step));
                *found.entry(kind).or_insert(0) += 1;
            }
            rest = after;
        }
    }
    let kinds: Vec<&str> = found.keys().copied().collect();
    assert_eq!(kinds, ["EINTR", "alarm", "close", "end", "signal", "wait"], "{found:?}");
}
