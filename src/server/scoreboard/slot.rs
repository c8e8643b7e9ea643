//! A slot: the words in which a child publishes its state and its client.

use core::ffi::c_int;
use core::net::{IpAddr, Ipv6Addr, SocketAddr, SocketAddrV6};
use core::sync::atomic::{AtomicU64, Ordering};
use core::time::Duration;

use crate::server::connection::Peer;
use crate::sys::net::Credentials;
use crate::sys::process::Pid;
use crate::sys::time::{Clock, clock_gettime, nanosleep};

/// The number of words of a slot. A slot fills cache lines, so that children do not slow each other down.
pub(crate) const SLOT_WORDS: usize = 16;

// The words of a slot.
/// The id of the child in the low half, and its state in the high half.
const WHO: usize = 0;
/// The time at which the state began.
const SINCE: usize = 1;
/// The number of the connection.
const NUMBER: usize = 2;
/// The number of connections that the child has served to their end.
const REQUESTS: usize = 3;
/// The kind of the client in the high bits. The low bits hold the port and, for a link-local address, the index of the
/// interface. For a client of a Unix socket, the low bits hold the process id.
const PEER: usize = 4;
/// The client's address, or its user and group.
const ADDRESS: usize = 5;
/// The system call for which the sandbox has ended the child.
const NOTE: usize = 7;
/// The time at which the client was published for its source: see [`Slot::publish`].
const TICKET: usize = 8;
/// The rule that allows the client, counted from 1, in the low half. The generation of the rules is in the high half.
const RULE: usize = 9;
/// The number of words that are cleared at the child's end. The words after the cleared words outlive the child.
const CLEARED: usize = 10;
/// The number of connections that the children of this slot have accepted.
pub(super) const SLOT_ACCEPTED: usize = 10;
/// The number of connections that the children of this slot have refused.
pub(super) const SLOT_REFUSED: usize = 11;
/// The rule that allows the client by the rules that the parent has read again, and their generation, as in [`RULE`].
/// The parent writes this word.
const NEW_RULE: usize = 12;
/// The ticket of the client for which [`NEW_RULE`] holds. The parent writes this word.
const NEW_RULE_TICKET: usize = 13;
/// The time at which the client was published for its rule. This word does not outlive the child either.
const RULE_TICKET: usize = 14;

/// The value of a ticket while its child is about to take the ticket.
const CHOOSING: u64 = u64::MAX;
/// The number of times that a child checks whether another child has taken its ticket, before it sleeps. Usually the
/// other child needs only a few more instructions to take the ticket.
const CHOOSING_LOOKS: u32 = 1_000;
/// The time that a child sleeps between such checks: the other child may wait for the processor.
const CHOOSING_SLEEP: Duration = Duration::from_millis(1);
/// The highest number of such sleeps for one client, whichever children it waits for. A child may be stopped there, and
/// one that was taken over may claim to be there for ever.
const CHOOSING_SLEEPS: u32 = 100;

/// The sleeps that a child has left while it decides about one client.
pub(crate) struct Patience(u32);

impl Patience {
    pub(crate) const fn new() -> Patience {
        Patience(CHOOSING_SLEEPS)
    }
}

/// The number of bits below the kind of the client.
const PEER_KIND_SHIFT: u32 = u16::BITS + u32::BITS;

// The kinds of clients.
const PEER_INET: u64 = 1;
const PEER_UNIX: u64 = 2;

/// The state of a child, as the child itself says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum State {
    /// The slot has no child.
    Free,
    /// The child waits for a client.
    Idle,
    /// The child has a client.
    Serving,
    /// The child has a connection and waits for its PROXY header.
    Header,
}

impl State {
    /// Whether the child has a connection.
    pub(crate) const fn has_client(self) -> bool {
        matches!(self, State::Serving | State::Header)
    }

    const fn of(word: u64) -> State {
        match word >> u32::BITS {
            1 => State::Idle,
            2 => State::Serving,
            3 => State::Header,
            _ => State::Free,
        }
    }

    pub(crate) const fn name(self) -> &'static str {
        match self {
            State::Free => "free",
            State::Idle => "idle",
            State::Serving => "serving",
            State::Header => "header",
        }
    }
}

/// The words of one child.
#[derive(Clone, Copy)]
pub(crate) struct Slot<'w> {
    pub(super) words: &'w [AtomicU64],
    pub(super) index: u32,
}

/// The purpose for which clients are published. Each purpose has an order of its own.
#[derive(Clone, Copy)]
enum Published {
    Source,
    Rule,
}

impl Published {
    const fn word(self) -> usize {
        match self {
            Published::Source => TICKET,
            Published::Rule => RULE_TICKET,
        }
    }
}

/// A client's place in the order in which clients were published.
#[derive(Clone, Copy)]
pub(crate) struct Ticket {
    published: Published,
    time: u64,
    index: u32,
}

impl<'w> Slot<'w> {
    /// Returns the number of the slot among those of the children, from 0.
    pub(crate) const fn index(self) -> u32 {
        self.index
    }

    pub(super) fn load(self, word: usize) -> u64 {
        self.words.get(word).map_or(0, |word| word.load(Ordering::Relaxed))
    }

    pub(super) fn store(self, word: usize, value: u64) {
        if let Some(word) = self.words.get(word) {
            word.store(value, Ordering::Relaxed);
        }
    }

    /// Adds 1 to a word, and returns the sum. Only this process may write to the word.
    pub(super) fn add(self, word: usize) -> u64 {
        let sum = self.load(word).wrapping_add(1);
        self.store(word, sum);
        sum
    }

    /// Counts a connection that the child has refused.
    pub(crate) fn count_refused(self) {
        self.add(SLOT_REFUSED);
    }

    /// Publishes the client, which has been set, for its source.
    pub(crate) fn publish(self) -> Ticket {
        self.take_ticket(Published::Source)
    }

    /// Publishes the client, which has been published for its source, for its rule.
    pub(crate) fn publish_rule(self, rule: Option<u32>, generation: u32) -> Ticket {
        self.store(RULE, rule_word(rule, generation));
        self.take_ticket(Published::Rule)
    }

    /// Publishes the client, and returns its place in the order. Other children need that place to count the clients of
    /// a source or of a rule.
    ///
    /// Each child first says that it is about to take a ticket. Then the child reads the clock, and publishes that time
    /// as its ticket. So a child with a later ticket sees every earlier ticket. If another child is about to take a
    /// ticket, the child sees this, and waits for that ticket.
    fn take_ticket(self, published: Published) -> Ticket {
        let nothing = Ticket { published, time: 0, index: self.index };
        let Some(ticket) = self.words.get(published.word()) else { return nothing };
        ticket.store(CHOOSING, Ordering::SeqCst);
        let now = u64::try_from(clock_gettime(Clock::MONOTONIC).as_nanos()).unwrap_or(CHOOSING);
        // 0 means that nothing is published.
        let time = now.clamp(1, CHOOSING - 1);
        ticket.store(time, Ordering::SeqCst);
        Ticket { time, ..nothing }
    }

    /// Whether a client is published in the order of this ticket, or about to be published.
    pub(crate) fn is_published(self, own: Ticket) -> bool {
        self.ticket(own.published) != 0
    }

    /// Whether another child has published its client before this ticket was taken. If this cannot be known, the
    /// answer is yes.
    pub(crate) fn is_before(self, own: Ticket, patience: &mut Patience) -> bool {
        self.is_before_after(own, patience, || {
            nanosleep(CHOOSING_SLEEP);
        })
    }

    /// Does the work of [`Slot::is_before`]. Calls `sleep` while the other child has not taken its ticket.
    fn is_before_after(self, own: Ticket, patience: &mut Patience, mut sleep: impl FnMut()) -> bool {
        if self.index == own.index {
            return false;
        }
        loop {
            for _ in 0..CHOOSING_LOOKS {
                match self.ticket(own.published) {
                    0 => return false,
                    CHOOSING => core::hint::spin_loop(),
                    time => return (time, self.index) < (own.time, own.index),
                }
            }
            if patience.0 == 0 {
                return true;
            }
            patience.0 -= 1;
            sleep();
        }
    }

    fn ticket(self, published: Published) -> u64 {
        self.words.get(published.word()).map_or(0, |ticket| ticket.load(Ordering::SeqCst))
    }

    /// Stores, in the parent, the rule that allows the client by rules that were read again. `find` finds the rule.
    pub(crate) fn set_new_rule(self, generation: u32, find: impl FnOnce(&Peer) -> Option<u32>) {
        let ticket = self.ticket(Published::Rule);
        if matches!(ticket, 0 | CHOOSING) {
            return;
        }
        self.store(NEW_RULE_TICKET, 0);
        self.store(NEW_RULE, rule_word(find(&self.peer()), generation));
        // If the client has changed meanwhile, the word is that of no client: no later client has this ticket.
        if let Some(word) = self.words.get(NEW_RULE_TICKET) {
            word.store(ticket, Ordering::SeqCst);
        }
    }

    /// Returns the rule that allows the client, if it is one of the rules of this generation. The outer `None` means
    /// that the rule is of another generation.
    pub(crate) fn rule(self, generation: u32) -> Option<Option<u32>> {
        let rule_of = |word: u64| (word >> u32::BITS == u64::from(generation)).then(|| (word as u32).checked_sub(1));
        rule_of(self.load(RULE)).or_else(|| {
            let ticket = self.words.get(NEW_RULE_TICKET)?.load(Ordering::SeqCst);
            if ticket != 0 && ticket == self.ticket(Published::Rule) { rule_of(self.load(NEW_RULE)) } else { None }
        })
    }

    /// Sets the child and its state.
    pub(crate) fn set(self, pid: Pid, state: State, now: Duration) {
        self.store(SINCE, micros(now));
        let state = match state {
            State::Free => 0,
            State::Idle => 1,
            State::Serving => 2,
            State::Header => 3,
        };
        self.store(WHO, u64::from(pid.raw() as u32) | state << u32::BITS);
    }

    /// Clears the slot of a child that has ended.
    pub(crate) fn clear(self) {
        // The tickets go before the client.
        self.take_back_tickets();
        self.words.iter().take(CLEARED).for_each(|word| word.store(0, Ordering::Relaxed));
    }

    /// Sets the client of the child.
    pub(crate) fn set_client(self, number: u64, peer: &Peer) {
        let (kind, low, address) = match peer {
            Peer::Inet(address) => {
                let low = u64::from(scope_of(*address)) << u16::BITS | u64::from(address.port());
                (PEER_INET, low, to_v6(address.ip()).to_bits())
            }
            Peer::Unix(Credentials { pid, uid, gid }) => {
                let ids = u128::from(*uid) << u32::BITS | u128::from(*gid);
                (PEER_UNIX, u64::from(*pid as u32), ids)
            }
            Peer::Unknown => (0, 0, 0),
        };
        self.store(NUMBER, number);
        self.store(ADDRESS, (address >> u64::BITS) as u64);
        self.store(ADDRESS + 1, address as u64);
        self.store(PEER, kind << PEER_KIND_SHIFT | low);
    }

    /// Removes the client of the child.
    pub(crate) fn forget_client(self) {
        self.take_back_tickets();
        self.store(PEER, 0);
    }

    /// Counts the client as served, and counts it no longer for others. The client stays until it is forgotten.
    pub(crate) fn end_client(self) {
        self.take_back_tickets();
        self.add(REQUESTS);
    }

    fn take_back_tickets(self) {
        self.store(RULE_TICKET, 0);
        self.store(TICKET, 0);
    }

    pub(crate) fn state(self) -> State {
        State::of(self.load(WHO))
    }

    pub(crate) fn pid(self) -> Option<Pid> {
        Pid::from_raw(self.load(WHO) as c_int)
    }

    pub(crate) fn since(self) -> Duration {
        Duration::from_micros(self.load(SINCE))
    }

    pub(crate) fn requests(self) -> u64 {
        self.load(REQUESTS)
    }

    pub(crate) fn peer(self) -> Peer {
        let (word, high, low) = (self.load(PEER), self.load(ADDRESS), self.load(ADDRESS + 1));
        let address = u128::from(high) << u64::BITS | u128::from(low);
        match word >> PEER_KIND_SHIFT {
            PEER_INET => {
                let (ip, port, scope) = (Ipv6Addr::from_bits(address), word as u16, (word >> u16::BITS) as u32);
                let mut address = SocketAddr::V6(SocketAddrV6::new(ip, port, 0, scope));
                address.set_ip(ip.to_canonical());
                Peer::Inet(address)
            }
            PEER_UNIX => {
                Peer::Unix(Credentials { pid: word as c_int, uid: (address >> u32::BITS) as u32, gid: address as u32 })
            }
            _ => Peer::Unknown,
        }
    }

    /// Returns the number of connections that the children of the slot have accepted, and refused.
    pub(crate) fn counted(self) -> [u64; 2] {
        [SLOT_ACCEPTED, SLOT_REFUSED].map(|word| self.load(word))
    }

    /// Returns the words from the first up to the word that notes the system call of a violation.
    pub(crate) fn note(self) -> &'w [AtomicU64] {
        self.words.get(..=NOTE).unwrap_or_default()
    }

    pub(crate) fn noted(self) -> u64 {
        self.load(NOTE)
    }
}

fn rule_word(rule: Option<u32>, generation: u32) -> u64 {
    u64::from(generation) << u32::BITS | rule.map_or(0, |rule| u64::from(rule) + 1)
}

pub(super) fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

/// Returns the index of the interface of a link-local address, or 0.
const fn scope_of(address: SocketAddr) -> u32 {
    match address {
        SocketAddr::V4(_) => 0,
        SocketAddr::V6(address) => address.scope_id(),
    }
}

fn to_v6(ip: IpAddr) -> Ipv6Addr {
    match ip {
        IpAddr::V4(ip) => ip.to_ipv6_mapped(),
        IpAddr::V6(ip) => ip,
    }
}

#[cfg(test)]
mod tests;
