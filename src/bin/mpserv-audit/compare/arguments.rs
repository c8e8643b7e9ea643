//! The names of the arguments of common calls, in the words of their manual pages.

/// Returns the names of a call's arguments, in order, or none for a call that is not listed.
fn names(call: &str) -> &'static [&'static str] {
    match call {
        "accept" | "accept4" => &["descriptor", "address", "length", "flags"],
        "alarm" => &["seconds"],
        "bind" | "connect" => &["descriptor", "address", "length"],
        "brk" => &["end"],
        "chdir" | "unlink" | "rmdir" => &["path"],
        "clock_nanosleep" => &["clock", "flags", "time", "remaining"],
        "clone" => &["stack", "flags"],
        "close" | "fsync" => &["descriptor"],
        "dup" | "dup2" | "dup3" => &["descriptor", "copy", "flags"],
        "execve" => &["path", "arguments", "environment"],
        "exit" | "exit_group" => &["status"],
        "fcntl" => &["descriptor", "command", "argument"],
        "fstat" => &["descriptor", "status"],
        "futex" => &["word", "operation", "value", "timeout"],
        "getsockopt" | "setsockopt" => &["descriptor", "level", "option", "value", "length"],
        "ioctl" => &["descriptor", "request", "argument"],
        "kill" => &["process", "signal"],
        "listen" => &["descriptor", "backlog"],
        "lseek" => &["descriptor", "offset", "whence"],
        "mkdir" => &["path", "mode"],
        "mmap" => &["address", "length", "protection", "flags", "descriptor", "offset"],
        "mprotect" => &["address", "length", "protection"],
        "munmap" => &["address", "length"],
        "nanosleep" => &["time", "remaining"],
        "newfstatat" => &["directory", "path", "status", "flags"],
        "open" => &["path", "flags", "mode"],
        "openat" => &["directory", "path", "flags", "mode"],
        "pipe" | "pipe2" => &["descriptors", "flags"],
        "poll" => &["descriptors", "count", "timeout"],
        "prctl" => &["option"],
        "prlimit64" => &["process", "resource", "limit", "old limit"],
        "read" | "write" => &["descriptor", "data", "size"],
        "pread64" | "pwrite64" => &["descriptor", "data", "size", "offset"],
        "recvfrom" => &["descriptor", "data", "size", "flags", "address", "length"],
        "sendto" => &["descriptor", "data", "size", "flags", "address", "length"],
        "rt_sigaction" => &["signal", "action", "old action"],
        "rt_sigprocmask" => &["operation", "set", "old set"],
        "setitimer" => &["timer", "time", "old time"],
        "shutdown" => &["descriptor", "direction"],
        "socket" | "socketpair" => &["family", "type", "protocol", "descriptors"],
        "tgkill" => &["process", "thread", "signal"],
        "umask" => &["mask"],
        "wait4" => &["process", "status", "options", "usage"],
        "waitid" => &["kind", "process", "information", "options", "usage"],
        _ => &[],
    }
}

/// Returns the name of one argument.
pub(super) fn name(call: &str, index: usize) -> String {
    names(call).get(index).map_or_else(|| format!("argument {}", index + 1), ToString::to_string)
}

/// Returns the index of the argument with the data that the call moves.
pub(super) fn data(call: &str) -> Option<usize> {
    names(call).iter().position(|name| *name == "data")
}
