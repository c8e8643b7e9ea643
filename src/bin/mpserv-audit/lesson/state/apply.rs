//! Applies one event to the kernel's state.

use std::collections::{BTreeMap, BTreeSet};

use super::{Action, Descriptor, Kernel, Life, Object};
use crate::lesson::text::{self, arguments, field, number};
use crate::trace::{Call, Line};
use crate::tree::{Tree, forked};

/// The calls that return a descriptor of a new object, and the name of the object.
const MAKERS: [(&[u8], &str); 8] = [
    (b"socket", "a socket"),
    (b"epoll_create1", "an epoll"),
    (b"eventfd2", "an eventfd"),
    (b"signalfd4", "a signalfd"),
    (b"timerfd_create", "a timerfd"),
    (b"memfd_create", "memory"),
    (b"inotify_init1", "an inotify"),
    (b"pidfd_open", "a process"),
];

const CHILD: &str = "SIGCHLD";
const ALARM: &str = "SIGALRM";

impl Kernel {
    /// Applies one event of the process with this index.
    pub fn apply(&mut self, tree: &Tree, process: usize, line: &Line<'_>) {
        match line {
            Line::Call(call) => self.call(tree, process, call),
            Line::Signal { name, .. } => self.deliver(process, &String::from_utf8_lossy(name)),
            Line::End { .. } => self.end(process),
            Line::Stopped { .. } | Line::Frame(_) | Line::Note(_) | Line::Unparsed(_) => {}
        }
    }

    fn call(&mut self, tree: &Tree, process: usize, call: &Call<'_>) {
        let result = number(call.result);
        let index_of = |pid: i64| tree.processes.iter().position(|other| i64::from(other.pid) == pid);
        if let Some(child) = forked(call).and_then(|pid| index_of(pid.into())) {
            return self.fork(process, child);
        }
        let parts = arguments(call);
        let argument = |at: usize| parts.get(at).copied().unwrap_or_default();
        if call.name == b"close" {
            // Even after a failed close the number is free, unless the descriptor was not open.
            if call.result != b"" && !call.result.starts_with(b"-1 EBADF") {
                self.close(process, number(argument(0)).unwrap_or(-1));
            }
            return;
        }
        let Some(result) = result.filter(|result| *result >= 0) else {
            if call.name == b"rt_sigreturn" {
                self.set_mask(process, field(argument(0), "mask").map(signals).unwrap_or_default());
            }
            return;
        };
        match call.name {
            b"rt_sigreturn" => self.set_mask(process, field(argument(0), "mask").map(signals).unwrap_or_default()),
            b"accept" | b"accept4" => {
                self.connections += 1;
                let name = format!("client {}", self.connections);
                self.open(process, result, name, mentions(call, "SOCK_CLOEXEC"));
            }
            b"open" | b"openat" | b"creat" => {
                let path = parts.iter().find(|part| part.starts_with(b"\"")).copied().unwrap_or_default();
                let path = String::from_utf8_lossy(&text::bytes(path)).into_owned();
                self.open(process, result, path, mentions(call, "O_CLOEXEC"));
            }
            b"pipe" | b"pipe2" | b"socketpair" => {
                let list = if call.name == b"socketpair" { argument(3) } else { argument(0) };
                let names = if call.name == b"socketpair" {
                    ["one end", "the other end"]
                } else {
                    ["pipe, to read", "pipe, to write"]
                };
                let ends =
                    text::split(list.strip_prefix(b"[").and_then(|list| list.strip_suffix(b"]")).unwrap_or_default());
                for (end, name) in ends.into_iter().zip(names) {
                    self.open(process, number(end).unwrap_or(-1), name.to_owned(), mentions(call, "CLOEXEC"));
                }
            }
            b"bind" | b"listen" | b"connect" => self.rename(process, call, &parts),
            b"dup" | b"dup2" | b"dup3" => self.copy(process, number(argument(0)), result, mentions(call, "O_CLOEXEC")),
            b"fcntl" => match argument(1) {
                b"F_DUPFD" => self.copy(process, number(argument(0)), result, false),
                b"F_DUPFD_CLOEXEC" => self.copy(process, number(argument(0)), result, true),
                b"F_SETFD" => {
                    let of = number(argument(0)).unwrap_or(-1);
                    if let Some(descriptor) = self.processes[process].descriptors.get_mut(&of) {
                        descriptor.close_on_exec = argument(2) == b"FD_CLOEXEC";
                    }
                }
                _ => {}
            },
            b"close_range" => {
                let range = number(argument(0)).unwrap_or(0)..=number(argument(1)).unwrap_or(0);
                let descriptors = &mut self.processes[process].descriptors;
                if mentions(call, "CLOSE_RANGE_CLOEXEC") {
                    let closed = descriptors.iter_mut().filter(|(fd, _)| range.contains(fd));
                    closed.for_each(|(_, descriptor)| descriptor.close_on_exec = true);
                } else {
                    descriptors.retain(|fd, _| !range.contains(fd));
                }
            }
            b"execve" | b"execveat" => {
                let this = &mut self.processes[process];
                this.descriptors.retain(|_, descriptor| !descriptor.close_on_exec);
                this.actions.retain(|_, action| *action == Action::Ignore);
            }
            b"rt_sigaction" => self.set_action(process, &String::from_utf8_lossy(argument(0)), argument(1)),
            b"rt_sigprocmask" if argument(1).starts_with(b"[") || argument(1).starts_with(b"~") => {
                let set = signals(argument(1));
                let old = self.processes[process].blocked.clone();
                self.set_mask(
                    process,
                    match argument(0) {
                        b"SIG_BLOCK" => old.union(&set).cloned().collect(),
                        b"SIG_UNBLOCK" => old.difference(&set).cloned().collect(),
                        _ => set,
                    },
                );
            }
            b"alarm" => self.processes[process].alarm = number(argument(0)).filter(|seconds| *seconds > 0),
            b"setitimer" if argument(0) == b"ITIMER_REAL" => {
                let value =
                    argument(1).windows(8).position(|window| window == b"it_value").map(|at| &argument(1)[at..]);
                let seconds = value.and_then(|value| field(value, "tv_sec")).and_then(number);
                self.processes[process].alarm = seconds.filter(|seconds| *seconds > 0);
            }
            b"kill" | b"tkill" | b"tgkill" => {
                let (target, signal) = match call.name {
                    b"tgkill" => (number(argument(1)), argument(2)),
                    _ => (number(argument(0)), argument(1)),
                };
                if let Some(target) = target.and_then(index_of) {
                    self.send(target, &String::from_utf8_lossy(signal));
                }
            }
            b"wait4" => self.reap(index_of(result)),
            b"waitid" if !mentions(call, "WNOWAIT") => {
                self.reap(field(argument(2), "si_pid").and_then(number).and_then(index_of));
            }
            name => {
                if let Some((_, kind)) = MAKERS.iter().find(|(maker, _)| *maker == name) {
                    self.open(process, result, (*kind).to_owned(), mentions(call, "CLOEXEC"));
                }
            }
        }
    }

    fn fork(&mut self, parent: usize, child: usize) {
        let mut made = self.processes[parent].clone();
        made.life = Life::Alive;
        made.parent = Some(parent);
        made.pending = BTreeSet::new();
        made.alarm = None;
        self.processes[child] = made;
    }

    fn open(&mut self, process: usize, fd: i64, name: String, close_on_exec: bool) {
        self.objects.push(Object { name });
        let object = self.objects.len() - 1;
        self.processes[process].descriptors.insert(fd, Descriptor { object, close_on_exec });
    }

    fn copy(&mut self, process: usize, from: Option<i64>, to: i64, close_on_exec: bool) {
        let descriptors = &mut self.processes[process].descriptors;
        if let Some(descriptor) = from.and_then(|from| descriptors.get(&from)).copied() {
            // A dup2 of a number to itself changes nothing.
            if from != Some(to) {
                descriptors.insert(to, Descriptor { close_on_exec, ..descriptor });
            }
        }
    }

    fn close(&mut self, process: usize, fd: i64) {
        self.processes[process].descriptors.remove(&fd);
    }

    /// Renames a socket after a call that changes its role.
    fn rename(&mut self, process: usize, call: &Call<'_>, parts: &[&[u8]]) {
        let fd = parts.first().and_then(|part| number(part)).unwrap_or(-1);
        let Some(object) = self.processes[process].descriptors.get(&fd).map(|descriptor| descriptor.object) else {
            return;
        };
        let port = parts.get(1).and_then(|address| text::port(address));
        let name = &mut self.objects[object].name;
        match (call.name, port) {
            (b"bind", Some(port)) => *name = format!("a socket on port {port}"),
            (b"connect", Some(port)) => *name = format!("a connection to port {port}"),
            (b"listen", _) => {
                let port = name.strip_prefix("a socket on ");
                *name = port.map_or_else(|| "listener".to_owned(), |port| format!("listener ({port})"));
            }
            _ => {}
        }
    }

    fn set_action(&mut self, process: usize, signal: &str, action: &[u8]) {
        let Some(handler) = field(action, "sa_handler") else {
            return;
        };
        let has = |flag: &str| field(action, "sa_flags").is_some_and(|flags| contains(flags, flag));
        let this = &mut self.processes[process];
        if signal == CHILD {
            this.keeps_no_zombies = has("SA_NOCLDWAIT");
        }
        match handler {
            b"SIG_DFL" => _ = this.actions.remove(signal),
            b"SIG_IGN" => _ = this.actions.insert(signal.to_owned(), Action::Ignore),
            _ => {
                let mask = field(action, "sa_mask").map(signals).unwrap_or_default();
                let action = Action::Handler { mask, nodefer: has("SA_NODEFER"), resets: has("SA_RESETHAND") };
                this.actions.insert(signal.to_owned(), action);
            }
        }
        if this.actions.get(signal) == Some(&Action::Ignore) {
            this.pending.remove(signal);
        }
    }

    fn set_mask(&mut self, process: usize, mut mask: BTreeSet<String>) {
        mask.retain(|signal| !NEVER_BLOCKED.contains(&signal.as_str()));
        self.processes[process].blocked = mask;
    }

    /// Makes a signal pending until it is delivered. A second signal of the same kind changes nothing, because signals
    /// do not queue.
    fn send(&mut self, process: usize, signal: &str) {
        let this = &mut self.processes[process];
        let dropped = match this.actions.get(signal) {
            Some(Action::Handler { .. }) => false,
            Some(Action::Ignore) => true,
            // By default, SIGCHLD is ignored.
            None => signal == CHILD,
        };
        if this.life == Life::Alive && (!dropped || this.blocked.contains(signal)) {
            this.pending.insert(signal.to_owned());
        }
    }

    fn deliver(&mut self, process: usize, signal: &str) {
        let this = &mut self.processes[process];
        this.pending.remove(signal);
        if signal == ALARM {
            this.alarm = None;
        }
        if let Some(Action::Handler { mask, nodefer, resets }) = this.actions.get(signal).cloned() {
            this.blocked.extend(mask);
            if !nodefer {
                this.blocked.insert(signal.to_owned());
            }
            if resets {
                this.actions.remove(signal);
            }
        }
    }

    fn end(&mut self, process: usize) {
        let parent = self.processes[process].parent.filter(|parent| self.processes[*parent].life == Life::Alive);
        let ignores = |parent: usize| {
            let parent = &self.processes[parent];
            parent.keeps_no_zombies || parent.actions.get(CHILD) == Some(&Action::Ignore)
        };
        let this = &self.processes[process];
        let life = if parent.is_some_and(|parent| !ignores(parent)) { Life::Zombie } else { Life::Gone };
        let parent_link = this.parent;
        self.processes[process].life = life;
        self.processes[process].descriptors = BTreeMap::new();
        self.processes[process].pending = BTreeSet::new();
        self.processes[process].blocked = BTreeSet::new();
        self.processes[process].alarm = None;
        self.processes[process].parent = parent_link;
        if let Some(parent) = parent {
            self.send(parent, CHILD);
        }
        // The system becomes the parent of the children. Zombies vanish, and the other children will leave no zombies.
        for child in &mut self.processes {
            if child.parent == Some(process) {
                child.parent = None;
                if child.life == Life::Zombie {
                    child.life = Life::Gone;
                }
            }
        }
    }

    fn reap(&mut self, child: Option<usize>) {
        if let Some(child) = child {
            self.processes[child].life = Life::Gone;
        }
    }
}

fn contains(text: &[u8], part: &str) -> bool {
    text.windows(part.len()).any(|window| window == part.as_bytes())
}

fn mentions(call: &Call<'_>, word: &str) -> bool {
    contains(call.arguments, word)
}

/// All signals that strace knows by name. A set that is written as its complement needs this list.
const ALL: [&str; 31] = [
    "HUP", "INT", "QUIT", "ILL", "TRAP", "ABRT", "BUS", "FPE", "KILL", "USR1", "SEGV", "USR2", "PIPE", "ALRM", "TERM",
    "STKFLT", "CHLD", "CONT", "STOP", "TSTP", "TTIN", "TTOU", "URG", "XCPU", "XFSZ", "VTALRM", "PROF", "WINCH", "IO",
    "PWR", "SYS",
];
/// The signals that no process can block.
const NEVER_BLOCKED: [&str; 2] = ["SIGKILL", "SIGSTOP"];
/// The number of signals that a process can block.
pub(super) const BLOCKABLE: usize = ALL.len() - NEVER_BLOCKED.len();

/// Returns a set of signals: `[CHLD USR1]`, or `~[KILL STOP]`.
fn signals(text: &[u8]) -> BTreeSet<String> {
    let text = String::from_utf8_lossy(text);
    let inner = text.trim_start_matches('~').trim_start_matches('[').trim_end_matches(']');
    let listed: Vec<&str> = inner.split_whitespace().collect();
    let full = |name: &&str| format!("SIG{name}");
    if text.starts_with('~') {
        return ALL.iter().filter(|name| !listed.contains(name)).map(full).collect();
    }
    listed.iter().map(full).collect()
}

#[cfg(test)]
mod tests;
