//! The first process: starts the other processes, watches them, and reports.

use core::ffi::c_int;
use core::time::Duration;

use mpserv::errno::Result;
use mpserv::poll::ppoll;
use mpserv::process::{_exit, Fork, Pid, WaitFor, WaitOptions, WaitStatus, fork, getpid, set_pdeathsig, waitpid};
use mpserv::signal::{
    Disposition, MaskHow, SaFlags, SigAction, SigSet, Signal, SignalFlag, kill, sigaction, sigprocmask,
};

use crate::error::{Error, Fault, error};
use crate::idle::{IDLE_PER_PROCESS, hold_idle};
use crate::options::Plan;
use crate::report::{self, Run};
use crate::stats::{AllStats, Count, Stats};
use crate::worker::{Schedule, now, work};

/// The time between two checks of the other processes.
const TICK: Duration = Duration::from_millis(100);
/// The time between two lines of progress.
const PROGRESS: Duration = Duration::from_secs(1);
/// The time from the first fork to the common start of all processes: once for the run, and once more for each process.
const LEAD: Duration = Duration::from_millis(20);
const LEAD_EACH: Duration = Duration::from_micros(300);
/// The time in which open connections must finish after the end of the run.
const LAST: Duration = Duration::from_secs(1);

/// The flag of SIGINT and SIGTERM, which tell the program to stop and report.
static STOP: SignalFlag = SignalFlag::new();
/// The flag of SIGCHLD. Nobody reads it: the signal has a handler only so that it ends a wait when a process has ended.
static ENDED: SignalFlag = SignalFlag::new();
/// The flag of SIGALRM in the other processes. The signal interrupts a call that takes too long.
static INTERRUPTED: SignalFlag = SignalFlag::new();

/// The signals that the first process blocks except while it waits. It gets no SIGALRM, but starts each process with the
/// signal blocked. The first process may send the signal before the new one has its handler.
const WAITED_FOR: [Signal; 4] = [Signal::INT, Signal::TERM, Signal::CHLD, Signal::ALRM];

fn handle(signal: Signal, sa_handler: Disposition) -> Result<()> {
    sigaction(signal, &SigAction { sa_handler, sa_mask: SigSet::empty(), sa_flags: SaFlags::NONE })
}

struct Supervisor<'p> {
    plan: &'p Plan,
    all: &'p AllStats,
    idle_processes: u32,
    /// The number of processes with idle connections that run now.
    idle_running: u32,
    workers_running: u32,
    /// The time of the last line of progress.
    printed: Duration,
    connections: u64,
}

/// Runs the plan. Returns the program's exit status.
pub(crate) fn run(plan: &Plan) -> core::result::Result<c_int, Error> {
    let idle_processes = plan.idle.div_ceil(IDLE_PER_PROCESS);
    let all = AllStats::new((idle_processes + plan.workers) as usize).map_err(error("no shared memory"))?;
    for (signal, flag) in [(Signal::INT, &STOP), (Signal::TERM, &STOP), (Signal::CHLD, &ENDED)] {
        handle(signal, Disposition::Flag(flag)).map_err(error("sigaction"))?;
    }
    sigprocmask(MaskHow::Block, &SigSet::from(WAITED_FOR));
    let printed = now();
    let mut supervisor =
        Supervisor { plan, all: &all, idle_processes, idle_running: 0, workers_running: 0, printed, connections: 0 };
    let result = supervisor.run_all();
    supervisor.stop_all();
    let start = result?;
    let last = all.iter().map(|stats| Duration::from_nanos(stats.get(Count::Ended))).max().unwrap_or_default();
    report::print(plan, &all, &Run { start, end: last })?;
    Ok(if all.all_faults() == 0 { crate::SUCCESS } else { crate::ERRORS })
}

impl<'p> Supervisor<'p> {
    /// Starts all processes and waits for the end of the run. Returns the time at which the workers began.
    fn run_all(&mut self) -> core::result::Result<Duration, Error> {
        let (plan, all) = (self.plan, self.all);
        let mut left = plan.idle;
        for process in 0..self.idle_processes {
            let count = left.min(IDLE_PER_PROCESS);
            left -= count;
            self.start(process, |stats| hold_idle(plan, process, count, stats))?;
            self.idle_running += 1;
        }
        while self.idle_running == self.idle_processes
            && all.sum(Count::Idle) + all.all_faults() < plan.idle.into()
            && !STOP.is_raised()
        {
            self.tick("held", Count::Idle);
        }
        let start = now() + LEAD + LEAD_EACH * plan.workers;
        let end = plan.time.map(|time| start + time);
        for worker in 0..plan.workers {
            let process = self.idle_processes + worker;
            let schedule = Schedule { process, worker, start, end };
            self.start(process, |stats| work(plan, schedule, stats))?;
            self.workers_running += 1;
        }
        let is_over = |supervisor: &Supervisor<'_>| match end {
            Some(end) if plan.workers == 0 => now() >= end || supervisor.idle_running < supervisor.idle_processes,
            Some(end) => supervisor.workers_running == 0 || now() >= end + LAST,
            None => supervisor.workers_running == 0,
        };
        while !is_over(self) && !STOP.is_raised() {
            self.tick("connections", Count::Connections);
        }
        Ok(start)
    }

    /// Starts a process that runs `task` and ends.
    fn start(&self, process: u32, task: impl FnOnce(Stats<'p>)) -> core::result::Result<(), Error> {
        let Some(stats) = self.all.iter().nth(process as usize) else { return Ok(()) };
        let parent = getpid();
        match fork().map_err(error("no further process (fewer --workers, or ulimit -u)"))? {
            Fork::Parent(child) => {
                stats.set(Count::Pid, child.pid().raw().unsigned_abs().into());
                Ok(())
            }
            Fork::Child => {
                let ready = set_pdeathsig(parent, Signal::KILL)
                    .and_then(|()| handle(Signal::TERM, Disposition::Default))
                    .and_then(|()| handle(Signal::INT, Disposition::Ignore))
                    .and_then(|()| handle(Signal::ALRM, Disposition::Flag(&INTERRUPTED)));
                sigprocmask(MaskHow::Unblock, &SigSet::from(WAITED_FOR));
                if ready.is_ok() {
                    task(stats);
                }
                _exit(c_int::from(ready.is_err()))
            }
        }
    }

    /// Waits for one tick, or until a process ends. Then reaps, interrupts slow connections, and prints progress.
    fn tick(&mut self, what: &str, count: Count) {
        let _ = ppoll(&mut [], Some(TICK), Some(&SigSet::empty()));
        self.reap();
        let now = now();
        for (_, stats, pid) in self.processes() {
            let begun = stats.get(Count::Begun);
            if begun != 0 && now.saturating_sub(Duration::from_nanos(begun)) > self.plan.timeout {
                // A signal between two calls has no effect, but the next tick sends another signal.
                let _ = kill(pid, Signal::ALRM);
            }
        }
        let since = now.saturating_sub(self.printed);
        if since >= PROGRESS && !self.plan.quiet {
            let connections = self.all.sum(count);
            let rate = (connections - self.connections) as f64 / since.as_secs_f64();
            report::progress(format_args!(
                "mpserv-load: {connections} {what}, {rate:.0}/s, {} errors\n",
                self.all.all_faults()
            ));
            (self.printed, self.connections) = (now, connections);
        }
    }

    /// Returns the processes that have not ended: index, stats and id.
    fn processes(&self) -> impl Iterator<Item = (usize, Stats<'p>, Pid)> + use<'p> {
        let pid = |stats: &Stats<'_>| i32::try_from(stats.get(Count::Pid)).ok().and_then(Pid::from_raw);
        self.all.iter().enumerate().filter_map(move |(index, stats)| Some((index, stats, pid(&stats)?)))
    }

    /// Reaps every process that has ended. Counts a fault for a process that ended too early.
    fn reap(&mut self) {
        let mut status = WaitStatus::default();
        while let Ok(Some(ended)) = waitpid(WaitFor::AnyChild, Some(&mut status), WaitOptions::NOHANG) {
            let Some((index, stats, _)) = self.processes().find(|&(_, _, pid)| pid == ended) else { continue };
            stats.set(Count::Pid, 0);
            if status.exit_status() != Some(0) {
                stats.add_fault(Fault::Died, None);
            }
            let place =
                if index < self.idle_processes as usize { &mut self.idle_running } else { &mut self.workers_running };
            *place -= 1;
        }
    }

    /// Tells every process to stop, and ends each process that does not stop in time.
    fn stop_all(&mut self) {
        self.all.stop();
        let deadline = now() + self.plan.timeout.max(LAST);
        while self.idle_running + self.workers_running > 0 {
            let is_late = now() > deadline;
            for (index, _, pid) in self.processes() {
                if is_late {
                    let _ = kill(pid, Signal::KILL);
                } else if index >= self.idle_processes as usize {
                    // The signal interrupts the call in which the worker waits.
                    let _ = kill(pid, Signal::ALRM);
                }
            }
            let _ = ppoll(&mut [], Some(TICK), Some(&SigSet::empty()));
            self.reap();
        }
    }
}
