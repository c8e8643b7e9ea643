//! Short explanations of the words that a page uses.

use std::fmt::Write as _;

use crate::report::html::escape;

/// The mark in a page for the place of its words.
pub const PLACE: &str = "<!--words-->";

/// A word, the text by which the word is found on a page, and its meaning.
const WORDS: [(&str, &str, &str); 28] = [
    ("descriptor", "descriptor", "A number by which a process names an open file, socket or pipe."),
    ("0 1 2", "0 1 2", "The first three descriptors: standard input, standard output, standard error."),
    ("listener", "listener", "A socket that waits for clients. accept takes each new connection from it."),
    (
        "zombie",
        "zombie",
        "A child that has ended, and whose parent has not waited for it: only its id and its exit status are kept.",
    ),
    ("stdio", " stdio", "The part of the C library to which printf belongs. It has a buffer for its output."),
    ("buffer", "buffer", "Memory in which text waits until one call writes all of it."),
    ("handler", "handler", "A function that the program sets for a signal, and that runs when the signal comes."),
    ("signal mask", "signal mask", "The signals that a process blocks at the moment."),
    ("WNOHANG", "WNOHANG", "A flag of waitpid: if no child has ended, return 0 at once."),
    (
        "SO_REUSEADDR",
        "SO_REUSEADDR",
        "An option of a socket: the port can be used again while old connections are open.",
    ),
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

/// Returns the page with its words inserted.
pub fn insert(page: &str) -> String {
    let mut list = String::new();
    // A fork names the signal for the end of the child as a flag, which is no signal yet.
    let text = page.replace("|SIGCHLD", "").replace("=SIGCHLD", "");
    for (word, mark, meaning) in WORDS {
        if text.contains(mark) {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_those_of_the_page() {
        let words = |text: &str| insert(&format!("{PLACE}{text}"));
        assert!(!words("clone(flags=CLONE_CHILD_SETTID|SIGCHLD) = 2").contains("SIGCHLD</dt>"));
        assert!(words("SIGCHLD from child 1").contains("<dt>SIGCHLD</dt>"));
        assert!(words("child 1 is a zombie").contains("<dt>zombie</dt>"));
        assert!(!words("#include &lt;stdio.h&gt;").contains("<dt>"));
    }
}
