//! The table of process groups that have outlived their child.

use core::time::Duration;

use crate::server::connection::Peer;
use crate::sys::errno::Result;
use crate::sys::memory::ParentOnly;
use crate::sys::process::{Pid, exists, group_exists};

/// A process group whose leader, a child, has ended.
#[derive(Clone, Copy)]
pub(super) struct Group {
    pub(super) id: Pid,
    /// The child's client.
    pub(super) peer: Peer,
    /// The time at which the child, or its connection, began.
    pub(super) started: Duration,
    pub(super) end: End,
}

/// The progress of a group towards its end. Each time is the time of the signal.
#[derive(Clone, Copy)]
pub(super) enum End {
    NotTold,
    Terminated(Duration),
    Killed(Duration),
}

/// The table of the groups.
pub(super) struct Groups {
    pub(super) groups: ParentOnly<Group>,
    /// The time at which the parent looks at the groups.
    pub(super) look_at: Duration,
}

impl Groups {
    pub(super) fn with_capacity(capacity: u32) -> Result<Groups> {
        // SAFETY: a child never uses the parent's state.
        let groups = unsafe { ParentOnly::with_capacity(capacity as usize) }?;
        Ok(Groups { groups, look_at: Duration::ZERO })
    }

    pub(super) fn is_empty(&self) -> bool {
        self.groups.is_empty()
    }

    /// Returns the time at which the parent must check the groups, if there are any.
    pub(super) fn look_at(&self) -> Option<Duration> {
        (!self.is_empty()).then_some(self.look_at)
    }
}

impl Group {
    /// Whether a process of the group is left. While a process is left, the kernel gives the group's number to no new
    /// process. So if a process has this number as its id, the group is gone.
    pub(super) fn exists(&self) -> bool {
        group_exists(self.id) && !exists(self.id)
    }
}
