//! The first process: starts the others, watches them, and reports.

use core::ffi::c_int;
use core::fmt;
use core::time::Duration;

use mpserv::errno::{Errno, Result};
use mpserv::poll::ppoll;
use mpserv::process::{_exit, Fork, Pid, WaitFor, WaitOptions, WaitStatus, fork, getpid, signal_at_death_of, waitpid};
use mpserv::signal::{
    Disposition, MaskHow, SaFlags, SigAction, SigSet, Signal, SignalFlag, kill, sigaction, sigprocmask,
};

use crate::board::{Board, Boards, Count, Fault};
use crate::holder::{HELD_MAX, hold};
use crate::options::Plan;
use crate::report::{self, Run};
use crate::worker::{Shift, now, work};

/// Something that the system refused.
pub(crate) struct Trouble {
    what: &'static str,
    errno: Errno,
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.what, self.errno)
    }
}

/// Makes a [`Trouble`] of an errno.
pub(crate) fn trouble(what: &'static str) -> impl Fn(Errno) -> Trouble {
    move |errno| Trouble { what, errno }
}

/// How often the others are looked after.
const TICK: Duration = Duration::from_millis(100);
/// How often progress is printed.
const PROGRESS: Duration = Duration::from_secs(1);
/// The processes begin together: so long after the first was forked, and so much longer for each.
const LEAD: Duration = Duration::from_millis(20);
const LEAD_EACH: Duration = Duration::from_micros(300);
/// After the end of the run, connections that were begun before it have so long to finish.
const LAST: Duration = Duration::from_secs(1);

/// The user, or the system, wants an end.
static STOP: SignalFlag = SignalFlag::new();
/// A process has ended.
static ENDED: SignalFlag = SignalFlag::new();
/// The first process interrupts a call that takes too long.
static INTERRUPTED: SignalFlag = SignalFlag::new();

/// The signals that the first process lets through only while it waits.
const WAITED_FOR: [Signal; 3] = [Signal::INT, Signal::TERM, Signal::CHLD];

fn handle(signal: Signal, sa_handler: Disposition) -> Result<()> {
    sigaction(signal, &SigAction { sa_handler, sa_mask: SigSet::empty(), sa_flags: SaFlags::NONE })
}

struct Crew<'p> {
    plan: &'p Plan,
    boards: &'p Boards,
    holders: u32,
    /// How many processes there are now, holders and workers.
    holding: u32,
    working: u32,
    /// When progress was printed last, and how many connections there were.
    printed: Duration,
    connections: u64,
}

/// Carries the plan out; the program's exit status.
pub(crate) fn run(plan: &Plan) -> core::result::Result<c_int, Trouble> {
    let holders = plan.idle.div_ceil(HELD_MAX);
    let boards = Boards::new((holders + plan.workers) as usize).map_err(trouble("no shared memory"))?;
    for (signal, flag) in [(Signal::INT, &STOP), (Signal::TERM, &STOP), (Signal::CHLD, &ENDED)] {
        handle(signal, Disposition::Flag(flag)).map_err(trouble("sigaction"))?;
    }
    sigprocmask(MaskHow::Block, &SigSet::from(WAITED_FOR));
    let printed = now();
    let mut crew = Crew { plan, boards: &boards, holders, holding: 0, working: 0, printed, connections: 0 };
    let result = crew.carry_out();
    crew.dismiss();
    let start = result?;
    let last = boards.iter().map(|board| Duration::from_nanos(board.get(Count::Ended))).max().unwrap_or_default();
    report::print(plan, &boards, &Run { start, end: last.max(start) })?;
    Ok(if boards.all_faults() == 0 { crate::SUCCESS } else { crate::ERRORS })
}

impl<'p> Crew<'p> {
    /// Holds, works and waits for the end of it; the time at which the work began.
    fn carry_out(&mut self) -> core::result::Result<Duration, Trouble> {
        let (plan, boards) = (self.plan, self.boards);
        let mut left = plan.idle;
        for process in 0..self.holders {
            let count = left.min(HELD_MAX);
            left -= count;
            self.start(process, |board| hold(plan, process, count, board))?;
            self.holding += 1;
        }
        while self.holding == self.holders
            && boards.sum(Count::Held) + boards.all_faults() < plan.idle.into()
            && !STOP.is_raised()
        {
            self.tick("held", Count::Held);
        }
        let start = now() + LEAD + LEAD_EACH * plan.workers;
        let end = plan.time.map(|time| start + time);
        for worker in 0..plan.workers {
            let process = self.holders + worker;
            let shift = Shift { process, worker, start, end };
            self.start(process, |board| work(plan, shift, board))?;
            self.working += 1;
        }
        let is_over = |crew: &Crew<'_>| match end {
            Some(end) if plan.workers == 0 => now() >= end || crew.holding < crew.holders,
            Some(end) => crew.working == 0 || now() >= end + LAST,
            None => crew.working == 0,
        };
        while !is_over(self) && !STOP.is_raised() {
            self.tick("connections", Count::Connections);
        }
        Ok(start)
    }

    /// Starts a process, which does `task` and ends.
    fn start(&self, process: u32, task: impl FnOnce(Board<'p>)) -> core::result::Result<(), Trouble> {
        let Some(board) = self.boards.iter().nth(process as usize) else { return Ok(()) };
        let parent = getpid();
        match fork().map_err(trouble("no further process (fewer --workers, or ulimit -u)"))? {
            Fork::Parent(child) => {
                board.set(Count::Pid, child.pid().raw().unsigned_abs().into());
                Ok(())
            }
            Fork::Child => {
                let ready = signal_at_death_of(parent, Signal::KILL)
                    .and_then(|()| handle(Signal::TERM, Disposition::Default))
                    .and_then(|()| handle(Signal::INT, Disposition::Ignore))
                    .and_then(|()| handle(Signal::ALRM, Disposition::Flag(&INTERRUPTED)));
                sigprocmask(MaskHow::Unblock, &SigSet::from(WAITED_FOR));
                if ready.is_ok() {
                    task(board);
                }
                _exit(c_int::from(ready.is_err()))
            }
        }
    }

    /// Waits for a moment, or for the end of a process, and looks after all of them.
    fn tick(&mut self, what: &str, count: Count) {
        let _ = ppoll(&mut [], Some(TICK), Some(&SigSet::empty()));
        self.reap();
        let now = now();
        for (_, board, pid) in self.processes() {
            let begun = board.get(Count::Begun);
            if begun != 0 && now.saturating_sub(Duration::from_nanos(begun)) > self.plan.timeout {
                // It may come between two calls and be lost; the next one will not.
                let _ = kill(pid, Signal::ALRM);
            }
        }
        let since = now.saturating_sub(self.printed);
        if since >= PROGRESS && !self.plan.quiet {
            let connections = self.boards.sum(count);
            let rate = (connections - self.connections) as f64 / since.as_secs_f64();
            report::progress(format_args!(
                "mpserv-load: {connections} {what}, {rate:.0}/s, {} errors\n",
                self.boards.all_faults()
            ));
            (self.printed, self.connections) = (now, connections);
        }
    }

    /// The processes that have not ended: index, board and id.
    fn processes(&self) -> impl Iterator<Item = (usize, Board<'p>, Pid)> + use<'p> {
        let pid = |board: &Board<'_>| i32::try_from(board.get(Count::Pid)).ok().and_then(Pid::from_raw);
        self.boards.iter().enumerate().filter_map(move |(index, board)| Some((index, board, pid(&board)?)))
    }

    /// Takes note of the processes that have ended.
    fn reap(&mut self) {
        if !ENDED.take() {
            return;
        }
        let mut status = WaitStatus::default();
        while let Ok(Some(ended)) = waitpid(WaitFor::AnyChild, Some(&mut status), WaitOptions::NOHANG) {
            let Some((index, board, _)) = self.processes().find(|&(_, _, pid)| pid == ended) else { continue };
            board.set(Count::Pid, 0);
            if status.exit_status() != Some(0) {
                board.add_fault(Fault::Died, None);
            }
            let place = if index < self.holders as usize { &mut self.holding } else { &mut self.working };
            *place -= 1;
        }
    }

    /// Brings every process to its end.
    fn dismiss(&mut self) {
        self.boards.stop();
        let deadline = now() + self.plan.timeout;
        while self.holding + self.working > 0 {
            let is_late = now() > deadline;
            for (index, _, pid) in self.processes() {
                if is_late {
                    let _ = kill(pid, Signal::KILL);
                } else if index >= self.holders as usize {
                    // Out of the call that it is in.
                    let _ = kill(pid, Signal::ALRM);
                }
            }
            let _ = ppoll(&mut [], Some(TICK), Some(&SigSet::empty()));
            self.reap();
        }
    }
}
