//! `<poll.h>`: waits for one of several descriptors.
//!
//! # Example
//! ```
//! use core::time::Duration;
//! use mpserv::fd::{AsFd, PipeFlags, pipe2, write_all};
//! use mpserv::poll::{PollEvents, PollFd, poll};
//!
//! let (reader, writer) = pipe2(PipeFlags::CLOEXEC)?;
//! let mut fds = [PollFd::new(reader.as_fd(), PollEvents::IN)];
//! assert_eq!(poll(&mut fds, Some(Duration::ZERO))?, 0);
//! write_all(&writer, b"!")?;
//! assert_eq!(poll(&mut fds, None)?, 1);
//! assert!(fds[0].revents().contains(PollEvents::IN));
//! # Ok::<(), mpserv::errno::Errno>(())
//! ```

use core::ffi::{c_int, c_short};
use core::fmt;
use core::marker::PhantomData;
use core::ptr;
use core::time::Duration;

use crate::ffi::poll as c;
use crate::sys::conv::ret_c_int;
use crate::sys::errno::Result;
use crate::sys::fd::BorrowedFd;
use crate::sys::flags::flags;
use crate::sys::signal::SigSet;
use crate::sys::time::timespec_of;

flags! {
    /// `POLL…`: the events to wait for, or the events that occurred.
    PollEvents(c_short) from c {
        /// `POLLIN`: there are bytes to read, a connection to accept, or the end of the stream.
        #[doc(alias = "POLLIN")]
        IN = POLLIN,
        /// `POLLOUT`: something can be written.
        #[doc(alias = "POLLOUT")]
        OUT = POLLOUT,
        /// `POLLRDHUP`: the peer writes no more.
        #[doc(alias = "POLLRDHUP")]
        RDHUP = POLLRDHUP,
        /// `POLLERR`: an error is pending. Always reported, even if not requested.
        #[doc(alias = "POLLERR")]
        ERR = POLLERR,
        /// `POLLHUP`: both halves of the connection have ended. Always reported.
        #[doc(alias = "POLLHUP")]
        HUP = POLLHUP,
        /// `POLLNVAL`: the descriptor is not open. Always reported.
        #[doc(alias = "POLLNVAL")]
        NVAL = POLLNVAL,
    }
}

/// `struct pollfd`: a descriptor, the requested events, and the events that occurred.
#[repr(transparent)]
#[derive(Clone, Copy)]
pub struct PollFd<'fd> {
    pollfd: c::pollfd,
    fd: PhantomData<BorrowedFd<'fd>>,
}

impl<'fd> PollFd<'fd> {
    /// Requests these events. An error and a hang-up are always reported as well. Of [`BorrowedFd::NONE`] nothing is
    /// ever reported.
    #[must_use]
    pub const fn new(fd: BorrowedFd<'fd>, events: PollEvents) -> PollFd<'fd> {
        PollFd { pollfd: c::pollfd { fd: fd.raw(), events: events.raw(), revents: 0 }, fd: PhantomData }
    }

    /// Returns the events that occurred: requested events, and `POLLERR`, `POLLHUP`, `POLLNVAL`.
    #[must_use]
    pub const fn revents(&self) -> PollEvents {
        PollEvents(self.pollfd.revents)
    }
}

impl fmt::Debug for PollFd<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let c::pollfd { fd, events, revents } = self.pollfd;
        f.debug_struct("PollFd").field("fd", &fd).field("events", &events).field("revents", &revents).finish()
    }
}

/// `poll()`: waits until an event occurs, or until `timeout` has passed, rounded up to a millisecond. `None` is no
/// timeout. Returns the number of descriptors with events.
///
/// An int has no room for more milliseconds than those of 24 days. With a longer timeout, this function calls
/// [`ppoll()`] instead, so that it does not return too early.
///
/// Async-signal-safe: yes.
///
/// # Errors
/// `EINTR` when a signal came first, `EINVAL` for more descriptors than `RLIMIT_NOFILE`, `ENOMEM`.
///
/// # References
/// poll(2), POSIX
pub fn poll(fds: &mut [PollFd<'_>], timeout: Option<Duration>) -> Result<c_int> {
    let milliseconds = timeout.map_or(Ok(-1), |timeout| c_int::try_from(timeout.as_nanos().div_ceil(NANOS_PER_MILLI)));
    let Ok(milliseconds) = milliseconds else { return ppoll(fds, timeout, None) };
    // SAFETY: the pointer is to that many structs, which only the call uses meanwhile.
    ret_c_int(unsafe { c::poll(fds.as_mut_ptr().cast(), fds.len() as c::nfds_t, milliseconds) })
}

const NANOS_PER_MILLI: u128 = 1_000_000;

/// `ppoll()`: waits as [`poll`] does, with a timeout to the nanosecond. During the wait, exactly the signals of `mask`
/// are blocked. So a signal that comes just before the wait is not missed. Such a signal is delivered only when no
/// descriptor has an event.
///
/// Async-signal-safe: yes.
///
/// # Errors
/// Fails as [`poll`] does.
///
/// # References
/// ppoll(2), POSIX 2024
pub fn ppoll(fds: &mut [PollFd<'_>], timeout: Option<Duration>, mask: Option<&SigSet>) -> Result<c_int> {
    let timeout = timeout.map(timespec_of);
    let timeout = timeout.as_ref().map_or(ptr::null(), ptr::from_ref);
    let mask = mask.map_or(ptr::null(), SigSet::as_ptr);
    // SAFETY: the first pointer is to that many structs, and the others are null or to one struct. Only the call uses
    // the structs meanwhile.
    ret_c_int(unsafe { c::ppoll(fds.as_mut_ptr().cast(), fds.len() as c::nfds_t, timeout, mask) })
}
