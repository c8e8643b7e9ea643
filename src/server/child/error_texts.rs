//! `ErrorTexts`: memory in which a child leaves the text of its handler's error for the parent.
//!
//! A child writes only if its handler returns an error, just before it ends. The parent reads after it has reaped the
//! child. The parent checks what it reads, because a child may have written anything.

use core::sync::atomic::{AtomicU64, Ordering};

use crate::server::handler_error::HandlerError;
use crate::server::limits::HANDLER_ERROR_MAX;
use crate::sys::errno::{Errno, Result};
use crate::sys::memory::SharedNumbers;

/// The texts, with room for one text of each child.
pub(crate) struct ErrorTexts {
    words: SharedNumbers,
}

/// The number of words of one text: one word for its length plus 1 (0 without a text), and words for its bytes.
const TEXT_WORDS: usize = 1 + HANDLER_ERROR_MAX / size_of::<u64>();

impl ErrorTexts {
    /// Maps memory for the texts of this many children. The system provides a page only when a child writes to it.
    pub(crate) fn new(children: u32) -> Result<ErrorTexts> {
        let count = (children as usize).checked_mul(TEXT_WORDS).ok_or(Errno::NOMEM)?;
        Ok(ErrorTexts { words: SharedNumbers::new(count)? })
    }

    /// Returns the place of the child with this index.
    fn place(&self, index: u32) -> Option<(&AtomicU64, &[AtomicU64])> {
        self.words.chunks_exact(TEXT_WORDS).nth(index as usize)?.split_first()
    }

    /// Leaves the text of an error, as the child with this index. Makes no system call, because the child may be in the
    /// sandbox.
    pub(super) fn leave(&self, index: u32, error: &HandlerError) {
        let Some((head, words)) = self.place(index) else { return };
        let text = error.as_bytes();
        for (word, bytes) in words.iter().zip(text.chunks(size_of::<u64>())) {
            let mut full = [0; size_of::<u64>()];
            full.iter_mut().zip(bytes).for_each(|(to, from)| *to = *from);
            word.store(u64::from_ne_bytes(full), Ordering::Relaxed);
        }
        head.store(text.len() as u64 + 1, Ordering::Relaxed);
    }

    /// Takes the error that the child with this index has left, if there is one.
    pub(crate) fn take(&self, index: u32) -> Option<HandlerError> {
        let (head, words) = self.place(index)?;
        let length = usize::try_from(head.load(Ordering::Relaxed).checked_sub(1)?).ok()?;
        head.store(0, Ordering::Relaxed);
        let mut bytes = [0; HANDLER_ERROR_MAX];
        for (bytes, word) in bytes.chunks_exact_mut(size_of::<u64>()).zip(words) {
            bytes.copy_from_slice(&word.load(Ordering::Relaxed).to_ne_bytes());
        }
        core::str::from_utf8(bytes.get(..length)?).ok().map(HandlerError::new)
    }
}

#[cfg(test)]
mod tests;
