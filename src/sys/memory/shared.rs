//! Numbers that several processes share.

use core::ffi::{CStr, c_int};
use core::fmt;
use core::ops::{Deref, Range};
use core::ptr::{self, NonNull};
use core::sync::atomic::AtomicU64;

use crate::ffi::fcntl;
use crate::ffi::sys::mman as c;
use crate::ffi::unistd;
use crate::sys::conv::ret;
use crate::sys::errno::{Errno, Result};
use crate::sys::fd::{AsFd, BorrowedFd, OwnedFd, ret_owned_fd};
use crate::sys::fs::ftruncate;
use crate::sys::memory::map::{map_for, mapped, unmap};

/// Numbers that this process and its forked children see and change. Another process that opens the descriptor sees
/// them, and cannot change them. A seal keeps every process from making the file shorter, so no other process can make
/// an access end a process by SIGBUS. The kernel provides a page at its first access. If it has no page left then, in
/// the system or in the cgroup, SIGBUS or the kernel's killer ends the process.
///
/// The memory stays mapped for as long as the process lives, so references to the numbers may be `'static`.
#[derive(Debug)]
pub struct SharedWords {
    words: &'static [AtomicU64],
    fd: OwnedFd,
}

impl SharedWords {
    /// `memfd_create()`, `ftruncate()`, `fcntl(F_ADD_SEALS)` and `mmap(…, MAP_SHARED, …)`: makes this many numbers,
    /// each of them 0. `/proc` shows the name with the descriptor.
    ///
    /// Async-signal-safe: yes.
    ///
    /// # Errors
    /// `EMFILE`, `ENFILE` when no descriptor is left, `ENOMEM`. `EINVAL` for a name of more than 249 bytes, and before
    /// Linux 5.1. `EPERM` when another process has made the file longer, by `/proc`. `EFBIG` when `RLIMIT_FSIZE` is lower
    /// than the size, if SIGXFSZ, which comes as well, does not end the process.
    ///
    /// # References
    /// memfd_create(2), mmap(2), F_ADD_SEALS of fcntl(2), Linux 5.1
    pub fn new(name: &CStr, length: usize) -> Result<SharedWords> {
        let (words, _, fd) = SharedWords::with_view(name, length, false)?;
        Ok(SharedWords { words, fd })
    }

    /// Does the same as [`new`](SharedWords::new). If `has_view`, also returns a second mapping of the same numbers,
    /// which is read-only until `mprotect()` makes part of it writable. Without a view, the second slice is empty.
    pub(crate) fn with_view(
        name: &CStr,
        length: usize,
        has_view: bool,
    ) -> Result<(&'static [AtomicU64], &'static [AtomicU64], OwnedFd)> {
        let size = length.max(1).checked_mul(size_of::<AtomicU64>()).ok_or(Errno::NOMEM)?;
        // SAFETY: the name ends in a NUL.
        let fd = unsafe { c::memfd_create(name.as_ptr(), c::MFD_CLOEXEC | c::MFD_ALLOW_SEALING) };
        // SAFETY: the descriptor was made just now.
        let fd = unsafe { ret_owned_fd(fd) }?;
        // Another process of the user may have the file by `/proc`. It never gets shorter.
        add_seals(&fd, fcntl::F_SEAL_SHRINK)?;
        ftruncate(&fd, i64::try_from(size).map_err(|_| Errno::NOMEM)?)?;
        let map = |access| {
            // SAFETY: the kernel chooses the place of the new memory, so no memory in use is touched.
            mapped(unsafe { c::mmap(ptr::null_mut(), size, access, c::MAP_SHARED, fd.raw(), 0) })
        };
        let start = map(c::PROT_READ | c::PROT_WRITE)?;
        let view = has_view.then(|| map(c::PROT_READ)).transpose()?;
        // From now on only a process with these mappings can write. The descriptor allows no writing.
        add_seals(&fd, fcntl::F_SEAL_GROW | fcntl::F_SEAL_FUTURE_WRITE | fcntl::F_SEAL_SEAL)?;
        let numbers = |start: NonNull<u8>| {
            // SAFETY: the mapping has as many bytes, is aligned to a page, is all 0, and is never unmapped. Processes
            // of this program change the mapped numbers only by atomic operations. The seals keep the file from getting
            // shorter.
            unsafe { core::slice::from_raw_parts(start.cast::<AtomicU64>().as_ptr(), length) }
        };
        Ok((numbers(start), view.map_or(&[], numbers), fd))
    }

    /// Returns the numbers.
    #[must_use]
    pub const fn words(&self) -> &'static [AtomicU64] {
        self.words
    }
}

/// `sysconf(_SC_PAGESIZE)`: returns the size of a page, the smallest unit of memory that can be protected.
pub(crate) fn page_size() -> usize {
    const COMMON: usize = 4096;
    // SAFETY: the call has no precondition.
    usize::try_from(unsafe { unistd::sysconf(unistd::_SC_PAGESIZE) }).unwrap_or(COMMON)
}

/// `mmap(…, PROT_READ, MAP_SHARED | MAP_FIXED, fd, …)`: lets this process write only to the numbers with the indices
/// `own` from now on. Maps the numbers before and after these read-only. Fails with `ENOMEM`.
///
/// The seals of the file keep `mprotect()` from making the other numbers writable again. Only `mremap()` gets around
/// the seals, by stretching this process's own mapping over the numbers after that mapping.
///
/// # Safety
/// The numbers and the descriptor are those of one [`SharedWords`], `own` fills whole pages, and this process does not
/// write to the other numbers.
///
/// # References
/// mmap(2), POSIX
pub(crate) unsafe fn write_only_to(words: &'static [AtomicU64], fd: &OwnedFd, own: Range<usize>) -> Result<()> {
    let (before, behind) = (words.get(..own.start), words.get(own.end..));
    [(before, 0), (behind, own.end)].into_iter().try_for_each(|(part, first)| {
        let part = part.ok_or(Errno::INVAL)?;
        if part.is_empty() {
            return Ok(());
        }
        let start = part.as_ptr().cast_mut().cast();
        let offset = i64::try_from(first * size_of::<AtomicU64>()).map_err(|_| Errno::INVAL)?;
        let flags = c::MAP_SHARED | c::MAP_FIXED;
        // SAFETY: the same bytes of the same file replace the mapping, so every number stays in its place. This
        // function's own contract covers the rest.
        mapped(unsafe { c::mmap(start, size_of_val(part), c::PROT_READ, flags, fd.raw(), offset) }).map(|_| ())
    })
}

impl AsFd for SharedWords {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

/// Numbers that this process and its later children see and change together. A drop gives the memory back, in this
/// process alone.
pub struct SharedNumbers {
    start: NonNull<AtomicU64>,
    count: usize,
}

impl SharedNumbers {
    /// `mmap(NULL, …, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0)`: makes `count` numbers, each of them
    /// 0. Pages that no process has touched take no memory.
    ///
    /// Async-signal-safe: yes.
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
        // SAFETY: the mapping has as many numbers, is aligned to a page, and stays for as long as `self`. All bits are
        // valid, and every process uses atomic operations on the numbers.
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

/// `memfd_create()` and `fcntl(F_ADD_SEALS)`: makes an empty file to which no process can write. The file stays open
/// when this process runs another program.
///
/// Async-signal-safe: yes.
///
/// # Errors
/// `EMFILE`, `ENFILE` when no descriptor is left, `ENOMEM`. `EINVAL` for a name of more than 249 bytes.
///
/// # References
/// memfd_create(2), fcntl(2), Linux 3.17
pub fn empty_file(name: &CStr) -> Result<OwnedFd> {
    // SAFETY: the name ends in a NUL.
    let fd = unsafe { c::memfd_create(name.as_ptr(), c::MFD_ALLOW_SEALING) };
    // SAFETY: the descriptor was made just now.
    let fd = unsafe { ret_owned_fd(fd) }?;
    add_seals(&fd, fcntl::F_SEAL_SEAL | fcntl::F_SEAL_SHRINK | fcntl::F_SEAL_GROW | fcntl::F_SEAL_WRITE)?;
    Ok(fd)
}

/// `fcntl(fd, F_ADD_SEALS, seals)`: adds seals to a file.
fn add_seals(fd: &OwnedFd, seals: c_int) -> Result<()> {
    // SAFETY: the call has no precondition on memory.
    ret(unsafe { fcntl::fcntl(fd.raw(), fcntl::F_ADD_SEALS, seals) })
}
