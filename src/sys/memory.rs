//! Memory straight from the kernel: what a program without an allocator sizes once, at its start, and what processes
//! share.

use core::ffi::{CStr, c_char, c_int, c_void};
use core::fmt;
use core::ops::{Deref, DerefMut};
use core::ptr::{self, NonNull};
use core::sync::atomic::AtomicU64;

use crate::ffi::sys::mman as c;
use crate::sys::errno::{Errno, Result};
use crate::sys::fd::{AsFd, BorrowedFd, OwnedFd, ret_owned_fd};
use crate::sys::fs::ftruncate;

/// Room for a fixed number of `T`, of which the first so many are in use. Dropping it gives the memory back.
///
/// A page of it costs nothing until it is first written to, and a process that is forked shares it until either
/// writes.
pub struct MapVec<T> {
    start: NonNull<T>,
    length: usize,
    capacity: usize,
}

impl<T: Copy> MapVec<T> {
    /// `mmap(NULL, …, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)`: room for `capacity` elements, none
    /// of which is there yet.
    ///
    /// # Errors
    /// `ENOMEM` when there is not as much memory, or not as many addresses.
    ///
    /// # References
    /// mmap(2), POSIX
    pub fn with_capacity(capacity: usize) -> Result<MapVec<T>> {
        Ok(MapVec { start: map_for(capacity, c::MAP_PRIVATE)?, length: 0, capacity })
    }

    /// Appends an element as often as there is room for.
    pub fn fill(&mut self, value: T) {
        while self.push(value).is_ok() {}
    }

    /// Appends an element.
    ///
    /// # Errors
    /// `ENOMEM` when there is no room for one more.
    pub fn push(&mut self, value: T) -> Result<()> {
        if self.length == self.capacity {
            return Err(Errno::NOMEM);
        }
        // SAFETY: the length is below the capacity, so the place is within the mapping.
        let place = unsafe { self.start.add(self.length) };
        // SAFETY: the place is ours, aligned as a page is and more, and nothing refers to it.
        unsafe { place.write(value) };
        self.length += 1;
        Ok(())
    }

    /// Forgets the elements from `length` on.
    pub fn truncate(&mut self, length: usize) {
        self.length = self.length.min(length);
    }
}

impl MapVec<u8> {
    /// Room for `length` bytes, each of which is 0, as the kernel gives them: none of them is written to.
    ///
    /// # Errors
    /// As [`with_capacity`](MapVec::with_capacity).
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
        // SAFETY: as above, and they are borrowed from nobody else.
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

/// A [`MapVec`] that only this process has: processes that are forked from now on do not have its memory.
///
/// The server's tables of its children and clients are such memory. A fork has nothing of them to copy, and this
/// process has nothing to copy back when it writes to them next.
pub(crate) struct ParentOnly<T>(MapVec<T>);

impl<T: Copy> ParentOnly<T> {
    /// [`MapVec::with_capacity`] and `madvise(…, MADV_DONTFORK)`. A kernel that refuses the second leaves children a copy.
    /// Fails as the first does.
    ///
    /// # Safety
    /// No process that is forked from now on reads, writes or drops it.
    ///
    /// # References
    /// madvise(2), Linux 2.6.16
    pub(crate) unsafe fn with_capacity(capacity: usize) -> Result<ParentOnly<T>> {
        let vec: MapVec<T> = MapVec::with_capacity(capacity)?;
        let size = (capacity * size_of::<T>()).max(1);
        // SAFETY: the mapping is as long and is this one's; the rest is this function's own contract.
        unsafe { c::madvise(vec.start.as_ptr().cast(), size, c::MADV_DONTFORK) };
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

/// Numbers that several processes see and change: this one, those forked from it, and whoever opens the descriptor.
///
/// The memory stays mapped for as long as the process lives: what is in it may be referred to for ever.
#[derive(Debug)]
pub struct SharedWords {
    words: &'static [AtomicU64],
    fd: OwnedFd,
}

impl SharedWords {
    /// `memfd_create()`, `ftruncate()` and `mmap(…, MAP_SHARED, …)`: so many numbers, all of them 0. The name is shown where
    /// `/proc` shows the descriptor.
    ///
    /// # Errors
    /// `EMFILE`, `ENFILE` when no descriptor is left, `ENOMEM`.
    ///
    /// # References
    /// memfd_create(2), mmap(2), Linux 3.17
    pub fn new(name: &CStr, length: usize) -> Result<SharedWords> {
        let size = length.max(1).checked_mul(size_of::<AtomicU64>()).ok_or(Errno::NOMEM)?;
        // SAFETY: the name ends in a NUL.
        let fd = unsafe { c::memfd_create(name.as_ptr(), c::MFD_CLOEXEC) };
        // SAFETY: the descriptor was made just now.
        let fd = unsafe { ret_owned_fd(fd) }?;
        ftruncate(&fd, i64::try_from(size).map_err(|_| Errno::NOMEM)?)?;
        let access = c::PROT_READ | c::PROT_WRITE;
        // SAFETY: new memory, where the kernel likes it, touches none that is in use.
        let start = unsafe { c::mmap(ptr::null_mut(), size, access, c::MAP_SHARED, fd.raw(), 0) };
        let start = mapped(start)?;
        // SAFETY: the mapping has as many bytes, is aligned as a page, all 0 and never unmapped; others change it only
        // by atomic operations on the same numbers, and nobody makes the file shorter: it has no path, and who opens
        // it through /proc is the same user, who may as well write to this process's memory.
        let words = unsafe { core::slice::from_raw_parts(start.cast::<AtomicU64>().as_ptr(), length) };
        Ok(SharedWords { words, fd })
    }

    /// The numbers.
    #[must_use]
    pub const fn words(&self) -> &'static [AtomicU64] {
        self.words
    }
}

impl AsFd for SharedWords {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

/// `mmap()` of memory that is all 0, private or shared. No bytes are one page: the kernel maps no less.
fn map(size: usize, sharing: c_int) -> Result<NonNull<u8>> {
    // SAFETY: new memory, where the kernel likes it, touches none that is in use.
    let start = unsafe {
        c::mmap(ptr::null_mut(), size.max(1), c::PROT_READ | c::PROT_WRITE, sharing | c::MAP_ANONYMOUS, -1, 0)
    };
    mapped(start)
}

/// [`map`] of room for so many `T`, aligned as they have to be.
fn map_for<T>(count: usize, sharing: c_int) -> Result<NonNull<T>> {
    const { assert!(align_of::<T>() <= 4096, "a page is aligned to 4096 bytes") };
    let size = count.checked_mul(size_of::<T>()).ok_or(Errno::NOMEM)?;
    map(size, sharing).map(NonNull::cast)
}

/// What `mmap()` returned.
fn mapped(start: *mut c_void) -> Result<NonNull<u8>> {
    if start == c::MAP_FAILED {
        return Err(Errno::last());
    }
    NonNull::new(start.cast()).ok_or(Errno::NOMEM)
}

fn unmap(start: NonNull<u8>, size: usize) {
    // SAFETY: that is what `map` returned for that size, and whoever drops it has no reference into it.
    unsafe { c::munmap(start.as_ptr().cast(), size.max(1)) };
}

/// A stack for a process that shares this one's memory: see [`spawn`](crate::process::spawn).
///
/// Below it is a page that nothing may touch, so that running over the end faults instead of writing to what is there.
#[derive(Debug)]
pub struct Stack {
    start: NonNull<u8>,
    size: usize,
}

/// The size of a page, or a multiple of it, on every system that Linux runs on.
const GUARD: usize = 65_536;

/// The least that a stack has: room for what the C library does on it before a program runs.
pub const STACK_MIN: usize = 16_384;

impl Stack {
    /// `mmap()` and `mprotect()`: a stack of `size` bytes.
    ///
    /// # Errors
    /// `ENOMEM`; `EINVAL` for less than [`STACK_MIN`].
    ///
    /// # References
    /// mmap(2), mprotect(2), POSIX
    pub fn new(size: usize) -> Result<Stack> {
        if size < STACK_MIN {
            return Err(Errno::INVAL);
        }
        let size = size.checked_add(GUARD).ok_or(Errno::NOMEM)?;
        let stack = Stack { start: map(size, c::MAP_PRIVATE)?, size };
        // SAFETY: the pages are the first of the new mapping, and nothing refers to them.
        crate::sys::conv::ret(unsafe { c::mprotect(stack.start.as_ptr().cast(), GUARD, c::PROT_NONE) })?;
        Ok(stack)
    }

    /// Where the stack begins: it grows down from here. Aligned to 16 bytes, as every processor's calls want it.
    pub(crate) fn top(&mut self) -> *mut u8 {
        // SAFETY: the end of the mapping is one past its last byte.
        let end = unsafe { self.start.add(self.size) };
        end.as_ptr().map_addr(|address| address & !15)
    }
}

impl Drop for Stack {
    fn drop(&mut self) {
        unmap(self.start, self.size);
    }
}

/// `char *const []`: strings as `execve()` takes them, each with its NUL, and a null pointer after the last.
pub struct CStrArray {
    pointers: MapVec<*const c_char>,
    text: MapVec<u8>,
}

/// Where a [`CStrArray`] can be cut off again.
#[derive(Clone, Copy, Debug)]
pub struct Mark {
    pointers: usize,
    text: usize,
}

impl CStrArray {
    /// An array of no strings, with room for so many and for so many bytes in all, NULs included.
    ///
    /// # Errors
    /// `ENOMEM`.
    pub fn with_capacity(strings: usize, bytes: usize) -> Result<CStrArray> {
        let mut pointers = MapVec::with_capacity(strings.checked_add(1).ok_or(Errno::NOMEM)?)?;
        pointers.push(ptr::null())?;
        Ok(CStrArray { pointers, text: MapVec::with_capacity(bytes)? })
    }

    /// An array of copies of these strings.
    ///
    /// # Errors
    /// `ENOMEM`.
    pub fn copy<'s>(strings: impl Iterator<Item = &'s CStr> + Clone) -> Result<CStrArray> {
        let bytes = strings.clone().map(|string| string.to_bytes_with_nul().len()).sum();
        let mut array = CStrArray::with_capacity(strings.clone().count(), bytes)?;
        for string in strings {
            array.push_bytes(string.to_bytes())?;
        }
        Ok(array)
    }

    /// Appends a copy of a string.
    ///
    /// # Errors
    /// `ENOMEM` when there is no room for it; the array is as before.
    pub fn push(&mut self, string: &CStr) -> Result<()> {
        self.push_bytes(string.to_bytes())
    }

    /// Appends what `arguments` make.
    ///
    /// # Errors
    /// `ENOMEM` when there is no room for it, `EINVAL` when there is a NUL in it; the array is as before.
    pub fn push_fmt(&mut self, arguments: fmt::Arguments<'_>) -> Result<()> {
        struct Sink<'t>(&'t mut MapVec<u8>);
        impl fmt::Write for Sink<'_> {
            fn write_str(&mut self, text: &str) -> fmt::Result {
                text.bytes().try_for_each(|byte| self.0.push(byte)).map_err(|_| fmt::Error)
            }
        }
        let start = self.text.len();
        if fmt::write(&mut Sink(&mut self.text), arguments).is_err() {
            self.text.truncate(start);
            return Err(Errno::NOMEM);
        }
        self.end_string(start)
    }

    fn push_bytes(&mut self, bytes: &[u8]) -> Result<()> {
        let start = self.text.len();
        if let Err(error) = bytes.iter().try_for_each(|&byte| self.text.push(byte)) {
            self.text.truncate(start);
            return Err(error);
        }
        self.end_string(start)
    }

    /// Makes a string of the text from `start` on.
    fn end_string(&mut self, start: usize) -> Result<()> {
        let has_nul = self.text.get(start..).is_some_and(|string| string.contains(&0));
        let result = if has_nul { Err(Errno::INVAL) } else { self.text.push(0) };
        // The text stays where it is for as long as the array lives, and so the pointers into it hold.
        match result.and_then(|()| self.pointers.push(ptr::null())) {
            Ok(()) => {
                let string = self.text.as_ptr().wrapping_add(start);
                let last = self.pointers.len() - 2;
                if let Some(place) = self.pointers.get_mut(last) {
                    *place = string.cast();
                }
                Ok(())
            }
            Err(error) => {
                self.text.truncate(start);
                Err(error)
            }
        }
    }

    /// The place after the strings that are here now.
    #[must_use]
    pub fn mark(&self) -> Mark {
        Mark { pointers: self.pointers.len(), text: self.text.len() }
    }

    /// Forgets the strings that came after `mark`.
    pub fn truncate(&mut self, mark: Mark) {
        if mark.pointers < self.pointers.len() {
            self.pointers.truncate(mark.pointers);
            self.text.truncate(mark.text);
            if let Some(last) = self.pointers.last_mut() {
                *last = ptr::null();
            }
        }
    }

    /// How many strings there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.pointers.len() - 1
    }

    /// Whether there is no string.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The string with this index.
    #[must_use]
    pub fn get(&self, index: usize) -> Option<&CStr> {
        let string = *self.pointers.get(index)?;
        // SAFETY: a pointer that is not null is to a string of ours, with its NUL, which stays as it is while borrowed.
        if string.is_null() { None } else { Some(unsafe { CStr::from_ptr(string) }) }
    }

    pub(crate) fn as_ptr(&self) -> *const *const c_char {
        self.pointers.as_ptr()
    }
}

impl fmt::Debug for CStrArray {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries((0..self.len()).filter_map(|index| self.get(index))).finish()
    }
}

/// Numbers that this process and all that it forks from now on see and change together. Dropping them gives the memory
/// back, in this process alone.
pub struct SharedNumbers {
    start: NonNull<AtomicU64>,
    count: usize,
}

impl SharedNumbers {
    /// `mmap(NULL, …, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0)`: `count` numbers, each of which is 0.
    /// Those that nobody touches take no memory.
    ///
    /// # Errors
    /// `ENOMEM`.
    ///
    /// # References
    /// mmap(2), POSIX
    pub fn new(count: usize) -> Result<SharedNumbers> {
        Ok(SharedNumbers { start: map_for(count, c::MAP_SHARED)?, count })
    }
}

impl Deref for SharedNumbers {
    type Target = [AtomicU64];

    fn deref(&self) -> &[AtomicU64] {
        // SAFETY: the mapping has as many, is aligned to a page, and stays for as long as `self`; all bits are valid, and
        // every process reaches them as atomics.
        unsafe { core::slice::from_raw_parts(self.start.as_ptr(), self.count) }
    }
}

impl Drop for SharedNumbers {
    fn drop(&mut self) {
        unmap(self.start.cast(), self.count * size_of::<AtomicU64>());
    }
}

impl fmt::Debug for SharedNumbers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SharedNumbers").field("count", &self.count).finish_non_exhaustive()
    }
}
