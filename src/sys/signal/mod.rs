//! Signals.
//!
//! | file | topic |
//! |---|---|
//! | `set` | [`Signal`] and [`SigSet`] |
//! | `send` | `kill()`, `killpg()`, `raise()` |
//! | `action` | `sigaction()` and `signal()`: what is done about a signal, and handlers |
//! | `mask` | `sigprocmask()`, `sigpending()`, `sigsuspend()` |
//! | `descriptor` | `signalfd()` |

mod action;
mod descriptor;
mod mask;
mod send;
mod set;

pub use action::{
    Disposition, Handler, SaFlags, SigAction, SignalFlag, default_all, sigaction, sigaction_get, sigaction_replace,
    signal, sysv_signal,
};
pub use descriptor::{SignalFd, SignalInfo};
pub use mask::{MaskHow, sigpending, sigprocmask, sigprocmask_replace, sigsuspend};
pub use send::{kill, killpg, raise};
pub use set::{SigSet, Signal};
