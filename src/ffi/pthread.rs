//! `<pthread.h>`: threads, of which this library has one.

/// `typedef /* ... */ pthread_t;`
///
/// A thread. pthread_t(3type), POSIX.
#[doc(inline)]
pub use libc::pthread_t;

/// `pthread_t pthread_self(void);`
///
/// This thread. pthread_self(3), POSIX.
#[doc(inline)]
pub use libc::pthread_self;
