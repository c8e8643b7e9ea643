//! The listener of a filter: it receives a notice of each call that waits, and answers it.

use core::ffi::{c_int, c_long};

use crate::ffi;
use crate::ffi::linux::seccomp as c;
use crate::sys::conv::{ret, ret_c_int};
use crate::sys::errno::Result;
use crate::sys::fd::{AsFd, OwnedFd};

/// One system call that waits.
#[derive(Clone, Copy, Debug)]
pub struct Notice {
    id: u64,
    /// The thread that makes the call.
    pub thread: u32,
    /// The call's number.
    pub call: c_long,
    /// The call's arguments; pointers are the thread's.
    pub arguments: [u64; 6],
}

/// The source of a filter's notices.
#[derive(Debug)]
pub struct Listener(pub(super) OwnedFd);

impl AsFd for Listener {
    fn as_fd(&self) -> crate::sys::fd::BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl Listener {
    /// `poll()`: waits up to so many milliseconds until there is a notice to receive, and tells whether there is.
    ///
    /// Async-signal-safe: yes.
    ///
    /// # Errors
    /// `EINTR` when a signal came first.
    ///
    /// # References
    /// poll(2), POSIX
    pub fn poll(&self, milliseconds: c_int) -> Result<bool> {
        let mut one = ffi::poll::pollfd { fd: self.0.raw(), events: ffi::poll::POLLIN, revents: 0 };
        // SAFETY: the pointer is to one pollfd, which is ours to write.
        let ready = ret_c_int(unsafe { ffi::poll::poll(&raw mut one, 1, milliseconds) })?;
        Ok(ready > 0 && one.revents & ffi::poll::POLLIN != 0)
    }

    /// `ioctl(SECCOMP_IOCTL_NOTIF_RECV)`: waits for a call and takes its notice.
    ///
    /// Async-signal-safe: yes.
    ///
    /// # Errors
    /// `ENOENT` when the call was interrupted meanwhile; `EINTR`.
    ///
    /// # References
    /// seccomp_unotify(2), Linux
    pub fn receive(&self) -> Result<Notice> {
        // SAFETY: the type is plain numbers, for which zeros are values, and the kernel asks for zeros.
        let mut notice: c::seccomp_notif = unsafe { core::mem::zeroed() };
        // SAFETY: the kernel writes one notice, which is ours to write.
        ret(unsafe { ffi::sys::ioctl::ioctl(self.0.raw(), c::SECCOMP_IOCTL_NOTIF_RECV, &raw mut notice) })?;
        Ok(Notice {
            id: notice.id,
            thread: notice.pid,
            call: c_long::from(notice.data.nr),
            arguments: notice.data.args,
        })
    }

    /// `ioctl(SECCOMP_IOCTL_NOTIF_SEND)`: makes the call return `value` without having been made.
    ///
    /// Async-signal-safe: yes.
    ///
    /// # Safety
    /// The thread that waits relies on what the call returns. `value` is a result that the kernel could have given, and
    /// whatever the call should have done is not relied on: a forged result of `mmap()` is memory that is not there.
    ///
    /// # Errors
    /// `ENOENT` when the call was interrupted meanwhile, or was answered; `EINPROGRESS` for the moment before it goes
    /// on.
    ///
    /// # References
    /// seccomp_unotify(2), Linux
    pub unsafe fn answer(&self, notice: Notice, value: i64) -> Result<()> {
        self.send(c::seccomp_notif_resp { id: notice.id, val: value, error: 0, flags: 0 })
    }

    /// The same: lets the call be made.
    ///
    /// Async-signal-safe: yes.
    ///
    /// # Errors
    /// `ENOENT` when the call was interrupted meanwhile, or was answered; `EINPROGRESS` for the moment before it goes
    /// on.
    ///
    /// # References
    /// seccomp_unotify(2), Linux 5.5
    pub fn let_pass(&self, notice: Notice) -> Result<()> {
        let flags = u32::try_from(c::SECCOMP_USER_NOTIF_FLAG_CONTINUE).unwrap_or_default();
        self.send(c::seccomp_notif_resp { id: notice.id, val: 0, error: 0, flags })
    }

    fn send(&self, mut answer: c::seccomp_notif_resp) -> Result<()> {
        // SAFETY: the kernel reads one answer.
        ret(unsafe { ffi::sys::ioctl::ioctl(self.0.raw(), c::SECCOMP_IOCTL_NOTIF_SEND, &raw mut answer) })
    }
}
