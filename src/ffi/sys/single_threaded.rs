//! `<sys/single_threaded.h>`: tells whether the process has a single thread.

use core::ffi::c_char;

unsafe extern "C" {
    /// `extern char __libc_single_threaded;`
    ///
    /// Not 0 while the process has had no other thread. glibc manual, 2.32.
    pub static __libc_single_threaded: c_char;
}
