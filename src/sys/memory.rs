//! Memory straight from the kernel: what a program without an allocator sizes once, at its start, and what processes
//! share.

use core::ffi::{CStr, c_char, c_int, c_void};
use core::fmt;
use core::ops::{Deref, DerefMut};
use core::ptr::{self, NonNull};
use core::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use crate::ffi::sys::mman as c;
use crate::sys::errno::{Errno, Result};
use crate::sys::fd::{AsFd, BorrowedFd, OwnedFd, read_all, ret_owned_fd};
use crate::sys::file::{OpenFlags, ftruncate, open};
use crate::sys::process::has_other_threads;

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

    /// [`with_capacity`](MapVec::with_capacity) and `madvise(…, MADV_DONTFORK)`, which may fail: processes that are forked
    /// from now on do not have this memory. A fork then has nothing to copy of it, and this process nothing to copy back
    /// when it writes to it next. Made one after another before they are written to, they are one mapping.
    ///
    /// # Safety
    /// No process that is forked from now on reads or writes an element.
    pub(crate) unsafe fn kept(capacity: usize) -> Result<MapVec<T>> {
        let vec = MapVec::with_capacity(capacity)?;
        // SAFETY: the mapping is this one's; the rest is this function's own contract.
        unsafe { keep_from_children(vec.start.cast(), capacity * size_of::<T>()) };
        Ok(vec)
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

/// A `T` in memory that processes forked from now on do not have: nothing of it is copied, neither at a fork nor when it
/// is written to after one.
pub(crate) struct Kept<T>(NonNull<T>);

impl<T> Kept<T> {
    /// `mmap()` and `madvise(…, MADV_DONTFORK)`; the first may fail.
    ///
    /// # Safety
    /// No process that is forked from now on reads, writes or drops it.
    pub(crate) unsafe fn new(value: T) -> Result<Kept<T>> {
        let place = map_for::<T>(1, c::MAP_PRIVATE)?;
        // SAFETY: by this function's own contract.
        unsafe { keep_from_children(place.cast(), size_of::<T>()) };
        // SAFETY: the mapping is as long as a `T`, aligned as a page is, and nothing refers to it.
        unsafe { place.write(value) };
        Ok(Kept(place))
    }
}

impl<T> Deref for Kept<T> {
    type Target = T;

    fn deref(&self) -> &T {
        // SAFETY: a `T` was written there, and it is borrowed as `self` is.
        unsafe { self.0.as_ref() }
    }
}

impl<T> DerefMut for Kept<T> {
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: as above, and it is borrowed from nobody else.
        unsafe { self.0.as_mut() }
    }
}

impl<T> Drop for Kept<T> {
    fn drop(&mut self) {
        // SAFETY: a `T` was written there, and nobody sees it again.
        unsafe { self.0.drop_in_place() };
        unmap(self.0.cast(), size_of::<T>());
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

    /// `madvise(…, MADV_DONTFORK)`: processes that are forked from now on do not have them.
    ///
    /// # Safety
    /// None of them reads or writes one.
    pub(crate) unsafe fn keep_from_children(&self) {
        // SAFETY: so many bytes were mapped, which are never unmapped; the rest is this function's own contract.
        unsafe { keep_from_children(NonNull::from(self.words).cast(), size_of_val(self.words)) };
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

/// `madvise(…, MADV_DONTFORK)`.
///
/// # Safety
/// These bytes are a whole mapping, and no process that is forked from now on reads or writes them.
unsafe fn keep_from_children(start: NonNull<u8>, size: usize) {
    // SAFETY: by this function's own contract. A kernel that refuses leaves all as it was.
    unsafe { c::madvise(start.as_ptr().cast(), size.max(1), c::MADV_DONTFORK) };
}

/// How long the list of a process's mappings may be: more than it is where a program has no more than the system's own.
const MAPS_MAX: usize = 65_536;

/// Whether [`keep_vdso_from_children`] was called.
static VDSO_IS_KEPT: AtomicBool = AtomicBool::new(false);

/// `madvise(…, MADV_DONTFORK)` of what the kernel maps into every process, as `/proc/self/maps` has it: the vDSO and its
/// data, far from everything else. Processes that are forked from now on do not have them, nor the page tables that lead
/// there. This cannot be undone, so [`fork`](crate::process::fork) refuses from then on.
///
/// `ENOENT` and others where there is no such list to read; `ENOSYS`, without a call, on processors on which a signal's
/// handler may return by way of the vDSO.
///
/// # Safety
/// A process that is forked from now on calls nothing, until it becomes a program, for which the C library may ask the vDSO:
/// what time it is, on which processor it runs, for random bytes, and what is loaded where; nor do its signal handlers. And
/// `/proc` is the kernel's.
///
/// # References
/// madvise(2), vdso(7), proc_pid_maps(5)
pub(crate) unsafe fn keep_vdso_from_children() -> Result<()> {
    if !cfg!(target_arch = "x86_64") {
        return Err(Errno::NOSYS);
    }
    let maps = open(c"/proc/self/maps", OpenFlags::RDONLY.with(OpenFlags::CLOEXEC), 0)?;
    let mut text = MapVec::zeroed(MAPS_MAX)?;
    let lines = read_all(&maps, &mut text)?.split_inclusive(|&byte| byte == b'\n');
    VDSO_IS_KEPT.store(true, Ordering::Relaxed);
    for (start, size) in lines.filter_map(of_kernel) {
        // SAFETY: the kernel says that this is one of its mappings; the rest is this function's own contract.
        unsafe { keep_from_children(start, size) };
    }
    Ok(())
}

/// Where a mapping is and how long, from its line in the list, if it is one that the kernel makes in every process:
/// `7ffe1000-7ffe3000 r-xp 00000000 00:00 0    [vdso]`. A file's name begins with a slash.
fn of_kernel(line: &[u8]) -> Option<(NonNull<u8>, usize)> {
    let mut words = line.strip_suffix(b"\n")?.split(|&byte| byte == b' ').filter(|word| !word.is_empty());
    let mut ends = words.next()?.split(|&byte| byte == b'-').map(|end| {
        let digits = core::str::from_utf8(end).ok()?;
        usize::from_str_radix(digits, 16).ok()
    });
    let (start, end) = (ends.next()??, ends.next()??);
    // After the rights, the offset, the device and the inode.
    let name = words.nth(4)?;
    let is_of_kernel = name == b"[vdso]" || name.starts_with(b"[vvar");
    let start_at = NonNull::new(ptr::with_exposed_provenance_mut(start)).filter(|_| is_of_kernel)?;
    Some((start_at, end.checked_sub(start)?))
}

/// Whether processes forked from now on may lack the vDSO.
pub(crate) fn vdso_is_kept() -> bool {
    VDSO_IS_KEPT.load(Ordering::Relaxed)
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

/// `sbrk()`: copies of these strings as `execve()` takes them, with a null pointer after the last. They stay for as long
/// as the process, at the end of its data: a fork has no mapping more to copy for them.
///
/// `EDEADLK` where other threads exist, which may be moving that end; `ENOMEM`.
///
/// # References
/// sbrk(2), Linux
pub(crate) fn copy_for_good<'s>(strings: impl Iterator<Item = &'s CStr> + Clone) -> Result<&'static [*const c_char]> {
    if has_other_threads() {
        return Err(Errno::DEADLK);
    }
    let unit = size_of::<*const c_char>();
    let count = strings.clone().count() + 1;
    let pointers_size = count.checked_mul(unit).ok_or(Errno::NOMEM)?;
    let lengths = strings.clone().map(|string| string.to_bytes_with_nul().len());
    let text_size = lengths.fold(0, usize::saturating_add);
    // Whole units, so that the end stays aligned, and one to begin at the next whole one.
    let size = pointers_size.checked_add(text_size).and_then(|size| size.checked_next_multiple_of(unit));
    let step = size.and_then(|size| isize::try_from(size.checked_add(unit)?).ok()).ok_or(Errno::NOMEM)?;
    // SAFETY: there is no other thread, so the memory that is added is nobody's; malloc() minds that others add some.
    let start = mapped(unsafe { crate::ffi::unistd::sbrk(step) })?;
    let start = start.as_ptr().map_addr(|address| (address | (unit - 1)) + 1);
    // SAFETY: so many are there from the start on, which is aligned; all bits are valid, and nobody else knows of them.
    let pointers = unsafe { core::slice::from_raw_parts_mut(start.cast::<*const c_char>(), count) };
    // SAFETY: so many bytes are there behind the pointers; the rest as above.
    let mut text = unsafe { core::slice::from_raw_parts_mut(start.wrapping_add(pointers_size), text_size) };
    pointers.fill(ptr::null());
    // The last one stays null.
    for (pointer, string) in pointers.iter_mut().take(count - 1).zip(strings) {
        let string = string.to_bytes_with_nul();
        let Some((copy, rest)) = text.split_at_mut_checked(string.len()) else { break };
        copy.copy_from_slice(string);
        *pointer = copy.as_ptr().cast();
        text = rest;
    }
    Ok(pointers)
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
