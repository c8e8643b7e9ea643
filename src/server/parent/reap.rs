//! Reaps children that have ended.

use core::time::Duration;

use super::children::{Child, Stage};
use super::state::Parent;
use super::stop::signal_child;
use crate::server::child::Worker;
use crate::server::connection::Peer;
use crate::server::limits::{EXIT_DONE, EXIT_FAILED, EXIT_REFUSED, MANY_CHILDREN, REAP_WITHIN, RETRY_EVERY, YOUNGEST};
use crate::server::log::ChildEnd;
use crate::server::scoreboard::State;
use crate::sys::errno::{Errno, Result, retry_on_intr};
use crate::sys::process::{Pid, WaitFor, WaitOptions, WaitStatus, exists, waitpid};
use crate::sys::seccomp::violation;
use crate::sys::signal::Signal;

impl<W: Worker> Parent<'_, '_, W> {
    /// Handles SIGCHLD. One signal may stand for several children.
    pub(super) fn on_child(&mut self, sender: Option<Pid>) {
        if self.must_reap_now() {
            return self.reap();
        }
        let now = self.state.now;
        self.state.reap_at.get_or_insert(now + REAP_WITHIN);
        if let Err(errno) = self.reap_likely(sender) {
            self.waitpid_failed(errno);
        }
    }

    /// Whether each child that has ended must be reaped at once, and not only the likely ones.
    fn must_reap_now(&self) -> bool {
        self.state.children.len() < MANY_CHILDREN
            || self.pool.is_some()
            || self.state.shortage.is_some()
            || self.settings.proxy_protocol
    }

    /// Reaps the child that has sent SIGCHLD, and the youngest children, if they have ended.
    ///
    /// To find any child that has ended, the kernel looks at all children, the oldest first. Among many children, it is
    /// faster to ask for the youngest, because most connections are short.
    fn reap_likely(&mut self, sender: Option<Pid>) -> Result<()> {
        if let Some(pid) = sender.filter(|pid| self.state.children.contains(*pid)) {
            self.reap_one(WaitFor::Child(pid))?;
        }
        let mut next = self.state.children.last(Stage::Running);
        for _ in 0..YOUNGEST {
            let Some(child) = next else { break };
            next = self.state.children.before(&child);
            self.reap_one(WaitFor::Child(child.pid))?;
        }
        Ok(())
    }

    /// Reaps children that have ended, before a client is refused. Among many children, all are looked at only once in
    /// [`REAP_WITHIN`]. So a flood of refused clients costs the same however many children there are.
    pub(super) fn reap_for_refused(&mut self) {
        if self.may_reap_for_refused() {
            self.reap();
        } else if let Err(errno) = self.reap_likely(None) {
            self.waitpid_failed(errno);
        }
    }

    /// Whether all children may be looked at before a client is refused.
    fn may_reap_for_refused(&self) -> bool {
        let is_due = self.state.reaped_at + REAP_WITHIN <= self.state.now;
        is_due || self.state.children.len() < MANY_CHILDREN
    }

    /// Reaps every child that has ended.
    pub(super) fn reap(&mut self) {
        self.state.reap_at = None;
        self.state.reaped_at = self.state.now;
        loop {
            match self.reap_one(WaitFor::AnyChild) {
                Ok(true) => {}
                Ok(false) => return,
                Err(errno) => return self.waitpid_failed(errno),
            }
        }
    }

    /// Reaps one child of `which`, if one has ended. Returns whether a child was reaped.
    fn reap_one(&mut self, which: WaitFor) -> Result<bool> {
        let mut status = WaitStatus::default();
        match retry_on_intr(|| waitpid(which, Some(&mut status), WaitOptions::NOHANG)) {
            Ok(Some(pid)) if status.stop_signal().is_some() => {
                self.end_traced(pid);
                Ok(true)
            }
            Ok(Some(pid)) => {
                let is_program = self.worker.runs_program();
                self.on_end(pid, if is_program { ChildEnd::OfProgram(status) } else { ChildEnd::Status(status) });
                Ok(true)
            }
            Ok(None) => Ok(false),
            Err(Errno::CHILD) if self.state.children.is_empty() => {
                self.forget_lost_successor();
                Ok(false)
            }
            Err(errno) => Err(errno),
        }
    }

    /// Reaps the successor, if it has ended.
    pub(super) fn reap_successor(&mut self) {
        let Some(pid) = self.state.successor.as_ref().map(|successor| successor.pid) else { return };
        if let Err(errno) = self.reap_one(WaitFor::Child(pid)) {
            self.waitpid_failed(errno);
        }
    }

    /// Forgets a successor that no longer exists: other code of this process may have reaped it.
    fn forget_lost_successor(&mut self) {
        if self.state.successor.as_ref().is_some_and(|successor| !exists(successor.pid)) {
            self.successor_ended(ChildEnd::Unknown);
        }
    }

    /// Ends a process that has made this process its tracer (`PTRACE_TRACEME`). The process has stopped, and only its
    /// tracer can make it go on, so no signal but SIGKILL would end it.
    fn end_traced(&mut self, pid: Pid) {
        self.log.traced(pid);
        // The process was not reaped, so both ids are its own.
        let _ = signal_child(pid, Signal::KILL);
        self.state.set_stage(pid, Stage::Killed);
    }

    /// Forgets children that no longer exist: other code of this process may have reaped them.
    fn waitpid_failed(&mut self, errno: Errno) {
        self.back_off("waitpid", errno);
        for stage in Stage::ALL {
            let mut next = self.state.children.first(stage);
            while let Some(child) = next {
                next = self.state.children.next(&child);
                if !exists(child.pid) {
                    self.on_end(child.pid, ChildEnd::Unknown);
                }
            }
        }
        self.forget_lost_successor();
        let is_waiting = !self.state.children.is_empty() || self.state.successor.is_some();
        self.state.reap_at = is_waiting.then(|| self.state.now + RETRY_EVERY);
    }

    /// Forgets a process that has ended, and logs its end.
    fn on_end(&mut self, pid: Pid, end: ChildEnd) {
        let Some(child) = self.state.children.remove(pid) else {
            if self.state.successor.as_ref().is_some_and(|successor| successor.pid == pid) {
                return self.successor_ended(end);
            }
            if self.state.succeeded_by.take_if(|successor| *successor == pid).is_none() {
                return self.log.orphan(pid);
            }
            let status = end.status().filter(|status| status.exit_status() != Some(EXIT_DONE));
            return status.map_or((), |status| self.log.successor_lost(pid, status));
        };
        self.state.forget_client(&child);
        self.state.ended += 1;
        self.count_for_report(child.stage);
        // The child's end may have freed the missing resource, so retry now.
        let now = self.state.now;
        if let Some(shortage) = &mut self.state.shortage {
            shortage.retry_at = Some(now);
        }
        self.log_end(&child, end);
        self.give_rate_back(&child, end);
        // The start of a preforked child's connection is unknown, so take the present time.
        let started = if self.pool.is_some() { self.state.now } else { child.started };
        self.keep_group(&child, &child.peer, started);
        self.scoreboard.slot(child.index).clear();
    }

    /// Gives back the share of the rate of a client that was refused: behind a proxy only the child knows the client.
    /// Such a child has not become a program, and its slot tells of no client.
    fn give_rate_back(&mut self, child: &Child, end: ChildEnd) {
        let Some(rate) = self.rate.as_mut().filter(|_| self.settings.proxy_protocol) else { return };
        let slot = self.scoreboard.slot(child.index);
        let has_none = slot.state() == State::Header || slot.peer() == Peer::Unknown;
        // The server has ended a child that waited for its header for too long.
        let was_refused = child.stage != Stage::Running
            || end.status().is_some_and(|status| status.exit_status() == Some(EXIT_REFUSED));
        if has_none && was_refused {
            rate.give_back(child.started);
        }
    }

    /// Logs the end of a child. Also tells the pool, if the child was preforked.
    #[inline(never)]
    fn log_end(&mut self, child: &Child, end: ChildEnd) {
        let now = self.state.now;
        let slot = self.scoreboard.slot(child.index);
        let was_serving = slot.state().has_client();
        let peer = self.client_of(child);
        let status = end.status();
        let is_violation = status.is_some_and(|status| status.term_signal() == Some(Signal::SYS));
        if let Some(call) = violation(slot.noted()).filter(|_| is_violation) {
            self.log.violation(child.pid, &peer, call);
        }
        let Some(pool) = &mut self.pool else {
            let time = now.saturating_sub(child.started);
            let has_failed = status.is_some_and(|status| status.exit_status() == Some(EXIT_FAILED));
            let error = self.error_texts.as_ref().and_then(|texts| texts.take(child.index)).filter(|_| has_failed);
            return self.log.end(child.pid, &peer, end, error, time, Some(self.state.children.len()));
        };
        let has_crashed = status.is_none_or(|status| status.exit_status() != Some(EXIT_DONE));
        // If a child that was not retired has had no client, the next children are likely to fail as well. A crash with
        // a client concerns that client alone.
        let was_useful = child.stage != Stage::Running || was_serving || slot.requests() > 0;
        pool.on_end(was_useful, now);
        if was_serving {
            let time = now.saturating_sub(slot.since());
            self.log.end(child.pid, &peer, end, None, time, Some(self.state.children.len()));
        } else {
            let pause = pool.closed_until(now).map_or(Duration::ZERO, |until| until - now);
            self.log.leave(has_crashed || !was_useful, child.pid, end, now - child.started, pause);
        }
    }
}

#[cfg(test)]
mod tests;
