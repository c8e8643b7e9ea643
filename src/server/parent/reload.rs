//! Handles SIGHUP (reads the rules again) and SIGUSR2 (starts a successor, and hands over to it).

use core::ffi::{CStr, c_int};
use core::fmt::Display;
use core::time::Duration;

use super::state::{LoopState, Parent};
use super::successor::{Answer, Successor, find_own_program, why_late};
use crate::program::text::Text;
use crate::server::admission::Admission;
use crate::server::child::Worker;
use crate::server::inherited::FAILURE_MAX;
use crate::server::log::ChildEnd;
use crate::server::rules::Rules;
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
        self.publisher.ready();
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
        let program = find_own_program(args);
        let path = program.as_ref().map(|path| CStr::from_bytes_until_nul(path).unwrap_or_default());
        let path = path.map_err(|errno| *errno);
        if let Some(path) = path.ok().filter(|path| self.settings.privileges.exposes(path)) {
            return self.log.restart_refused(format_args!(
                "the server's user can read its program, and so could trace the new process: chown root and chmod 711 {}",
                path.to_bytes().escape_ascii()
            ));
        }
        self.publisher.reloading();
        let started = path.and_then(|path| {
            let identity = self.settings.privileges.identity;
            let started = Successor::start(path, args, identity, &self.descriptors, &self.mask, self.state.now)?;
            self.log.restart(started.0.pid, path.to_bytes().escape_ascii());
            Ok(started)
        });
        match started {
            Ok((successor, answers)) => {
                self.state.successor = Some(successor);
                self.descriptors.successor = Some(answers);
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
    }

    /// Handles the answer or the end of the successor.
    pub(super) fn on_successor(&mut self) {
        match self.descriptors.successor.as_ref().map_or(Answer::None, Answer::read) {
            Answer::None => {}
            Answer::Ready => self.hand_over(),
            Answer::Failed(why) => self.successor_failed(why.as_str()),
            Answer::Silent => {
                self.descriptors.successor = None;
                let now = self.state.now;
                self.state.successor.as_mut().into_iter().for_each(|successor| successor.await_end(now));
            }
        }
    }

    /// Handles the end of a successor that has been reaped. The successor may have said why it ended.
    #[inline(never)]
    pub(super) fn successor_ended(&mut self, end: ChildEnd) {
        let why = match (self.descriptors.successor.as_ref().map(Answer::read), end.status()) {
            (Some(Answer::Failed(why)), _) => why,
            (_, Some(status)) => Text::<FAILURE_MAX>::of(format_args!(
                "it ended before it was ready ({status}), and gave no reason: is the file mpserv?"
            )),
            (_, None) => Text::of(format_args!("it ended before it was ready")),
        };
        // The successor must not get a signal any more: its id may already belong to another process.
        if self.take_successor().is_some() {
            self.go_on_without_successor(why.as_str());
        }
    }

    /// Handles a successor that has taken too long.
    pub(super) fn successor_late(&mut self) {
        // The successor may have answered while this process was stopped.
        self.on_successor();
        if self.state.successor.is_some() {
            let why = why_late(self.descriptors.successor.as_ref());
            self.successor_failed(why.as_str());
        }
    }

    /// Ends a successor that does not get ready.
    fn successor_failed(&mut self, why: &str) {
        if let Some(successor) = self.take_successor() {
            successor.kill();
            self.go_on_without_successor(why);
        }
    }

    /// Returns the successor that is starting. From then on the server does not wait for its answer.
    pub(super) fn take_successor(&mut self) -> Option<Successor> {
        self.descriptors.successor = None;
        self.state.successor.take()
    }

    fn go_on_without_successor(&mut self, why: impl Display) {
        self.log.restart_failed(why);
        // A successor that ended late has written its own id to the pidfile.
        let written = self.descriptors.pidfile.as_ref().map_or(Ok(()), |pidfile| pidfile.write(self.pid));
        if let Err(errno) = written {
            self.back_off("write", errno);
        }
        // The successor may have changed whether the listeners block. Both servers share this setting.
        let _ = self.descriptors.listeners.set_blocking(self.pool.is_some() && self.descriptors.listeners.len() == 1);
        self.publisher.ready();
    }

    /// Leaves the listeners to the successor, and serves the clients that are here already, until their connections
    /// end.
    fn hand_over(&mut self) {
        let Some(successor) = self.take_successor() else { return };
        self.log.handover(successor.pid, self.state.children.len());
        self.publisher.hand_over_to(successor.pid);
        self.state.has_handed_over = true;
        self.descriptors.hand_over();
        if let Some(client) = self.state.shortage.take().and_then(|shortage| shortage.client) {
            // A client that waits for a process is served by this server.
            self.start(client);
        }
        self.begin_stopping(Signal::USR2, Duration::MAX);
        self.retire_all();
    }
}
