//! `<sys/signalfd.h>`: reads signals from a descriptor.

use core::ffi::c_int;
use core::mem::MaybeUninit;

use crate::ffi::signal;
use crate::ffi::sys::signalfd;
use crate::ffi::unistd;
use crate::sys::conv::ret_usize;
use crate::sys::errno::Result;
use crate::sys::fd::{AsFd, BorrowedFd, OwnedFd, ret_owned_fd};
use crate::sys::pid::Pid;
use crate::sys::signal::set::{SigSet, Signal};

/// The most signals that one [`SignalFd::read`] takes. Further pending signals stay for the next read. A larger array
/// would only add stack for a fork to copy.
const SIGNALS_AT_ONCE: usize = 4;

/// `signalfd()`: a descriptor from which signals are read, in place of handlers.
///
/// Block the signals. Then a signal stays pending until it is read, and interrupts no call. A blocked signal is read
/// even if it is ignored. After a fork, a child reads its own signals from the descriptor.
#[derive(Debug)]
pub struct SignalFd(OwnedFd);

impl SignalFd {
    /// `signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK)`: makes a descriptor for these signals.
    ///
    /// Async-signal-safe: yes.
    ///
    /// # Errors
    /// `EMFILE`, `ENFILE` when no descriptor is left, `ENOMEM`, `ENODEV`.
    ///
    /// # References
    /// signalfd(2)
    pub fn new(signals: &SigSet) -> Result<SignalFd> {
        // SAFETY: the set is valid for reads.
        let fd = unsafe { signalfd::signalfd(-1, signals.as_ptr(), signalfd::SFD_CLOEXEC | signalfd::SFD_NONBLOCK) };
        // SAFETY: the descriptor was made just now.
        unsafe { ret_owned_fd(fd) }.map(SignalFd)
    }

    /// `read()`: takes the signals that are pending. Never waits.
    ///
    /// Async-signal-safe: yes.
    ///
    /// # Errors
    /// `EAGAIN` when no signal is pending.
    pub fn read(&self) -> Result<impl Iterator<Item = SignalInfo> + use<>> {
        let mut infos = [const { MaybeUninit::<signalfd::signalfd_siginfo>::uninit() }; SIGNALS_AT_ONCE];
        // SAFETY: the pointer is to room for the bytes of all elements.
        let read = unsafe { unistd::read(self.0.raw(), infos.as_mut_ptr().cast(), size_of_val(&infos)) };
        let count = ret_usize(read)? / size_of::<signalfd::signalfd_siginfo>();
        // SAFETY: the call has filled in that many elements.
        Ok(infos.into_iter().take(count).map(|info| unsafe { info.assume_init() }).map(|info| {
            // The kernel itself has filled in the sender. With any other code, the sender has done so.
            let is_true = info.ssi_code >= signal::SI_USER || info.ssi_code == signal::SI_TKILL;
            SignalInfo {
                signal: Signal::from_kernel(info.ssi_signo as c_int),
                sender: Pid::from_raw(info.ssi_pid as c_int).filter(|_| is_true),
                uid: if is_true { info.ssi_uid } else { 0 },
            }
        }))
    }
}

impl AsFd for SignalFd {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// `struct signalfd_siginfo`: a signal that came.
#[derive(Clone, Copy, Debug)]
pub struct SignalInfo {
    /// The signal.
    pub signal: Signal,
    /// The process that sent the signal, or the child of a SIGCHLD. `None` if the kernel sent another signal, as for
    /// ctrl-C, or if the sender has made up the facts itself, as by `sigqueue()`.
    pub sender: Option<Pid>,
    /// The user of that process. 0 if there is none.
    pub uid: u32,
}
