//! The running program, and the actions that a drive takes on it.

use std::io;
use std::net::TcpListener;
use std::time::{Duration, Instant};

use mpserv::errno::Errno;
use mpserv::process::{Pid, WaitFor, WaitOptions, waitpid};
use mpserv::signal::{self, Signal};

use super::doing;
use super::helper::{Helper, end_group};
use super::interrupt::INTERRUPTED;
use super::network;
use super::processes::{Processes, Seen, Status};
use super::request::Request;
use super::start::{Started, TICK_MILLISECONDS};
use crate::trouble::Trouble;

/// The time between two looks at the processes once nothing has moved for [`IDLE_AFTER`] looks.
const IDLE_MILLISECONDS: i32 = 10;
const IDLE_AFTER: u32 = 50;
/// The time between two checks whether a server that does not come to rest is listening.
const LISTEN_INTERVAL: Duration = Duration::from_millis(200);
/// The longest time for which a drive waits for busy processes. The limit holds for the clock and for processor time,
/// because a process gets little of the processor on a busy machine.
const PATIENCE: Duration = Duration::from_secs(2);
const PROCESSOR_PATIENCE: Duration = Duration::from_secs(2);
/// A program under faults whose trace has this number of bytes counts as a program that makes calls without end.
/// Without a fault, traces are far smaller.
const TRACE_LIMIT: u64 = 512 << 10;

/// The state of the processes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// A process runs.
    Moving,
    /// All processes wait for something from outside.
    Rest,
    /// The last process has ended.
    Ended,
}

/// The state of the processes at the end of a drive.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Standing {
    /// All processes had ended, or were left to end.
    #[default]
    Ended,
    /// The processes waited without end and were killed.
    Waiting,
    /// A process made calls without end, and all were killed.
    Endless,
}

/// A running program, and the state of its drive.
#[derive(Debug)]
pub struct Stage<'r> {
    request: &'r Request<'r>,
    started: Started,
    /// The listener of this tool, if the request asks for one.
    listener: Option<TcpListener>,
    root: Option<u32>,
    ended: bool,
    /// The time since which a process has been moving.
    moving: Instant,
    used: Duration,
    /// The number of looks since a process moved.
    idle: u32,
    /// The command of the drive, which ends with the program.
    helper: Option<Helper>,
    standing: Standing,
}

impl<'r> Stage<'r> {
    pub fn new(request: &'r Request<'r>, started: Started, listener: Option<TcpListener>) -> Self {
        Stage {
            request,
            started,
            listener,
            root: None,
            ended: false,
            moving: Instant::now(),
            used: Duration::ZERO,
            idle: 0,
            helper: None,
            standing: Standing::default(),
        }
    }

    /// Returns the state of the processes at the end of the drive.
    pub fn last_standing(&self) -> Standing {
        self.standing
    }

    /// Returns the process id of the command.
    pub fn root(&self) -> Option<u32> {
        self.root
    }

    /// Returns this tool's listener, for a request that has one.
    pub fn listener(&self) -> io::Result<&TcpListener> {
        self.listener.as_ref().ok_or_else(|| io::ErrorKind::AddrNotAvailable.into())
    }

    /// Waits until strace has made the command's process, and until that process runs its own program.
    pub fn find_root(&mut self) -> Result<(), Trouble> {
        loop {
            let ended = self.step()? == State::Ended;
            self.root = self.started.processes.root();
            // strace writes the execve first. If strace was attached later, the execve is already over.
            let first_line = self.root.and_then(|root| self.started.processes.end_of_trace(root));
            let has_begun = self.request.faults.is_some() || first_line.is_some_and(|text| text.contains('\n'));
            if ended || (self.root.is_some() && has_begun) {
                return Ok(());
            }
            self.pause()?;
        }
    }

    /// Waits until nothing moves, or until the program has ended. Returns whether the program still runs. Under faults,
    /// ends a program that makes calls without end.
    pub fn settle(&mut self) -> Result<bool, Trouble> {
        self.moving = Instant::now();
        loop {
            match self.step()? {
                State::Moving => self.pause()?,
                State::Rest => return Ok(true),
                State::Ended => return Ok(false),
            }
            if self.request.faults.is_some() && self.started.processes.trace_length() > TRACE_LIMIT {
                self.end_all(Standing::Endless);
                return Ok(false);
            }
        }
    }

    /// Ends all processes. `standing` is their state before.
    pub fn end_all(&mut self, standing: Standing) {
        self.standing = standing;
        self.kill_all();
    }

    /// Lets processes go on for a little while.
    pub fn wait(&mut self) -> Result<(), Trouble> {
        self.step()?;
        self.pause()
    }

    /// Waits until the server listens on the port that the request names.
    pub fn wait_for_server(&mut self) -> Result<(), Trouble> {
        self.request.needs_free.map_or(Ok(()), |port| self.wait_until_listening(port))
    }

    /// Waits until one of the processes listens on a port, and all are at rest.
    pub fn wait_until_listening(&mut self, port: u16) -> Result<(), Trouble> {
        let mut looked = Instant::now();
        loop {
            // A look at the sockets is slow, so it is taken only when the result may have changed.
            let is_at_rest = self.step()? == State::Rest;
            if is_at_rest || looked.elapsed() > LISTEN_INTERVAL {
                looked = Instant::now();
                if network::listens(&self.started.processes.ids(), port) {
                    self.settle()?;
                    return Ok(());
                }
            }
            if self.ended {
                let command = self.request.command();
                return Err(Trouble::new(format!("{command} ended without ever listening on port {port}")));
            }
            if is_at_rest {
                self.must_not_listen_elsewhere(port)?;
            }
            self.pause().map_err(|trouble| Trouble::new(format!("{trouble}. It never listened on port {port}")))?;
        }
    }

    /// Fails at once if a server is at rest and listens, but on another port than expected.
    fn must_not_listen_elsewhere(&self, port: u16) -> Result<(), Trouble> {
        let ports = network::listening_ports(&self.started.processes.ids());
        if ports.is_empty() || ports.contains(&port) {
            return Ok(());
        }
        let others: Vec<String> = ports.iter().map(u16::to_string).collect();
        let (command, others) = (self.request.command(), others.join(" and "));
        Err(Trouble::new(format!("{command} listens on port {others}, not on port {port} (--listen)")))
    }

    /// Whether one of the processes listens on any port.
    pub fn is_server(&self) -> bool {
        !network::listening_ports(&self.started.processes.ids()).is_empty()
    }

    /// Sends a signal to the command's process, unless it has ended.
    pub fn signal(&mut self, signal: Signal) -> Result<(), Trouble> {
        let root = self.root.and_then(|root| i32::try_from(root).ok()).and_then(Pid::from_raw);
        match root.filter(|_| !self.ended).map(|root| signal::kill(root, signal)) {
            // The command has ended, but strace has not.
            Some(Err(Errno::SRCH)) | Some(Ok(())) | None => Ok(()),
            Some(Err(errno)) => Err(Trouble::of("kill", errno)),
        }
    }

    /// Starts another command without tracing it. The command is ended with the program.
    pub fn start(&mut self, words: &[String]) -> Result<(), Trouble> {
        self.helper = Helper::start(words, self.request.needs_free)?;
        Ok(())
    }

    /// Whether the other command has ended, if there is one.
    pub fn helper_has_ended(&mut self) -> Result<bool, Trouble> {
        let status = self.helper.as_mut().map(Helper::status).transpose()?;
        if status.flatten().is_some() {
            self.helper = None;
        }
        Ok(self.helper.is_none())
    }

    /// Ends the other command, if there is one.
    pub fn end_helper(&mut self) {
        if let Some(helper) = self.helper.take() {
            helper.end();
        }
    }

    /// Whether all processes wait for something from outside.
    pub fn is_at_rest(&mut self) -> Result<bool, Trouble> {
        self.step().map(|state| state == State::Rest)
    }

    /// Runs another command to its end without tracing it, and waits until nothing moves.
    pub fn run(&mut self, words: &[String]) -> Result<(), Trouble> {
        self.start(words)?;
        while let Some(helper) = &mut self.helper {
            if let Some(status) = helper.status()? {
                let failure = (!status.success()).then(|| helper.failure(status));
                self.helper = None;
                failure.map_or(Ok(()), Err)?;
            } else {
                self.step()?;
                self.pause().map_err(|trouble| Trouble::new(format!("{trouble}. Its drive had not ended either")))?;
            }
        }
        self.settle()?;
        Ok(())
    }

    /// Waits until all processes have ended.
    pub fn finish(&mut self) -> Result<(), Trouble> {
        self.moving = Instant::now();
        while self.step()? != State::Ended {
            self.pause()?;
        }
        Ok(())
    }

    /// Looks at all processes once. If all wait and a process is held, lets that process go on.
    fn step(&mut self) -> Result<State, Trouble> {
        if self.has_ended()? {
            return Ok(State::Ended);
        }
        if self.moves() {
            if self.moving.elapsed() > PATIENCE {
                let used = self.started.processes.processor_time();
                let is_busy = used.saturating_sub(self.used) > PROCESSOR_PATIENCE;
                if let (true, Some(hold)) = (is_busy, &mut self.started.hold) {
                    hold.release_all();
                    self.used = used;
                }
                self.moving = Instant::now();
            }
            self.idle = 0;
            return Ok(State::Moving);
        }
        let held = self.started.hold.as_mut().filter(|hold| !hold.is_empty());
        if let (Some(hold), Some(root)) = (held, self.root) {
            hold.release(&self.started.processes, root);
            self.moving = Instant::now();
            self.idle = 0;
            return Ok(State::Moving);
        }
        self.idle = self.idle.saturating_add(1);
        Ok(State::Rest)
    }

    /// Returns all processes, strace included, or none when one of them moves.
    pub fn look(&self) -> Option<Vec<Seen>> {
        self.started.processes.look()
    }

    /// Whether a process has moved between two looks, or is about to move.
    fn moves(&mut self) -> bool {
        let before = self.receive(0);
        let first = self.look();
        let Some(first) = first.filter(|_| !before) else {
            return true;
        };
        self.reap(&first);
        if network::is_delivering() || self.receive(0) {
            return true;
        }
        if self.look().is_none_or(|second| second != first) {
            return true;
        }
        // Every process that can fork is at rest, so no process is made during this look.
        let processes = &mut self.started.processes;
        let last = processes.last_id();
        if processes.has_newborn(last) || processes.look() != Some(first) {
            return true;
        }
        processes.knows_up_to(last);
        false
    }

    fn receive(&mut self, milliseconds: i32) -> bool {
        let processes = &self.started.processes;
        self.started.hold.as_mut().is_some_and(|hold| hold.receive(milliseconds, Some(processes)))
    }

    /// Reaps adopted orphans that have ended.
    fn reap(&self, seen: &[Seen]) {
        let own = std::process::id();
        let orphans = seen.iter().filter(|(pid, status)| {
            *pid != self.started.processes.strace
                && status.is_some_and(|status| status.state == b'Z' && status.parent == own)
        });
        for (pid, _) in orphans {
            if let Some(pid) = i32::try_from(*pid).ok().and_then(Pid::from_raw) {
                // The result does not matter: the process is no zombie any more.
                let _ = waitpid(WaitFor::Child(pid), None, WaitOptions::NOHANG);
            }
        }
    }

    /// Waits for a little while, and less if a process is about to end. Fails when the waits together have taken too
    /// long.
    fn pause(&mut self) -> Result<(), Trouble> {
        if INTERRUPTED.is_raised() {
            return Err(Trouble::new("interrupted"));
        }
        if Instant::now() >= self.started.end {
            let command = self.request.command();
            let seconds = self.request.timeout.as_secs();
            let doing = doing::describe(&self.started.processes);
            let message = format!("{command} did not end within {seconds} s (--timeout gives it more): {doing}");
            return Err(Trouble::new(message));
        }
        let milliseconds = if self.idle > IDLE_AFTER { IDLE_MILLISECONDS } else { TICK_MILLISECONDS };
        if self.started.hold.is_some() {
            self.receive(milliseconds);
        } else {
            std::thread::sleep(Duration::from_millis(u64::try_from(milliseconds).unwrap_or(1)));
        }
        Ok(())
    }

    /// Whether strace has ended. Strace ends when all processes have ended.
    fn has_ended(&mut self) -> Result<bool, Trouble> {
        if !self.ended {
            let status = self.started.strace.try_wait();
            self.ended = status.map_err(|error| Trouble::of("strace", error))?.is_some();
        }
        if self.ended {
            let gone: Vec<_> = self.started.processes.ids().into_iter().map(|pid| (pid, Status::of(pid))).collect();
            self.reap(&gone);
        }
        Ok(self.ended)
    }

    fn kill_all(&mut self) {
        self.end_helper();
        let processes: &Processes = &self.started.processes;
        while let Ok(None) = self.started.strace.try_wait() {
            for pid in processes.traced() {
                if let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) {
                    // The process may have ended since it was seen.
                    let _ = signal::kill(pid, Signal::KILL);
                }
            }
            if processes.ids().is_empty() {
                // The command has not begun: only strace and its own children exist, in one group.
                end_group(processes.strace);
            }
            if let Some(hold) = &mut self.started.hold {
                hold.receive(TICK_MILLISECONDS, None);
            } else {
                std::thread::sleep(Duration::from_millis(1));
            }
        }
    }
}

impl Drop for Stage<'_> {
    fn drop(&mut self) {
        self.kill_all();
    }
}
