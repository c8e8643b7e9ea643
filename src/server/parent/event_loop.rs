//! The loop of the parent.
//!
//! Under load the loop accepts first. The loop waits only when no client is left to accept. After [`ACCEPTS_IN_A_ROW`]
//! clients the loop looks at the signals.
//!
//! [`ACCEPTS_IN_A_ROW`]: crate::server::limits::ACCEPTS_IN_A_ROW

use core::time::Duration;

use super::state::{Parent, Stopped, monotonic};
use super::timers::Timer;
use crate::server::child::Worker;
use crate::server::error;
use crate::server::inherited::say_ready;
use crate::server::limits::{EARLIER_MAX, LISTENERS_MAX};
use crate::sys::errno::{Errno, Result};
use crate::sys::fd::{AsFd, BorrowedFd};
use crate::sys::poll::{PollEvents, PollFd, poll};
use crate::sys::signal::{Signal, SignalInfo};

/// The descriptors that are polled besides the listeners: that of the signals, the pipe of a restart, and the pipes to
/// earlier servers.
const OTHERS: usize = 2 + EARLIER_MAX;

/// The descriptors that are ready.
struct Ready {
    signals: bool,
    pipe: bool,
    listeners: [bool; LISTENERS_MAX],
    /// Whether an earlier server has ended.
    earlier: bool,
}

impl<W: Worker> Parent<'_, '_, W> {
    /// Serves, after [`begin`](Parent::begin), until a signal has told the server to stop and all children have ended.
    #[inline(never)]
    pub(crate) fn run(&mut self) -> Stopped {
        loop {
            self.state.now = monotonic();
            for timer in Timer::ALL {
                if self.deadline(timer).is_some_and(|due| due <= self.state.now) {
                    self.fire(timer);
                }
            }
            if let Some(stopped) = self.stopped() {
                return stopped;
            }
            self.accept_burst();
            let can_accept = self.note_blocked().is_none();
            let due = self.wait_ends(can_accept);
            let ready = self.wait(can_accept, due);
            self.state.now = monotonic();
            self.forgive_stall(due);
            match ready {
                Ok(ready) => {
                    // After a pause each listener may have a client. If the loop kept its old view, the clients of one
                    // listener could keep those of another waiting for as long as the server is at its limit.
                    let count = self.descriptors.listeners.len();
                    let all = core::array::from_fn(|index| index < count);
                    self.state.ready = if can_accept { ready.listeners } else { all };
                    if ready.signals {
                        self.on_signals();
                    }
                    if ready.pipe {
                        self.on_pipe();
                    }
                    if ready.earlier {
                        self.forget_earlier();
                    }
                }
                Err(errno) => {
                    self.back_off("poll", errno);
                    // However long poll() fails, a signal can stop the server.
                    self.on_signals();
                }
            }
        }
    }

    /// Takes over from the predecessor, if there is one, and tells the service manager that this server is ready.
    #[inline(never)]
    pub(crate) fn begin(&mut self) -> error::Result<()> {
        if let (Some(pidfile), Some(_)) = (&self.descriptors.pidfile, &self.descriptors.predecessor) {
            pidfile.name(self.pid)?;
        }
        if let Some(predecessor) = self.descriptors.predecessor.take() {
            match say_ready(&predecessor) {
                Ok(()) => self.descriptors.letting_go = Some(predecessor),
                Err(errno) => self.back_off("write", errno),
            }
        }
        if self.descriptors.letting_go.is_none() {
            self.let_children_wait();
        }
        self.publisher.ready(self.pid, self.state.now);
        Ok(())
    }

    /// Lets preforked children wait in accept4(). A predecessor that has not let go shares this setting. If it has no
    /// pool, it would wait there itself.
    pub(super) fn let_children_wait(&self) {
        if self.pool.is_some() {
            // If a listener cannot be made to wait, the children wait in ppoll().
            let _ = self.descriptors.listeners.set_waiting(true);
        }
    }

    /// Returns the time at which a wait ends: at once if a listener may have a client already.
    fn wait_ends(&self, can_accept: bool) -> Option<Duration> {
        let has_client = can_accept && self.state.ready.contains(&true);
        if has_client { Some(self.state.now) } else { self.next_deadline() }
    }

    /// Waits for a signal, the pipe of a restart, the end of an earlier server or the time `due`. Also waits for a client
    /// if the parent can accept.
    fn wait(&self, can_accept: bool, due: Option<Duration>) -> Result<Ready> {
        let timeout = due.map(|due| due.saturating_sub(self.state.now));
        let mut fds = [PollFd::new(BorrowedFd::NONE, PollEvents::NONE); OTHERS + LISTENERS_MAX];
        let others = [self.descriptors.signals.as_fd(), self.pipe()];
        let listeners = self.descriptors.listeners.iter().filter(|_| can_accept).map(AsFd::as_fd);
        let count = listeners.clone().count();
        let earlier = self.descriptors.earlier.pipes().map(AsFd::as_fd);
        let mut length = 0;
        for (place, fd) in fds.iter_mut().zip(others.into_iter().chain(listeners).chain(earlier)) {
            *place = PollFd::new(fd, PollEvents::IN);
            length += 1;
        }
        match poll(fds.get_mut(..length).unwrap_or_default(), timeout) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(errno) => return Err(errno),
        }
        let mut events = fds.iter().map(|fd| !fd.revents().is_empty());
        let mut next = || events.next().unwrap_or(false);
        let (signals, pipe) = (next(), next());
        let listeners = core::array::from_fn(|index| index < count && next());
        Ok(Ready { signals, pipe, listeners, earlier: events.any(|is_ready| is_ready) })
    }

    /// Reads the signals that are pending, and handles each.
    fn on_signals(&mut self) {
        let Some(signals) = &self.descriptors.signals else { return };
        match signals.read() {
            Ok(infos) => infos.for_each(|info| self.on_signal(info)),
            Err(Errno::AGAIN | Errno::INTR) => {}
            Err(errno) => self.back_off("read", errno),
        }
    }

    fn on_signal(&mut self, info: SignalInfo) {
        match info.signal {
            Signal::CHLD => self.on_child(info.sender),
            _ => self.on_request(&info),
        }
    }

    /// Obeys a signal that a person, or another program, has sent.
    #[inline(never)]
    fn on_request(&mut self, info: &SignalInfo) {
        match info.signal {
            Signal::USR1 => self.log_status(),
            Signal::HUP => self.reload(),
            Signal::USR2 => self.restart(),
            Signal::TERM | Signal::INT | Signal::QUIT => self.stop(info),
            _ => {}
        }
    }

    /// Logs an unexpected failure and waits a little, so that the failure cannot make a busy loop.
    #[inline(never)]
    pub(super) fn back_off(&mut self, call: &str, errno: Errno) {
        self.throttle.back_off(self.log, self.state.now, call, errno, None);
    }
}
