//! `Publisher`: tells the service manager and `ps` the server's state.

use core::time::Duration;

use crate::program::Title;
use crate::program::text::Text;
use crate::server::limits::{RETRY_EVERY, STATUS_EVERY};
use crate::server::systemd::Manager;
use crate::sys::process::Pid;

/// The longest title.
const TITLE_MAX: usize = 64;

/// The number that stands for "none shown yet".
const NOT_SHOWN: u32 = u32::MAX;

/// Tells the service manager and `ps` the server's state.
pub(super) struct Publisher {
    manager: Manager,
    /// The process that is ready, and the time at which the manager is told again. `None` once the manager was told.
    untold: Option<(Pid, Duration)>,
    has_handed_over: bool,
    title: Option<Title>,
    /// The highest number of children.
    limit: u32,
    watchdog_at: Duration,
    /// The number of children that the service manager was told last.
    status: Shown,
    /// The number of children that the title shows.
    titled: Shown,
}

/// A number that is shown, and must not change too often.
#[derive(Clone, Copy)]
struct Shown {
    number: u32,
    /// The earliest time at which the number may change.
    next: Duration,
}

impl Shown {
    fn due(self, number: u32) -> Option<Duration> {
        (self.number != number).then_some(self.next)
    }
}

impl Publisher {
    pub(super) const fn new(manager: Manager, title: Option<Title>, limit: u32, now: Duration) -> Publisher {
        let shown = Shown { number: NOT_SHOWN, next: now };
        Publisher {
            manager,
            untold: None,
            has_handed_over: false,
            title,
            limit,
            watchdog_at: now,
            status: shown,
            titled: shown,
        }
    }

    /// Returns the connection to the service manager, for the child to close.
    pub(super) fn manager(&self) -> &Manager {
        &self.manager
    }

    /// Tells the service manager that this process, or its successor, is ready. If the manager does not read, it is told
    /// again, because it waits for this message.
    pub(super) fn ready(&mut self, main: Pid, now: Duration) {
        self.untold = self.manager.ready(main).then_some((main, now + RETRY_EVERY));
    }

    /// Returns the time at which the service manager is told again that a process is ready.
    pub(super) fn ready_due(&self) -> Option<Duration> {
        self.untold.map(|(_, again)| again)
    }

    pub(super) fn ready_again(&mut self, now: Duration) {
        if let Some((main, _)) = self.untold {
            self.ready(main, now);
        }
    }

    pub(super) fn reloading(&self) {
        self.manager.reloading();
    }

    /// Tells the service manager that the service stops. After a handover, the successor tells it, and the manager still
    /// hears of the successor. Otherwise the manager would take the end of this process for that of the service.
    pub(super) fn stopping(&mut self) {
        if !self.has_handed_over {
            self.untold = None;
            self.manager.stopping();
        }
    }

    /// Tells the service manager of the successor, and sends no other message from now on. The watchdog hears this process
    /// once more, so that the successor has the whole time for its own message.
    pub(super) fn hand_over_to(&mut self, successor: Pid, now: Duration) {
        if self.watchdog_due().is_some() {
            self.notify_watchdog(now);
        }
        self.ready(successor, now);
        self.has_handed_over = true;
    }

    /// Tells the service manager everything again. Before the predecessor let go, the manager may not have known this
    /// process.
    pub(super) fn take_over(&mut self, now: Duration) {
        self.watchdog_at = now;
        self.status = Shown { number: NOT_SHOWN, next: now };
    }

    /// Returns the time at which the watchdog must hear from the server.
    pub(super) fn watchdog_due(&self) -> Option<Duration> {
        self.manager.watchdog.filter(|_| !self.has_handed_over).map(|_| self.watchdog_at)
    }

    pub(super) fn notify_watchdog(&mut self, now: Duration) {
        if let Some(period) = self.manager.watchdog {
            self.manager.alive();
            self.watchdog_at = now + period;
        }
    }

    /// Returns the earliest time to tell the service manager `children`, or `None` if the manager knows that number
    /// already.
    pub(super) fn status_due(&self, children: u32) -> Option<Duration> {
        if self.manager.is_there() && !self.has_handed_over { self.status.due(children) } else { None }
    }

    pub(super) fn notify_status(&mut self, children: u32, now: Duration) {
        self.manager.status(format_args!("{children}/{} children", self.limit));
        self.status = Shown { number: children, next: now + STATUS_EVERY };
    }

    /// Returns the earliest time to show `children` in the title, or `None` if the title shows them already.
    pub(super) fn title_due(&self, children: u32) -> Option<Duration> {
        if self.title.is_some() { self.titled.due(children) } else { None }
    }

    pub(super) fn set_title(&mut self, children: u32, now: Duration) {
        if let Some(title) = &mut self.title {
            let limit = self.limit;
            title.set(Text::<TITLE_MAX>::of(format_args!("mpserv: {children}/{limit} children")).as_str());
        }
        self.titled = Shown { number: children, next: now + STATUS_EVERY };
    }
}

#[cfg(test)]
mod tests;
