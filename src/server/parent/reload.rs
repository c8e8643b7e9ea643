//! SIGHUP: the rules are read again, and a successor is started, to which this server hands over.

use core::fmt::Display;
use core::time::Duration;

use super::state::Parent;
use super::successor::{Answer, Successor};
use crate::server::child::Worker;
use crate::server::rules::Rules;
use crate::sys::signal::Signal;

impl<W: Worker> Parent<'_, '_, W> {
    /// SIGHUP: reads the rules again, and starts the program anew, if the settings say so.
    pub(super) fn reload(&mut self) {
        if self.state.stopping.is_some() || self.state.successor.is_some() {
            return self.log.reload_ignored();
        }
        self.publisher.reloading();
        if !self.reload_rules() {
            return self.publisher.ready();
        }
        let Some(args) = self.settings.restart else { return self.publisher.ready() };
        match Successor::start(args, self.settings.privileges.identity, &self.descriptors, &self.mask, self.state.now) {
            Ok(successor) => {
                self.log.restart(successor.pid, args.program().to_bytes().escape_ascii());
                self.state.successor = Some(successor);
            }
            Err(errno) => self.go_on_without_successor(errno),
        }
    }

    /// Reads the rules again, if there are any. Returns whether the rules in force are those of the file.
    fn reload_rules(&mut self) -> bool {
        let Some(path) = self.settings.rules else { return true };
        match Rules::load(path) {
            Ok(rules) => {
                self.log.rules_read(rules.len());
                self.rules = Some(rules);
                // Preforked children have the old rules. A successor makes children of its own.
                if self.settings.restart.is_none() {
                    self.retire_all();
                }
                true
            }
            Err(error) => {
                self.log.rules_failed(error);
                false
            }
        }
    }

    /// The successor has answered, or ended.
    pub(super) fn on_successor(&mut self) {
        match self.state.successor.as_ref().map_or(Answer::None, Successor::answer) {
            Answer::None => {}
            Answer::Ready => self.hand_over(),
            Answer::Failed => self.successor_failed("it ended before it was ready"),
        }
    }

    /// Ends a successor that does not get ready.
    pub(super) fn successor_failed(&mut self, why: &str) {
        if let Some(successor) = self.state.successor.take() {
            successor.kill();
            self.go_on_without_successor(why);
        }
    }

    fn go_on_without_successor(&mut self, why: impl Display) {
        self.log.restart_failed(why);
        // The successor may have changed what it shares with this server: whether the listeners block.
        let _ = self.descriptors.listeners.set_blocking(self.pool.is_some() && self.descriptors.listeners.len() == 1);
        if self.settings.rules.is_some() {
            self.retire_all();
        }
        self.publisher.ready();
    }

    /// Leaves the listeners to the successor, and serves the clients that are here already, however long that takes.
    fn hand_over(&mut self) {
        let Some(successor) = self.state.successor.take() else { return };
        self.log.succeeded(successor.pid, self.state.children.len());
        self.publisher.hand_over_to(successor.pid);
        self.state.has_handed_over = true;
        self.descriptors.hand_over();
        if let Some(client) = self.state.shortage.take().and_then(|shortage| shortage.client) {
            // The client waits for a process here, as it would anywhere.
            self.start(client);
        }
        self.begin_stopping(Signal::HUP, Duration::MAX);
        self.retire_all();
    }
}
