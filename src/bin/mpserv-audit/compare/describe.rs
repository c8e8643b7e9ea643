//! Describes a call, or the difference between two calls, in one line.

use super::arguments;
use super::sequence::UNPARSED;
use crate::lexer::{Kind, Lexer};

/// The parts of a normalized line.
#[derive(Debug)]
struct Parts {
    name: String,
    arguments: Vec<String>,
    result: String,
}

/// The most characters of a value. Longer values are cut short.
const VALUE_MAX: usize = 40;
/// The most parts of a call in one description. Further parts that differ are left out.
const PARTS_MAX: usize = 3;

impl Parts {
    fn of(line: &[u8]) -> Self {
        if let Some(how) = line.strip_prefix(b"+++ ") {
            let how = text(how.strip_suffix(b" +++").unwrap_or(how));
            return Parts { name: "end of the process".to_owned(), arguments: Vec::new(), result: how };
        }
        if let Some(signal) = line.strip_prefix(b"--- ") {
            let signal = signal.strip_suffix(b" ---").unwrap_or(signal);
            let space = signal.iter().position(|byte| *byte == b' ').unwrap_or(signal.len());
            let (name, info) = signal.split_at(space);
            return Parts { name: text(name), arguments: vec![text(info.trim_ascii())], result: String::new() };
        }
        let open = line.iter().position(|byte| *byte == b'(').unwrap_or(line.len());
        let name = text(&line[..open]);
        let (arguments, length) = elements(&line[open..]);
        let rest = &line[(open + length).min(line.len())..];
        let result = text(rest.strip_prefix(b" = ").unwrap_or(rest));
        Parts { name, arguments, result }
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Returns the elements between the bracket at the beginning of `list` and its closing bracket, and the length up to
/// there.
fn elements(list: &[u8]) -> (Vec<String>, usize) {
    let mut found = Vec::new();
    let mut depth = 0_usize;
    let mut start = 1;
    for token in Lexer::new(list) {
        match token.kind {
            Kind::Open => depth += 1,
            Kind::Close => {
                depth = depth.saturating_sub(1);
                if depth == 0 {
                    let last = text(list[start..token.end - 1].trim_ascii());
                    if !(last.is_empty() && found.is_empty()) {
                        found.push(last);
                    }
                    return (found, token.end);
                }
            }
            Kind::Other if token.text == b"," && depth == 1 => {
                found.push(text(list[start..token.end - 1].trim_ascii()));
                start = token.end;
            }
            _ => {}
        }
    }
    (found, list.len())
}

/// The kinds of a call's parts. The first kinds explain a difference best.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Rank {
    /// A number, flags or a name, which the program chose.
    Scalar,
    /// A part of a structure.
    Field,
    Text,
    Result,
}

/// One part that differs.
#[derive(Debug)]
struct Change {
    rank: Rank,
    name: String,
    a: String,
    b: String,
}

/// The description of the difference between two calls of the same name.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Description {
    /// The description for people.
    pub(super) what: String,
    /// The key of the kind of difference: two differences of one kind have the same key.
    pub(super) key: String,
    /// The key without values, in which a program may differ from itself.
    pub(super) about: String,
}

/// Describes the difference between two normalized lines about the same call.
pub(super) fn changed(a: &[u8], b: &[u8]) -> Description {
    let (a, b) = (Parts::of(a), Parts::of(b));
    let mut changes = Vec::new();
    for index in 0..a.arguments.len().max(b.arguments.len()) {
        let name = arguments::name(&a.name, index);
        let [one, other] = [&a, &b].map(|side| side.arguments.get(index).map_or("", String::as_str));
        compare(Rank::Scalar, &name, one, other, &mut changes);
    }
    compare(Rank::Result, "result", &a.result, &b.result, &mut changes);
    let Some(rank) = changes.iter().map(|change| change.rank).min() else {
        let about = format!("{}: refers to another mapping, file or port", a.name);
        return Description { what: about.clone(), key: about.clone(), about };
    };
    changes.retain(|change| change.rank == rank);
    let shown = changes.iter().take(PARTS_MAX).map(|change| {
        let name = if change.name.is_empty() { String::new() } else { format!("{} ", change.name) };
        format!("{name}{} / {}", shorten(&change.a), shorten(&change.b))
    });
    let what = format!("{}: {}", a.name, shown.collect::<Vec<_>>().join(", "));
    let names: Vec<&str> = changes.iter().map(|change| change.name.as_str()).collect();
    let about = format!("{}: {}", a.name, names.join(", "));
    // The bytes that a call moves and the values that it returns differ from run to run. The program's request does
    // not.
    let key = match rank {
        Rank::Scalar => what.clone(),
        Rank::Field | Rank::Text => about.clone(),
        Rank::Result => format!("{about} {} / {}", error(&a.result), error(&b.result)),
    };
    Description { what, key, about }
}

/// Returns the name of the errno in a result, or nothing for a success.
fn error(result: &str) -> &str {
    result.strip_prefix("-1 ").and_then(|error| error.split(' ').next()).unwrap_or_default()
}

fn compare(rank: Rank, name: &str, a: &str, b: &str, changes: &mut Vec<Change>) {
    if a == b {
        return;
    }
    let open = |text: &str| text.bytes().next().filter(|byte| matches!(byte, b'{' | b'['));
    if open(a).is_some() && open(a) == open(b) {
        let ((of_a, _), (of_b, _)) = (elements(a.as_bytes()), elements(b.as_bytes()));
        if of_a.len() == of_b.len() {
            for (one, other) in of_a.iter().zip(&of_b) {
                field(name, one, other, changes);
            }
            return;
        }
    }
    // A path is part of the program's request. Data is sent or received.
    let rank = if name == "data" { Rank::Text } else { rank };
    changes.push(Change { rank, name: name.to_owned(), a: a.to_owned(), b: b.to_owned() });
}

/// Compares `sin_port=htons(5051)` with another value of the field, or elements of a list.
fn field(outer: &str, a: &str, b: &str, changes: &mut Vec<Change>) {
    let split = |text: &str| -> Option<(String, String)> {
        let (name, value) = text.split_once('=')?;
        let is_name = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        is_name.then(|| (name.to_owned(), value.to_owned()))
    };
    match (split(a), split(b)) {
        (Some((name, a)), Some((other, b))) if name == other => match name.as_str() {
            "sin_port" | "sin6_port" => compare(Rank::Field, "port", inside(&a), inside(&b), changes),
            "sin_addr" => compare(Rank::Field, "address", inside(&a), inside(&b), changes),
            name => compare(Rank::Field, name, &a, &b, changes),
        },
        _ => compare(Rank::Field, outer, a, b, changes),
    }
}

/// Returns the value in `htons(5051)`.
fn inside(text: &str) -> &str {
    text.split_once('(').and_then(|(_, rest)| rest.strip_suffix(')')).unwrap_or(text)
}

pub(super) fn shorten(text: &str) -> String {
    if text.chars().count() <= VALUE_MAX {
        return text.to_owned();
    }
    text.chars().take(VALUE_MAX - 1).chain(['…']).collect()
}

/// Returns a call with its arguments, up to the data that it moves.
pub(super) fn call(line: &[u8]) -> String {
    let parts = Parts::of(line);
    if line.starts_with(b"+++ ") {
        return format!("{}, {}", parts.name, parts.result);
    }
    if line.starts_with(b"--- ") {
        return parts.name;
    }
    if line.starts_with(UNPARSED) || !line.contains(&b'(') {
        return shorten(&text(line));
    }
    let shown = arguments::data(&parts.name).unwrap_or(parts.arguments.len());
    let mut arguments: Vec<String> = parts.arguments.iter().take(shown).map(|text| shorten(text)).collect();
    if shown < parts.arguments.len() {
        arguments.push("…".to_owned());
    }
    format!("{}({})", parts.name, arguments.join(", "))
}

/// Returns the text that a call writes, if it writes text.
pub(super) fn printed(line: &[u8]) -> Option<String> {
    let parts = Parts::of(line);
    let data = arguments::data(&parts.name)?;
    parts.arguments.get(data).map(|text| shorten(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn what(a: &str, b: &str) -> String {
        changed(a.as_bytes(), b.as_bytes()).what
    }

    #[test]
    fn the_part_that_the_program_chose_explains_a_difference() {
        assert_eq!(
            what("read(4, \"hello\\n\", 8192) = 6", "read(4, \"hel\", 30) = 3"),
            "read: size 8192 / 30",
            "not the data, and not the result"
        );
        assert_eq!(what("listen(3, 5) = 0", "listen(3, 6) = 0"), "listen: backlog 5 / 6");
        assert_eq!(what("write(4, \"a\", 1) = 1", "write(4, \"b\", 1) = 1"), "write: data \"a\" / \"b\"");
        assert_eq!(
            what("close(3) = 0", "close(3) = -1 EBADF (Bad file descriptor)"),
            "close: result 0 / -1 EBADF (Bad file descriptor)"
        );
        assert_eq!(
            what("+++ exited with 0 +++", "+++ exited with 1 +++"),
            "end of the process: result exited with 0 / exited with 1"
        );
    }

    #[test]
    fn a_structure_is_compared_field_by_field() {
        let bind = |port: u16| format!("bind(3, {{sa_family=AF_INET, sin_port=htons({port})}}, 16) = 0");
        assert_eq!(what(&bind(5051), &bind(5052)), "bind: port 5051 / 5052");
        let action = |flags: &str| format!("rt_sigaction(SIGCHLD, {{sa_handler=0x1, sa_flags={flags}}}, NULL, 8) = 0");
        assert_eq!(what(&action("SA_RESTART"), &action("0")), "rt_sigaction: sa_flags SA_RESTART / 0");
        assert_eq!(what("--- SIGCHLD {si_status=3} ---", "--- SIGCHLD {si_status=4} ---"), "SIGCHLD: si_status 3 / 4");
    }

    #[test]
    fn data_and_numbers_of_bytes_make_no_kinds_of_their_own() {
        let key = |a: &str, b: &str| changed(a.as_bytes(), b.as_bytes()).key;
        let short = key("write(4, \"a\", 1) = 1", "write(4, \"b\", 1) = 1");
        assert_eq!(short, key("write(4, \"c\", 1) = 1", "write(4, \"d\", 1) = 1"));
        assert_eq!(
            key("read(4, \"\", 9) = 0", "read(4, \"\", 9) = 1"),
            key("read(4, \"\", 9) = 3", "read(4, \"\", 9) = 2")
        );
        assert_ne!(key("listen(3, 5) = 0", "listen(3, 6) = 0"), key("listen(3, 5) = 0", "listen(3, 7) = 0"));
    }

    #[test]
    fn an_address_has_a_name_and_an_errno_is_a_kind_of_its_own() {
        let connect = |field: &str| format!("connect(3, {{sa_family=AF_INET, {field}}}, 16) = 0");
        for (one, other, told) in [
            ("sin_port=htons(1)", "sin_port=htons(2)", "connect: port 1 / 2"),
            ("sin6_port=htons(1)", "sin6_port=htons(2)", "connect: port 1 / 2"),
            ("sin_addr=inet_addr(\"::1\")", "sin_addr=inet_addr(\"::2\")", "connect: address \"::1\" / \"::2\""),
        ] {
            assert_eq!(what(&connect(one), &connect(other)), told);
        }
        let key = |result: &str| changed(b"pause() = 0", format!("pause() = {result}").as_bytes()).key;
        assert_eq!(key("-1 EINTR (x)"), "pause: result  / EINTR");
        assert_eq!(key("1"), "pause: result  / ");
    }

    #[test]
    fn a_call_is_shown_up_to_its_data() {
        assert_eq!(call(b"getpid() = <process root>"), "getpid()");
        assert_eq!(call(b"write(4, \"text\", 4) = 4"), "write(4, …)");
        assert_eq!(
            call(b"openat(AT_FDCWD, \"/etc/hosts\", O_RDONLY) = 3"),
            "openat(AT_FDCWD, \"/etc/hosts\", O_RDONLY)"
        );
    }

    /// Checks the name of each argument: one argument after another has another value.
    #[test]
    fn each_argument_has_the_name_of_its_manual_page() {
        for line in [
            "accept: descriptor, address, length",
            "accept4: descriptor, address, length, flags",
            "alarm: seconds",
            "bind: descriptor, address, length",
            "connect: descriptor, address, length",
            "brk: end",
            "chdir: path",
            "unlink: path",
            "rmdir: path",
            "clock_nanosleep: clock, flags, time, remaining",
            "clone: stack, flags",
            "close: descriptor",
            "fsync: descriptor",
            "dup: descriptor",
            "dup2: descriptor, copy",
            "dup3: descriptor, copy, flags",
            "execve: path, arguments, environment",
            "exit: status",
            "exit_group: status",
            "fcntl: descriptor, command, argument",
            "fstat: descriptor, status",
            "futex: word, operation, value, timeout",
            "getsockopt: descriptor, level, option, value, length",
            "setsockopt: descriptor, level, option, value, length",
            "ioctl: descriptor, request, argument",
            "kill: process, signal",
            "listen: descriptor, backlog",
            "lseek: descriptor, offset, whence",
            "mkdir: path, mode",
            "mmap: address, length, protection, flags, descriptor, offset",
            "mprotect: address, length, protection",
            "munmap: address, length",
            "nanosleep: time, remaining",
            "newfstatat: directory, path, status, flags",
            "open: path, flags, mode",
            "openat: directory, path, flags, mode",
            "pipe: descriptors",
            "pipe2: descriptors, flags",
            "poll: descriptors, count, timeout",
            "prctl: option, argument 2",
            "prlimit64: process, resource, limit, old limit",
            "read: descriptor, data, size",
            "write: descriptor, data, size",
            "pread64: descriptor, data, size, offset",
            "pwrite64: descriptor, data, size, offset",
            "recvfrom: descriptor, data, size, flags, address, length",
            "sendto: descriptor, data, size, flags, address, length",
            "rt_sigaction: signal, action, old action",
            "rt_sigprocmask: operation, set, old set",
            "setitimer: timer, time, old time",
            "shutdown: descriptor, direction",
            "socket: family, type, protocol",
            "socketpair: family, type, protocol, descriptors",
            "tgkill: process, thread, signal",
            "umask: mask",
            "wait4: process, status, options, usage",
            "waitid: kind, process, information, options, usage",
            "unlisted: argument 1, argument 2",
        ] {
            let (call, names) = line.split_once(": ").unwrap();
            let names: Vec<&str> = names.split(", ").collect();
            for (at, name) in names.iter().enumerate() {
                let with = |value: &str| {
                    let all: Vec<&str> = (0..names.len()).map(|index| if index == at { value } else { "0" }).collect();
                    format!("{call}({}) = 0", all.join(", "))
                };
                assert_eq!(what(&with("1"), &with("2")), format!("{call}: {name} 1 / 2"));
            }
        }
    }

    #[test]
    fn a_description_has_three_parts_of_forty_characters() {
        let call = |length: usize, end: char| format!("chdir(\"{}{end}\") = 0", "x".repeat(length - 3));
        let whole = |end: char| format!("\"{}{end}\"", "x".repeat(37));
        assert_eq!(what(&call(40, 'a'), &call(40, 'b')), format!("chdir: path {} / {}", whole('a'), whole('b')));
        let cut = format!("\"{}…", "x".repeat(38));
        assert_eq!(what(&call(41, 'a'), &call(41, 'b')), format!("chdir: path {cut} / {cut}"));
        assert_eq!(
            what("mmap(1, 1, 1, 1, 1, 1) = 0", "mmap(2, 2, 2, 2, 2, 2) = 0"),
            "mmap: address 1 / 2, length 1 / 2, protection 1 / 2"
        );
        // The lines may be equal, and only the things that they mean differ.
        let same = "munmap(<mapping>, 8) = 0";
        assert_eq!(what(same, same), "munmap: refers to another mapping, file or port");
    }
}
