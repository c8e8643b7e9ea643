//! [`Parent`]: the state of the parent.

use core::cell::RefCell;
use core::time::Duration;

use super::children::{Child, Children, Stage};
use super::group_table::Groups;
use super::pool_size::Pool;
use super::publisher::Publisher;
use super::rate::Rate;
use super::rule_counts::RuleCounts;
use super::sources::Sources;
use super::successor::Successor;
use crate::program::Title;
use crate::server::admission::Admission;
use crate::server::child::{ChildContext, ErrorTexts, Worker};
use crate::server::connection::{Connection, Peer};
use crate::server::descriptors::Descriptors;
use crate::server::error::{Error, Result, shortage_hint};
use crate::server::limits::LISTENERS_MAX;
use crate::server::listener::Listeners;
use crate::server::log::{Log, LogThrottle};
use crate::server::rules::Rules;
use crate::server::scoreboard::{Scoreboard, Slot};
use crate::server::settings::Settings;
use crate::server::signals::Earlier;
use crate::server::systemd::Manager;
use crate::sys::fd::{AsFd, BorrowedFd};
use crate::sys::memory::ParentOnlyBox;
use crate::sys::process::Pid;
use crate::sys::signal::Signal;
use crate::sys::time::{Clock, clock_gettime};

/// The calls that an error names if there is no memory for the scoreboard.
const SCOREBOARD_CALLS: &str = "the scoreboard (memfd_create, ftruncate, fcntl, mmap)";

/// The parts of a parent.
pub(crate) struct Start<'s, 'a, W> {
    pub(crate) settings: &'s Settings<'a>,
    pub(crate) log: &'s Log,
    pub(crate) descriptors: Descriptors<'a>,
    pub(crate) rules: Option<Rules>,
    pub(crate) manager: Manager,
    pub(crate) title: Option<Title>,
    /// The worker outlives the parent. So when its drop runs code of the program, which may fork, no parent-only memory
    /// is left that a child would miss.
    pub(crate) worker: &'s mut W,
    pub(crate) pid: Pid,
    pub(crate) earlier: &'s Earlier,
}

/// The parent of all children.
pub(crate) struct Parent<'s, 'a, W> {
    pub(super) settings: &'s Settings<'a>,
    pub(super) log: &'s Log,
    pub(super) throttle: LogThrottle,
    pub(super) descriptors: Descriptors<'a>,
    pub(super) rules: Option<Rules>,
    pub(super) worker: &'s mut W,
    pub(super) pid: Pid,
    pub(super) earlier: &'s Earlier,
    pub(super) scoreboard: Scoreboard,
    /// The children's mapping of the scoreboard.
    of_children: Scoreboard,
    /// The errors of handlers. A preforked child logs its handler's errors itself.
    pub(super) error_texts: Option<ErrorTexts>,
    pub(super) pool: Option<Pool>,
    pub(super) rate: Option<Rate>,
    pub(super) publisher: Publisher,
    pub(super) state: ParentOnlyBox<LoopState>,
}

/// The part of the parent that its loop changes. This part is in parent-only memory. On the stack, each fork would make
/// the parent copy the pages of this part.
pub(super) struct LoopState {
    /// The time of the monotonic clock when the loop last read the clock.
    pub(super) now: Duration,
    pub(super) started: Duration,
    pub(super) children: Children,
    /// The process groups that have outlived their child.
    pub(super) groups: Groups,
    /// The number of connections of each source.
    pub(super) sources: Sources,
    /// The number of connections that each rule allows.
    pub(super) of_rules: RuleCounts,
    /// The number of times that the rules were read again.
    pub(super) generation: u32,
    /// The time at which the parent checks the connections without a PROXY header.
    pub(super) headers_at: Duration,
    /// The numbers of connections that the parent has accepted and refused. Preforked children count the connections
    /// that they accept.
    pub(super) accepted: u64,
    pub(super) refused: u64,
    /// The number of children that have ended.
    pub(super) ended: u64,
    /// For each listener, whether a client may wait there.
    pub(super) ready: [bool; LISTENERS_MAX],
    /// The listener that is tried first at the next accept.
    pub(super) turn: usize,
    pub(super) aborts_in_a_row: u32,
    pub(super) limit_reached: Option<LimitReached>,
    pub(super) shortage: Option<Shortage>,
    /// The time at which the parent reaps children without a signal.
    pub(super) reap_at: Option<Duration>,
    /// The time when all children were last asked whether they have ended.
    pub(super) reaped_at: Duration,
    /// The time at which retired children are signalled again.
    pub(super) retire_again_at: Option<Duration>,
    /// A successor that is starting.
    pub(super) successor: Option<Successor>,
    pub(super) has_handed_over: bool,
    /// The successor that has taken over, until it has ended.
    pub(super) succeeded_by: Option<Pid>,
    /// Whether SIGUSR2 has come before the predecessor has let go.
    pub(super) must_restart: bool,
    pub(super) stopping: Option<Stopping>,
}

/// A limit of the settings that can keep the parent from accepting.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Limit {
    MaxChildren,
    MaxRate,
}

/// A limit that keeps the parent from accepting.
#[derive(Clone, Copy)]
pub(super) struct LimitReached {
    pub(super) limit: Limit,
    pub(super) since: Duration,
    /// Whether the pause was logged. If so, the end of the pause is logged as well.
    pub(super) is_logged: bool,
}

/// A resource shortage, which keeps the parent from accepting for a while: a call failed for lack of descriptors, of
/// memory or of processes.
pub(super) struct Shortage {
    pub(super) call: &'static str,
    pub(super) since: Duration,
    /// The time at which the parent tries again. `None` during that try.
    pub(super) retry_at: Option<Duration>,
    /// Whether the pause was logged. If so, the end of the pause is logged as well.
    pub(super) is_logged: bool,
    /// The client that waits for a process, if there is one.
    pub(super) client: Option<Connection>,
}

/// A stop of the server, from the signal to the end of the last child.
pub(super) struct Stopping {
    pub(super) since: Duration,
    /// The time at which children that have not ended get SIGTERM.
    pub(super) deadline: Duration,
    pub(super) report: Stopped,
}

/// The report of a server that was told to stop.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Stopped {
    /// The signal that told the server to stop.
    pub signal: Signal,
    /// The number of connections that the server had accepted.
    pub accepted: u64,
    /// The number of children that ended by themselves after the signal.
    pub drained: u64,
    /// The number of children that got SIGTERM, and ended.
    pub terminated: u64,
    /// The number of children that got SIGKILL.
    pub killed: u64,
}

/// Returns the time of the monotonic clock.
pub(super) fn monotonic() -> Duration {
    clock_gettime(Clock::MONOTONIC)
}

impl<'s, 'a, W: Worker> Parent<'s, 'a, W> {
    /// Returns a parent that has not begun to serve.
    #[inline(never)]
    pub(crate) fn new(start: Start<'s, 'a, W>) -> Result<Self> {
        let Start { settings, log, mut descriptors, rules, manager, title, worker, pid, earlier } = start;
        let now = monotonic();
        let told = &descriptors;
        let fail = |call| move |errno| told.tell_predecessor(Error::cannot_serve(call, errno, shortage_hint(errno)));
        let rate = settings.max_rate.map(|(limit, period)| Rate::new(limit, period)).transpose();
        let access = settings.child_access();
        let scoreboard = Scoreboard::new(now, settings.max_children, access).map_err(fail(SCOREBOARD_CALLS))?;
        let (scoreboard, of_children, fd) = scoreboard;
        scoreboard.set_earlier(&descriptors.earlier);
        let of_rules = RuleCounts::new(rules.as_ref()).map_err(fail("mmap"))?;
        let has_error_texts = settings.pool.is_none() && worker.leaves_error_texts();
        let error_texts = has_error_texts.then(|| ErrorTexts::new(settings.max_children)).transpose();
        let state = LoopState {
            now,
            started: now,
            children: Children::with_capacity(settings.max_children).map_err(fail("mmap"))?,
            groups: Groups::with_capacity(settings.max_children).map_err(fail("mmap"))?,
            sources: Sources::with_capacity(settings.max_children, settings.source_prefix).map_err(fail("mmap"))?,
            of_rules,
            generation: 0,
            headers_at: Duration::ZERO,
            accepted: 0,
            refused: 0,
            ended: 0,
            ready: [false; LISTENERS_MAX],
            turn: 0,
            aborts_in_a_row: 0,
            limit_reached: None,
            shortage: None,
            reap_at: None,
            reaped_at: Duration::ZERO,
            retire_again_at: None,
            successor: None,
            has_handed_over: false,
            succeeded_by: None,
            must_restart: false,
            stopping: None,
        };
        let error_texts = error_texts.map_err(fail("mmap"))?;
        let rate = rate.map_err(fail("mmap"))?;
        // SAFETY: a child does not use the state, because it has its own `ChildContext`.
        let state = unsafe { ParentOnlyBox::new(state) }.map_err(fail("mmap"))?;
        descriptors.scoreboard = Some(fd);
        Ok(Parent {
            settings,
            log,
            throttle: LogThrottle::default(),
            descriptors,
            rules,
            worker,
            pid,
            earlier,
            scoreboard,
            of_children,
            error_texts,
            pool: settings.pool.map(|size| Pool::new(size, now)),
            rate,
            publisher: Publisher::new(manager, title, settings.max_children, now),
            state,
        })
    }

    /// Whether this server is a successor whose predecessor still waits for its answer.
    pub(crate) const fn has_predecessor(&self) -> bool {
        self.descriptors.predecessor.is_some()
    }

    /// Tells the predecessor, if there is one, why this server does not serve.
    pub(crate) fn tell_predecessor(&self, error: Error) -> Error {
        self.descriptors.tell_predecessor(error)
    }

    /// Returns the descriptor of the signals.
    pub(crate) fn signals(&self) -> BorrowedFd<'_> {
        self.descriptors.signals.as_fd()
    }

    pub(crate) const fn listeners(&self) -> &Listeners {
        &self.descriptors.listeners
    }

    /// Whether there are as many children as there may be.
    pub(super) fn is_full(&self) -> bool {
        self.state.children.len() >= self.settings.max_children
    }

    /// Returns the number of children that have a client.
    pub(super) fn busy_children(&self) -> u32 {
        if self.pool.is_some() { self.scoreboard.serving() } else { self.state.children.len() }
    }

    /// Returns the client of a child. A preforked child, or one behind a proxy, names its client in its slot. In all
    /// other cases the parent knows the client, and a child that is taken over cannot name another.
    pub(super) fn client_of(&self, child: &Child) -> Peer {
        let slot = self.scoreboard.slot(child.index);
        let is_named = self.settings.children_name_clients() && slot.state().has_client();
        if is_named { slot.peer() } else { child.peer }
    }

    /// Counts a connection that the parent has accepted, and returns its number, from 1.
    pub(super) fn count_accepted(&mut self) -> u64 {
        self.state.accepted += 1;
        self.scoreboard.set_counts(self.state.accepted, self.state.refused);
        self.state.accepted
    }

    /// Counts a connection that the parent has refused.
    pub(super) fn count_refused(&mut self) {
        self.state.refused += 1;
        self.scoreboard.set_counts(self.state.accepted, self.state.refused);
    }

    /// Returns the number of connections that the server and its children have accepted.
    pub(super) fn accepted(&self) -> u64 {
        self.state.accepted.saturating_add(self.scoreboard.accepted())
    }

    /// Returns the number of connections that the server and its children have refused.
    pub(super) fn refused(&self) -> u64 {
        self.state.refused.saturating_add(self.scoreboard.refused())
    }

    /// Returns the rules and limits that decide about a client.
    pub(super) fn admission(&self) -> Admission<'_> {
        Admission {
            rules: self.rules.as_ref(),
            generation: self.state.generation,
            max_per_source: self.settings.max_per_source,
            source_prefix: self.settings.source_prefix,
            scoreboard: &self.scoreboard,
        }
    }

    /// Returns the worker, and the context of its next child. `children` is the number of children, the next one
    /// included.
    pub(super) fn next_child(&mut self, slot: Slot<'static>, children: Option<u32>) -> (&mut W, ChildContext<'_, 'a>) {
        let context = ChildContext {
            descriptors: &self.descriptors,
            log: self.log,
            settings: self.settings,
            earlier: self.earlier,
            parent: self.settings.orphans_end.then_some(self.pid),
            server: self.pid,
            admission: Admission {
                rules: self.rules.as_ref(),
                generation: self.state.generation,
                max_per_source: self.settings.max_per_source,
                source_prefix: self.settings.source_prefix,
                scoreboard: &self.of_children,
            },
            manager: self.publisher.manager(),
            slot: self.of_children.same_slot(slot),
            error_texts: self.error_texts.as_ref(),
            throttle: RefCell::default(),
            children,
        };
        (self.worker, context)
    }
}

impl<W> Drop for Parent<'_, '_, W> {
    fn drop(&mut self) {
        // Signals that are pending now must not be delivered when they are unblocked. One read may not take all of them.
        if let Some(signals) = &self.descriptors.signals {
            while signals.read().is_ok_and(|mut infos| infos.next().is_some()) {}
        }
    }
}

impl LoopState {
    /// Adds a child that has no client yet.
    pub(super) fn add_child(&mut self, pid: Pid, peer: Peer, rule: Option<u32>) {
        // The table has room: the limit was checked before the child was started.
        let _ = self.children.insert(pid, peer, rule, self.now);
    }

    /// Adds a child that serves a client, and counts the client.
    pub(super) fn add_serving_child(&mut self, pid: Pid, peer: Peer, rule: Option<u32>) {
        self.add_child(pid, peer, rule);
        self.of_rules.add(rule);
        self.sources.add(&peer);
    }

    /// Removes a child's client from the counts.
    pub(super) fn forget_client(&mut self, child: &Child) {
        self.of_rules.remove(child.rule);
        self.sources.remove(&child.peer);
    }

    /// Moves a child to another stage.
    pub(super) fn set_stage(&mut self, pid: Pid, stage: Stage) {
        self.children.set_stage(pid, stage, self.now);
    }
}
