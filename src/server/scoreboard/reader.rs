//! `Reader`: reads the scoreboard of another process.

use core::ffi::c_int;
use core::sync::atomic::{AtomicU64, Ordering};
use core::time::Duration;

use super::head::{ACCEPTED, EARLIER, LIMIT, MAGIC, MAGIC_VALUE, REFUSED, STARTED, STRIDE, STRIDE_MAX, USED};
use super::slot::{SLOT_WORDS, Slot};
use crate::server::limits::{EARLIER_MAX, MAX_CHILDREN_LIMIT};
use crate::sys::errno::{Errno, Result};
use crate::sys::fd::{AsFd, lseek, read};
use crate::sys::process::Pid;

/// The head of a scoreboard: the facts about the server.
#[derive(Clone, Copy, Default)]
pub(crate) struct Head {
    /// The time at which the server began.
    pub(crate) started: Duration,
    /// The highest number of children.
    pub(crate) limit: u64,
    /// The number of connections that were accepted.
    pub(crate) accepted: u64,
    /// The number of connections that were refused.
    pub(crate) refused: u64,
    /// The earlier servers that have not ended.
    pub(crate) earlier: [Option<Pid>; EARLIER_MAX],
}

/// Reads the scoreboard of another process, slot by slot.
pub(crate) struct Reader<F> {
    file: F,
    head: Head,
    slot: [AtomicU64; SLOT_WORDS],
    /// The distance between two slots, in bytes.
    stride: u64,
    next: u32,
    /// The number of slots that are read.
    used: u32,
}

impl<F: AsFd> Reader<F> {
    /// Reads the head. Fails with `EINVAL` if the file is no scoreboard of this form.
    pub(crate) fn new(file: F) -> Result<Reader<F>> {
        let slot = [const { AtomicU64::new(0) }; SLOT_WORDS];
        let mut reader = Reader { file, head: Head::default(), slot, stride: 0, next: 0, used: 0 };
        let head = reader.next()?.filter(|head| head.load(MAGIC) == MAGIC_VALUE).ok_or(Errno::INVAL)?;
        let stride = head.load(STRIDE);
        // Another program may have made the file.
        let used = u32::try_from(head.load(USED)).unwrap_or(u32::MAX).min(MAX_CHILDREN_LIMIT);
        let head = Head {
            started: Duration::from_micros(head.load(STARTED)),
            limit: head.load(LIMIT),
            accepted: head.load(ACCEPTED),
            refused: head.load(REFUSED),
            earlier: core::array::from_fn(|index| Pid::from_raw(head.load(EARLIER + index) as c_int)),
        };
        if !(SLOT_WORDS as u64..=STRIDE_MAX).contains(&stride) {
            return Err(Errno::INVAL);
        }
        reader.stride = stride * size_of::<u64>() as u64;
        (reader.head, reader.next, reader.used) = (head, 1, used);
        Ok(reader)
    }

    /// Returns the head.
    pub(crate) const fn head(&self) -> &Head {
        &self.head
    }

    /// Returns the next slot. The first slot is the head.
    pub(crate) fn next(&mut self) -> Result<Option<Slot<'_>>> {
        let mut bytes = [0; SLOT_WORDS * size_of::<u64>()];
        let index = self.next;
        if index > self.used {
            return Ok(None);
        }
        lseek(&self.file, i64::try_from(u64::from(index).saturating_mul(self.stride)).map_err(|_| Errno::INVAL)?)?;
        self.next = index.saturating_add(1);
        // One read() of a file in memory returns all of it.
        if read(&self.file, &mut bytes)? < bytes.len() {
            return Ok(None);
        }
        for (word, bytes) in self.slot.iter().zip(bytes.chunks_exact(size_of::<u64>())) {
            let bytes = bytes.try_into().map_err(|_| Errno::INVAL)?;
            word.store(u64::from_ne_bytes(bytes), Ordering::Relaxed);
        }
        Ok(Some(Slot { words: &self.slot, index }))
    }
}
