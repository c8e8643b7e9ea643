//! Stops the server: from the signal to the end of the last child, and of the last earlier server.

use core::time::Duration;

use super::children::Stage;
use super::state::{LoopState, Parent, Stopped, Stopping};
use crate::server::child::{RETIRE, Worker};
use crate::server::inherited::say_stopping;
use crate::server::limits::{BUSY_MESSAGE, EARLIER_ENDS_WITHIN, KILL_AFTER, KILL_AGAIN_EVERY};
use crate::server::orders::{EarlierServers, Order};
use crate::sys::errno::{Errno, Result};
use crate::sys::process::{Pid, getpgid};
use crate::sys::signal::{Signal, SignalInfo, kill, killpg};

impl<W: Worker> Parent<'_, '_, W> {
    /// Handles SIGTERM, SIGINT and SIGQUIT: stops listening, and lets the children end. A second signal, or SIGQUIT,
    /// sends the children SIGTERM at once. The earlier servers are told the same.
    pub(super) fn stop(&mut self, info: &SignalInfo) {
        // A server that has handed over is stopping, but no signal has told it to stop.
        let is_second = self.state.stopping.is_some() && !self.state.has_handed_over;
        let at_once = info.signal == Signal::QUIT || is_second;
        if let Some(predecessor) = self.descriptors.letting_go.as_ref().filter(|_| !is_second) {
            // From here on, the predecessor does not go on if this server ends.
            say_stopping(predecessor);
        }
        self.stop_successor(info.signal);
        self.publisher.stopping();
        self.stop_serving(info, at_once);
        self.state.has_handed_over = false;
    }

    /// Obeys the next order of a later server.
    pub(super) fn on_order(&mut self) {
        match self.descriptors.orders.as_ref().map_or(Ok(None), Order::read) {
            Ok(None) => self.descriptors.orders = None,
            // If a signal has told this server to stop, the time since then counts. An order is no second signal, and the
            // first signal after an order is none either: somebody may have sent it to all servers.
            Ok(Some(order)) if order.at_once || self.state.has_handed_over => {
                self.stop_serving(&SignalInfo { signal: order.signal, sender: None, uid: 0 }, order.at_once);
            }
            Ok(Some(_)) | Err(Errno::AGAIN | Errno::INTR) => {}
            Err(errno) => self.back_off("read", errno),
        }
    }

    /// Tells the earlier servers to stop, stops listening, and lets the children end or ends them `at_once`.
    fn stop_serving(&mut self, info: &SignalInfo, at_once: bool) {
        let grace = if at_once { Duration::ZERO } else { self.settings.grace };
        self.descriptors.earlier.tell(Order { signal: info.signal, at_once });
        self.log.stop(info, self.state.children.len(), grace);
        if self.pool.is_some() {
            // Preforked children have the listeners as well. After the shutdown no process accepts.
            self.descriptors.listeners.shut_down();
        }
        self.stop_listening();
        if let Some(client) = self.state.shortage.take().and_then(|shortage| shortage.client) {
            self.refuse(&client.peer(), "the server stops", client.from_source());
            self.reject(client, BUSY_MESSAGE);
        }
        self.begin_stopping(info.signal, self.state.now.saturating_add(grace));
        self.look_at_groups();
        if at_once {
            self.terminate_all();
        } else {
            self.retire_all();
        }
    }

    /// Begins to stop, or makes the deadline earlier.
    pub(super) fn begin_stopping(&mut self, signal: Signal, deadline: Duration) {
        let report = Stopped { signal, accepted: self.accepted(), drained: 0, terminated: 0, killed: 0 };
        let stopping = Stopping { since: self.state.now, deadline, report };
        let stopping = self.state.stopping.get_or_insert(stopping);
        stopping.deadline = stopping.deadline.min(deadline);
    }

    /// Counts a child that has ended while the server stops, by its last stage.
    pub(super) fn count_for_report(&mut self, stage: Stage) {
        let Some(stopping) = &mut self.state.stopping else { return };
        let report = &mut stopping.report;
        let count = match stage {
            Stage::Running | Stage::Retiring => &mut report.drained,
            Stage::Terminating => &mut report.terminated,
            Stage::Killed => &mut report.killed,
        };
        *count += 1;
    }

    /// Returns the report, and logs it, if the server was told to stop, and the last child and the earlier servers have
    /// ended.
    pub(super) fn stopped(&mut self) -> Option<Stopped> {
        let LoopState { stopping, children, groups, successor, shortage, .. } = &*self.state;
        // A client may still wait for a process, and a successor that was killed must not write to the pidfile later.
        let has_client = shortage.as_ref().is_some_and(|shortage| shortage.client.is_some());
        // The service manager may trust only this process to name the successor. It has as much time to read the message
        // as the children have to end.
        let gives_up_at = stopping.as_ref().map(|stopping| stopping.deadline.saturating_add(KILL_AFTER));
        let has_message = self.publisher.ready_due().is_some() && gives_up_at.is_some_and(|at| self.state.now < at);
        let has_earlier = self.descriptors.earlier.has_any();
        let is_over = children.is_empty()
            && groups.is_empty()
            && successor.is_none()
            && !has_client
            && !has_message
            && !has_earlier;
        let stopping = stopping.as_ref().filter(|_| is_over)?;
        self.throttle.release(self.log, Duration::MAX);
        // A preforked child may have accepted one more client before it heard that it was retired.
        let report = Stopped { accepted: self.accepted(), ..stopping.report };
        let ended = [report.drained, report.terminated, report.killed];
        self.log.stopped(ended, report.accepted, self.state.now - stopping.since);
        Some(report)
    }

    /// Returns the time at which this server no longer waits for the ends of earlier servers.
    pub(super) fn earlier_due(&self) -> Option<Duration> {
        let stopping = self.state.stopping.as_ref().filter(|_| self.descriptors.earlier.has_any())?;
        Some(stopping.deadline.saturating_add(KILL_AFTER + EARLIER_ENDS_WITHIN))
    }

    /// Forgets the earlier servers that have ended, so that `--status` shows the others.
    pub(super) fn forget_earlier(&mut self) {
        self.descriptors.earlier.forget_ended();
        self.scoreboard.set_earlier(&self.descriptors.earlier);
    }

    /// Leaves the earlier servers alone that have not ended in time.
    pub(super) fn leave_earlier(&mut self) {
        self.forget_earlier();
        if self.descriptors.earlier.has_any() {
            self.log.earlier_left();
        }
        self.descriptors.earlier = EarlierServers::default();
    }

    /// Sends SIGTERM to a child, and SIGCONT, because a stopped process does not act on SIGTERM. A preforked child that
    /// catches or ignores SIGTERM must get no other client, because SIGKILL follows. So it is retired first.
    pub(super) fn terminate(&mut self, pid: Pid) {
        if self.pool.is_some() {
            // The child was not reaped, so the id is still its own.
            let _ = kill(pid, RETIRE);
        }
        if let Err(errno @ Errno::PERM) = signal_child(pid, Signal::TERM) {
            self.log.signal_refused(pid, errno);
        }
        let _ = signal_child(pid, Signal::CONT);
        self.state.set_stage(pid, Stage::Terminating);
    }

    /// Sends SIGTERM to all children that have not got SIGTERM yet.
    pub(super) fn terminate_all(&mut self) {
        for stage in [Stage::Running, Stage::Retiring] {
            while let Some(child) = self.state.children.first(stage) {
                self.terminate(child.pid);
            }
        }
    }

    /// Sends SIGKILL to the children that got SIGTERM [`KILL_AFTER`] ago.
    pub(super) fn kill_overdue(&mut self) {
        let now = self.state.now;
        while let Some(child) =
            self.state.children.first(Stage::Terminating).filter(|child| child.since + KILL_AFTER <= now)
        {
            let _ = signal_child(child.pid, Signal::KILL);
            self.state.set_stage(child.pid, Stage::Killed);
        }
    }

    /// Sends SIGKILL again to the children that got SIGKILL [`KILL_AGAIN_EVERY`] ago: their groups may have new
    /// processes. A server that stops leaves a child alone that it may not signal.
    pub(super) fn kill_again(&mut self) {
        let now = self.state.now;
        while let Some(child) =
            self.state.children.first(Stage::Killed).filter(|child| child.since + KILL_AGAIN_EVERY <= now)
        {
            let (pid, sent) = (child.pid, signal_child(child.pid, Signal::KILL));
            if sent == Err(Errno::PERM) && self.state.stopping.is_some() {
                self.state.children.remove(pid);
            } else {
                self.state.set_stage(pid, Stage::Killed);
            }
        }
    }
}

/// Sends a signal to a child and to the processes of its group. Fails with `EPERM` if the child has become another user,
/// as a program with the set-user-ID bit does, and this server is not root.
pub(super) fn signal_child(pid: Pid, signal: Signal) -> Result<()> {
    // The child was not reaped, so both ids are its own. A missing process is no error.
    let is_sent = killpg(pid, signal).is_ok();
    // A child that has just started has no group yet. A program may also have moved to another group and left processes
    // in its first group. But a child in its own group has got the signal already, and a second signal might mean
    // something else to the program.
    if !is_sent || getpgid(pid) != Ok(Some(pid)) {
        return kill(pid, signal);
    }
    Ok(())
}

#[cfg(test)]
mod tests;
