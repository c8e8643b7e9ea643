//! The server's loop: what the parent does.
//!
//! The signals that mean something are blocked from start to end and read from a descriptor, so nothing interrupts
//! anything, a signal that comes just before the wait ends it, and a child has no handler to put back. Under load the
//! loop accepts first and waits only when nobody is left to accept, or after so many in a row, to look at the signals.

use core::time::Duration;

use super::Settings;
use super::children::{Children, Stage};
use super::connection::{Connection, Peer, Source};
use super::error::{Error, Reason, Result};
use super::limits::{
    ABORTS_IN_A_ROW, ACCEPTS_IN_A_ROW, BUSY_MESSAGE, CLIENT_KEPT, KILL_AFTER, LISTENERS_MAX, RETRY_EVERY,
};
use super::log::{Flood, Floods, Level, Log, Seconds};
use super::map::Map;
use super::rate::Rate;
use super::worker::{Birth, NotStarted, Open, Worker};
use crate::errno::{self, Errno};
use crate::fd::{AsFd, BorrowedFd};
use crate::net::{SocketFlags, accept4};
use crate::poll::{PollEvents, PollFd, poll};
use crate::process::{Pid, WaitFor, WaitOptions, WaitStatus, exists, waitpid};
use crate::signal::{SigSet, Signal, SignalInfo, kill, kill_group};
use crate::time::{Clock, clock_gettime, nanosleep};

/// The signals that the server waits for. SIGPIPE is one that it is not to die of.
pub(super) const SIGNALS: [Signal; 6] =
    [Signal::TERM, Signal::INT, Signal::QUIT, Signal::USR1, Signal::CHLD, Signal::PIPE];

/// What a server that was told to stop has done.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Stopped {
    /// The signal that told it.
    pub signal: Signal,
    /// How many connections it had accepted.
    pub accepted: u64,
    /// How many children ended by themselves after it was told.
    pub drained: u64,
    /// How many got SIGTERM, and ended.
    pub terminated: u64,
    /// How many had to get SIGKILL.
    pub killed: u64,
}

/// A server on its way to its end.
struct Stopping {
    since: Duration,
    /// When the children that still serve get SIGTERM.
    deadline: Duration,
    report: Stopped,
}

/// A time in which the server accepts nobody, for lack of something.
struct Pause {
    call: &'static str,
    since: Duration,
    retry: Duration,
    /// Whether its beginning was logged, and so its end is to be.
    logged: bool,
    /// The client for whom there is no process.
    client: Option<Connection>,
}

/// Limits that hold the server back from accepting.
#[derive(Clone, Copy)]
enum Brake {
    /// As many children as there may be.
    Full,
    /// As many connections as there may be in the time.
    Rate,
}

/// When a brake was put on, and whether that was logged.
type Braked = Option<(Duration, bool)>;

/// The parent of all children.
pub(super) struct Parent<'s, 'a, W> {
    settings: &'s Settings<'a>,
    log: &'s Log,
    open: Open<'a>,
    worker: W,
    pid: Pid,
    mask: SigSet,
    children: Children,
    sources: Map<Source, u32>,
    rate: Option<Rate>,
    floods: Floods,
    pause: Option<Pause>,
    brakes: [Braked; 2],
    stopping: Option<Stopping>,
    /// Which listeners may have somebody waiting.
    ready: [bool; LISTENERS_MAX],
    /// Which listener has its turn.
    turn: usize,
    accepts_in_a_row: u32,
    aborts_in_a_row: u32,
    /// When children are to be reaped although no signal says so.
    reap_at: Option<Duration>,
    started: Duration,
    now: Duration,
    accepted: u64,
    refused: u64,
    ended: u64,
}

/// What is new after something was tried.
#[derive(PartialEq, Eq)]
enum Progress {
    /// Something was done.
    Made,
    /// There was nothing to do.
    None,
}

impl<'s, 'a, W: Worker> Parent<'s, 'a, W> {
    pub(super) fn new(
        settings: &'s Settings<'a>,
        log: &'s Log,
        open: Open<'a>,
        worker: W,
        pid: Pid,
        mask: SigSet,
    ) -> errno::Result<Self> {
        let now = clock_gettime(Clock::MONOTONIC);
        let rate = settings.max_rate.map(|(limit, period)| Rate::new(limit, period)).transpose()?;
        Ok(Parent {
            settings,
            log,
            open,
            worker,
            pid,
            mask,
            children: Children::with_capacity(settings.max_children)?,
            sources: Map::with_capacity(settings.max_children as usize)?,
            rate,
            floods: Floods::default(),
            pause: None,
            brakes: [None; 2],
            stopping: None,
            ready: [false; LISTENERS_MAX],
            turn: 0,
            accepts_in_a_row: 0,
            aborts_in_a_row: 0,
            reap_at: None,
            started: now,
            now,
            accepted: 0,
            refused: 0,
            ended: 0,
        })
    }

    /// Serves until a signal says that it is enough, and the children have ended.
    pub(super) fn run(mut self) -> Stopped {
        loop {
            self.now = clock_gettime(Clock::MONOTONIC);
            self.keep_time();
            if let Some(stopping) = self.stopping.as_ref().filter(|_| self.children.is_empty()) {
                return self.stopped(stopping);
            }
            if !self.may_accept() || self.accepts_in_a_row >= ACCEPTS_IN_A_ROW || self.accept() == Progress::None {
                self.wait();
            }
        }
    }

    // Accepting.

    /// Whether anything holds the server back from accepting. Logs when a limit begins or ends to.
    fn may_accept(&mut self) -> bool {
        if self.stopping.is_some() || self.pause.as_ref().is_some_and(|pause| self.now < pause.retry) {
            return false;
        }
        let is_full = self.children.len() >= self.settings.max_children;
        let too_fast = self.rate.as_ref().and_then(Rate::opens_at).is_some_and(|opens| self.now < opens);
        self.brake(Brake::Full, is_full);
        self.brake(Brake::Rate, too_fast);
        !is_full && !too_fast
    }

    fn brake(&mut self, brake: Brake, is_on: bool) {
        let (why, flood) = match brake {
            Brake::Full => ("max-children", Flood::Full),
            Brake::Rate => ("max-rate", Flood::Rate),
        };
        let now = self.now;
        let Some(braked) = self.brakes.get_mut(brake as usize) else { return };
        match (*braked, is_on) {
            (None, true) => {
                let count = self.floods.admit(flood, now);
                *braked = Some((now, count.is_some()));
                let Some(count) = count else { return };
                let children = self.children.len();
                self.log.event(Level::Notice, "pause", |line| {
                    line.text("why", why);
                    line.number("children", children);
                    line.number("count", count);
                });
            }
            (Some((since, logged)), false) => {
                *braked = None;
                if logged {
                    log_resume(self.log, why, now - since);
                }
            }
            _ => {}
        }
    }

    /// Takes one connection, from the next listener that may have one.
    fn accept(&mut self) -> Progress {
        let count = self.open.listeners.len();
        for step in 0..count {
            let index = (self.turn + step) % count;
            if !self.ready.get(index).is_some_and(|ready| *ready) {
                continue;
            }
            let Some(listener) = self.open.listeners.get(index) else { continue };
            match accept4(listener, SocketFlags::CLOEXEC) {
                Ok((fd, address)) => {
                    self.turn = index + 1;
                    self.aborts_in_a_row = 0;
                    self.accepts_in_a_row += 1;
                    self.resume();
                    let peer = Peer::of(&fd, address);
                    self.admit(fd, peer);
                    return Progress::Made;
                }
                Err(Errno::AGAIN) => {
                    if let Some(ready) = self.ready.get_mut(index) {
                        *ready = false;
                    }
                    self.aborts_in_a_row = 0;
                    self.resume();
                }
                Err(errno) => return self.not_accepted(errno),
            }
        }
        Progress::None
    }

    fn not_accepted(&mut self, errno: Errno) -> Progress {
        match errno {
            // The connection was gone again, or never got through. The next one may be well.
            Errno::CONNABORTED
            | Errno::PROTO
            | Errno::PERM
            | Errno::NETDOWN
            | Errno::NETUNREACH
            | Errno::HOSTDOWN
            | Errno::HOSTUNREACH
            | Errno::NONET
            | Errno::NOPROTOOPT
            | Errno::OPNOTSUPP
            | Errno::TIMEDOUT
            | Errno::INTR
                if self.aborts_in_a_row < ABORTS_IN_A_ROW =>
            {
                self.aborts_in_a_row += 1;
                self.accepts_in_a_row += 1;
                if let Some(count) = self.floods.admit(Flood::Abort, self.now) {
                    self.log.event(Level::Detail, "abort", |line| {
                        line.text("error", errno);
                        line.number("count", count);
                    });
                }
            }
            _ => self.lack("accept4", errno, None),
        }
        Progress::Made
    }

    /// Gives a connection to a child, or says why not.
    fn admit(&mut self, fd: crate::fd::OwnedFd, peer: Peer) {
        self.accepted += 1;
        if let Some(rate) = &mut self.rate {
            rate.count(self.now);
        }
        let others = self.sources.get(&peer.source()).unwrap_or(0);
        let connection = Connection::new(fd, peer, self.accepted, others + 1);
        match self.settings.max_per_source {
            Some((limit, message)) if others >= limit => {
                self.refuse(&peer, "max-per-source", others);
                connection.dismiss(message);
            }
            _ => self.start(connection),
        }
    }

    fn refuse(&mut self, peer: &Peer, why: &str, from_source: u32) {
        self.refused += 1;
        if let Some(count) = self.floods.admit(Flood::Refuse, self.now) {
            self.log.event(Level::Warning, "refuse", |line| {
                line.text("from", peer);
                line.text("why", why);
                line.number("from_source", from_source);
                line.number("count", count);
            });
        }
    }

    /// Starts a child for a connection. When there is none to be had, the client is kept for a while.
    fn start(&mut self, connection: Connection) {
        let peer = connection.peer();
        let birth = Birth {
            open: &mut self.open,
            log: self.log,
            mask: &self.mask,
            parent: if self.settings.orphans_end { Some(self.pid) } else { None },
            idle_timeout: self.settings.idle_timeout,
            children: self.children.len() + 1,
            limit: self.settings.max_children,
        };
        match self.worker.start(connection, birth) {
            Ok(pid) => {
                self.resume();
                // There is room for one more: the limit was looked at before accepting.
                let _ = self.children.insert(pid, peer, self.now);
                let source = peer.source();
                let _ = self.sources.insert(source, self.sources.get(&source).unwrap_or(0) + 1);
            }
            Err(NotStarted { connection, call, errno, again: true }) => self.lack(call, errno, Some(connection)),
            Err(NotStarted { call, errno, connection, .. }) => {
                if let Some(count) = self.floods.admit(Flood::Exec, self.now) {
                    self.log.event(Level::Warning, "fail", |line| {
                        line.text("call", call);
                        line.text("error", errno);
                        line.text("from", connection.peer());
                        line.number("count", count);
                    });
                }
                self.refused += 1;
            }
        }
    }

    /// Accepts nobody for a while, because something is lacking.
    fn lack(&mut self, call: &'static str, errno: Errno, client: Option<Connection>) {
        let retry = self.now + RETRY_EVERY;
        if let Some(pause) = &mut self.pause {
            pause.retry = retry;
            pause.client = client;
            return;
        }
        let count = self.floods.admit(Flood::Lack, self.now);
        self.pause = Some(Pause { call, since: self.now, retry, logged: count.is_some(), client });
        let Some(count) = count else { return };
        let hint = match errno {
            Errno::MFILE => "allow more open files: ulimit -n, LimitNOFILE=",
            Errno::NFILE => "allow more open files on this machine: sysctl fs.file-max",
            Errno::AGAIN => "allow more processes: ulimit -u, TasksMax=",
            Errno::NOMEM | Errno::NOBUFS => "give the machine more memory, or lower --max-children",
            _ => "it is tried again until it works",
        };
        self.log.event(Level::Warning, "pause", |line| {
            line.text("why", call);
            line.text("error", errno);
            line.text("hint", hint);
            line.number("count", count);
        });
    }

    /// What was lacking is there again.
    fn resume(&mut self) {
        // A client who waits for a process does so until it has one.
        let over = self.pause.take_if(|pause| pause.client.is_none());
        if let Some(pause) = over.filter(|pause| pause.logged) {
            log_resume(self.log, pause.call, self.now - pause.since);
        }
    }

    // Time.

    /// Does what is due.
    fn keep_time(&mut self) {
        self.retry();
        if let Some(limit) = self.settings.max_lifetime {
            while let Some(child) =
                self.children.first(Stage::Serving).filter(|child| child.started + limit <= self.now)
            {
                self.log.event(Level::Connection, "lifetime", |line| {
                    line.number("pid", child.pid);
                    line.text("from", child.peer);
                });
                self.terminate(child.pid);
            }
        }
        while let Some(child) =
            self.children.first(Stage::Terminating).filter(|child| child.since + KILL_AFTER <= self.now)
        {
            signal_child(child.pid, Signal::KILL);
            self.children.advance(child.pid, Stage::Killed, self.now);
        }
        if self.stopping.as_ref().is_some_and(|stopping| stopping.deadline <= self.now) {
            self.terminate_all();
        }
        if self.reap_at.is_some_and(|at| at <= self.now) {
            self.reap();
        }
        self.floods.release(self.log, self.now);
    }

    /// When the next thing is due.
    fn next_due(&self) -> Option<Duration> {
        let lifetime =
            self.settings.max_lifetime.and_then(|limit| Some(self.children.first(Stage::Serving)?.started + limit));
        let kill = self.children.first(Stage::Terminating).map(|child| child.since + KILL_AFTER);
        // Once they have been told, the deadline means nothing more.
        let grace = self.stopping.as_ref().filter(|_| self.children.first(Stage::Serving).is_some());
        let rate = if self.stopping.is_none() { self.rate.as_ref().and_then(Rate::opens_at) } else { None };
        [
            lifetime,
            kill,
            grace.map(|stopping| stopping.deadline),
            rate.filter(|opens| *opens > self.now),
            self.pause.as_ref().map(|pause| pause.retry).filter(|retry| *retry > self.now),
            self.reap_at,
            self.floods.due(),
        ]
        .into_iter()
        .flatten()
        .min()
    }

    /// Tries again to start a child for the client that is kept, or gives up on it.
    fn retry(&mut self) {
        let now = self.now;
        let Some(pause) = self.pause.as_mut().filter(|pause| now >= pause.retry) else { return };
        let Some(client) = pause.client.take() else {
            // Nobody may have come meanwhile, and then only trying tells that the trouble is over.
            self.ready = [true; LISTENERS_MAX];
            return;
        };
        if now - pause.since >= CLIENT_KEPT {
            self.refuse(&client.peer(), "no process could be started", client.from_source());
            client.dismiss(BUSY_MESSAGE);
            // The next client is tried for, and kept, in turn.
            self.pause = None;
        } else {
            // Nobody was accepted since this one was, so there is a slot.
            self.start(client);
        }
    }

    // Waiting.

    /// Waits until somebody connects, a signal comes or something is due. Does not wait when somebody is known to be
    /// there.
    fn wait(&mut self) {
        let accepts = self.may_accept();
        let in_a_row = core::mem::take(&mut self.accepts_in_a_row);
        let timeout = if accepts && in_a_row >= ACCEPTS_IN_A_ROW {
            Some(Duration::ZERO)
        } else {
            self.next_due().map(|due| due.saturating_sub(self.now))
        };
        let mut fds = [PollFd::new(BorrowedFd::NONE, PollEvents::NONE); 1 + LISTENERS_MAX];
        let signals = self.open.signals.as_ref().map_or(BorrowedFd::NONE, AsFd::as_fd);
        let listeners = self.open.listeners.iter().filter(|_| accepts).map(AsFd::as_fd);
        let mut length = 0;
        for (place, fd) in fds.iter_mut().zip(core::iter::once(signals).chain(listeners)) {
            *place = PollFd::new(fd, PollEvents::IN);
            length += 1;
        }
        let fds = fds.get_mut(..length).unwrap_or_default();
        match poll(fds, timeout) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(errno) => return self.back_off("poll", errno),
        }
        let has_signal = fds.first().is_some_and(|fd| !fd.revents().is_empty());
        for (ready, fd) in self.ready.iter_mut().zip(fds.iter().skip(1)) {
            *ready = !fd.revents().is_empty();
        }
        self.now = clock_gettime(Clock::MONOTONIC);
        if has_signal {
            self.read_signals();
        }
    }

    /// A call failed that never does: logs it, and waits a little, so that it does not fail very often.
    fn back_off(&mut self, call: &str, errno: Errno) {
        if let Some(count) = self.floods.admit(Flood::Call, self.now) {
            self.log.event(Level::Warning, "fail", |line| {
                line.text("call", call);
                line.text("error", errno);
                line.number("count", count);
            });
        }
        nanosleep(RETRY_EVERY);
    }

    fn read_signals(&mut self) {
        let Some(signals) = &self.open.signals else { return };
        match signals.read() {
            Ok(infos) => infos.for_each(|info| self.on_signal(info)),
            Err(Errno::AGAIN | Errno::INTR) => {}
            Err(errno) => self.back_off("read", errno),
        }
    }

    fn on_signal(&mut self, info: SignalInfo) {
        match info.signal {
            Signal::CHLD => self.reap(),
            Signal::USR1 => self.log_status(),
            Signal::TERM | Signal::INT | Signal::QUIT => self.stop(info),
            _ => {}
        }
    }

    // Children.

    /// Takes note of every child that has ended.
    fn reap(&mut self) {
        self.reap_at = None;
        loop {
            let mut status = WaitStatus::default();
            match waitpid(WaitFor::AnyChild, Some(&mut status), WaitOptions::NOHANG) {
                Ok(Some(pid)) => self.on_end(pid, Some(status)),
                Ok(None) => return,
                Err(Errno::INTR) => {}
                Err(Errno::CHILD) if self.children.is_empty() => return,
                Err(errno) => {
                    // Somebody else may have taken them. Those that are gone serve nobody.
                    self.back_off("waitpid", errno);
                    self.forget_gone();
                    self.reap_at = if self.children.is_empty() { None } else { Some(self.now + RETRY_EVERY) };
                    return;
                }
            }
        }
    }

    fn forget_gone(&mut self) {
        for stage in [Stage::Serving, Stage::Terminating, Stage::Killed] {
            let mut next = self.children.first(stage);
            while let Some(child) = next {
                next = self.children.next(&child);
                if !exists(child.pid) {
                    self.on_end(child.pid, None);
                }
            }
        }
    }

    /// A process has ended, with a status if anybody knows.
    fn on_end(&mut self, pid: Pid, status: Option<WaitStatus>) {
        let Some(child) = self.children.remove(pid) else {
            self.log.event(Level::Detail, "orphan", |line| line.number("pid", pid));
            return;
        };
        let source = child.peer.source();
        match self.sources.get(&source) {
            // There is room, as the key is there.
            Some(count @ 2..) => self.sources.insert(source, count - 1).unwrap_or_default(),
            _ => _ = self.sources.remove(&source),
        }
        self.ended += 1;
        if let Some(stopping) = &mut self.stopping {
            let report = &mut stopping.report;
            *match child.stage {
                Stage::Serving => &mut report.drained,
                Stage::Terminating => &mut report.terminated,
                Stage::Killed => &mut report.killed,
            } += 1;
        }
        // What was lacking may be there now.
        if let Some(pause) = &mut self.pause {
            pause.retry = self.now;
        }
        self.log.event(Level::Connection, "end", |line| {
            line.number("pid", pid);
            line.text("from", child.peer);
            match status.map(|status| (status, status.exit_status())) {
                Some((_, Some(code))) => line.number("exit", code),
                Some((status, None)) => line.text("signal", status),
                None => line.text("exit", "unknown"),
            }
            line.number("seconds", Seconds(self.now - child.started));
            line.number("children", self.children.len());
        });
    }

    /// Tells a child to end. One that was stopped goes on, or it would not hear.
    fn terminate(&mut self, pid: Pid) {
        signal_child(pid, Signal::TERM);
        signal_child(pid, Signal::CONT);
        self.children.advance(pid, Stage::Terminating, self.now);
    }

    fn terminate_all(&mut self) {
        while let Some(child) = self.children.first(Stage::Serving) {
            self.terminate(child.pid);
        }
    }

    // The end.

    fn stop(&mut self, info: SignalInfo) {
        let at_once = info.signal == Signal::QUIT || self.stopping.is_some();
        self.log.event(Level::Notice, "stop", |line| {
            line.text("signal", info.signal);
            if let Some(sender) = info.sender {
                line.number("sender", sender);
                line.number("uid", info.uid);
            }
            line.number("children", self.children.len());
            let grace = if at_once { Duration::ZERO } else { self.settings.grace };
            line.number("grace", Seconds(grace));
        });
        self.open.listeners.stop();
        if let Some(client) = self.pause.take().and_then(|pause| pause.client) {
            self.refuse(&client.peer(), "the server stops", client.from_source());
            client.dismiss(BUSY_MESSAGE);
        }
        let report = Stopped { signal: info.signal, accepted: self.accepted, drained: 0, terminated: 0, killed: 0 };
        let stopping =
            self.stopping.get_or_insert(Stopping { since: self.now, deadline: self.now + self.settings.grace, report });
        if at_once {
            stopping.deadline = self.now;
            self.terminate_all();
        }
    }

    fn stopped(&self, stopping: &Stopping) -> Stopped {
        let report = stopping.report;
        self.log.event(Level::Notice, "stopped", |line| {
            line.number("drained", report.drained);
            line.number("terminated", report.terminated);
            line.number("killed", report.killed);
            line.number("accepted", report.accepted);
            line.number("seconds", Seconds(self.now - stopping.since));
        });
        report
    }

    fn log_status(&self) {
        self.log.event(Level::Notice, "status", |line| {
            line.number("children", self.children.len());
            line.number("limit", self.settings.max_children);
            line.number("accepted", self.accepted);
            line.number("refused", self.refused);
            line.number("ended", self.ended);
            line.number("uptime", Seconds(self.now - self.started));
            line.text("paused", self.pause.as_ref().map_or("no", |pause| pause.call));
            line.text("stopping", if self.stopping.is_some() { "yes" } else { "no" });
        });
        for stage in [Stage::Serving, Stage::Terminating, Stage::Killed] {
            let mut next = self.children.first(stage);
            while let Some(child) = next {
                self.log.event(Level::Detail, "child", |line| {
                    line.number("pid", child.pid);
                    line.text("from", child.peer);
                    line.number("seconds", Seconds(self.now - child.started));
                });
                next = self.children.next(&child);
            }
        }
    }
}

impl<W> Drop for Parent<'_, '_, W> {
    fn drop(&mut self) {
        // What came and was not read is not to be delivered once the signals are no longer blocked.
        if let Some(signals) = &self.open.signals {
            let _ = signals.read();
        }
    }
}

fn log_resume(log: &Log, why: &str, after: Duration) {
    log.event(Level::Notice, "resume", |line| {
        line.text("why", why);
        line.number("seconds", Seconds(after));
    });
}

/// Sends a signal to a child and all that it has started in its process group.
fn signal_child(pid: Pid, signal: Signal) {
    // The group is there from the child's first moments on; before that there is only the child.
    if kill_group(pid, signal) == Err(Errno::SRCH) {
        // It has not been waited for, so the id is still its own; that it has ended is no error.
        let _ = kill(pid, signal);
    }
}

/// The error of a server that cannot be set up.
pub(super) fn cannot_serve(call: &str, errno: Errno, hint: &'static str) -> Error {
    Error::new(format_args!("cannot serve: {call}"), Reason::System(errno), hint)
}

/// So that a server in a process with other threads is refused before anything is changed.
pub(super) fn single_threaded() -> Result<()> {
    if crate::process::has_other_threads() {
        return Err(cannot_serve(
            "fork",
            Errno::DEADLK,
            "this process has, or had, other threads, whose locks a child would find locked for ever: serve before any \
             is started",
        ));
    }
    Ok(())
}
