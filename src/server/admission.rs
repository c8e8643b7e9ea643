//! `Admission`: decides whether a client is served, by the rules and by `--max-per-source`. The parent decides when to
//! accept at all: see `parent/pause.rs`.

use core::num::NonZero;

use super::connection::Peer;
use super::rules::{Action, Client, Rule, Rules};
use super::scoreboard::{Patience, Scoreboard, Slot};
use super::source::SourcePrefix;

/// The rules and the limits that decide about a client.
#[derive(Clone, Copy)]
pub(super) struct Admission<'a> {
    pub(super) rules: Option<&'a Rules>,
    /// The number of times that the rules were read again.
    pub(super) generation: u32,
    pub(super) max_per_source: Option<(u32, &'a str)>,
    pub(super) source_prefix: SourcePrefix,
    pub(super) scoreboard: &'a Scoreboard,
}

/// The reason why a client is not served.
#[derive(Clone, Copy)]
pub(super) struct Refusal<'a> {
    pub(super) why: &'static str,
    /// The message that is sent to the client.
    pub(super) message: &'a str,
    /// The number of connections of the client's source.
    pub(super) from_source: u32,
}

impl Peer {
    fn as_client(&self) -> Client {
        match self {
            Peer::Inet(address) => Client::Ip(address.ip()),
            Peer::Unix(_) => Client::Unix,
            Peer::Unknown => Client::Other,
        }
    }
}

impl<'a> Admission<'a> {
    /// Returns the index of the rule for a client, and the rule.
    pub(super) fn rule_of(&self, peer: &Peer) -> Option<(u32, &'a Rule)> {
        self.rules.and_then(|rules| rules.position(peer.as_client()))
    }

    /// Decides about a client. `others` is the number of other connections of the client's source. `of_rule` is the
    /// number of other connections that the client's rule allows.
    pub(super) fn decide(&self, rule: Option<&Rule>, others: u32, of_rule: u32) -> Result<(), Refusal<'a>> {
        let (limit, message) = match (rule.and_then(|rule| rule.max_per_source), self.max_per_source) {
            (Some(limit), own) => (Some(limit.get()), own.map_or("", |(_, message)| message)),
            (None, Some((limit, message))) => (Some(limit), message),
            (None, None) => (None, ""),
        };
        let refuse = |why, message| Err(Refusal { why, message, from_source: others });
        if rule.is_some_and(|rule| rule.action == Action::Deny) {
            return refuse("rules", "");
        }
        if rule.and_then(|rule| rule.max_children).is_some_and(|limit| of_rule >= limit.get()) {
            return refuse("rule's max-children", "");
        }
        if limit.is_some_and(|limit| others >= limit) { refuse("max-per-source", message) } else { Ok(()) }
    }

    /// Decides about the client of a child. Only clients that other children published earlier count. So if several
    /// clients come at the same time, as many are served as the limit allows. Returns the number of other connections
    /// of the client's source.
    pub(super) fn publish_and_decide(&self, slot: Slot<'_>, peer: &Peer) -> Result<u32, Refusal<'a>> {
        let rule = self.rule_of(peer);
        let index = rule.map(|(index, _)| index);
        let ticket = slot.publish(index, self.generation);
        let source = peer.source(self.source_prefix);
        // The clients of the rule are counted up to its limit.
        let limit = rule.and_then(|(_, rule)| rule.max_children).map_or(0, NonZero::get);
        let (mut others, mut of_rule, mut patience) = (0, 0, Patience::new());
        for other in self.scoreboard.slots().filter(|other| other.is_published()) {
            // The client is read before its ticket: if it ends in between, the slot has no ticket, or a later one.
            let its_peer = other.peer();
            let has_source = its_peer.source(self.source_prefix) == source;
            let has_rule = of_rule < limit && rule.is_some_and(|rule| self.is_allowed_by(rule, other, &its_peer));
            // A client that does not count is not waited for.
            if (has_source || has_rule) && other.is_before(ticket, &mut patience) {
                others += u32::from(has_source);
                of_rule += u32::from(has_rule);
            }
        }
        self.decide(rule.map(|(_, rule)| rule), others, of_rule).map(|()| others)
    }

    /// Whether a rule allows the client of another child.
    fn is_allowed_by(&self, (index, rule): (u32, &Rule), other: Slot<'_>, its_peer: &Peer) -> bool {
        match other.rule(self.generation) {
            Some(its_index) => its_index == Some(index),
            // The child had the rules of before when it took its client, and the parent has not said which rule it is.
            None => {
                rule.matches(its_peer.as_client()) && self.rule_of(its_peer).is_some_and(|(first, _)| first == index)
            }
        }
    }
}

#[cfg(test)]
mod tests;
