//! Memory of this process alone: processes that are forked from now on do not have it.
//!
//! The server's state and its tables of children and clients are such memory. A fork has nothing of it to copy, and
//! this process has nothing to copy back when it writes to it next.

use core::ops::{Deref, DerefMut};
use core::ptr::NonNull;

use crate::ffi::sys::mman as c;
use crate::sys::errno::Result;
use crate::sys::memory::map::{map_for, unmap};
use crate::sys::memory::vec::MapVec;

/// `madvise(…, MADV_DONTFORK)` of a mapping with room for so many `T`: processes that are forked from now on do not
/// have it. A kernel that refuses leaves it to children.
///
/// # Safety
/// It is a whole mapping, and no process that is forked from now on reads, writes or drops it.
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

/// A [`MapVec`] that only this process has.
pub(crate) struct ParentOnly<T>(MapVec<T>);

impl<T: Copy> ParentOnly<T> {
    /// [`MapVec::with_capacity`], and fails as that does.
    ///
    /// # Safety
    /// No process that is forked from now on reads, writes or drops it.
    pub(crate) unsafe fn with_capacity(capacity: usize) -> Result<ParentOnly<T>> {
        let vec: MapVec<T> = MapVec::with_capacity(capacity)?;
        // SAFETY: the mapping is as long and is this one's; the rest is this function's own contract.
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

/// One value that only this process has.
pub(crate) struct ParentOnlyBox<T>(NonNull<T>);

impl<T> ParentOnlyBox<T> {
    /// `mmap()`, and moves a value there. `ENOMEM`.
    ///
    /// # Safety
    /// No process that is forked from now on reads, writes or drops it.
    pub(crate) unsafe fn new(value: T) -> Result<ParentOnlyBox<T>> {
        let place: NonNull<T> = map_for(1, c::MAP_PRIVATE)?;
        // SAFETY: the mapping is new, has room for one, and is aligned as a page is and more.
        unsafe { place.write(value) };
        // SAFETY: the mapping is as long and is this one's; the rest is this function's own contract.
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
        // SAFETY: as above, and no other borrow of it exists.
        unsafe { self.0.as_mut() }
    }
}

impl<T> Drop for ParentOnlyBox<T> {
    fn drop(&mut self) {
        // SAFETY: the value was written by `new`, and nothing uses it any more.
        unsafe { self.0.drop_in_place() };
        unmap(self.0.cast(), size_of::<T>());
    }
}
