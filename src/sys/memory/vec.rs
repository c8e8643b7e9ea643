//! A list whose capacity is chosen once.

use core::fmt;
use core::ops::{Deref, DerefMut};
use core::ptr::NonNull;

use crate::ffi::sys::mman as c;
use crate::sys::errno::{Errno, Result};
use crate::sys::memory::map::{map_for, unmap};

/// A list with room for a fixed number of `T`. A drop gives the memory back.
///
/// A page of the list takes no memory until the first write to it. A forked process shares the page until one of the
/// processes writes to it.
pub struct MapVec<T> {
    start: NonNull<T>,
    length: usize,
    capacity: usize,
}

impl<T: Copy> MapVec<T> {
    /// `mmap(NULL, …, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)`: makes an empty list with room for
    /// `capacity` elements.
    ///
    /// Async-signal-safe: yes.
    ///
    /// # Errors
    /// `ENOMEM` when there is not enough memory, or not enough address space.
    ///
    /// # References
    /// mmap(2), POSIX
    pub fn with_capacity(capacity: usize) -> Result<MapVec<T>> {
        Ok(MapVec { start: map_for(capacity, c::MAP_PRIVATE)?, length: 0, capacity })
    }

    /// Returns a list with copies of these elements, and without further room.
    ///
    /// Async-signal-safe: yes.
    ///
    /// # Errors
    /// Fails as [`with_capacity`](MapVec::with_capacity) does.
    pub fn from_slice(elements: &[T]) -> Result<MapVec<T>> {
        let mut vec = MapVec::with_capacity(elements.len())?;
        elements.iter().try_for_each(|element| vec.push(*element))?;
        Ok(vec)
    }

    /// Appends copies of an element until the list is full.
    ///
    /// Async-signal-safe: yes.
    pub fn fill(&mut self, value: T) {
        while self.push(value).is_ok() {}
    }

    /// Appends an element.
    ///
    /// Async-signal-safe: yes.
    ///
    /// # Errors
    /// `ENOMEM` when there is no room for another element.
    pub fn push(&mut self, value: T) -> Result<()> {
        if self.length == self.capacity {
            return Err(Errno::NOMEM);
        }
        // SAFETY: the length is below the capacity, so the place is within the mapping.
        let place = unsafe { self.start.add(self.length) };
        // SAFETY: the place belongs to this list, is aligned for a `T`, and nothing refers to it.
        unsafe { place.write(value) };
        self.length += 1;
        Ok(())
    }

    /// Forgets the elements from `length` on.
    ///
    /// Async-signal-safe: yes.
    pub fn truncate(&mut self, length: usize) {
        self.length = self.length.min(length);
    }
}

impl MapVec<u8> {
    /// Returns a list of `length` bytes of 0. The kernel provides the zeros, so no byte is written.
    ///
    /// Async-signal-safe: yes.
    ///
    /// # Errors
    /// Fails as [`with_capacity`](MapVec::with_capacity) does.
    pub fn zeroed(length: usize) -> Result<MapVec<u8>> {
        let mut vec = MapVec::with_capacity(length)?;
        vec.length = length;
        Ok(vec)
    }
}

impl<T> Deref for MapVec<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        // SAFETY: the first `length` elements were written, or were mapped as bytes of 0.
        unsafe { core::slice::from_raw_parts(self.start.as_ptr(), self.length) }
    }
}

impl<T> DerefMut for MapVec<T> {
    fn deref_mut(&mut self) -> &mut [T] {
        // SAFETY: the reason above holds here as well, and no other borrow of the elements exists.
        unsafe { core::slice::from_raw_parts_mut(self.start.as_ptr(), self.length) }
    }
}

impl<T> Drop for MapVec<T> {
    fn drop(&mut self) {
        unmap(self.start.cast(), self.capacity * size_of::<T>());
    }
}

impl<T: fmt::Debug> fmt::Debug for MapVec<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}
