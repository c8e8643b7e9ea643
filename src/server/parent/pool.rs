//! Preforked children: making them, retiring them, and ending connections that take too long.

use super::children::{Child, Stage};
use super::pool_size::Step;
use super::state::Parent;
use crate::server::child::{RETIRE, Worker};
use crate::server::connection::Peer;
use crate::server::limits::RETRY_EVERY;
use crate::server::scoreboard::State;
use crate::sys::process::Pid;
use crate::sys::signal::kill;

impl<W: Worker> Parent<'_, '_, W> {
    /// Runs each second: ends connections that take too long, and makes or retires children as the load requires.
    pub(super) fn on_pool_tick(&mut self) {
        self.end_long_connections();
        let running = self.state.children.len_at(Stage::Running);
        // A child that is stopped, or taken over, may say that it is idle. While a client waits, no child is.
        let idle = if self.descriptors.listeners.have_client() { 0 } else { self.scoreboard.idle() };
        if idle == 0 {
            self.end_silent_connections();
        }
        let Some(pool) = &mut self.pool else { return };
        let step = pool.step(running, idle, self.state.now);
        let wants_more = matches!(step, Step::Grow(_)) || pool.missing(running) > 0;
        if !wants_more {
            self.shortage_over();
        }
        if self.state.stopping.is_some() {
            return;
        }
        match step {
            Step::Stay => {}
            Step::Grow(count) => self.prefork(count),
            Step::Shrink => self.retire_idle_child(),
        }
    }

    /// Makes as many preforked children as are missing.
    pub(super) fn refill_pool(&mut self) {
        let running = self.state.children.len_at(Stage::Running);
        let missing = self.pool.as_ref().map_or(0, |pool| pool.missing(running));
        self.prefork(missing);
    }

    /// Makes `count` preforked children, or fewer if the system has no resources for more.
    fn prefork(&mut self, count: u32) {
        for _ in 0..count {
            if self.is_full() || !self.start_pool_child() {
                return;
            }
        }
    }

    /// Makes a preforked child. Returns whether the child was made.
    fn start_pool_child(&mut self) -> bool {
        let slot = self.scoreboard.take_slot(self.state.children.next_index());
        let (worker, context) = self.next_child(slot, None);
        match worker.start_pool(context) {
            Ok(pid) => {
                self.state.add_child(pid, Peer::Unknown, None);
                self.shortage_over();
                true
            }
            Err(errno) => {
                if let Some(pool) = &mut self.pool {
                    pool.close(RETRY_EVERY, self.state.now);
                }
                self.shortage("fork", errno, None);
                false
            }
        }
    }

    fn retire_idle_child(&mut self) {
        let is_idle = |child: &Child| self.scoreboard.slot(child.index).state() == State::Idle;
        let idle = self.state.children.at(Stage::Running).find(is_idle);
        if let Some(child) = idle {
            self.retire(child.pid);
        }
    }

    /// Tells a child that it is no longer needed. The child ends once it has no client.
    fn retire(&mut self, pid: Pid) {
        self.state.set_stage(pid, Stage::Retiring);
        // The child was not reaped, so the id is still its own. A child that has ended already is no error.
        let _ = kill(pid, RETIRE);
        self.state.retire_again_at = Some(self.state.now + RETRY_EVERY);
    }

    /// Retires all preforked children. Other children end by themselves.
    pub(super) fn retire_all(&mut self) {
        if self.pool.is_none() {
            return;
        }
        while let Some(child) = self.state.children.first(Stage::Running) {
            self.retire(child.pid);
        }
    }

    /// Signals retired children without a client again: the first signal may have come just before they began to wait.
    pub(super) fn retire_again(&mut self) {
        let is_serving = |child: &Child| self.scoreboard.slot(child.index).state().has_client();
        for child in self.state.children.at(Stage::Retiring).filter(|child| !is_serving(child)) {
            let _ = kill(child.pid, RETIRE);
        }
        let has_some = self.state.children.len_at(Stage::Retiring) > 0;
        self.state.retire_again_at = has_some.then(|| self.state.now + RETRY_EVERY);
    }

    /// Ends preforked children that have had the same client for longer than `--max-lifetime`.
    ///
    /// A child that a client has taken over can write false values to its slot. So each child is also retired at the
    /// age of the limit. If the child still runs after the same time again, its client has been there for at least that
    /// long. So the parent ends the child.
    fn end_long_connections(&mut self) {
        let Some(limit) = self.settings.max_lifetime else { return };
        let now = self.state.now;
        let is_over = |child: &Child| child.since.saturating_add(limit) <= now;
        while let Some(child) = self.state.children.first(Stage::Running).filter(is_over) {
            self.retire(child.pid);
        }
        while let Some(child) = self.state.children.first(Stage::Retiring).filter(is_over) {
            self.end_lifetime(child.pid, &self.scoreboard.slot(child.index).peer());
        }
        for stage in [Stage::Running, Stage::Retiring] {
            let mut next = self.state.children.first(stage);
            while let Some(child) = next {
                next = self.state.children.next(&child);
                let slot = self.scoreboard.slot(child.index);
                if slot.state() == State::Serving && slot.since().saturating_add(limit) <= self.state.now {
                    self.end_lifetime(child.pid, &slot.peer());
                }
            }
        }
    }

    /// Ends children that serve one client only and have lived for longer than `--max-lifetime`.
    pub(super) fn end_old_children(&mut self) {
        let (now, limit) = (self.state.now, self.settings.max_lifetime.unwrap_or_default());
        let is_over = |child: &Child| child.started.saturating_add(limit) <= now;
        while let Some(child) = self.state.children.first(Stage::Running).filter(is_over) {
            self.end_lifetime(child.pid, &child.peer);
        }
    }

    fn end_lifetime(&mut self, pid: Pid, peer: &Peer) {
        self.log.lifetime(pid, peer);
        self.terminate(pid);
    }
}
