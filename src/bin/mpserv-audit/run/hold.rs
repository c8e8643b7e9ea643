//! Decides which process goes next. Only this module orders events between processes.
//!
//! The kernel decides whether a new child or its parent runs first, and which of two children ends first. So two runs
//! of one program can differ. A seccomp filter therefore makes each process wait at its beginning, before its end and,
//! if the run asks for it, before it sleeps. When all processes are at rest, one process goes on, and the tool waits
//! until all rest again. No sleep takes time: the tool tells the process that would wake first that its time is over.
//! The calls and their results do not change. Only their order is decided.

use std::time::Duration;

use mpserv::errno::Errno;
use mpserv::seccomp::{Listener, Notice};

use super::processes::{Processes, Status, memory};
use super::request::{Ending, Request, Sleep};

/// The kind of a call that waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum What {
    /// The call by which the C library registers a list of locks, at the beginning of a program or of a forked child.
    Birth,
    Exit,
    /// A sleep until this time, on a clock that advances only by sleeps.
    Sleep(Duration),
}

#[derive(Clone, Copy, Debug)]
struct Held {
    notice: Notice,
    what: What,
}

/// The processes that wait for their turn.
#[derive(Debug)]
pub struct Hold {
    listener: Listener,
    /// The treatment of sleeps: skipped sleeps are held, and other sleeps take their real time.
    sleep: Sleep,
    ending: Ending,
    /// Whether strace is not attached yet. Until then, the first call of the new command is held.
    unattached: bool,
    held: Vec<Held>,
    clock: Duration,
}

/// Returns the calls that wait because of the filter.
pub fn held_calls() -> [i64; 3] {
    [
        mpserv::ffi::sys::syscall::SYS_set_robust_list,
        mpserv::ffi::sys::syscall::SYS_exit_group,
        libc::SYS_clock_nanosleep,
    ]
}

impl Hold {
    pub fn new(listener: Listener, request: &Request<'_>, unattached: bool) -> Self {
        let Request { sleep, ending, .. } = *request;
        Hold { listener, sleep, ending, unattached, held: Vec::new(), clock: Duration::ZERO }
    }

    /// Notes that strace is attached to the command.
    pub fn is_attached(&mut self) {
        self.unattached = false;
    }

    /// Waits until the held calls are held again, because strace interrupts a call when it attaches.
    pub fn forget_all(&mut self) {
        self.held.clear();
    }

    pub fn is_empty(&self) -> bool {
        self.held.is_empty()
    }

    /// Waits at most this long for a process that is about to end or sleep, and holds it. Returns whether there was
    /// such a process.
    pub fn receive(&mut self, milliseconds: i32, processes: Option<&Processes>) -> bool {
        let mut came = false;
        while matches!(self.listener.poll(if came { 0 } else { milliseconds }), Ok(true)) {
            came = true;
            if let Ok(notice) = self.listener.receive() {
                self.take(notice, processes);
            }
        }
        came
    }

    fn take(&mut self, notice: Notice, processes: Option<&Processes>) {
        let is_traced = processes.is_some_and(|processes| processes.ids().contains(&notice.thread));
        let what = match notice.call {
            mpserv::ffi::sys::syscall::SYS_set_robust_list if self.unattached && has_executed(notice.thread) => {
                Some(What::Birth)
            }
            _ if !is_traced => None,
            mpserv::ffi::sys::syscall::SYS_set_robust_list => Some(What::Birth),
            mpserv::ffi::sys::syscall::SYS_exit_group => Some(What::Exit),
            mpserv::ffi::sys::syscall::SYS_clock_nanosleep if self.sleep == Sleep::Skipped => {
                duration(notice.thread, notice.arguments).map(|duration| What::Sleep(self.clock + duration))
            }
            _ => None,
        };
        // A signal interrupts a held call, which the kernel then repeats.
        self.held.retain(|held| held.notice.thread != notice.thread);
        match what {
            Some(what) => self.held.push(Held { notice, what }),
            None => self.finish(self.listener.let_pass(notice)),
        }
    }

    /// Handles the result of an answer. A process that was killed meanwhile needs no answer.
    fn finish(&self, answered: Result<(), Errno>) {
        debug_assert!(matches!(answered, Ok(()) | Err(Errno::NOENT)), "{answered:?}");
    }

    /// Lets the next held process go on. All processes must be at rest.
    pub fn release(&mut self, processes: &Processes, root: u32) {
        let order = |held: &&Held| {
            let pid = held.notice.thread;
            let age = processes.age(root, pid);
            match held.what {
                What::Birth => (0, Duration::ZERO, 0, age),
                What::Exit if self.ending == Ending::ChildFirst => (1, Duration::ZERO, 0, u32::MAX - age),
                // A parent that ends goes before its children, so that the parent does not see their end.
                What::Exit => (1, Duration::ZERO, 0, age),
                // If the root and its children sleep for the same time, the root wakes last, because it went to sleep
                // later.
                What::Sleep(until) => (2, until, u32::from(pid == root), age),
            }
        };
        let Some(held) = self.held.iter().min_by_key(order).copied() else {
            return;
        };
        match held.what {
            What::Exit => {
                // A sleep that the child's end cuts short must be a real sleep.
                let sleeper = self.sleeper_above(held.notice.thread);
                self.pass(sleeper.unwrap_or(held));
            }
            What::Birth => self.pass(held),
            What::Sleep(until) => {
                self.clock = until;
                self.forget(held);
                // SAFETY: the call is a sleep. Its result 0 means that the time is over, and the call has no other
                // effect.
                self.finish(unsafe { self.listener.answer(held.notice, 0) });
            }
        }
    }

    fn pass(&mut self, held: Held) {
        self.forget(held);
        self.finish(self.listener.let_pass(held.notice));
    }

    fn forget(&mut self, held: Held) {
        self.held.retain(|other| other.notice.thread != held.notice.thread);
    }

    /// Returns the parent of a process, if the parent's sleep is held and the parent has a handler for its children's
    /// end.
    fn sleeper_above(&self, pid: u32) -> Option<Held> {
        let parent = Status::of(pid)?.parent;
        let catches = Status::of(parent)?.catches_child_signal();
        let sleeps = |held: &&Held| held.notice.thread == parent && matches!(held.what, What::Sleep(_));
        self.held.iter().find(sleeps).filter(|_| catches).copied()
    }

    /// Lets all held processes go on, in no order.
    pub fn release_all(&mut self) {
        for held in std::mem::take(&mut self.held) {
            self.finish(self.listener.let_pass(held.notice));
        }
    }
}

/// Whether a process that this process has started already runs its own program.
fn has_executed(process: u32) -> bool {
    let program = |process: &str| std::fs::read_link(format!("/proc/{process}/exe")).ok();
    program(&process.to_string()) != program("self")
}

/// Returns the duration of a sleep, to which the third argument of clock_nanosleep points.
fn duration(thread: u32, [_clock, flags, request, ..]: [u64; 6]) -> Option<Duration> {
    // An absolute time cannot be converted without reading that clock.
    if flags != 0 {
        return None;
    }
    let time: [u8; 16] = memory(thread, request)?;
    let (seconds, nanoseconds) = time.split_at(8);
    let seconds = u64::from_ne_bytes(seconds.try_into().ok()?);
    let nanoseconds = u64::from_ne_bytes(nanoseconds.try_into().ok()?);
    Some(Duration::new(seconds, u32::try_from(nanoseconds).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sleep_until_a_time_has_no_duration() {
        let time = [3_u64, 500_000_000];
        let asked = |flags| duration(std::process::id(), [0, flags, time.as_ptr().addr() as u64, 0, 0, 0]);
        assert_eq!(asked(0), Some(Duration::from_millis(3500)));
        assert_eq!(asked(1), None, "TIMER_ABSTIME");
    }
}
