//! `Signals`: blocks the signals of the process while it serves, and sets their actions. The parent reads and handles
//! the signals in `parent/event_loop.rs`.

use super::error::{Error, Result};
use super::in_time::Ticks;
use crate::sys::errno;
use crate::sys::memory::MapVec;
use crate::sys::signal::{
    Disposition, MaskHow, SigAction, SigSet, Signal, sigaction_get, sigaction_replace, sigaction_restore, sigprocmask,
    sigprocmask_replace,
};

/// The signals that the parent obeys.
const OBEYED: [Signal; 7] =
    [Signal::TERM, Signal::INT, Signal::QUIT, Signal::HUP, Signal::USR1, Signal::USR2, Signal::CHLD];

/// The actions while the server serves. If SIGCHLD were ignored, the kernel would not keep children until they are
/// reaped. The other signals must not end or stop the server or a child. SIGPIPE comes when the reader of the log has
/// gone, and SIGXFSZ when the log has reached the limit of a file's size. SIGTTOU comes from a terminal that stops
/// background processes which write to it.
const ACTIONS: [(Signal, Disposition); 4] = [
    (Signal::CHLD, Disposition::Default),
    (Signal::PIPE, Disposition::Ignore),
    (Signal::XFSZ, Disposition::Ignore),
    (Signal::TTOU, Disposition::Ignore),
];

/// The signals that a program must not find as they are while the server serves.
#[derive(Debug)]
pub(super) struct InPrograms {
    /// The signals that get their default action: those that the server ignores, and those that its caller ignores.
    pub(super) default: MapVec<Signal>,
    /// The signals for which the caller has a handler, if there are any.
    pub(super) handled: Option<SigSet>,
}

impl InPrograms {
    /// Finds the signals. Fails with `ENOMEM`.
    pub(super) fn find() -> errno::Result<InPrograms> {
        let mut found = InPrograms { default: MapVec::with_capacity(Signal::all().count())?, handled: None };
        for signal in Signal::all() {
            let by_caller = sigaction_get(signal).map_or(Disposition::Default, |action| action.sa_handler);
            if is_ignore(by_caller) || ACTIONS.iter().any(|action| action.0 == signal && is_ignore(action.1)) {
                found.default.push(signal)?;
            }
            if !matches!(by_caller, Disposition::Default | Disposition::Ignore) {
                found.handled.get_or_insert_with(SigSet::empty).add(signal);
            }
        }
        Ok(found)
    }
}

const fn is_ignore(disposition: Disposition) -> bool {
    matches!(disposition, Disposition::Ignore)
}

/// The state of the signals from before the server served, as a child that runs a function gets it back.
pub(crate) struct Earlier {
    pub(super) mask: SigSet,
    /// The mask of a child that runs a function. In the sandbox a violation is noted by SIGSYS, so it is not blocked.
    pub(super) mask_in_child: SigSet,
    /// The server's use of SIGALRM, if a close may wait.
    pub(super) ticks: Option<Ticks>,
}

impl Earlier {
    /// Runs `close`. If a close of this server may wait, a signal ends each wait.
    pub(super) fn interrupt(&self, close: impl FnOnce()) {
        match &self.ticks {
            Some(ticks) => ticks.interrupt(close),
            None => close(),
        }
    }

    /// Restores the action of SIGALRM in a child.
    pub(super) fn restore_in_child(&self) {
        if let Some(ticks) = &self.ticks {
            ticks.restore_in_child();
        }
    }
}

/// The signals of the process while it serves, and their earlier state.
pub(super) struct Signals {
    /// The blocked signals that the server reads from a descriptor.
    pub(super) obeyed: SigSet,
    pub(super) earlier: Earlier,
    /// The earlier action of each signal whose action could be replaced.
    actions: [Option<(Signal, SigAction)>; ACTIONS.len()],
    /// The earlier action of SIGSYS, if the server notes violations of the sandbox.
    sys: Option<(Signal, SigAction)>,
}

impl Signals {
    /// Blocks the signals that the server obeys, and sets the actions of other signals. If SIGHUP is ignored, as under
    /// `nohup`, it stays ignored. A server with a sandbox sets the action of SIGSYS later. If a close may wait, also
    /// starts the timer that interrupts closes.
    pub(super) fn take(has_sandbox: bool, closes_may_wait: bool) -> Result<Signals> {
        let mut obeyed = SigSet::from(OBEYED);
        if sigaction_get(Signal::HUP).is_ok_and(|action| is_ignore(action.sa_handler)) {
            // If SIGHUP were blocked, the kernel would keep it for the descriptor in spite of being ignored.
            obeyed.remove(Signal::HUP);
        }
        let mask = sigprocmask_replace(MaskHow::Block, &obeyed)
            .map_err(|errno| Error::cannot_serve("sigprocmask", errno, "allow it where system calls are filtered"))?;
        let actions = ACTIONS.map(|(signal, disposition)| {
            let old = sigaction_replace(signal, &SigAction::new(disposition));
            old.ok().map(|action| (signal, action))
        });
        let sys = if has_sandbox { sigaction_get(Signal::SYS).ok() } else { None };
        let mut mask_in_child = mask;
        if has_sandbox {
            mask_in_child.remove(Signal::SYS);
        }
        let ticks = if closes_may_wait { Ticks::start().ok() } else { None };
        let earlier = Earlier { mask, mask_in_child, ticks };
        Ok(Signals { obeyed, earlier, actions, sys: sys.map(|action| (Signal::SYS, action)) })
    }

    /// Restores the mask and the actions from before.
    pub(super) fn restore(self) {
        for (signal, action) in self.actions.into_iter().flatten().chain(self.sys) {
            // SAFETY: since the action was found, only the server's code has run in this process. The caller's handler has
            // run in children, and is dropped later.
            let _ = unsafe { sigaction_restore(signal, &action) };
        }
        if let Some(ticks) = self.earlier.ticks {
            ticks.stop();
        }
        sigprocmask(MaskHow::Set, &self.earlier.mask);
    }
}
