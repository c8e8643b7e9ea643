//! The listener of a filter: receives a notice of each call that waits, and answers it.

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
    /// The call's arguments. A pointer among them is valid only in that thread.
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
    /// `poll()`: waits up to this many milliseconds for a notice. Returns whether there is a notice.
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
        // SAFETY: the pointer is to one pollfd, which the call may write.
        let ready = ret_c_int(unsafe { ffi::poll::poll(&raw mut one, 1, milliseconds) })?;
        Ok(ready > 0 && one.revents & ffi::poll::POLLIN != 0)
    }

    /// `ioctl(SECCOMP_IOCTL_NOTIF_RECV)`: waits for a call and takes its notice.
    ///
    /// Async-signal-safe: yes.
    ///
    /// # Errors
    /// `ENOENT` when the call was interrupted meanwhile. `EINTR` when a signal came first.
    ///
    /// # References
    /// seccomp_unotify(2), Linux
    pub fn receive(&self) -> Result<Notice> {
        // SAFETY: the type consists of numbers, for which zeros are valid. The kernel requires zeros.
        let mut notice: c::seccomp_notif = unsafe { core::mem::zeroed() };
        // SAFETY: the pointer is to room for one notice, which the kernel writes.
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
    /// The waiting thread relies on the result of the call. So `value` must be a result that the kernel could have
    /// given, and the thread must not rely on the effect of the call. For example, a forged result of `mmap()` is an
    /// address without memory.
    ///
    /// # Errors
    /// `ENOENT` when the call was interrupted meanwhile, or was answered. `EINPROGRESS` for the moment before the
    /// answered call goes on.
    ///
    /// # References
    /// seccomp_unotify(2), Linux
    pub unsafe fn answer(&self, notice: Notice, value: i64) -> Result<()> {
        self.send(c::seccomp_notif_resp { id: notice.id, val: value, error: 0, flags: 0 })
    }

    /// `ioctl(SECCOMP_IOCTL_NOTIF_SEND)` with `SECCOMP_USER_NOTIF_FLAG_CONTINUE`: lets the call be made.
    ///
    /// Async-signal-safe: yes.
    ///
    /// # Errors
    /// `ENOENT` when the call was interrupted meanwhile, or was answered. `EINPROGRESS` for the moment before the
    /// answered call goes on.
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
