//! Memory of this process alone, which later children do not have.
//!
//! The server's state and its tables of children and clients are such memory. So a fork need not copy this memory, and
//! the next write to it copies no page.

use core::ops::{Deref, DerefMut};
use core::ptr::NonNull;

use crate::ffi::sys::mman as c;
use crate::sys::errno::Result;
use crate::sys::memory::map::{map_for, unmap};
use crate::sys::memory::vec::MapVec;

/// `madvise(…, MADV_DONTFORK)`: keeps a mapping with room for this many `T` from processes that are forked from now on.
/// If the kernel refuses, children have the mapping.
///
/// # Safety
/// `start` and `count` describe a whole mapping. No process that is forked from now on reads, writes or drops the
/// mapping.
///
/// # References
/// madvise(2), Linux 2.6.16
pub(crate) unsafe fn keep_from_children<T>(start: *const T, count: usize) {
    // Miri has no processes to fork, and does not know the advice.
    if !cfg!(miri) {
        let size = (count * size_of::<T>()).max(1);
        // SAFETY: by this function's own contract.
        unsafe { c::madvise(start.cast_mut().cast(), size, c::MADV_DONTFORK) };
    }
}

/// A [`MapVec`] in memory that children do not have.
pub(crate) struct ParentOnly<T>(MapVec<T>);

impl<T: Copy> ParentOnly<T> {
    /// Returns an empty list with room for `capacity` elements. Fails as [`MapVec::with_capacity`] does.
    ///
    /// # Safety
    /// No process that is forked from now on reads, writes or drops the list.
    pub(crate) unsafe fn with_capacity(capacity: usize) -> Result<ParentOnly<T>> {
        let vec: MapVec<T> = MapVec::with_capacity(capacity)?;
        // SAFETY: the mapping has this length and belongs to this list. This function's own contract covers the rest.
        unsafe { keep_from_children(vec.as_ptr(), capacity) };
        Ok(ParentOnly(vec))
    }
}

impl<T> Deref for ParentOnly<T> {
    type Target = MapVec<T>;

    fn deref(&self) -> &MapVec<T> {
        &self.0
    }
}

impl<T> DerefMut for ParentOnly<T> {
    fn deref_mut(&mut self) -> &mut MapVec<T> {
        &mut self.0
    }
}

/// A value in memory that children do not have.
pub(crate) struct ParentOnlyBox<T>(NonNull<T>);

impl<T> ParentOnlyBox<T> {
    /// `mmap()`: maps memory, and moves a value there. Fails with `ENOMEM`.
    ///
    /// # Safety
    /// No process that is forked from now on reads, writes or drops the value.
    pub(crate) unsafe fn new(value: T) -> Result<ParentOnlyBox<T>> {
        let place: NonNull<T> = map_for(1, c::MAP_PRIVATE)?;
        // SAFETY: the mapping is new, has room for one `T`, and is aligned for it.
        unsafe { place.write(value) };
        // SAFETY: the mapping has this length and belongs to this value. This function's own contract covers the rest.
        unsafe { keep_from_children(place.as_ptr(), 1) };
        Ok(ParentOnlyBox(place))
    }
}

impl<T> Deref for ParentOnlyBox<T> {
    type Target = T;

    fn deref(&self) -> &T {
        // SAFETY: the value was written by `new`, and lives as long as `self`.
        unsafe { self.0.as_ref() }
    }
}

impl<T> DerefMut for ParentOnlyBox<T> {
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: the reason above holds here as well, and no other borrow of the value exists.
        unsafe { self.0.as_mut() }
    }
}

impl<T> Drop for ParentOnlyBox<T> {
    fn drop(&mut self) {
        // SAFETY: the value was written by `new`, and nothing uses the value any more.
        unsafe { self.0.drop_in_place() };
        unmap(self.0.cast(), size_of::<T>());
    }
}

#[cfg(test)]
mod tests;
