//! Who is let in: by the rules, and by how many there are already.

use super::connection::Peer;
use super::rules::{Action, Client, Rules};
use super::scoreboard::{Scoreboard, State};

/// What decides about a client.
#[derive(Clone, Copy)]
pub(super) struct Admission<'a> {
    pub(super) rules: Option<&'a Rules>,
    pub(super) max_per_source: Option<(u32, &'a str)>,
    pub(super) scoreboard: &'a Scoreboard,
}

/// Why a client is not served.
#[derive(Clone, Copy)]
pub(super) struct Refusal<'a> {
    pub(super) why: &'static str,
    /// What it is told.
    pub(super) message: &'a str,
    /// How many connections its source has.
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
    /// Whether there is anything to decide.
    pub(super) const fn decides(&self) -> bool {
        self.rules.is_some() || self.max_per_source.is_some()
    }

    /// Whether the connection with this number is served. `others` is how many its source has besides, if that is known.
    pub(super) fn check(&self, peer: &Peer, number: u64, others: Option<u32>) -> Result<u32, Refusal<'a>> {
        let rule = self.rules.and_then(|rules| rules.find(peer.as_client()));
        let (limit, message) = match (rule.and_then(|rule| rule.max_per_source), self.max_per_source) {
            (Some(limit), own) => (Some(limit.get()), own.map_or("", |(_, message)| message)),
            (None, Some((limit, message))) => (Some(limit), message),
            (None, None) => (None, ""),
        };
        let others = others.unwrap_or_else(|| {
            // Where there is no limit, nobody asks but a program, by TCPCONNNUM.
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

    /// How many connections are served of which this holds, and that came before this one: of several that come at the
    /// same time as many get in as may.
    fn count_before(&self, number: u64, holds: impl Fn(&Peer) -> bool) -> u32 {
        let slots = self.scoreboard.slots().filter(|slot| slot.state() == State::Serving && slot.number() < number);
        u32::try_from(slots.filter(|slot| holds(&slot.peer())).count()).unwrap_or(u32::MAX)
    }
}
