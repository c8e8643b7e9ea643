//! Reads the facts about the traced processes from /proc, and tells when they are at rest.

use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use mpserv::ffi::sched::CLONE_VFORK;
use mpserv::syscall;

/// The status of one process, from /proc.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Status {
    /// `S` sleeps, `Z` is a zombie, `t` is stopped by strace.
    pub state: u8,
    pub parent: u32,
    /// The id of the strace that traces the process, or 0 once strace has heard of the process's end.
    pub tracer: u32,
    /// The signals that wait to be delivered.
    pending: u64,
    /// The signals for which the process has a handler.
    caught: u64,
    /// The number of context switches. If the number has not changed, the process has not run.
    switches: (u64, u64),
}

/// The bit of SIGCHLD in a set of signals.
const CHILD_BIT: u64 = 1 << 16;

impl Status {
    /// Reads the status of a process or thread. Returns none when it is gone.
    pub fn of(pid: u32) -> Option<Self> {
        let text = fs::read(format!("/proc/{pid}/status")).ok()?;
        Status::parse(&String::from_utf8_lossy(&text))
    }

    /// Takes the fields in the order in which the kernel writes them, in one pass: the tool reads the file often.
    fn parse(text: &str) -> Option<Self> {
        let mut lines = text.lines();
        let mut field = |name: &str| {
            let line = lines.find_map(|line| line.strip_prefix(name))?;
            line.strip_prefix(':').map(str::trim)
        };
        let signals = |field: &str| u64::from_str_radix(field, 16).ok();
        let state = *field("State")?.as_bytes().first()?;
        let parent = field("PPid")?.parse().ok()?;
        let tracer = field("TracerPid")?.parse().ok()?;
        let [thread, process, blocked, caught] = [
            signals(field("SigPnd")?)?,
            signals(field("ShdPnd")?)?,
            signals(field("SigBlk")?)?,
            signals(field("SigCgt")?)?,
        ];
        let switches =
            (field("voluntary_ctxt_switches")?.parse().ok()?, field("nonvoluntary_ctxt_switches")?.parse().ok()?);
        Some(Status { state, parent, tracer, pending: (thread | process) & !blocked, caught, switches })
    }

    pub fn catches_child_signal(&self) -> bool {
        self.caught & CHILD_BIT != 0
    }

    /// Whether the process can be at rest, as far as its own status tells.
    fn may_be_still(&self) -> bool {
        self.state == b'D' || self.is_still()
    }

    /// Whether the process is at rest: it does nothing until another process or the kernel acts. For the state `D`, see
    /// [`waits_for_vfork`].
    pub fn is_still(&self) -> bool {
        match self.state {
            b'S' => self.pending == 0,
            // The parent learns of the end only after strace.
            b'Z' => self.tracer == 0,
            _ => false,
        }
    }
}

/// Whether a process that /proc calls sleeping still waits for the processor. A process that is interrupted on its way
/// to sleep has this state for as long as a busy machine keeps it waiting. The kernel shows the call of a process only
/// once the process has left the processor.
fn is_queued(pid: u32) -> bool {
    // If this process may not read the file, the worst effect is a false difference.
    fs::read(format!("/proc/{pid}/syscall")).is_ok_and(|call| call == b"running\n")
}

/// Whether a process sleeps uninterruptibly because of vfork, until its child runs a program or ends. A fork also
/// sleeps like this when the kernel is short of a resource, but not for long.
fn waits_for_vfork(pid: u32) -> bool {
    is_vfork(pid, &fs::read_to_string(format!("/proc/{pid}/syscall")).unwrap_or_default())
}

/// Whether a call of a process, as /proc shows it, is a vfork.
fn is_vfork(pid: u32, call: &str) -> bool {
    let mut words = call.split(' ');
    let number = words.next().and_then(|number| number.parse::<i64>().ok());
    let argument = words.next().and_then(|word| u64::from_str_radix(word.strip_prefix("0x")?, 16).ok());
    let flags = match number.and_then(syscall::name) {
        Some("vfork") => return true,
        Some("clone") => argument,
        // The first argument of clone3 points to a struct, and the flags are its first field.
        Some("clone3") => argument.and_then(|at| memory(pid, at)).map(u64::from_ne_bytes),
        _ => None,
    };
    flags.is_some_and(|flags| flags & CLONE_VFORK as u64 != 0)
}

/// The index of the time in user space among the fields of /proc/PID/stat after the program's name. Kernel time
/// follows.
const USER_TIME: usize = 11;
/// The unit of processor times: hundredths of a second, on every Linux.
const TICKS_PER_SECOND: u64 = 100;

/// Returns the processor time of a process.
pub fn processor_time(pid: u32) -> Option<Duration> {
    times(pid, 2)
}

/// Returns the processor time of a process and of its reaped children, whose fields follow its own.
pub fn processor_time_of_all(pid: u32) -> Option<Duration> {
    times(pid, 4)
}

fn times(pid: u32, count: usize) -> Option<Duration> {
    times_in(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?, count)
}

fn times_in(stat: &str, count: usize) -> Option<Duration> {
    // The program's name may contain blanks and brackets.
    let (_, fields) = stat.rsplit_once(") ")?;
    let times = fields.split(' ').skip(USER_TIME).take(count).map(|field| field.parse::<u64>().ok());
    let ticks = times.sum::<Option<u64>>()?;
    Some(Duration::from_millis(ticks * 1000 / TICKS_PER_SECOND))
}

/// Returns the children of a process, zombies among them. While one child is reaped, the kernel may leave out another
/// one, so a list counts only if it is the same twice.
pub fn children(pid: u32) -> Vec<u32> {
    let mut last = list_children(pid);
    loop {
        let list = list_children(pid);
        if list == last {
            return list;
        }
        last = list;
    }
}

fn list_children(pid: u32) -> Vec<u32> {
    let tasks = fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    let lists = tasks.filter_map(|task| fs::read_to_string(task.path().join("children")).ok());
    lists.flat_map(|list| list.split_whitespace().filter_map(|id| id.parse().ok()).collect::<Vec<u32>>()).collect()
}

/// Returns some bytes of a process's memory.
pub fn memory<const LENGTH: usize>(pid: u32, address: u64) -> Option<[u8; LENGTH]> {
    let mut bytes = [0; LENGTH];
    File::open(format!("/proc/{pid}/mem")).ok()?.read_exact_at(&mut bytes, address).ok()?;
    Some(bytes)
}

/// The number of bytes at the end of a trace that are read for a message.
const END_OF_TRACE: usize = 4096;

/// A process and its status, or none once the process is gone.
pub type Seen = (u32, Option<Status>);

/// The processes for which strace keeps a file.
#[derive(Debug)]
pub struct Processes {
    pub strace: u32,
    /// The process since which the ages count: strace, or the process to which strace was attached.
    origin: u32,
    directory: PathBuf,
    /// The prefix of strace's file names. The process id follows.
    prefix: String,
    /// The largest process id. After this id, ids start over.
    id_limit: u32,
    /// The id up to which all processes of this run are known.
    checked: u32,
}

impl Processes {
    pub fn new(strace: u32, directory: &Path, prefix: &str) -> Self {
        let limit = fs::read_to_string("/proc/sys/kernel/pid_max").ok();
        let id_limit = limit.and_then(|limit| limit.trim().parse().ok()).unwrap_or(1 << 22);
        Processes {
            strace,
            origin: strace,
            directory: directory.into(),
            prefix: format!("{prefix}."),
            id_limit,
            checked: strace,
        }
    }

    /// Notes the process to which strace is attached, which is older than strace.
    pub fn attached_to(self, root: u32) -> Self {
        Processes { origin: root, ..self }
    }

    /// Returns the ids of all processes of which strace knows.
    pub fn ids(&self) -> Vec<u32> {
        let Ok(entries) = fs::read_dir(&self.directory) else {
            return Vec::new();
        };
        let id = |name: &str| name.strip_prefix(&self.prefix)?.parse().ok();
        let mut ids: Vec<u32> = entries.flatten().filter_map(|entry| id(entry.file_name().to_str()?)).collect();
        ids.sort_unstable();
        ids
    }

    /// Returns the command's process, which is the first of all. Its id may be the largest, because ids start over.
    pub fn root(&self) -> Option<u32> {
        self.ids().into_iter().min_by_key(|pid| self.age(self.origin, *pid))
    }

    /// Returns the total length of the traces of all processes.
    pub fn trace_length(&self) -> u64 {
        let file = |pid: u32| fs::metadata(self.directory.join(format!("{}{pid}", self.prefix)));
        self.ids().into_iter().filter_map(|pid| file(pid).ok()).map(|file| file.len()).sum()
    }

    /// Returns the end of strace's file for one process.
    pub fn end_of_trace(&self, pid: u32) -> Option<String> {
        let file = File::open(self.directory.join(format!("{}{pid}", self.prefix))).ok()?;
        let start = file.metadata().ok()?.len().saturating_sub(END_OF_TRACE as u64);
        let mut end = [0; END_OF_TRACE];
        let length = file.read_at(&mut end, start).ok()?;
        Some(String::from_utf8_lossy(&end[..length]).into_owned())
    }

    /// Returns a number that grows in the order in which processes were made, since the root.
    pub fn age(&self, root: u32, pid: u32) -> u32 {
        if pid >= root { pid - root } else { pid + (self.id_limit - root) }
    }

    /// Returns all processes, strace included, or none when one of them moves.
    pub fn look(&self) -> Option<Vec<Seen>> {
        let strace = Status::of(self.strace).filter(Status::may_be_still)?;
        let mut seen = vec![(self.strace, Some(strace))];
        for pid in self.ids() {
            let status = Status::of(pid);
            if status.is_some_and(|status| !status.may_be_still()) {
                return None;
            }
            seen.push((pid, status));
        }
        let is_still = |(pid, status): &Seen| match status {
            // The process has ended and was reaped.
            None => true,
            Some(status) if status.state == b'D' => {
                let is_child =
                    |(_, other): &Seen| other.is_some_and(|other| other.parent == *pid && other.state != b'Z');
                seen.iter().any(is_child) && waits_for_vfork(*pid)
            }
            Some(status) if status.state == b'S' => status.is_still() && !is_queued(*pid),
            Some(status) => status.is_still(),
        };
        seen.iter().all(is_still).then_some(seen)
    }

    /// Returns the last process id that was given out.
    pub fn last_id(&self) -> u32 {
        let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
        load.split_whitespace().last().and_then(|last| last.parse().ok()).unwrap_or(self.id_limit)
    }

    /// Whether strace traces a process or thread that has no trace file yet, with an id up to `last`. Such a process
    /// has just been forked and has not run.
    pub fn has_newborn(&self, last: u32) -> bool {
        let known = self.ids();
        let is_new =
            |pid: &u32| !known.contains(pid) && Status::of(*pid).is_some_and(|status| status.tracer == self.strace);
        // The ids may have started over.
        let behind = if last < self.checked { last + self.id_limit } else { last };
        (self.checked + 1..=behind).any(|id| is_new(&(id % self.id_limit)))
    }

    /// Notes that all processes up to this id are known.
    pub fn knows_up_to(&mut self, last: u32) {
        self.checked = last;
    }

    /// Returns the processor time of all processes.
    pub fn processor_time(&self) -> Duration {
        self.ids().into_iter().filter_map(processor_time).sum()
    }

    /// Returns the ids of the processes that still run under this strace.
    pub fn traced(&self) -> Vec<u32> {
        let is_ours = |pid: &u32| Status::of(*pid).is_some_and(|status| status.tracer == self.strace);
        self.ids().into_iter().filter(is_ours).collect()
    }
}

#[cfg(test)]
mod tests;
