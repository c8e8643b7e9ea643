//! Signals.
//!
//! | file | content |
//! |---|---|
//! | `set` | [`Signal`] and [`SigSet`] |
//! | `send` | `kill()`, `killpg()`, `raise()` |
//! | `action` | `sigaction()` and `signal()`: actions for signals, and handlers |
//! | `mask` | `sigprocmask()`, `pthread_sigmask()`, `sigpending()`, `sigsuspend()` |
//! | `descriptor` | `signalfd()` |
//!
//! # A whole program
//! ```
//! use mpserv::process::getpid;
//! use mpserv::signal::{
//!     Disposition, MaskHow, SigAction, SigSet, Signal, SignalFlag, kill, sigaction, sigprocmask, sigsuspend,
//! };
//!
//! static CAUGHT: SignalFlag = SignalFlag::new();
//!
//! /// Waits for a signal and loses none: the signal is blocked except while the process waits.
//! fn main() -> mpserv::errno::Result<()> {
//!     sigprocmask(MaskHow::Block, &SigSet::from([Signal::USR1]));
//!     sigaction(Signal::USR1, &SigAction::new(Disposition::Flag(&CAUGHT)))?;
//!     kill(getpid(), Signal::USR1)?;
//!     assert!(!CAUGHT.is_raised());
//!     while !CAUGHT.take() {
//!         sigsuspend(&SigSet::empty());
//!     }
//!     Ok(())
//! }
//! ```

mod action;
mod descriptor;
mod mask;
mod send;
mod set;

pub(crate) use action::can_have_action;
pub use action::{
    Disposition, Handler, SaFlags, SigAction, SignalFlag, default_all, sigaction, sigaction_get, sigaction_replace,
    sigaction_restore, signal, sysv_signal,
};
pub use descriptor::{SignalFd, SignalInfo};
pub use mask::{MaskHow, pthread_sigmask, sigpending, sigprocmask, sigprocmask_replace, sigsuspend};
pub use send::{kill, killpg, raise};
pub use set::{SigSet, Signal};
