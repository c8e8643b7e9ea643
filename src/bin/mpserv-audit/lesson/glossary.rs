//! Short explanations of the words that a page uses.

use std::fmt::Write as _;

use crate::report::html::escape;

/// Where a page shows its words.
pub const PLACE: &str = "<!--words-->";

/// A word, the text by which it is found on a page, and its meaning.
const WORDS: [(&str, &str, &str); 21] = [
    ("descriptor", "descriptor", "A number by which a process names an open file, socket or pipe."),
    ("0 1 2", "0 1 2", "The first three descriptors: standard input, standard output, standard error."),
    ("listener", "listener", "A socket that waits for clients. accept takes each new connection from it."),
    (
        "reap",
        "reap",
        "To take the exit status of a child that has ended, by wait or waitpid. Then the child is no zombie any more.",
    ),
    ("init", "init ", "Process 1. It adopts a process whose parent has ended, and waits for it."),
    (
        "SIGCHLD",
        "SIGCHLD",
        "The signal that the kernel sends to a parent when a child has ended. Without a handler it is ignored.",
    ),
    (
        "SIGALRM",
        "SIGALRM",
        "The signal that comes when the time of alarm is over. Without a handler it ends the process.",
    ),
    ("SIGINT", "SIGINT", "The signal that Ctrl-C sends. Without a handler it ends the process."),
    (
        "SIGPIPE",
        "SIGPIPE",
        "The signal for a write that nobody can read any more. Without a handler it ends the process.",
    ),
    ("pending", "pending", "A signal that was sent, and waits to be delivered. One more of its kind changes nothing."),
    (
        "blocked",
        "blocked",
        "A signal that the kernel keeps pending until the process unblocks it. A handler blocks its own signal.",
    ),
    ("SA_RESTART", "SA_RESTART", "A flag of sigaction: after the handler the kernel makes an interrupted call again."),
    ("EINTR", "EINTR", "An error: a signal interrupted the call."),
    ("EMFILE", "EMFILE", "An error: the process has as many descriptors open as it may."),
    ("EFAULT", "EFAULT", "An error: the call would read or write outside the memory of the process."),
    ("EBADF", "EBADF", "An error: no such descriptor is open."),
    ("EADDRINUSE", "EADDRINUSE", "An error: the port is taken."),
    ("ECONNREFUSED", "ECONNREFUSED", "An error: no program listens at the port."),
    ("ECONNRESET", "ECONNRESET", "An error: the other side has broken the connection off."),
    (
        "the notes",
        "notes",
        "The teaching material with the first version of the program; src/docs/textbook.md in the repository lists it.",
    ),
    (
        "the published program",
        "published program",
        "The first version of a program, as the teaching material prints it.",
    ),
];

/// The page with its words in their place.
pub fn insert(page: &str) -> String {
    let mut list = String::new();
    for (word, mark, meaning) in WORDS {
        if page.contains(mark) {
            let _ = write!(list, "<dt>{}</dt><dd>{}</dd>", escape(word), escape(meaning));
        }
    }
    let words = if list.is_empty() {
        String::new()
    } else {
        format!("<details class=\"words\" open><summary>Words on this page</summary><dl>{list}</dl></details>\n")
    };
    page.replacen(PLACE, &words, 1)
}
