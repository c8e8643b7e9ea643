//! The scoreboard: the state of each child, in memory that the parent shares with its children.
//!
//! A child writes only to its own slot, by plain stores. Each slot fills pages of its own, and the other slots are
//! read-only in the child. The parent decides nothing about one child by the slot of another child. There are no locks,
//! so a reader may see a half-updated slot. A reader must make only decisions that a half-updated slot cannot make
//! wrong. Children that use no slot do not have the memory. `mpserv --status` reads the scoreboard of another process
//! through `/proc`.

use core::sync::atomic::{AtomicU64, Ordering};
use core::time::Duration;

use super::limits::EARLIER_MAX;
use super::orders::EarlierServers;
use crate::sys::errno::{Errno, Result};
use crate::sys::fd::OwnedFd;
use crate::sys::memory::{SharedWords, keep_from_children, page_size, write_only_to};

mod head;
mod reader;
mod slot;

use head::{ACCEPTED, EARLIER, LIMIT, MAGIC, MAGIC_VALUE, REFUSED, STARTED, STRIDE, USED};
pub(super) use reader::Reader;
pub(super) use slot::{Patience, Slot, State, Ticket};
use slot::{SLOT_ACCEPTED, SLOT_REFUSED, SLOT_WORDS, micros};

/// The name of the memory, as `/proc/PID/fd` shows it.
pub(super) const NAME: &core::ffi::CStr = c"mpserv-scoreboard";

/// The access that children have to the scoreboard.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum ChildAccess {
    /// Children do not have the scoreboard.
    None,
    /// Children have the scoreboard read-only. A child in the sandbox makes its own slot writable only to note a
    /// violation, by the one call of `mprotect()` that its filter allows. This late change spares each child two calls,
    /// and the kernel two mappings.
    Note,
    /// A child writes to its own slot from the start.
    Slot,
}

/// The scoreboard.
#[derive(Clone, Copy)]
pub(super) struct Scoreboard {
    words: &'static [AtomicU64],
    /// The distance between two slots.
    stride: usize,
}

impl Scoreboard {
    /// Returns a scoreboard for the parent, one for the children, and the descriptor by which other processes can read
    /// it.
    pub(super) fn new(
        started: Duration,
        children: u32,
        access: ChildAccess,
    ) -> Result<(Scoreboard, Scoreboard, OwnedFd)> {
        let stride = if access == ChildAccess::None { SLOT_WORDS } else { page_size() / size_of::<u64>() };
        let length = (children as usize + 1).checked_mul(stride).ok_or(Errno::NOMEM)?;
        let (words, read_only, fd) = SharedWords::with_view(NAME, length, access == ChildAccess::Note)?;
        if access != ChildAccess::Slot {
            // SAFETY: the words are a whole mapping, and children use the other mapping, or no mapping.
            unsafe { keep_from_children(words.as_ptr(), words.len()) };
        }
        let scoreboard = Scoreboard { words, stride };
        let of_children =
            if access == ChildAccess::Note { Scoreboard { words: read_only, stride } } else { scoreboard };
        let head = scoreboard.head();
        head.store(STARTED, micros(started));
        head.store(LIMIT, u64::from(children));
        head.store(STRIDE, stride as u64);
        head.store(MAGIC, MAGIC_VALUE);
        Ok((scoreboard, of_children, fd))
    }

    /// Returns the slot of this scoreboard that corresponds to a slot of the parent's.
    pub(super) fn same_slot(&self, slot: Slot<'_>) -> Slot<'static> {
        self.slot(slot.index)
    }

    /// Makes the slots of all other children, and the head, read-only in this process, a child. `fd` is the
    /// scoreboard's descriptor.
    pub(super) fn confine(&self, slot: Slot<'_>, fd: &OwnedFd) -> Result<()> {
        let start = (slot.index as usize + 1) * self.stride;
        // SAFETY: a child writes to its own slot alone.
        unsafe { write_only_to(self.words, fd, start..start + self.stride) }
    }

    const fn head(&self) -> Slot<'static> {
        Slot { words: self.words, index: 0 }
    }

    /// Stores the ids of the earlier servers.
    pub(super) fn set_earlier(&self, servers: &EarlierServers) {
        let ids = servers.iter().map(|server| u64::from(server.pid.raw() as u32));
        for (index, id) in ids.chain([0; EARLIER_MAX]).take(EARLIER_MAX).enumerate() {
            self.head().store(EARLIER + index, id);
        }
    }

    /// Returns the slot of a child that is about to be started.
    ///
    /// The new child publishes its client only after this call. So if another child does not see yet that the slot is
    /// in use, that child has published its own client before.
    pub(super) fn take_slot(&self, index: u32) -> Slot<'static> {
        if let Some(used) = self.words.get(USED) {
            used.fetch_max(u64::from(index) + 1, Ordering::SeqCst);
        }
        self.slot(index)
    }

    /// Returns the slot of the child with this index.
    pub(super) fn slot(&self, index: u32) -> Slot<'static> {
        let start = (index as usize + 1) * self.stride;
        Slot { words: self.words.get(start..start + SLOT_WORDS).unwrap_or_default(), index }
    }

    /// Returns every slot that is or was in use.
    pub(super) fn slots(&self) -> impl Iterator<Item = Slot<'static>> + use<> {
        let used = self.words.get(USED).map_or(0, |used| used.load(Ordering::SeqCst));
        let chunks = self.words.chunks_exact(self.stride).skip(1);
        (0..u32::try_from(used).unwrap_or(u32::MAX))
            .zip(chunks)
            .map(|(index, words)| Slot { words: words.get(..SLOT_WORDS).unwrap_or_default(), index })
    }

    /// Returns the number of children that have a client.
    pub(super) fn serving(&self) -> u32 {
        self.count(State::has_client)
    }

    /// Returns the number of preforked children that wait for a client.
    pub(super) fn idle(&self) -> u32 {
        self.count(|state| state == State::Idle)
    }

    fn count(&self, is_counted: impl Fn(State) -> bool) -> u32 {
        u32::try_from(self.slots().filter(|slot| is_counted(slot.state())).count()).unwrap_or(u32::MAX)
    }

    /// Shows the numbers of connections that the parent has accepted and refused.
    pub(super) fn set_counts(&self, accepted: u64, refused: u64) {
        self.head().store(ACCEPTED, accepted);
        self.head().store(REFUSED, refused);
    }

    /// Counts a connection that a preforked child has accepted, and returns its number. No other connection of the
    /// server has the same number, as long as each child writes only to its slot.
    pub(super) fn count_accepted_by(&self, slot: Slot<'_>) -> u64 {
        let before = slot.add(SLOT_ACCEPTED).wrapping_sub(1);
        let slots = self.words.len() / self.stride - 1;
        before.wrapping_mul(slots as u64).wrapping_add(u64::from(slot.index)).wrapping_add(1)
    }

    /// Returns the number of connections that the children have accepted by themselves.
    pub(super) fn accepted(&self) -> u64 {
        self.sum(SLOT_ACCEPTED)
    }

    /// Returns the number of connections that the children have refused.
    pub(super) fn refused(&self) -> u64 {
        self.sum(SLOT_REFUSED)
    }

    /// Returns the sum of one word over all slots. The sum saturates, because a child may have written any number.
    fn sum(&self, word: usize) -> u64 {
        self.slots().map(|slot| slot.load(word)).fold(0, u64::saturating_add)
    }
}

#[cfg(test)]
mod tests;
