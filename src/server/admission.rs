//! `Admission`: decides whether a client is served, by the rules and by `--max-per-source`. The parent decides when to
//! accept at all: see `parent/pause.rs`.

use core::num::NonZero;

use super::connection::Peer;
use super::rules::{Action, Client, Rule, Rules};
use super::scoreboard::{Patience, Scoreboard, Slot, Ticket};
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
        self.decide_by_source(rule, others)?;
        decide_by_rule(rule, others, of_rule)
    }

    /// Decides whether the rules deny a client, and whether its source has a connection left.
    fn decide_by_source(&self, rule: Option<&Rule>, others: u32) -> Result<(), Refusal<'a>> {
        let (limit, message) = match (rule.and_then(|rule| rule.max_per_source), self.max_per_source) {
            (Some(limit), own) => (Some(limit.get()), own.map_or("", |(_, message)| message)),
            (None, Some((limit, message))) => (Some(limit), message),
            (None, None) => (None, ""),
        };
        let refuse = |why, message| Err(Refusal { why, message, from_source: others });
        if rule.is_some_and(|rule| rule.action == Action::Deny) {
            return refuse("rules", "");
        }
        if limit.is_some_and(|limit| others >= limit) { refuse("max-per-source", message) } else { Ok(()) }
    }

    /// Decides about the client of a child. Only clients that other children published earlier count. So if several
    /// clients come at the same time, as many are served as the limit allows. A client is published for its rule only
    /// after its source had a connection left: a flood of one source takes no place of a rule. Returns the number of
    /// other connections of the client's source.
    pub(super) fn publish_and_decide(&self, slot: Slot<'_>, peer: &Peer) -> Result<u32, Refusal<'a>> {
        let found = self.rule_of(peer);
        let rule = found.map(|(_, rule)| rule);
        let source = peer.source(self.source_prefix);
        let has_source = |other: Slot<'_>| other.peer().source(self.source_prefix) == source;
        let others = self.count_earlier(slot.publish(), u32::MAX, has_source);
        self.decide_by_source(rule, others)?;
        if self.rules.is_some() {
            let ticket = slot.publish_rule(found.map(|(index, _)| index), self.generation);
            let limit = rule.and_then(|rule| rule.max_children).map_or(0, NonZero::get);
            let has_rule = |other: Slot<'_>| found.is_some_and(|found| self.is_allowed_by(found, other));
            decide_by_rule(rule, others, self.count_earlier(ticket, limit, has_rule))?;
        }
        Ok(others)
    }

    /// Returns the number of clients that other children published before this ticket was taken, and that `counts`, up to
    /// `limit`.
    fn count_earlier(&self, ticket: Ticket, limit: u32, counts: impl Fn(Slot<'_>) -> bool) -> u32 {
        let mut patience = Patience::new();
        // The client is read before its ticket: if it ends in between, the slot has no ticket, or a later one. A client
        // that does not count is not waited for.
        let slots = self.scoreboard.slots().filter(|other| other.is_published(ticket) && counts(*other));
        slots.filter(|other| other.is_before(ticket, &mut patience)).take(limit as usize).count() as u32
    }

    /// Whether a rule allows the client of another child.
    fn is_allowed_by(&self, (index, rule): (u32, &Rule), other: Slot<'_>) -> bool {
        let its_peer = other.peer();
        match other.rule(self.generation) {
            Some(its_index) => its_index == Some(index),
            // The child had the rules of before when it took its client, and the parent has not said which rule it is.
            None => {
                rule.matches(its_peer.as_client()) && self.rule_of(&its_peer).is_some_and(|(first, _)| first == index)
            }
        }
    }
}

/// Decides whether the rule of a client has a place left.
fn decide_by_rule<'a>(rule: Option<&Rule>, from_source: u32, of_rule: u32) -> Result<(), Refusal<'a>> {
    if rule.and_then(|rule| rule.max_children).is_some_and(|limit| of_rule >= limit.get()) {
        return Err(Refusal { why: "rule's max-children", message: "", from_source });
    }
    Ok(())
}

#[cfg(test)]
mod tests;
