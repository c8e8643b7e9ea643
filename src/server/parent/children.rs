//! The table of the children. Every operation takes the same time for any number of children.

use core::time::Duration;

use super::map::Map;
use crate::server::connection::Peer;
use crate::sys::errno::Result;
use crate::sys::memory::ParentOnly;
use crate::sys::process::Pid;

/// The stage of a child on its way to its end. The parent decides the stage. A child without a client is `Running` too.
/// The scoreboard's [`State`](crate::server::scoreboard::State) tells whether a child has a client.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Stage {
    /// The child has not been told to end.
    Running,
    /// The child has been told to retire, and ends once it has no client.
    Retiring,
    /// The child has been sent SIGTERM.
    Terminating,
    /// The child has been sent SIGKILL.
    Killed,
}

/// The number of stages.
const STAGES: usize = 4;

impl Stage {
    pub(super) const ALL: [Stage; STAGES] = [Stage::Running, Stage::Retiring, Stage::Terminating, Stage::Killed];
}

/// A child.
#[derive(Clone, Copy)]
pub(super) struct Child {
    pub(super) pid: Pid,
    pub(super) peer: Peer,
    /// The rule that allows the child's client.
    pub(super) rule: Option<u32>,
    /// The child's slot in this table and on the scoreboard.
    pub(super) index: u32,
    pub(super) started: Duration,
    pub(super) stage: Stage,
    /// The time at which the child's stage began.
    pub(super) since: Duration,
    /// The neighbours of the child in the list of its stage: the children before and after it. In a free slot, `after`
    /// is the next free slot.
    before: u32,
    after: u32,
}

/// The index that stands for no slot.
const NONE: u32 = u32::MAX;

/// The children of one stage, in the order in which they came to the stage. So the first child is the first to reach a
/// deadline.
#[derive(Clone, Copy)]
struct List {
    first: u32,
    last: u32,
}

/// The table: a slot for each child that there may be, and a list for each stage.
pub(super) struct Children {
    slots: ParentOnly<Child>,
    by_pid: Map<Pid, u32>,
    lists: [List; STAGES],
    /// The first of the slots that were in use and are free again.
    free: u32,
    length: u32,
    /// The number of children at each stage.
    lengths: [u32; STAGES],
}

impl Children {
    pub(super) fn with_capacity(capacity: u32) -> Result<Children> {
        // SAFETY: a child never uses the parent's state.
        let slots = unsafe { ParentOnly::with_capacity(capacity as usize) }?;
        Ok(Children {
            slots,
            by_pid: Map::with_capacity(capacity as usize)?,
            lists: [List { first: NONE, last: NONE }; STAGES],
            free: NONE,
            length: 0,
            lengths: [0; STAGES],
        })
    }

    pub(super) const fn len(&self) -> u32 {
        self.length
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// Returns the number of children at a stage.
    pub(super) fn len_at(&self, stage: Stage) -> u32 {
        self.lengths[stage as usize]
    }

    /// Returns the slot of the next child.
    pub(super) fn next_index(&self) -> u32 {
        if self.free == NONE { u32::try_from(self.slots.len()).unwrap_or(NONE) } else { self.free }
    }

    fn slot(&self, index: u32) -> Option<&Child> {
        self.slots.get(index as usize)
    }

    fn slot_mut(&mut self, index: u32) -> Option<&mut Child> {
        self.slots.get_mut(index as usize)
    }

    /// Adds a child. Fails with `ENOMEM` when the table is full.
    pub(super) fn insert(&mut self, pid: Pid, peer: Peer, rule: Option<u32>, now: Duration) -> Result<()> {
        let index = self.next_index();
        let child = Child {
            pid,
            peer,
            rule,
            index,
            started: now,
            stage: Stage::Running,
            since: now,
            before: NONE,
            after: NONE,
        };
        if let Some(free) = self.slot(self.free) {
            let next = free.after;
            if let Some(slot) = self.slot_mut(index) {
                *slot = child;
            }
            self.free = next;
        } else {
            self.slots.push(child)?;
        }
        self.append(index, Stage::Running);
        self.length += 1;
        self.by_pid.insert(pid, index)
    }

    /// Removes a child. Returns `None` if the process is not in the table.
    pub(super) fn remove(&mut self, pid: Pid) -> Option<Child> {
        let index = self.by_pid.remove(&pid)?;
        let child = *self.slot(index)?;
        self.unlink(index);
        let free = self.free;
        self.slot_mut(index)?.after = free;
        self.free = index;
        self.length -= 1;
        Some(child)
    }

    /// Returns the children at a stage, first the child that has been there for the longest time.
    pub(super) fn at(&self, stage: Stage) -> impl Iterator<Item = Child> + use<'_> {
        core::iter::successors(self.first(stage), |child| self.next(child))
    }

    /// Returns the child that has been at a stage for the longest time.
    pub(super) fn first(&self, stage: Stage) -> Option<Child> {
        self.lists.get(stage as usize).and_then(|list| self.slot(list.first)).copied()
    }

    /// Returns the child that came to a stage last.
    pub(super) fn last(&self, stage: Stage) -> Option<Child> {
        self.lists.get(stage as usize).and_then(|list| self.slot(list.last)).copied()
    }

    /// Whether the table has this process.
    pub(super) fn contains(&self, pid: Pid) -> bool {
        self.by_pid.get(&pid).is_some()
    }

    /// Returns the child that came to the same stage before this child.
    pub(super) fn before(&self, child: &Child) -> Option<Child> {
        self.slot(child.before).copied()
    }

    /// Returns the child that came to the same stage after this child.
    pub(super) fn next(&self, child: &Child) -> Option<Child> {
        self.slot(child.after).copied()
    }

    /// Sets the rule that allows a child's client.
    pub(super) fn set_rule(&mut self, child: &Child, rule: Option<u32>) {
        if let Some(child) = self.slot_mut(child.index) {
            child.rule = rule;
        }
    }

    /// Moves a child to another stage.
    pub(super) fn set_stage(&mut self, pid: Pid, stage: Stage, now: Duration) {
        if let Some(index) = self.by_pid.get(&pid) {
            self.unlink(index);
            if let Some(child) = self.slot_mut(index) {
                child.stage = stage;
                child.since = now;
            }
            self.append(index, stage);
        }
    }

    fn append(&mut self, index: u32, stage: Stage) {
        let Some(list) = self.lists.get_mut(stage as usize) else { return };
        self.lengths[stage as usize] += 1;
        let last = core::mem::replace(&mut list.last, index);
        if last == NONE {
            list.first = index;
        }
        if let Some(child) = self.slot_mut(last) {
            child.after = index;
        }
        if let Some(child) = self.slot_mut(index) {
            (child.before, child.after) = (last, NONE);
        }
    }

    fn unlink(&mut self, index: u32) {
        let Some(&Child { before, after, stage, .. }) = self.slot(index) else { return };
        self.lengths[stage as usize] -= 1;
        match self.slot_mut(before) {
            Some(child) => child.after = after,
            None => self.lists[stage as usize].first = after,
        }
        match self.slot_mut(after) {
            Some(child) => child.before = before,
            None => self.lists[stage as usize].last = before,
        }
    }
}

#[cfg(test)]
mod tests;
