//! Accepts clients: from a client that waits to a child that serves the client.

use core::time::Duration;

use super::state::{Parent, monotonic};
use crate::server::admission::Refusal;
use crate::server::child::{NotStarted, Worker};
use crate::server::connection::{Connection, Peer};
use crate::server::limits::{ABORTS_IN_A_ROW, ACCEPTS_IN_A_ROW};
use crate::server::listener::is_connection_error;
use crate::server::log::Throttled;
use crate::server::scoreboard::State;
use crate::sys::errno::Errno;
use crate::sys::fd::AsFd;
use crate::sys::net::{SocketFlags, accept4};
use crate::sys::poll::{PollEvents, PollFd, poll};

impl<W: Worker> Parent<'_, '_, W> {
    /// Accepts clients until no client waits, the parent is blocked, or other events need attention.
    pub(super) fn accept_burst(&mut self) {
        for _ in 0..ACCEPTS_IN_A_ROW {
            if self.is_full() && self.state.reap_at.is_some() {
                // Children that have ended but are not yet reaped hold slots that are needed now.
                self.reap();
            }
            if self.note_blocked().is_some() || !self.accept_next() {
                return;
            }
            self.state.now = monotonic();
        }
    }

    /// Accepts one client, from the next listener that may have a client. Returns whether there may be more clients.
    fn accept_next(&mut self) -> bool {
        let count = self.descriptors.listeners.len();
        for step in 0..count {
            let index = (self.state.turn + step) % count;
            let Some(listener) = self.descriptors.listeners.get(index).filter(|_| self.is_ready(index)) else {
                continue;
            };
            match accept4(listener, SocketFlags::CLOEXEC) {
                Ok((fd, address)) => {
                    self.state.turn = index + 1;
                    self.state.aborts_in_a_row = 0;
                    self.shortage_over();
                    let peer = Peer::of(&fd, address);
                    let number = self.count_accepted();
                    self.start(Connection::new(fd, peer, number, 0));
                    return true;
                }
                Err(Errno::AGAIN) => {
                    if let Some(ready) = self.state.ready.get_mut(index) {
                        *ready = false;
                    }
                    self.state.aborts_in_a_row = 0;
                    self.shortage_over();
                }
                Err(errno) => {
                    // If this listener fails for good, the others have their turn.
                    self.state.turn = index + 1;
                    self.accept_failed(errno);
                    return true;
                }
            }
        }
        false
    }

    fn is_ready(&self, index: usize) -> bool {
        self.state.ready.get(index).is_some_and(|ready| *ready)
    }

    /// Counts a failure that concerns one connection alone, or pauses after any other failure.
    fn accept_failed(&mut self, errno: Errno) {
        let may_go_on = is_connection_error(errno) || errno == Errno::INTR;
        if !may_go_on || self.state.aborts_in_a_row >= ABORTS_IN_A_ROW {
            return self.shortage("accept4", errno, None);
        }
        self.state.aborts_in_a_row += 1;
        if let Some(count) = self.throttle.admit(Throttled::Abort, self.state.now) {
            self.log.abort(errno, count);
        }
    }

    /// Decides whether a client is served, and returns the rule that allows it. If a PROXY header will name the client,
    /// the child decides instead.
    fn check(&self, peer: &Peer) -> Result<Option<u32>, Refusal<'_>> {
        if self.settings.proxy_protocol {
            return Ok(None);
        }
        let admission = self.admission();
        let rule = admission.rule_of(peer);
        let index = rule.map(|(index, _)| index);
        let (others, of_rule) = (self.state.sources.count(peer), self.state.of_rules.get(index));
        admission.decide(rule.map(|(_, rule)| rule), others, of_rule).map(|()| index)
    }

    /// Whether an ended child may be left to reap. Does not ask waitpid(), which takes longer the more children there
    /// are.
    fn may_have_ended(&self) -> bool {
        let mut signals = [PollFd::new(self.descriptors.signals.as_fd(), PollEvents::IN)];
        self.state.reap_at.is_some() || poll(&mut signals, Some(Duration::ZERO)) != Ok(0)
    }

    /// Counts and logs a client that is not served.
    pub(super) fn refuse(&mut self, peer: &Peer, why: &str, from_source: u32) {
        self.count_refused();
        if let Some(count) = self.throttle.admit(Throttled::Refuse, self.state.now) {
            self.log.refuse(peer, why, from_source, count);
        }
    }

    /// Starts a child for a connection, or refuses the client. If no process can be started, the client is kept for a
    /// while, and this function decides again then: the rules may be others.
    pub(super) fn start(&mut self, mut connection: Connection) {
        let peer = connection.peer();
        let mut rule = self.check(&peer);
        if rule.is_err() && self.may_have_ended() {
            // Children that have ended meanwhile do not count against the client.
            self.reap_for_refused();
            rule = self.check(&peer);
        }
        match rule {
            Ok(rule) => {
                connection.set_from_source(self.state.sources.count(&peer) + 1);
                self.start_with(connection, rule);
            }
            Err(Refusal { why, message, from_source }) => {
                self.reject(connection, message);
                self.refuse(&peer, why, from_source);
            }
        }
    }

    /// Starts a child for a connection that this rule allows.
    fn start_with(&mut self, connection: Connection, rule: Option<u32>) {
        let peer = connection.peer();
        let slot = self.scoreboard.take_slot(self.state.children.next_index());
        // The slot is set before the child exists, because the child may put another client there.
        slot.set_client(connection.number(), &peer);
        let children = Some(self.state.children.len() + 1);
        let (worker, context) = self.next_child(slot, children);
        match worker.start(connection, context) {
            Ok((pid, connection)) => {
                self.close(connection);
                if !self.settings.proxy_protocol {
                    slot.set(pid, State::Serving, self.state.now);
                }
                self.shortage_over();
                // Only a client that has a child counts, so that one that is not served uses up nothing of the rate.
                if let Some(rate) = &mut self.rate {
                    rate.count(self.state.now);
                }
                self.state.add_serving_child(pid, peer, rule);
            }
            Err(NotStarted { connection, call, errno, is_temporary: true }) => {
                self.shortage(call, errno, Some(connection));
            }
            Err(NotStarted { connection, call, errno, is_temporary: false }) => {
                if let Some(count) = self.throttle.admit(Throttled::Exec, self.state.now) {
                    self.log.exec_failed(call, errno, &connection.peer(), count);
                }
                self.close(connection);
                self.count_refused();
            }
        }
    }
}

#[cfg(test)]
pub(super) mod tests;
