//! A prototype and a sentence for each call, taken from the documentation of `src/ffi`.

/// The modules of `src/ffi` that document the calls of programs.
const DOCUMENTS: [&str; 10] = [
    include_str!("../../../ffi/unistd.rs"),
    include_str!("../../../ffi/fcntl.rs"),
    include_str!("../../../ffi/poll.rs"),
    include_str!("../../../ffi/signal.rs"),
    include_str!("../../../ffi/stdlib.rs"),
    include_str!("../../../ffi/time.rs"),
    include_str!("../../../ffi/sys/socket.rs"),
    include_str!("../../../ffi/sys/wait.rs"),
    include_str!("../../../ffi/sys/mman.rs"),
    include_str!("../../../ffi/sys/prctl.rs"),
];

/// The C library's names of system calls that it makes under another name.
const FUNCTIONS: [(&str, &str); 15] = [
    ("clone", "fork"),
    ("clone3", "fork"),
    ("wait4", "waitpid"),
    ("recvfrom", "recv"),
    ("sendto", "send"),
    ("rt_sigaction", "sigaction"),
    ("rt_sigprocmask", "sigprocmask"),
    ("rt_sigpending", "sigpending"),
    ("exit_group", "_exit"),
    ("clock_nanosleep", "sleep"),
    ("setitimer", "alarm"),
    ("openat", "open"),
    ("pipe2", "pipe"),
    ("ppoll", "poll"),
    ("dup3", "dup2"),
];

const ASKS: &str = "printf asks once what standard output is: to a terminal it writes line by line, to anything else when the buffer is \
                    full or at exit.";

/// Explanations of events that the kernel and the C library cause without a call of the program.
const OWN: [(&str, &str); 11] = [
    ("exited", "The end of a process is reported a little after its exit_group."),
    (
        "zombie",
        "The process has ended, but its exit status is kept, and its id, until its parent waits for it. If the parent ends, init waits.",
    ),
    (
        "handler",
        "A signal comes at any moment. The kernel lets the process run its handler, and then go on where it was interrupted.",
    ),
    ("rt_sigreturn", "The handler has returned: the kernel puts back what the process was doing, and its signal mask."),
    ("execve", "Put another program in the place of this one; descriptors stay open."),
    ("newfstatat", ASKS),
    ("fstat", ASKS),
    ("ioctl", "printf asks whether standard output is a terminal."),
    ("brk", "The C library takes memory, here for the buffer of printf."),
    ("getrandom", "The C library takes random bytes for its memory allocator, once."),
    ("set_robust_list", "The C library tells the kernel of its locks, once in each process."),
];

/// The explanation of a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Word {
    /// The C form of the function, if the program called a function.
    pub prototype: Option<String>,
    pub sentence: String,
}

/// Returns the function by which a program makes a system call.
pub fn function(call: &str) -> &str {
    FUNCTIONS.iter().find(|(system, _)| *system == call).map_or(call, |(_, function)| function)
}

/// Returns the sentence that names a system call, if the function has another name.
pub fn system_call(call: &str) -> String {
    match function(call) {
        _ if call == "exit_group" => " The C library’s exit and _exit make the system call exit_group.".to_owned(),
        _ if call == "wait4" => " The C library’s wait and waitpid make the system call wait4.".to_owned(),
        function if function == call => String::new(),
        function => format!(" The C library’s {function} makes the system call {call}."),
    }
}

/// Returns the prototype and the sentence of a system call.
pub fn of(call: &str) -> Option<Word> {
    if let Some((_, sentence)) = OWN.iter().find(|(name, _)| *name == call) {
        return Some(Word { prototype: None, sentence: (*sentence).to_owned() });
    }
    let name = function(call);
    DOCUMENTS.iter().find_map(|document| find(document, name))
}

/// Finds the comment in front of a function: its C form in backquotes, an empty line, sentences.
fn find(document: &str, name: &str) -> Option<Word> {
    let mark = format!("{name}(");
    let lines: Vec<&str> = document.lines().collect();
    let is_form = |line: &&str| {
        let form = line.strip_prefix("/// `").unwrap_or_default();
        let at = form.find(&mark);
        at.is_some_and(|at| form[..at].ends_with([' ', '*']))
    };
    let start = lines.iter().position(is_form)?;
    let comment = lines[start..].iter().map_while(|line| line.strip_prefix("///")).map(str::trim);
    let (mut form, mut text) = (Vec::new(), Vec::new());
    let mut behind_form = false;
    for line in comment {
        match (line.is_empty(), behind_form) {
            (true, false) => behind_form = true,
            (true, true) => break,
            (false, false) => form.push(line),
            (false, true) => text.push(line),
        }
    }
    let text = text.join(" ");
    let sentence = text.split_once(". ").map_or(text.as_str(), |(first, _)| first).trim_end_matches('.');
    Some(Word { prototype: form.join(" ").split('`').nth(1).map(str::to_owned), sentence: format!("{sentence}.") })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_calls_of_the_programs_are_explained() {
        for call in [
            "clone",
            "close",
            "read",
            "write",
            "accept",
            "socket",
            "bind",
            "listen",
            "connect",
            "shutdown",
            "wait4",
            "recvfrom",
            "sendto",
            "rt_sigaction",
            "rt_sigprocmask",
            "exit_group",
            "clock_nanosleep",
            "alarm",
            "setsockopt",
            "kill",
            "openat",
            "poll",
            "dup2",
            "pipe",
            "rt_sigreturn",
            "execve",
        ] {
            let word = of(call).unwrap_or_else(|| panic!("{call} is not explained"));
            assert!(word.sentence.ends_with('.') && word.sentence.len() > 8, "{word:?}");
        }
        let fork = of("clone").unwrap();
        assert_eq!(fork.prototype.as_deref(), Some("pid_t fork(void);"));
        assert_eq!(of("no_such_call"), None);
        assert_eq!(system_call("clone"), " The C library’s fork makes the system call clone.");
        assert!(system_call("exit_group").contains("exit and _exit"));
        assert_eq!(system_call("close"), "");
    }
}
