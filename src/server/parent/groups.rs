//! Process groups that have outlived their child: a program may leave processes that still hold the connection.
//!
//! Such a group gets the signals that the child would have got: at the end of its lifetime, and when the server stops.
//! A process that has moved itself to another group or session is out of reach.

use core::time::Duration;

use super::children::Child;
use super::group_table::{End, Group};
use super::state::Parent;
use crate::server::child::Worker;
use crate::server::connection::Peer;
use crate::server::limits::{GROUPS_LOOK, GROUPS_LOOK_AT_STOP, KILL_AFTER};
use crate::sys::process::group_exists;
use crate::sys::signal::{Signal, killpg};

impl<W: Worker> Parent<'_, '_, W> {
    /// Keeps the group of a child that has ended, if a process is left in it.
    pub(super) fn keep_group(&mut self, child: &Child, peer: &Peer, started: Duration) {
        if !self.worker.leaves_processes() || !group_exists(child.pid) {
            return;
        }
        let group = Group { id: child.pid, peer: *peer, started, end: End::NotTold };
        // The first group is checked immediately. From then on, all groups are checked once in each period, because a
        // check takes longer the more groups there are.
        if self.state.groups.is_empty() {
            self.state.groups.look_at = self.state.now;
        }
        if self.state.groups.groups.push(group).is_ok() {
            return;
        }
        // The list is full, but some groups may have gone meanwhile.
        self.look_at_groups();
        if self.state.groups.groups.push(group).is_err() {
            // No process may escape the stop of the server, so this group ends now.
            let _ = killpg(child.pid, Signal::KILL);
            self.log.group(child.pid, peer, Signal::KILL);
        }
    }

    fn signal_group(&self, group: &Group, signal: Signal) {
        // An error is ignored, because the last process may just have ended. SIGCONT is needed because a stopped
        // process does not act on SIGTERM.
        let _ = killpg(group.id, signal);
        let _ = killpg(group.id, Signal::CONT);
        self.log.group(group.id, &group.peer, signal);
    }

    /// Forgets the groups that are gone, and ends those whose time is up.
    pub(super) fn look_at_groups(&mut self) {
        let now = self.state.now;
        let is_stopping = self.state.stopping.as_ref();
        let must_end = is_stopping.is_some_and(|stopping| stopping.deadline <= now);
        let period = if is_stopping.is_some() { GROUPS_LOOK_AT_STOP } else { GROUPS_LOOK };
        let lifetime = self.settings.max_lifetime.unwrap_or(Duration::MAX);
        let mut kept = 0;
        for index in 0..self.state.groups.groups.len() {
            let Some(mut group) = self.state.groups.groups.get(index).copied().filter(Group::exists) else { continue };
            let is_over = must_end || group.started.saturating_add(lifetime) <= now;
            match group.end {
                End::NotTold if is_over => {
                    self.signal_group(&group, Signal::TERM);
                    group.end = End::Terminated(now);
                }
                End::Terminated(since) if since + KILL_AFTER <= now => {
                    self.signal_group(&group, Signal::KILL);
                    group.end = End::Killed(now);
                }
                // All processes of the group are dead, but their parent does not reap them.
                End::Killed(since) if since + KILL_AFTER <= now => continue,
                _ => {}
            }
            if let Some(place) = self.state.groups.groups.get_mut(kept) {
                *place = group;
                kept += 1;
            }
        }
        self.state.groups.groups.truncate(kept);
        self.state.groups.look_at = now + period;
    }
}
