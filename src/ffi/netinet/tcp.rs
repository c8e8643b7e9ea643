//! `<netinet/tcp.h>`: options of TCP.

/// `TCP_*`
///
/// Options at level IPPROTO_TCP. tcp(7), POSIX and Linux.
#[doc(inline)]
pub use libc::{TCP_DEFER_ACCEPT, TCP_NODELAY};
