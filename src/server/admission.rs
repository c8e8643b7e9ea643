//! `Admission`: decides whether a client is served, by the rules and by the number of connections.

use super::connection::Peer;
use super::rules::{Action, Client, Rules};
use super::scoreboard::{Scoreboard, State};

/// The rules and the limits that decide about a client.
#[derive(Clone, Copy)]
pub(super) struct Admission<'a> {
    pub(super) rules: Option<&'a Rules>,
    pub(super) max_per_source: Option<(u32, &'a str)>,
    pub(super) scoreboard: &'a Scoreboard,
}

/// The reason why a client is not served.
#[derive(Clone, Copy)]
pub(super) struct Refusal<'a> {
    pub(super) why: &'static str,
    /// The message that it is sent.
    pub(super) message: &'a str,
    /// The number of connections of its source.
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
    /// Whether any client could be refused.
    pub(super) const fn decides(&self) -> bool {
        self.rules.is_some() || self.max_per_source.is_some()
    }

    /// Decides about the connection with this number. `others` is the number of other connections of its source, if it is
    /// known. Returns that number.
    pub(super) fn check(&self, peer: &Peer, number: u64, others: Option<u32>) -> Result<u32, Refusal<'a>> {
        let rule = self.rules.and_then(|rules| rules.find(peer.as_client()));
        let (limit, message) = match (rule.and_then(|rule| rule.max_per_source), self.max_per_source) {
            (Some(limit), own) => (Some(limit.get()), own.map_or("", |(_, message)| message)),
            (None, Some((limit, message))) => (Some(limit), message),
            (None, None) => (None, ""),
        };
        let others = others.unwrap_or_else(|| {
            // Without a limit, only a program uses this number: it is TCPCONNNUM.
            self.count_before(number, |other| other.source() == peer.source())
        });
        let refuse = |why, message| Err(Refusal { why, message, from_source: others });
        if let Some(rule) = rule {
            if rule.action == Action::Deny {
                return refuse("rules", "");
            }
            if let Some(limit) = rule.max_children {
                let is_of_rule = |other: &Peer| {
                    self.rules
                        .and_then(|rules| rules.find(other.as_client()))
                        .is_some_and(|found| core::ptr::eq(found, rule))
                };
                if self.count_before(number, is_of_rule) >= limit.get() {
                    return refuse("rule's max-children", "");
                }
            }
        }
        if limit.is_some_and(|limit| others >= limit) { refuse("max-per-source", message) } else { Ok(others) }
    }

    /// The number of connections that are served, came before this one, and match. Because only earlier ones count, of
    /// several clients that come at the same time as many are served as the limit allows.
    fn count_before(&self, number: u64, holds: impl Fn(&Peer) -> bool) -> u32 {
        let slots = self.scoreboard.slots().filter(|slot| slot.state() == State::Serving && slot.number() < number);
        u32::try_from(slots.filter(|slot| holds(&slot.peer())).count()).unwrap_or(u32::MAX)
    }
}
