//! `<sys/mman.h>`: mapped memory.

/// `void *mmap(void *addr, size_t length, int prot, int flags, int fd, off_t offset);`
///
/// Map memory. mmap(2), POSIX.
#[doc(inline)]
pub use libc::mmap;

/// `int munmap(void *addr, size_t length);`
///
/// Unmap memory. mmap(2), POSIX.
#[doc(inline)]
pub use libc::munmap;

/// `int mprotect(void *addr, size_t len, int prot);`
///
/// Change the permitted access to mapped memory. mprotect(2), POSIX.
#[doc(inline)]
pub use libc::mprotect;

/// `MREMAP_MAYMOVE`
///
/// Let a mapping that grows move to another address. mremap(2), Linux.
#[doc(inline)]
pub use libc::MREMAP_MAYMOVE;

/// `int madvise(void *addr, size_t length, int advice);`
///
/// Announce how memory will be used. madvise(2), Linux.
#[doc(inline)]
pub use libc::madvise;

/// `MADV_DONTFORK`
///
/// The advice that keeps memory from children. madvise(2), Linux.
#[doc(inline)]
pub use libc::MADV_DONTFORK;

/// `PROT_*`
///
/// Permitted access to a mapping. mmap(2), POSIX.
#[doc(inline)]
pub use libc::{PROT_NONE, PROT_READ, PROT_WRITE};

/// `MAP_*`
///
/// Visibility of writes, kind of the mapped memory, and mmap's failure. mmap(2), POSIX.
#[doc(inline)]
pub use libc::{MAP_ANONYMOUS, MAP_FAILED, MAP_FIXED, MAP_PRIVATE, MAP_SHARED};

/// `int memfd_create(const char *name, unsigned int flags);`
///
/// Make a file without a path. memfd_create(2), Linux.
#[doc(inline)]
pub use libc::memfd_create;

/// `MFD_*`
///
/// Close the file when the process runs another program, and allow seals. memfd_create(2), Linux.
#[doc(inline)]
pub use libc::{MFD_ALLOW_SEALING, MFD_CLOEXEC};
