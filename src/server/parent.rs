//! The server's loop: what the parent does.
//!
//! The signals that mean something are blocked from start to end and read from a descriptor, so nothing interrupts
//! anything, a signal that comes just before the wait ends it, and a child has no handler to put back. Under load the
//! loop accepts first and waits only when nobody is left to accept, or after so many in a row, to look at the signals.

use core::time::Duration;

use super::admission::{Admission, Refusal};
use super::children::{ALL, Child, Children, Stage};
use super::connection::{Connection, Peer, Source};
use super::error::{Error, Reason, Result, hint_of_lack};
use super::limits::{
    ABORTS_IN_A_ROW, ACCEPTS_IN_A_ROW, BUSY_MESSAGE, CLIENT_KEPT, EXIT_DONE, KILL_AFTER, LISTENERS_MAX, MANY_CHILDREN,
    REAP_WITHIN, RETRY_EVERY, STATUS_EVERY, YOUNGEST,
};
use super::listener::Listeners;
use super::log::{Flood, Floods, Level, Log, Seconds};
use super::map::Map;
use super::pool::{Pool, Step};
use super::rate::Rate;
use super::restart::{Progress as RestartProgress, Restart, say_ready};
use super::rules::Rules;
use super::scoreboard::{Scoreboard, Slot, State};
use super::systemd::Manager;
use super::worker::{Birth, NotStarted, Open, RETIRE, Worker, is_of_connection};
use super::{Settings, read_rules};
use crate::program::Title;
use crate::program::text::Text;
use crate::sys::errno::{self, Errno, retry_on_intr};
use crate::sys::fd::{AsFd, BorrowedFd};
use crate::sys::net::{SocketFlags, accept4};
use crate::sys::poll::{PollEvents, PollFd, poll};
use crate::sys::process::{Pid, WaitFor, WaitOptions, WaitStatus, exists, has_other_threads, waitpid};
use crate::sys::seccomp::violation;
use crate::sys::signal::{SigSet, Signal, SignalInfo, kill, killpg};
use crate::sys::syscall;
use crate::sys::time::{Clock, clock_gettime};

/// The signals that the server waits for. SIGPIPE is one that it is not to die of.
pub(super) const SIGNALS: [Signal; 7] =
    [Signal::TERM, Signal::INT, Signal::QUIT, Signal::HUP, Signal::USR1, Signal::CHLD, Signal::PIPE];

/// The longest title.
const TITLE_MAX: usize = 64;

/// How many descriptors are waited for besides the listeners.
const BEFORE_LISTENERS: usize = 2;

/// What fails where there is no memory for what `--status` shows.
const OF_SCOREBOARD: &str = "the scoreboard (memfd_create, ftruncate, mmap)";

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
    rules: Option<Rules>,
    scoreboard: Scoreboard,
    pool: Option<Pool>,
    restart: Option<Restart>,
    /// Whether another process has taken this one's place.
    is_succeeded: bool,
    manager: Manager,
    /// When the service manager is told next that the server is alive, and how it is.
    alive_at: Duration,
    status_at: Duration,
    status_told: u32,
    title: Option<Title>,
    /// How many children it shows, and when it may show another number.
    titled: u32,
    title_at: Duration,
    /// When the children of the pool that are to go are told so again.
    retire_at: Option<Duration>,
    rate: Option<Rate>,
    floods: Floods,
    pause: Option<Pause>,
    brakes: [Braked; 2],
    stopping: Option<Stopping>,
    started: Duration,
    course: Course,
}

/// What changes with each connection, and concerns no child.
struct Course {
    now: Duration,
    children: Children,
    sources: Map<Source, u32>,
    /// Which listeners may have somebody waiting.
    ready: [bool; LISTENERS_MAX],
    /// Which listener has its turn.
    turn: usize,
    accepts_in_a_row: u32,
    aborts_in_a_row: u32,
    ended: u64,
    /// When children are to be reaped although no signal says so.
    reap_at: Option<Duration>,
}

impl Course {
    /// Takes note of a child.
    fn insert(&mut self, pid: Pid, peer: Peer) {
        // There is room for one more: whoever makes one has looked at the limit before.
        let _ = self.children.insert(pid, peer, self.now);
    }

    /// Takes note of a child that serves a client, and counts the client.
    fn take_in(&mut self, pid: Pid, peer: Peer) {
        self.insert(pid, peer);
        let source = peer.source();
        let _ = self.sources.insert(source, self.sources.get(&source).unwrap_or(0) + 1);
    }

    /// A child is at another stage from now on.
    fn advance(&mut self, pid: Pid, stage: Stage) {
        self.children.advance(pid, stage, self.now);
    }
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
    ) -> Result<Self> {
        let now = monotonic();
        let lack = |what| move |errno| cannot_serve(what, errno, hint_of_lack(errno));
        let rate = settings.max_rate.map(|(limit, period)| Rate::new(limit, period)).transpose();
        let scoreboard = Scoreboard::new(now, settings.max_children).map_err(lack(OF_SCOREBOARD))?;
        let course = Course {
            now,
            children: Children::with_capacity(settings.max_children).map_err(lack("mmap"))?,
            sources: Map::with_capacity(settings.max_children as usize).map_err(lack("mmap"))?,
            ready: [false; LISTENERS_MAX],
            turn: 0,
            accepts_in_a_row: 0,
            aborts_in_a_row: 0,
            ended: 0,
            reap_at: None,
        };
        Ok(Parent {
            settings,
            log,
            open,
            worker,
            pid,
            mask,
            rules: None,
            scoreboard,
            pool: settings.pool.map(|size| Pool::new(size, now)),
            restart: None,
            is_succeeded: false,
            alive_at: now,
            status_at: now,
            status_told: u32::MAX,
            title: None,
            titled: u32::MAX,
            title_at: now,
            manager: Manager::none(),
            retire_at: None,
            rate: rate.map_err(lack("mmap"))?,
            floods: Floods::default(),
            pause: None,
            brakes: [None; 2],
            stopping: None,
            started: now,
            course,
        })
    }

    /// With what an operator has added.
    pub(super) fn with(mut self, rules: Option<Rules>, manager: Manager, title: Option<Title>) -> Self {
        (self.rules, self.manager, self.title) = (rules, manager, title);
        self
    }

    pub(super) const fn listeners(&self) -> &Listeners {
        &self.open.listeners
    }

    /// Serves until a signal says that it is enough, and the children have ended.
    pub(super) fn run(&mut self) -> Stopped {
        self.begin();
        loop {
            self.keep_time();
            if let Some(stopping) = self.stopping.as_ref().filter(|_| self.course.children.is_empty()) {
                return self.stopped(stopping);
            }
            self.turn();
        }
    }

    /// Serves the next client, or waits for one.
    fn turn(&mut self) {
        if self.may_accept() && self.course.accepts_in_a_row < ACCEPTS_IN_A_ROW && self.accept() == Progress::Made {
            self.course.now = monotonic();
        } else {
            self.wait();
        }
    }

    /// Says that the server serves, to whoever waits for that.
    fn begin(&mut self) {
        if self.pool.is_some() && self.open.listeners.len() == 1 {
            // Whoever of the pool is first to ask gets the next client: nobody is woken in vain. Where it cannot be
            // done, they wait in another way.
            let _ = self.open.listeners.set_blocking(true);
        }
        if let Some(predecessor) = self.open.predecessor.take() {
            let pidfile = self.open.pidfile.as_ref().map_or(Ok(()), |pidfile| pidfile.write(self.pid));
            if let Err(errno) = pidfile.and_then(|()| say_ready(&predecessor)) {
                self.back_off("write", errno);
            }
        }
        self.manager.ready();
    }

    // Accepting.

    /// Whether there are as many children as there may be.
    fn is_full(&self) -> bool {
        self.course.children.len() >= self.settings.max_children
    }

    /// Whether anything holds the server back from accepting. Logs when a limit begins or ends to.
    fn may_accept(&mut self) -> bool {
        if self.pool.is_some()
            || self.stopping.is_some()
            || self.pause.as_ref().is_some_and(|pause| self.course.now < pause.retry)
        {
            return false;
        }
        if self.course.reap_at.is_some() && self.is_full() {
            self.reap();
        }
        let is_full = self.is_full();
        let too_fast = self.rate.as_ref().and_then(Rate::opens_at).is_some_and(|opens| self.course.now < opens);
        for (brake, is_on) in [(Brake::Full, is_full), (Brake::Rate, too_fast)] {
            if self.brakes.get(brake as usize).is_some_and(|braked| braked.is_some() != is_on) {
                self.brake(brake, is_on);
            }
        }
        !is_full && !too_fast
    }

    /// A brake is put on, or taken off.
    fn brake(&mut self, brake: Brake, is_on: bool) {
        let (why, flood) = match brake {
            Brake::Full => ("max-children", Flood::Full),
            Brake::Rate => ("max-rate", Flood::Rate),
        };
        let now = self.course.now;
        let Some(braked) = self.brakes.get_mut(brake as usize) else { return };
        match (*braked, is_on) {
            (None, true) => {
                let count = self.floods.admit(flood, now);
                *braked = Some((now, count.is_some()));
                let Some(count) = count else { return };
                let children = self.course.children.len();
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
            let index = (self.course.turn + step) % count;
            if !self.course.ready.get(index).is_some_and(|ready| *ready) {
                continue;
            }
            let Some(listener) = self.open.listeners.get(index) else { continue };
            match accept4(listener, SocketFlags::CLOEXEC) {
                Ok((fd, address)) => {
                    self.course.turn = index + 1;
                    self.course.aborts_in_a_row = 0;
                    self.course.accepts_in_a_row += 1;
                    self.resume();
                    let peer = Peer::of(&fd, address);
                    self.admit(fd, peer);
                    return Progress::Made;
                }
                Err(Errno::AGAIN) => {
                    if let Some(ready) = self.course.ready.get_mut(index) {
                        *ready = false;
                    }
                    self.course.aborts_in_a_row = 0;
                    self.resume();
                }
                Err(errno) => return self.not_accepted(errno),
            }
        }
        Progress::None
    }

    fn not_accepted(&mut self, errno: Errno) -> Progress {
        let may_go_on = is_of_connection(errno) || errno == Errno::INTR;
        if !may_go_on || self.course.aborts_in_a_row >= ABORTS_IN_A_ROW {
            self.lack("accept4", errno, None);
            return Progress::Made;
        }
        self.course.aborts_in_a_row += 1;
        self.course.accepts_in_a_row += 1;
        if let Some(count) = self.floods.admit(Flood::Abort, self.course.now) {
            self.log.event(Level::Detail, "abort", |line| {
                line.text("error", errno);
                line.number("count", count);
            });
        }
        Progress::Made
    }

    /// Gives a connection to a child, or says why not.
    fn admit(&mut self, fd: crate::sys::fd::OwnedFd, peer: Peer) {
        let number = self.scoreboard.count_accepted();
        if let Some(rate) = &mut self.rate {
            rate.count(self.course.now);
        }
        let is_let_in = self.check(&peer, number).is_ok();
        if !is_let_in {
            // Those that have ended meanwhile do not count against a client.
            self.reap();
        }
        let connection = Connection::new(fd, peer, number, self.connections_of(&peer) + 1);
        let refusal = if is_let_in { None } else { self.check(&peer, number).err() };
        if let Some(refusal) = refusal {
            connection.dismiss(refusal.message);
            let (why, from_source) = (refusal.why, refusal.from_source);
            self.refuse(&peer, why, from_source);
            return;
        }
        self.start(connection);
    }

    /// Whether a client is let in. Behind a balancer it is the child that finds out who the client is.
    fn check(&self, peer: &Peer, number: u64) -> core::result::Result<(), Refusal<'_>> {
        if self.settings.proxy_protocol {
            return Ok(());
        }
        self.admission().check(peer, number, Some(self.connections_of(peer))).map(|_| ())
    }

    /// How many connections a client's source has.
    fn connections_of(&self, peer: &Peer) -> u32 {
        self.course.sources.get(&peer.source()).unwrap_or(0)
    }

    fn admission(&self) -> Admission<'_> {
        Admission {
            rules: self.rules.as_ref(),
            max_per_source: self.settings.max_per_source,
            scoreboard: &self.scoreboard,
        }
    }

    fn refuse(&mut self, peer: &Peer, why: &str, from_source: u32) {
        self.scoreboard.count_refused();
        if let Some(count) = self.floods.admit(Flood::Refuse, self.course.now) {
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
        let slot = self.scoreboard.slot(self.course.children.next_index());
        // Before there is a child, which may say more.
        slot.set_client(connection.number(), &peer);
        let children = Some(self.course.children.len() + 1);
        let (worker, birth) = self.birth(slot, children);
        match worker.start(connection, birth) {
            Ok(pid) => {
                slot.set(pid, State::Serving, self.course.now);
                self.resume();
                self.course.take_in(pid, peer);
            }
            Err(NotStarted { connection, call, errno, again: true }) => self.lack(call, errno, Some(connection)),
            Err(NotStarted { call, errno, connection, .. }) => {
                if let Some(count) = self.floods.admit(Flood::Exec, self.course.now) {
                    self.log.event(Level::Warning, "fail", |line| {
                        line.text("call", call);
                        line.text("error", errno);
                        line.text("from", connection.peer());
                        line.number("count", count);
                    });
                }
                self.scoreboard.count_refused();
            }
        }
    }

    /// What a child is to know that gets this slot.
    fn birth(&mut self, slot: Slot<'static>, children: Option<u32>) -> (&mut W, Birth<'_, 'a>) {
        let birth = Birth {
            open: &mut self.open,
            log: self.log,
            settings: self.settings,
            mask: &self.mask,
            parent: if self.settings.orphans_end { Some(self.pid) } else { None },
            admission: Admission {
                rules: self.rules.as_ref(),
                max_per_source: self.settings.max_per_source,
                scoreboard: &self.scoreboard,
            },
            slot,
            children,
        };
        (&mut self.worker, birth)
    }

    // The pool.

    /// Sees to it that there are as many processes ahead of time as there are to be.
    fn keep_pool(&mut self) {
        let Some(pool) = self.pool.as_mut().filter(|_| self.stopping.is_none()) else { return };
        let processes = self.course.children.len_at(Stage::Serving);
        let mut missing = pool.missing(processes, self.course.now);
        if pool.is_due(self.course.now) {
            let idle = self.scoreboard.slots().filter(|slot| slot.state() == State::Idle).count();
            match pool.step(processes, u32::try_from(idle).unwrap_or(u32::MAX), self.course.now) {
                Step::Stay => {}
                Step::Grow(more) => missing = missing.max(more),
                Step::Shrink => self.retire_an_idle_one(),
            }
        }
        for _ in 0..missing {
            if self.course.children.len() >= self.settings.max_children || !self.start_pool_child() {
                return;
            }
        }
    }

    /// Makes a process ahead of time; whether there was one to be had.
    fn start_pool_child(&mut self) -> bool {
        let slot = self.scoreboard.slot(self.course.children.next_index());
        let (worker, birth) = self.birth(slot, None);
        match worker.start_pool(birth) {
            Ok(pid) => {
                self.course.insert(pid, Peer::Unknown);
                true
            }
            Err(errno) => {
                if let Some(pool) = &mut self.pool {
                    pool.close(RETRY_EVERY, self.course.now);
                }
                self.log_lack("fork", errno);
                false
            }
        }
    }

    fn retire_an_idle_one(&mut self) {
        let mut next = self.course.children.first(Stage::Serving);
        while let Some(child) = next {
            if self.scoreboard.slot(child.index).state() == State::Idle {
                return self.retire(child.pid);
            }
            next = self.course.children.next(&child);
        }
    }

    /// Tells a child of the pool that it is no longer needed.
    fn retire(&mut self, pid: Pid) {
        self.course.advance(pid, Stage::Retiring);
        // It was not waited for, so the id is its own; that it has ended is no error.
        let _ = kill(pid, RETIRE);
        self.retire_at = Some(self.course.now + RETRY_EVERY);
    }

    /// Tells all of the pool; where there is none, nobody.
    fn retire_all(&mut self) {
        if self.pool.is_none() {
            return;
        }
        while let Some(child) = self.course.children.first(Stage::Serving) {
            self.retire(child.pid);
        }
    }

    /// Tells those again that wait for a client: the first signal may have come just before they began to.
    fn retire_again(&mut self) {
        self.retire_at = None;
        let mut next = self.course.children.first(Stage::Retiring);
        while let Some(child) = next {
            if self.scoreboard.slot(child.index).state() != State::Serving {
                let _ = kill(child.pid, RETIRE);
            }
            next = self.course.children.next(&child);
            self.retire_at = Some(self.course.now + RETRY_EVERY);
        }
    }

    /// Ends those that have had the same client for too long.
    fn end_long_connections(&mut self, limit: Duration) {
        for stage in [Stage::Serving, Stage::Retiring] {
            let mut next = self.course.children.first(stage);
            while let Some(child) = next {
                next = self.course.children.next(&child);
                let slot = self.scoreboard.slot(child.index);
                if slot.state() == State::Serving && slot.since() + limit <= self.course.now {
                    self.log_lifetime(child.pid, &slot.peer());
                    self.terminate(child.pid);
                }
            }
        }
    }

    fn log_lifetime(&self, pid: Pid, peer: &Peer) {
        self.log.event(Level::Connection, "lifetime", |line| {
            line.number("pid", pid);
            line.text("from", peer);
        });
    }

    /// Accepts nobody for a while, because something is lacking.
    fn lack(&mut self, call: &'static str, errno: Errno, client: Option<Connection>) {
        let retry = self.course.now + RETRY_EVERY;
        if let Some(pause) = &mut self.pause {
            pause.retry = retry;
            pause.client = client;
            return;
        }
        let logged = self.log_lack(call, errno);
        self.pause = Some(Pause { call, since: self.course.now, retry, logged, client });
    }

    /// Logs that something is lacking, unless that was logged just now; whether it was logged.
    fn log_lack(&mut self, call: &'static str, errno: Errno) -> bool {
        let Some(count) = self.floods.admit(Flood::Lack, self.course.now) else { return false };
        let hint = match hint_of_lack(errno) {
            "" => "it is tried again until it works",
            hint => hint,
        };
        self.log.event(Level::Warning, "pause", |line| {
            line.text("why", call);
            line.text("error", errno);
            line.text("hint", hint);
            line.number("count", count);
        });
        true
    }

    /// What was lacking is there again.
    fn resume(&mut self) {
        // A client who waits for a process does so until it has one.
        let over = self.pause.take_if(|pause| pause.client.is_none());
        if let Some(pause) = over.filter(|pause| pause.logged) {
            log_resume(self.log, pause.call, self.course.now - pause.since);
        }
    }

    // Time.

    /// Does what is due.
    fn keep_time(&mut self) {
        if self.pause.is_some() {
            self.retry();
        }
        match (self.settings.max_lifetime, &self.pool) {
            (Some(limit), Some(pool)) if pool.is_due(self.course.now) => self.end_long_connections(limit),
            (Some(limit), None) => {
                let now = self.course.now;
                let is_over = |child: &Child| child.started + limit <= now;
                while let Some(child) = self.course.children.first(Stage::Serving).filter(is_over) {
                    self.log_lifetime(child.pid, &child.peer);
                    self.terminate(child.pid);
                }
            }
            _ => {}
        }
        self.keep_pool();
        if self.retire_at.is_some_and(|at| at <= self.course.now) {
            self.retire_again();
        }
        if self.restart.as_ref().is_some_and(|restart| restart.deadline <= self.course.now) {
            self.restart_failed("it was not ready in time");
        }
        self.keep_manager();
        while let Some(child) =
            self.course.children.first(Stage::Terminating).filter(|child| child.since + KILL_AFTER <= self.course.now)
        {
            signal_child(child.pid, Signal::KILL);
            self.course.advance(child.pid, Stage::Killed);
        }
        if self.stopping.as_ref().is_some_and(|stopping| stopping.deadline <= self.course.now) {
            self.terminate_all();
        }
        if self.course.reap_at.is_some_and(|at| at <= self.course.now) {
            self.reap();
        }
        self.floods.release(self.log, self.course.now);
    }

    /// When the next thing is due.
    fn next_due(&self) -> Option<Duration> {
        let limit = self.settings.max_lifetime.filter(|_| self.pool.is_none());
        let lifetime = limit.and_then(|limit| Some(self.course.children.first(Stage::Serving)?.started + limit));
        let pool = self.pool.as_ref().filter(|_| self.stopping.is_none()).and_then(|pool| {
            pool.due(self.course.children.len_at(Stage::Serving), self.settings.max_lifetime.is_some(), self.course.now)
        });
        let kill = self.course.children.first(Stage::Terminating).map(|child| child.since + KILL_AFTER);
        // Once they have been told, the deadline means nothing more.
        let grace = self.stopping.as_ref().filter(|_| {
            [Stage::Serving, Stage::Retiring].into_iter().any(|stage| self.course.children.first(stage).is_some())
        });
        let rate = if self.stopping.is_none() { self.rate.as_ref().and_then(Rate::opens_at) } else { None };
        [
            lifetime,
            kill,
            grace.map(|stopping| stopping.deadline),
            rate.filter(|opens| *opens > self.course.now),
            self.pause.as_ref().map(|pause| pause.retry).filter(|retry| *retry > self.course.now),
            self.course.reap_at,
            pool,
            self.retire_at,
            self.restart.as_ref().map(|restart| restart.deadline),
            self.manager_due(),
            self.title_due(),
            self.floods.due(),
        ]
        .into_iter()
        .flatten()
        .min()
    }

    /// Tries again to start a child for the client that is kept, or gives up on it.
    fn retry(&mut self) {
        let now = self.course.now;
        let Some(pause) = self.pause.as_mut().filter(|pause| now >= pause.retry) else { return };
        let Some(client) = pause.client.take() else {
            // Nobody may have come meanwhile, and then only trying tells that the trouble is over.
            self.course.ready = [true; LISTENERS_MAX];
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
        self.show_title();
        let accepts = self.may_accept();
        let in_a_row = core::mem::take(&mut self.course.accepts_in_a_row);
        let timeout = if accepts && in_a_row >= ACCEPTS_IN_A_ROW {
            Some(Duration::ZERO)
        } else {
            self.next_due().map(|due| due.saturating_sub(self.course.now))
        };
        let mut fds = [PollFd::new(BorrowedFd::NONE, PollEvents::NONE); BEFORE_LISTENERS + LISTENERS_MAX];
        let signals = self.open.signals.as_ref().map_or(BorrowedFd::NONE, AsFd::as_fd);
        let restart = self.restart.as_ref().map_or(BorrowedFd::NONE, AsFd::as_fd);
        let listeners = self.open.listeners.iter().filter(|_| accepts).map(AsFd::as_fd);
        let mut length = 0;
        for (place, fd) in fds.iter_mut().zip([signals, restart].into_iter().chain(listeners)) {
            *place = PollFd::new(fd, PollEvents::IN);
            length += 1;
        }
        let fds = fds.get_mut(..length).unwrap_or_default();
        let polled = poll(fds, timeout);
        self.course.now = monotonic();
        match polled {
            Ok(_) | Err(Errno::INTR) => {}
            Err(errno) => return self.back_off("poll", errno),
        }
        let mut events = fds.iter().map(|fd| !fd.revents().is_empty());
        let has_signal = events.next().unwrap_or(false);
        let has_answer = events.next().unwrap_or(false);
        for (ready, event) in self.course.ready.iter_mut().zip(events) {
            *ready = event;
        }
        if has_answer {
            self.hear_of_restart();
        }
        if has_signal {
            self.read_signals();
        }
        if has_answer || has_signal {
            // The log may have waited for whoever reads it.
            self.course.now = monotonic();
        }
    }

    /// A call failed that never does.
    fn back_off(&mut self, call: &str, errno: Errno) {
        self.floods.back_off(self.log, self.course.now, call, errno, None);
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
            Signal::CHLD => self.on_child(info.sender),
            Signal::USR1 => self.log_status(),
            Signal::HUP => self.reload(),
            Signal::TERM | Signal::INT | Signal::QUIT => self.stop(info),
            _ => {}
        }
    }

    // Children.

    /// A child has ended, and maybe others: one SIGCHLD may stand for several.
    fn on_child(&mut self, sender: Option<Pid>) {
        if self.course.children.len() < MANY_CHILDREN
            || self.pool.is_some()
            || self.pause.is_some()
            || self.settings.proxy_protocol
        {
            return self.reap();
        }
        let course = &mut self.course;
        course.reap_at.get_or_insert(course.now + REAP_WITHIN);
        if let Err(errno) = self.reap_likely(sender) {
            self.cannot_wait(errno);
        }
    }

    /// Takes note of the child that is known to have ended, and of those among the youngest that have: their connections
    /// are short more often than not.
    ///
    /// To find whoever has ended, the kernel looks at all children, the oldest first.
    fn reap_likely(&mut self, sender: Option<Pid>) -> errno::Result<()> {
        if let Some(pid) = sender.filter(|pid| self.course.children.contains(*pid)) {
            self.reap_one(WaitFor::Child(pid))?;
        }
        let mut next = self.course.children.last(Stage::Serving);
        for _ in 0..YOUNGEST {
            let Some(child) = next else { break };
            next = self.course.children.before(&child);
            self.reap_one(WaitFor::Child(child.pid))?;
        }
        Ok(())
    }

    /// Takes note of every child that has ended.
    fn reap(&mut self) {
        self.course.reap_at = None;
        loop {
            match self.reap_one(WaitFor::AnyChild) {
                Ok(true) => {}
                Ok(false) => return,
                Err(errno) => return self.cannot_wait(errno),
            }
        }
    }

    /// Takes note of one child that has ended, if one of these has; whether it has.
    fn reap_one(&mut self, which: WaitFor) -> errno::Result<bool> {
        let mut status = WaitStatus::default();
        match retry_on_intr(|| waitpid(which, Some(&mut status), WaitOptions::NOHANG)) {
            Ok(Some(pid)) => {
                self.on_end(pid, Some(status));
                Ok(true)
            }
            Ok(None) => Ok(false),
            Err(Errno::CHILD) if self.course.children.is_empty() => Ok(false),
            Err(errno) => Err(errno),
        }
    }

    /// Somebody else may have taken the children: those that are gone serve nobody.
    fn cannot_wait(&mut self, errno: Errno) {
        self.back_off("waitpid", errno);
        self.forget_gone();
        self.course.reap_at = if self.course.children.is_empty() { None } else { Some(self.course.now + RETRY_EVERY) };
    }

    fn forget_gone(&mut self) {
        for stage in ALL {
            let mut next = self.course.children.first(stage);
            while let Some(child) = next {
                next = self.course.children.next(&child);
                if !exists(child.pid) {
                    self.on_end(child.pid, None);
                }
            }
        }
    }

    /// A process has ended, with a status if anybody knows.
    fn on_end(&mut self, pid: Pid, status: Option<WaitStatus>) {
        let Some(child) = self.course.children.remove(pid) else {
            if self.restart.as_ref().is_some_and(|restart| restart.pid == pid) {
                return self.restart_failed("it ended before it was ready");
            }
            self.log.event(Level::Detail, "orphan", |line| line.number("pid", pid));
            return;
        };
        let slot = self.scoreboard.slot(child.index);
        let state = slot.state();
        let has_served = slot.requests() > 0;
        let call =
            violation(slot.noted()).filter(|_| status.is_some_and(|status| status.term_signal() == Some(Signal::SYS)));
        // Behind a balancer, and of a child of the pool, it is the slot that says who the client was.
        let peer = if state == State::Serving { slot.peer() } else { child.peer };
        let since = if self.pool.is_some() { slot.since() } else { child.started };
        slot.clear();
        let source = child.peer.source();
        match self.course.sources.get(&source) {
            // There is room, as the key is there.
            Some(count @ 2..) => self.course.sources.insert(source, count - 1).unwrap_or_default(),
            _ => _ = self.course.sources.remove(&source),
        }
        self.course.ended += 1;
        if let Some(stopping) = &mut self.stopping {
            let report = &mut stopping.report;
            *match child.stage {
                Stage::Serving | Stage::Retiring => &mut report.drained,
                Stage::Terminating => &mut report.terminated,
                Stage::Killed => &mut report.killed,
            } += 1;
        }
        // What was lacking may be there now.
        if let Some(pause) = &mut self.pause {
            pause.retry = self.course.now;
        }
        if let Some(call) = call {
            self.log.event(Level::Warning, "violation", |line| {
                line.number("pid", pid);
                line.text("from", peer);
                match syscall::name(call) {
                    Some(name) => line.text("call", name),
                    None => line.number("call", call),
                }
            });
        }
        if let Some(pool) = &mut self.pool {
            let crashed = status.is_none_or(|status| status.exit_status() != Some(EXIT_DONE));
            // One that was not told to go, and yet went without having served, may do so again, whatever its status.
            let was_of_use = child.stage != Stage::Serving || has_served;
            pool.on_end(was_of_use, self.course.now);
            if state != State::Serving {
                let pause = pool.closed_until(self.course.now).map_or(Duration::ZERO, |until| until - self.course.now);
                let level = if crashed || !was_of_use { Level::Warning } else { Level::Detail };
                self.log.event(level, "leave", |line| {
                    line.number("pid", pid);
                    line.text("status", status.map_or(Text::<32>::new(), |status| Text::of(format_args!("{status}"))));
                    line.number("seconds", Seconds(self.course.now - child.started));
                    line.number("pause", Seconds(pause));
                });
                return;
            }
        }
        self.log.event(Level::Connection, "end", |line| {
            line.number("pid", pid);
            line.text("from", peer);
            match status.map(|status| (status, status.exit_status())) {
                Some((_, Some(code))) => line.number("exit", code),
                Some((status, None)) => line.text("signal", status),
                None => line.text("exit", "unknown"),
            }
            line.number("seconds", Seconds(self.course.now.saturating_sub(since)));
            line.number("children", self.course.children.len());
        });
    }

    /// Tells a child to end. One that was stopped goes on, or it would not hear.
    fn terminate(&mut self, pid: Pid) {
        signal_child(pid, Signal::TERM);
        signal_child(pid, Signal::CONT);
        self.course.advance(pid, Stage::Terminating);
    }

    fn terminate_all(&mut self) {
        for stage in [Stage::Serving, Stage::Retiring] {
            while let Some(child) = self.course.children.first(stage) {
                self.terminate(child.pid);
            }
        }
    }

    // The beginning of another.

    /// Reads the rules again, and has the program start anew.
    fn reload(&mut self) {
        if self.stopping.is_some() || self.restart.is_some() {
            self.log.event(Level::Notice, "reload", |line| line.text("why", "as before"));
            return;
        }
        self.manager.reloading();
        if let Some(path) = self.settings.rules {
            match read_rules(path) {
                Ok(rules) => {
                    self.log.event(Level::Notice, "rules", |line| line.number("rules", rules.len()));
                    self.rules = Some(rules);
                    // Those of the pool have the old ones.
                    if self.settings.restart.is_none() {
                        self.retire_all();
                    }
                }
                Err(error) => {
                    self.log.event(Level::Warning, "rules", |line| {
                        line.text("error", error);
                        line.text("hint", "the rules are as before, and the server goes on");
                    });
                    return self.manager.ready();
                }
            }
        }
        let Some(args) = self.settings.restart else { return self.manager.ready() };
        match Restart::start(args, &self.open, &self.mask, self.course.now) {
            Ok(restart) => {
                self.log.event(Level::Notice, "restart", |line| {
                    line.number("pid", restart.pid);
                    line.text("program", args.program().to_bytes().escape_ascii());
                });
                self.restart = Some(restart);
            }
            Err(errno) => self.log_restart_failed(errno),
        }
    }

    /// The program that starts has said something, or ended.
    fn hear_of_restart(&mut self) {
        match self.restart.as_ref().map_or(RestartProgress::None, Restart::progress) {
            RestartProgress::None => {}
            RestartProgress::Ready => self.succeeded(),
            RestartProgress::Failed => self.restart_failed("it ended before it was ready"),
        }
    }

    fn restart_failed(&mut self, why: &str) {
        if let Some(restart) = self.restart.take() {
            restart.give_up();
            self.log_restart_failed(why);
        }
    }

    fn log_restart_failed(&mut self, why: impl core::fmt::Display) {
        self.log.event(Level::Warning, "restart", |line| {
            line.text("error", why);
            line.text("hint", "the server goes on as it is");
        });
        // What the sockets share, the other may have changed.
        let _ = self.open.listeners.set_blocking(self.pool.is_some() && self.open.listeners.len() == 1);
        if self.settings.rules.is_some() {
            self.retire_all();
        }
        self.manager.ready();
    }

    /// Another process has taken this one's place: this one serves the clients that it has, however long that takes.
    fn succeeded(&mut self) {
        let Some(restart) = self.restart.take() else { return };
        self.log.event(Level::Notice, "succeeded", |line| {
            line.number("by", restart.pid);
            line.number("children", self.course.children.len());
        });
        self.manager.succeeded_by(restart.pid);
        self.manager = Manager::none();
        self.is_succeeded = true;
        self.open.hand_over();
        if let Some(client) = self.pause.take().and_then(|pause| pause.client) {
            // It waits for a process here as it would anywhere.
            self.start(client);
        }
        let report = self.report(Signal::HUP);
        self.stopping = Some(Stopping { since: self.course.now, deadline: Duration::MAX, report });
        self.retire_all();
    }

    /// What the server has done when it is told to stop.
    fn report(&self, signal: Signal) -> Stopped {
        Stopped { signal, accepted: self.scoreboard.accepted(), drained: 0, terminated: 0, killed: 0 }
    }

    // The service manager.

    /// Tells it what it wants to hear.
    fn keep_manager(&mut self) {
        if !self.manager.is_there() {
            return;
        }
        if let Some(period) = self.manager.watchdog.filter(|_| self.alive_at <= self.course.now) {
            self.manager.alive();
            self.alive_at = self.course.now + period;
        }
        let children = self.children_shown();
        if self.status_told != children && self.status_at <= self.course.now {
            self.manager.status(format_args!("{children}/{} children", self.settings.max_children));
            self.status_told = children;
            self.status_at = self.course.now + STATUS_EVERY;
        }
    }

    fn manager_due(&self) -> Option<Duration> {
        let alive = self.manager.watchdog.map(|_| self.alive_at);
        let changed = self.manager.is_there() && self.status_told != self.children_shown();
        let status = changed.then_some(self.status_at);
        [alive, status].into_iter().flatten().min()
    }

    /// Shows how many children there are: not each time that this changes, as a page is copied for it while there are
    /// any.
    fn show_title(&mut self) {
        if self.title_due().is_some_and(|due| due <= self.course.now) {
            self.set_title();
        }
    }

    fn set_title(&mut self) {
        let (children, limit) = (self.children_shown(), self.settings.max_children);
        if let Some(title) = &mut self.title {
            title.set(Text::<TITLE_MAX>::of(format_args!("mpserv: {children}/{limit} children")).as_str());
        }
        (self.titled, self.title_at) = (children, self.course.now + STATUS_EVERY);
    }

    fn title_due(&self) -> Option<Duration> {
        (self.title.is_some() && self.titled != self.children_shown()).then_some(self.title_at)
    }

    /// How many children have a client.
    fn children_shown(&self) -> u32 {
        if self.pool.is_some() { self.scoreboard.serving() } else { self.course.children.len() }
    }

    // The end.

    fn stop(&mut self, info: SignalInfo) {
        // One whose place another has taken is not told yet.
        let is_told = self.stopping.is_some() && !self.is_succeeded;
        self.is_succeeded = false;
        let at_once = info.signal == Signal::QUIT || is_told;
        self.log.event(Level::Notice, "stop", |line| {
            line.text("signal", info.signal);
            if let Some(sender) = info.sender {
                line.number("sender", sender);
                line.number("uid", info.uid);
            }
            line.number("children", self.course.children.len());
            let grace = if at_once { Duration::ZERO } else { self.settings.grace };
            line.number("grace", Seconds(grace));
        });
        self.manager.stopping();
        if let Some(restart) = self.restart.take() {
            restart.give_up();
        }
        if self.pool.is_some() {
            // Those of the pool that have a client have the sockets, too.
            self.open.listeners.shut_down();
        }
        self.open.listeners.stop();
        if let Some(client) = self.pause.take().and_then(|pause| pause.client) {
            self.refuse(&client.peer(), "the server stops", client.from_source());
            client.dismiss(BUSY_MESSAGE);
        }
        let report = self.report(info.signal);
        let deadline = self.course.now + self.settings.grace;
        let stopping = self.stopping.get_or_insert(Stopping { since: self.course.now, deadline, report });
        stopping.deadline = stopping.deadline.min(deadline);
        if at_once {
            stopping.deadline = self.course.now;
            self.terminate_all();
        } else {
            self.retire_all();
        }
    }

    fn stopped(&self, stopping: &Stopping) -> Stopped {
        // A child of the pool may have accepted one more before it heard that it is no longer needed.
        let report = Stopped { accepted: self.scoreboard.accepted(), ..stopping.report };
        self.log.event(Level::Notice, "stopped", |line| {
            line.number("drained", report.drained);
            line.number("terminated", report.terminated);
            line.number("killed", report.killed);
            line.number("accepted", report.accepted);
            line.number("seconds", Seconds(self.course.now - stopping.since));
        });
        report
    }

    fn log_status(&self) {
        self.log.event(Level::Notice, "status", |line| {
            line.number("children", self.course.children.len());
            line.number("limit", self.settings.max_children);
            if self.pool.is_some() {
                line.number("serving", self.scoreboard.serving());
            }
            line.number("accepted", self.scoreboard.accepted());
            line.number("refused", self.scoreboard.refused());
            line.number("ended", self.course.ended);
            line.number("uptime", Seconds(self.course.now - self.started));
            line.text("paused", self.pause.as_ref().map_or("no", |pause| pause.call));
            line.text("stopping", if self.stopping.is_some() { "yes" } else { "no" });
        });
        for stage in ALL {
            let mut next = self.course.children.first(stage);
            while let Some(child) = next {
                let slot = self.scoreboard.slot(child.index);
                self.log.event(Level::Detail, "child", |line| {
                    line.number("pid", child.pid);
                    line.text("state", slot.state().name());
                    line.text("from", slot.peer());
                    line.number("requests", slot.requests());
                    line.number("seconds", Seconds(self.course.now.saturating_sub(slot.since())));
                });
                next = self.course.children.next(&child);
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

fn monotonic() -> Duration {
    clock_gettime(Clock::MONOTONIC)
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
    if killpg(pid, signal) == Err(Errno::SRCH) {
        // It has not been waited for, so the id is still its own; that it has ended is no error.
        let _ = kill(pid, signal);
    }
}

/// The error of a server that cannot be set up.
pub(super) fn cannot_serve(call: &str, errno: Errno, hint: &'static str) -> Error {
    Error::new(format_args!("cannot serve: {call}"), Reason::System(errno), hint)
}

/// So that a server in a process that cannot have children is refused before anything is changed.
pub(super) fn can_fork() -> Result<()> {
    if has_other_threads() {
        let hint = "this process has, or had, other threads, whose locks a child would find locked for ever: serve before any is \
                    started";
        return Err(cannot_serve("fork", Errno::DEADLK, hint));
    }
    Ok(())
}
