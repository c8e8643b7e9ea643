//! Handles SIGHUP (reads the rules again) and SIGUSR2 (starts a successor, and hands over to it).

use core::ffi::{CStr, c_int};
use core::fmt::Display;
use core::time::Duration;

use super::state::{LoopState, Parent};
use super::successor::{Answer, SELF, Successor, find_own_program, why_late};
use crate::server::admission::Admission;
use crate::server::child::Worker;
use crate::server::descriptors::Descriptors;
use crate::server::limits::PATH_MAX;
use crate::server::log::ChildEnd;
use crate::server::path::find_replaceable_file;
use crate::server::rules::Rules;
use crate::sys::errno::Errno;
use crate::sys::fd::{AsFd, BorrowedFd};
use crate::sys::fs::readlink;
use crate::sys::signal::Signal;

/// The id of the first process of a system or a container. When this process ends, all other processes end.
const INIT: c_int = 1;

impl<W: Worker> Parent<'_, '_, W> {
    /// Handles SIGHUP: reads the rules again, and does nothing else. If the file has a mistake, the old rules stay in
    /// force.
    pub(super) fn reload(&mut self) {
        if self.state.stopping.is_some() {
            return self.log.reload_ignored("the server stops");
        }
        let Some(path) = self.settings.rules else {
            return self.log.reload_ignored("there are no rules to read again");
        };
        if let Some(successor) = &mut self.state.successor {
            successor.must_reload = true;
        }
        self.publisher.reloading();
        match Rules::load(path) {
            Ok(rules) => {
                self.log.rules_read(rules.len());
                self.rules = Some(rules);
                self.state.generation = self.state.generation.wrapping_add(1);
                self.recount_rules();
                // Preforked children have the old rules.
                self.retire_all();
            }
            Err(error) => self.log.rules_failed(error),
        }
        self.publisher.ready(self.pid, self.state.now);
    }

    /// Handles SIGUSR2: starts the program anew, if the settings say so.
    pub(super) fn restart(&mut self) {
        let Some(args) = self.settings.restart else { return self.log.restart_refused("it is off") };
        if self.pid.raw() == INIT {
            return self.log.restart_refused("as PID 1 this process must not end: restart the container");
        }
        if self.settings.privileges.chroot.is_some() {
            return self.log.restart_refused(
                "with --chroot the program would come from the new root directory: stop the server and start it again",
            );
        }
        if self.state.stopping.is_some() {
            return self.log.restart_refused("the server stops");
        }
        if self.state.successor.is_some() {
            return self.log.restart_refused("a successor is starting already");
        }
        if self.descriptors.letting_go.is_some() {
            // If this process were killed now, its predecessor would go on. So it must not have a successor yet.
            self.state.must_restart = true;
            return;
        }
        let program = find_own_program(args);
        let path = program.as_ref().map(|path| CStr::from_bytes_until_nul(path).unwrap_or_default());
        let path = path.map_err(|errno| *errno);
        if path == Err(Errno::ACCES) {
            return self.log.restart_failed(format_args!(
                "{}: let the server's user enter the directories of its program, and run it: chmod 711",
                Errno::ACCES
            ));
        }
        if let Some(path) = path.ok().filter(|path| self.settings.privileges.exposes(path)) {
            let mut buffer = [0; PATH_MAX];
            // The path may be that of the running program in /proc, which leads to the file.
            let file = readlink(path, &mut buffer).ok().filter(|file| file.starts_with(b"/"));
            return self.log.restart_refused(format_args!(
                "the server's user can read its program, and so could trace the new process: chown root and chmod 711 {}",
                file.unwrap_or(path.to_bytes()).escape_ascii()
            ));
        }
        if let Some(path) = path.ok().filter(|path| self.settings.privileges.is_other_than_root() && *path != SELF) {
            // Otherwise the path could lead to another program after the look at its file.
            match find_replaceable_file(path) {
                Ok(None) => {}
                Ok(Some(entry)) => {
                    return self.log.restart_refused(format_args!(
                        "a user other than root can replace {}, and so could run another program in its place: \
                         install it where only root can write",
                        entry.as_str()
                    ));
                }
                Err(errno) => {
                    return self.log.restart_failed(format_args!("{}: {errno}", path.to_bytes().escape_ascii()));
                }
            }
        }
        self.publisher.reloading();
        let started = path.and_then(|path| {
            let identity = self.settings.privileges.identity;
            let started =
                Successor::start(path, args, identity, &self.descriptors, &self.earlier.mask, self.state.now)?;
            self.log.restart(started.0.pid, path.to_bytes().escape_ascii());
            Ok(started)
        });
        match started {
            Ok((successor, [answers, orders])) => {
                self.state.successor = Some(successor);
                self.descriptors.successor = Some(answers);
                self.descriptors.orders = Some(orders);
            }
            Err(errno) => self.go_on_without_successor(errno),
        }
    }

    /// Counts the clients by the rules that are in force now.
    fn recount_rules(&mut self) {
        let admission = Admission {
            rules: self.rules.as_ref(),
            generation: self.state.generation,
            max_per_source: self.settings.max_per_source,
            source_prefix: self.settings.source_prefix,
            scoreboard: &self.scoreboard,
        };
        let LoopState { of_rules, children, .. } = &mut *self.state;
        of_rules.recount(children, &admission);
        // Behind a proxy, or preforked, children count the clients.
        for slot in self.scoreboard.slots() {
            slot.set_new_rule(self.state.generation, |peer| admission.rule_of(peer).map(|(index, _)| index));
        }
    }

    /// Returns the pipe of a restart: to the predecessor until it has let go, with the answer of a successor that starts,
    /// or with orders of later servers. A server has only one of them to listen to.
    pub(super) fn pipe(&self) -> BorrowedFd<'_> {
        let is_killed = self.state.successor.as_ref().is_some_and(Successor::is_killed);
        let Descriptors { letting_go, successor, orders, .. } = &self.descriptors;
        if letting_go.is_some() {
            letting_go.as_fd()
        } else if self.may_get_orders() {
            orders.as_fd()
        } else if is_killed {
            BorrowedFd::NONE
        } else {
            successor.as_fd()
        }
    }

    /// Whether a successor that has taken over, or a later server, may tell this server to stop.
    fn may_get_orders(&self) -> bool {
        self.state.stopping.is_some() && self.descriptors.orders.is_some()
    }

    /// Handles an event of the [`pipe`](Parent::pipe).
    pub(super) fn on_pipe(&mut self) {
        if self.descriptors.letting_go.take().is_some() {
            // The predecessor has let go, or was killed.
            self.let_children_wait();
            self.publisher.take_over(self.state.now);
            if core::mem::take(&mut self.state.must_restart) {
                self.restart();
            }
        } else if self.may_get_orders() {
            self.on_order();
        } else {
            self.on_successor();
        }
    }

    /// Handles the answer or the end of the successor.
    fn on_successor(&mut self) {
        // A successor that has ended cannot take over.
        self.reap_successor();
        if self.state.successor.is_none() {
            // The successor has taken over, and stops or has ended already.
            self.descriptors.successor = None;
        }
        let now = self.state.now;
        let Some(successor) = self.state.successor.as_mut().filter(|successor| !successor.is_killed()) else { return };
        match self.descriptors.successor.as_ref().map_or(Answer::None, Answer::read) {
            Answer::None => {}
            Answer::Ready | Answer::Stopping => self.hand_over(false),
            Answer::Failed(why) => successor.await_end(Some(why), now),
            Answer::Silent => {
                self.descriptors.successor = None;
                successor.await_end(None, now);
            }
        }
    }

    /// Handles the end of a successor that has been reaped.
    #[inline(never)]
    pub(super) fn successor_ended(&mut self, end: ChildEnd) {
        // The pipe decides, because the successor may have served, and may have been told to stop.
        let answer = self.descriptors.successor.as_ref().map_or(Answer::None, Answer::read);
        let status = end.status();
        let has_obeyed = status.is_some_and(|status| status.exit_status() == Some(0));
        if self.state.stopping.is_some() {
            self.take_successor();
        } else if matches!(answer, Answer::Stopping) || matches!(answer, Answer::Ready) && has_obeyed {
            self.hand_over(true);
        } else if let Some(successor) = self.take_successor() {
            let why = successor.why_ended(answer, status);
            self.go_on_without_successor(why.as_str());
        }
    }

    /// Handles a successor that has taken too long.
    pub(super) fn successor_late(&mut self) {
        // The successor may have answered while this process was stopped.
        self.on_successor();
        let why = why_late(self.descriptors.successor.as_ref());
        if let Some(successor) = &mut self.state.successor {
            successor.kill(Some(why));
        }
    }

    /// Stops the successor, because this server was told to stop by a signal. A successor that is ready may have clients,
    /// so it takes over and gets the same signal. Any other is killed.
    pub(super) fn stop_successor(&mut self, signal: Signal) {
        self.reap_successor();
        let Some(successor) = self.state.successor.as_mut().filter(|successor| !successor.is_killed()) else { return };
        match self.descriptors.successor.as_ref().map_or(Answer::None, Answer::read) {
            Answer::Ready => {
                successor.signal(signal);
                self.hand_over(false);
            }
            Answer::Stopping => self.hand_over(false),
            Answer::None | Answer::Failed(_) | Answer::Silent => successor.kill(None),
        }
    }

    /// Returns the successor, which has ended or takes over, and lets go: closes the pipe.
    fn take_successor(&mut self) -> Option<Successor> {
        self.descriptors.successor = None;
        self.state.successor.take()
    }

    /// Goes on as before. The successor, if there was one, has been reaped.
    fn go_on_without_successor(&mut self, why: impl Display) {
        self.descriptors.orders = None;
        // The successor may have written its own id to the pidfile.
        let written = self.descriptors.pidfile.as_ref().map_or(Ok(()), |pidfile| pidfile.write(self.pid));
        if let Err(errno) = written {
            self.back_off("write", errno);
        }
        // The successor may have changed whether the listeners block. Both servers share this setting.
        let _ = self.descriptors.listeners.set_waiting(self.pool.is_some());
        self.publisher.ready(self.pid, self.state.now);
        self.log.restart_failed(why);
    }

    /// Leaves the listeners to the successor, and serves the clients that are here already, until their connections
    /// end. A successor that `has_ended` was told to stop, and has left nothing to serve.
    fn hand_over(&mut self, has_ended: bool) {
        let Some(successor) = &self.state.successor else { return };
        let pid = successor.pid;
        self.log.handover(pid, self.state.children.len());
        if successor.must_reload && !has_ended {
            successor.signal(Signal::HUP);
        }
        if has_ended {
            self.publisher.stopping();
        } else {
            self.publisher.hand_over_to(pid, self.state.now);
        }
        self.state.has_handed_over = true;
        self.state.succeeded_by = Some(pid).filter(|_| !has_ended);
        self.descriptors.hand_over();
        // A client that waits for a process is served by this server.
        let _ = self.state.shortage.take_if(|shortage| shortage.client.is_none());
        self.begin_stopping(Signal::USR2, Duration::MAX);
        self.retire_all();
        self.state.successor = None;
        self.let_go();
    }

    /// Closes the pipe to a successor that has taken over, once the service manager knows the successor. From then on
    /// the successor may hand over to its own successor, of which the manager must hear later.
    pub(super) fn let_go(&mut self) {
        if self.state.successor.is_none() && self.publisher.ready_due().is_none() {
            self.descriptors.successor = None;
        }
    }

    /// Tells the service manager again that a process is ready.
    pub(super) fn ready_again(&mut self) {
        self.publisher.ready_again(self.state.now);
        self.let_go();
    }
}

#[cfg(test)]
mod tests;
