//! The traced processes as /proc shows them, and when they are at rest.

use std::fs;
use std::path::{Path, PathBuf};

/// What /proc says about one process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Status {
    /// `S` sleeps, `Z` is a zombie, `t` is stopped by strace.
    pub state: u8,
    pub parent: u32,
    /// The strace that traces it; 0 once that has heard of its end.
    pub tracer: u32,
    /// Signals that wait to be delivered.
    pending: u64,
    /// Signals that it has a handler for.
    caught: u64,
    /// How often it gave up the processor: what has not changed has not run.
    switches: (u64, u64),
}

/// SIGCHLD's bit in a set of signals.
const CHILD_BIT: u64 = 1 << 16;

impl Status {
    /// Reads the status of a process or thread; none when it is gone.
    pub fn of(pid: u32) -> Option<Self> {
        let text = fs::read(format!("/proc/{pid}/status")).ok()?;
        let text = String::from_utf8_lossy(&text);
        let field = |name: &str| {
            let line = text.lines().find_map(|line| line.strip_prefix(name))?;
            line.strip_prefix(':').map(str::trim)
        };
        let number = |name: &str| field(name)?.parse().ok();
        let signals = |name: &str| u64::from_str_radix(field(name)?, 16).ok();
        let count = |name: &str| field(name)?.parse().ok();
        Some(Status {
            state: *field("State")?.as_bytes().first()?,
            parent: number("PPid")?,
            tracer: number("TracerPid")?,
            pending: (signals("SigPnd")? | signals("ShdPnd")?) & !signals("SigBlk")?,
            caught: signals("SigCgt")?,
            switches: (count("voluntary_ctxt_switches")?, count("nonvoluntary_ctxt_switches")?),
        })
    }

    pub fn catches_child_signal(&self) -> bool {
        self.caught & CHILD_BIT != 0
    }

    /// Whether nothing happens in it until something else happens.
    fn is_still(&self, pid: u32) -> bool {
        match self.state {
            b'S' => self.pending == 0,
            // Its parent hears of its end only once strace has.
            b'Z' => self.tracer == 0,
            b'D' => waits_for_vfork(pid),
            _ => false,
        }
    }
}

/// The numbers of the calls in which a parent waits, unkillable, until its child runs a program.
fn vfork_calls() -> [i64; 3] {
    [mpserv::ffi::sys::syscall::SYS_vfork, libc::SYS_clone, libc::SYS_clone3]
}

fn waits_for_vfork(pid: u32) -> bool {
    let Ok(call) = fs::read_to_string(format!("/proc/{pid}/syscall")) else {
        return false;
    };
    let number = call.split(' ').next().and_then(|number| number.parse::<i64>().ok());
    number.is_some_and(|number| vfork_calls().contains(&number))
}

/// One process and what was seen of it; no status once it is gone.
pub type Seen = (u32, Option<Status>);

/// The processes that strace keeps a file for.
#[derive(Debug)]
pub struct Processes {
    pub strace: u32,
    directory: PathBuf,
    /// What strace's files are called, up to the process id.
    prefix: String,
    /// The largest process id, after which numbers start over.
    id_limit: u32,
    /// Up to this id all processes of ours are known.
    checked: u32,
}

impl Processes {
    pub fn new(strace: u32, directory: &Path, prefix: &str) -> Self {
        let limit = fs::read_to_string("/proc/sys/kernel/pid_max").ok();
        let id_limit = limit.and_then(|limit| limit.trim().parse().ok()).unwrap_or(1 << 22);
        Processes { strace, directory: directory.into(), prefix: format!("{prefix}."), id_limit, checked: strace }
    }

    /// Their ids, as far as strace has met them.
    pub fn ids(&self) -> Vec<u32> {
        let Ok(entries) = fs::read_dir(&self.directory) else {
            return Vec::new();
        };
        let id = |name: &str| name.strip_prefix(&self.prefix)?.parse().ok();
        let mut ids: Vec<u32> = entries.flatten().filter_map(|entry| id(entry.file_name().to_str()?)).collect();
        ids.sort_unstable();
        ids
    }

    /// How much strace has written about all of them.
    pub fn trace_length(&self) -> u64 {
        let file = |pid: u32| fs::metadata(self.directory.join(format!("{}{pid}", self.prefix)));
        self.ids().into_iter().filter_map(|pid| file(pid).ok()).map(|file| file.len()).sum()
    }

    /// A number that grows in the order in which processes were made, since the root.
    pub fn age(&self, root: u32, pid: u32) -> u32 {
        if pid >= root { pid - root } else { pid + (self.id_limit - root) }
    }

    /// All of them, strace included, or none when one of them is not still.
    pub fn look(&self) -> Option<Vec<Seen>> {
        let strace = Status::of(self.strace).filter(|status| status.is_still(self.strace))?;
        let mut seen = vec![(self.strace, Some(strace))];
        for pid in self.ids() {
            let status = Status::of(pid);
            if status.is_some_and(|status| !status.is_still(pid)) {
                return None;
            }
            seen.push((pid, status));
        }
        Some(seen)
    }

    /// The last process id that was given out.
    pub fn last_id(&self) -> u32 {
        let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
        load.split_whitespace().last().and_then(|last| last.parse().ok()).unwrap_or(self.id_limit)
    }

    /// Whether there is a process or thread, with an id up to `last`, that strace traces but has not heard of yet: one
    /// that was forked just now and has not run.
    pub fn has_newborn(&self, last: u32) -> bool {
        let known = self.ids();
        let is_new =
            |pid: &u32| !known.contains(pid) && Status::of(*pid).is_some_and(|status| status.tracer == self.strace);
        // The numbers may have started over.
        let behind = if last < self.checked { last + self.id_limit } else { last };
        (self.checked + 1..=behind).any(|id| is_new(&(id % self.id_limit)))
    }

    /// All processes up to this id are known.
    pub fn knows_up_to(&mut self, last: u32) {
        self.checked = last;
    }

    /// Those that still run under our strace.
    pub fn traced(&self) -> Vec<u32> {
        let is_ours = |pid: &u32| Status::of(*pid).is_some_and(|status| status.tracer == self.strace);
        self.ids().into_iter().filter(is_ours).collect()
    }
}
