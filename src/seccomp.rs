//! System calls that wait for an answer from outside: seccomp's user notification.

use core::ffi::{c_int, c_long, c_uint};

use crate::conv::{ret, ret_c_int};
use crate::errno::Result;
use crate::fd::{AsFd, OwnedFd, ret_owned_fd};
use crate::ffi;
use crate::ffi::linux::filter::{BPF_ABS, BPF_JEQ, BPF_JMP, BPF_K, BPF_LD, BPF_RET, BPF_W, sock_filter, sock_fprog};
use crate::ffi::linux::seccomp as c;

/// How many system calls one filter may name: a jump's distance has 8 bits.
pub const CALLS_MAX: usize = 64;

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

/// Where the notices of a filter come from.
#[derive(Debug)]
pub struct Listener(OwnedFd);

impl AsFd for Listener {
    fn as_fd(&self) -> crate::fd::BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// `seccomp(SECCOMP_SET_MODE_FILTER)` with a listener: from now on the calling thread, and all that it starts, wait
/// before each of these system calls until the listener's owner answers. When the listener is closed, such calls fail
/// with `ENOSYS`.
///
/// The filter goes by the number of a call alone, so for processes of another architecture it is meaningless.
///
/// # Errors
/// `EACCES` unless the caller may do so, or has given up new privileges (see
/// [`no_new_privileges`](crate::prctl::no_new_privileges)); `EBUSY` when there is a listener already; `EINVAL` when
/// the kernel has no such filters, or when there are more than [`CALLS_MAX`] calls.
///
/// # References
/// seccomp(2), seccomp_unotify(2), Linux 5.0
pub fn listen(calls: &[c_long]) -> Result<Listener> {
    if calls.len() > CALLS_MAX {
        return Err(crate::errno::Errno::INVAL);
    }
    // The number of the call is the first word of what a filter reads; then comes a test for each number, each of
    // which jumps over the tests and the pass that follow it.
    let mut program = [statement(BPF_RET | BPF_K, c::SECCOMP_RET_ALLOW); CALLS_MAX + 3];
    program[0] = statement(BPF_LD | BPF_W | BPF_ABS, 0);
    for (index, call) in calls.iter().enumerate() {
        let distance = calls.len() - index;
        program[index + 1] = sock_filter {
            code: code(BPF_JMP | BPF_JEQ | BPF_K),
            jt: u8::try_from(distance).unwrap_or(u8::MAX),
            jf: 0,
            k: u32::try_from(*call).unwrap_or(u32::MAX),
        };
    }
    program[calls.len() + 2] = statement(BPF_RET | BPF_K, c::SECCOMP_RET_USER_NOTIF);
    let length = u16::try_from(calls.len() + 3).unwrap_or(u16::MAX);
    let program = sock_fprog { len: length, filter: program.as_mut_ptr() };
    // SAFETY: the program and its instructions live through the call, which only reads them.
    let returned = unsafe {
        ffi::unistd::syscall(
            ffi::sys::syscall::SYS_seccomp,
            c::SECCOMP_SET_MODE_FILTER,
            c::SECCOMP_FILTER_FLAG_NEW_LISTENER,
            &raw const program,
        )
    };
    // SAFETY: it returned a new descriptor, or -1.
    unsafe { ret_owned_fd(c_int::try_from(returned).unwrap_or(-1)) }.map(Listener)
}

fn statement(code_word: c_uint, value: u32) -> sock_filter {
    sock_filter { code: code(code_word), jt: 0, jf: 0, k: value }
}

fn code(word: c_uint) -> u16 {
    u16::try_from(word).unwrap_or(u16::MAX)
}

impl Listener {
    /// `poll()`: waits up to so many milliseconds until there is a notice to receive, and tells whether there is.
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
    /// # Errors
    /// `ENOENT` when the call was interrupted meanwhile.
    ///
    /// # References
    /// seccomp_unotify(2), Linux
    pub fn answer(&self, notice: Notice, value: i64) -> Result<()> {
        self.send(c::seccomp_notif_resp { id: notice.id, val: value, error: 0, flags: 0 })
    }

    /// The same: lets the call be made.
    ///
    /// # Errors
    /// `ENOENT` when the call was interrupted meanwhile.
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
