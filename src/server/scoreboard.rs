//! The scoreboard: the state of each child, in memory that the parent shares with its children.
//!
//! A child writes to its own slot, by plain stores. There are no locks: a reader may see a half-updated slot, and so must
//! decide nothing by it that it could not decide a moment later. `mpserv --status` reads the scoreboard of another process
//! through `/proc`.

use core::ffi::c_int;
use core::net::{IpAddr, Ipv6Addr, SocketAddr};
use core::sync::atomic::{AtomicU64, Ordering};
use core::time::Duration;

use super::connection::Peer;
use crate::sys::errno::{Errno, Result};
use crate::sys::fd::{AsFd, BorrowedFd, lseek, read};
use crate::sys::memory::SharedWords;
use crate::sys::net::Credentials;
use crate::sys::process::Pid;

/// The name of the memory, as `/proc/PID/fd` shows it.
pub(super) const NAME: &core::ffi::CStr = c"mpserv-scoreboard";

/// The number of words of a slot. A slot fills a cache line, so that children do not slow each other down.
pub(super) const SLOT_WORDS: usize = 8;

// The words of the head, which is as long as a slot.
/// The word that marks a scoreboard of this form.
const MAGIC: usize = 0;
/// The value of that word.
const MAGIC_VALUE: u64 = u64::from_be_bytes(*b"mpserv 1");
/// The time at which the server began.
const STARTED: usize = 1;
/// The highest number of children.
const LIMIT: usize = 2;
/// The number of connections that were accepted.
const ACCEPTED: usize = 3;
/// The number of connections that were refused.
const REFUSED: usize = 4;

// The words of a slot.
/// The child in the low half, its state in the high one.
const WHO: usize = 0;
/// The time at which the state began.
const SINCE: usize = 1;
/// The number of the connection.
const NUMBER: usize = 2;
/// The number of connections that the child has served to their end.
const REQUESTS: usize = 3;
/// The kind of the client in the high half, and the client's port in the low one.
const PEER: usize = 4;
/// The client's address, or its user and group.
const ADDRESS: usize = 5;
/// The system call for which the sandbox has ended the child.
const NOTE: usize = 7;

// The kinds of clients.
const PEER_INET: u64 = 1;
const PEER_UNIX: u64 = 2;

/// The state of a child, as the child itself says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum State {
    /// There is no child.
    Free,
    /// It waits for a client.
    Idle,
    /// It has a client.
    Serving,
}

impl State {
    const fn of(word: u64) -> State {
        match word >> u32::BITS {
            1 => State::Idle,
            2 => State::Serving,
            _ => State::Free,
        }
    }

    pub(super) const fn name(self) -> &'static str {
        match self {
            State::Free => "free",
            State::Idle => "idle",
            State::Serving => "serving",
        }
    }
}

/// The scoreboard.
pub(super) struct Scoreboard(SharedWords);

/// The words of one child.
#[derive(Clone, Copy)]
pub(super) struct Slot<'w>(&'w [AtomicU64]);

impl Scoreboard {
    pub(super) fn new(started: Duration, children: u32) -> Result<Scoreboard> {
        let shared = SharedWords::new(NAME, (children as usize + 1) * SLOT_WORDS)?;
        let head = Slot(shared.words());
        head.store(STARTED, micros(started));
        head.store(LIMIT, u64::from(children));
        head.store(MAGIC, MAGIC_VALUE);
        Ok(Scoreboard(shared))
    }

    /// The slot of the child with this index.
    pub(super) fn slot(&self, index: u32) -> Slot<'static> {
        let start = (index as usize + 1) * SLOT_WORDS;
        Slot(self.0.words().get(start..start + SLOT_WORDS).unwrap_or_default())
    }

    /// Every slot.
    pub(super) fn slots(&self) -> impl Iterator<Item = Slot<'static>> + use<> {
        self.0.words().chunks_exact(SLOT_WORDS).skip(1).map(Slot)
    }

    /// The number of children that have a client.
    pub(super) fn serving(&self) -> u32 {
        self.count(State::Serving)
    }

    /// The number of preforked children that wait for a client.
    pub(super) fn idle(&self) -> u32 {
        self.count(State::Idle)
    }

    fn count(&self, state: State) -> u32 {
        u32::try_from(self.slots().filter(|slot| slot.state() == state).count()).unwrap_or(u32::MAX)
    }

    /// Counts a connection and returns its number, from 1.
    pub(super) fn count_accepted(&self) -> u64 {
        Slot(self.0.words()).add(ACCEPTED)
    }

    /// Counts a connection that was refused.
    pub(super) fn count_refused(&self) -> u64 {
        Slot(self.0.words()).add(REFUSED)
    }

    pub(super) fn accepted(&self) -> u64 {
        Slot(self.0.words()).load(ACCEPTED)
    }

    pub(super) fn refused(&self) -> u64 {
        Slot(self.0.words()).load(REFUSED)
    }
}

impl AsFd for Scoreboard {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl<'w> Slot<'w> {
    fn load(self, word: usize) -> u64 {
        self.0.get(word).map_or(0, |word| word.load(Ordering::Relaxed))
    }

    fn store(self, word: usize, value: u64) {
        if let Some(word) = self.0.get(word) {
            word.store(value, Ordering::Relaxed);
        }
    }

    fn add(self, word: usize) -> u64 {
        self.0.get(word).map_or(0, |word| word.fetch_add(1, Ordering::Relaxed) + 1)
    }

    /// Sets the child and its state.
    pub(super) fn set(self, pid: Pid, state: State, now: Duration) {
        self.store(SINCE, micros(now));
        let state = match state {
            State::Free => 0,
            State::Idle => 1,
            State::Serving => 2,
        };
        self.store(WHO, u64::from(pid.raw() as u32) | state << u32::BITS);
    }

    /// Clears the slot of a child that has ended.
    pub(super) fn clear(self) {
        self.0.iter().for_each(|word| word.store(0, Ordering::Relaxed));
    }

    /// Sets the client of the child.
    pub(super) fn set_client(self, number: u64, peer: &Peer) {
        let (kind, low, address) = match peer {
            Peer::Inet(address) => (PEER_INET, u64::from(address.port()), to_v6(address.ip()).to_bits()),
            Peer::Unix(Credentials { pid, uid, gid }) => {
                let ids = u128::from(*uid) << u32::BITS | u128::from(*gid);
                (PEER_UNIX, u64::from(*pid as u32), ids)
            }
            Peer::Unknown => (0, 0, 0),
        };
        self.store(NUMBER, number);
        self.store(ADDRESS, (address >> u64::BITS) as u64);
        self.store(ADDRESS + 1, address as u64);
        self.store(PEER, kind << u32::BITS | low);
    }

    /// Removes the client of the child.
    pub(super) fn forget_client(self) {
        self.store(PEER, 0);
    }

    /// Removes the client of the child, and counts it as served.
    pub(super) fn end_client(self) {
        self.forget_client();
        self.store(REQUESTS, self.load(REQUESTS) + 1);
    }

    pub(super) fn state(self) -> State {
        State::of(self.load(WHO))
    }

    pub(super) fn pid(self) -> Option<Pid> {
        Pid::from_raw(self.load(WHO) as c_int)
    }

    pub(super) fn since(self) -> Duration {
        Duration::from_micros(self.load(SINCE))
    }

    pub(super) fn number(self) -> u64 {
        self.load(NUMBER)
    }

    pub(super) fn requests(self) -> u64 {
        self.load(REQUESTS)
    }

    pub(super) fn peer(self) -> Peer {
        let (word, high, low) = (self.load(PEER), self.load(ADDRESS), self.load(ADDRESS + 1));
        let address = u128::from(high) << u64::BITS | u128::from(low);
        match word >> u32::BITS {
            PEER_INET => {
                Peer::Inet(SocketAddr::new(IpAddr::V6(Ipv6Addr::from_bits(address)).to_canonical(), word as u16))
            }
            PEER_UNIX => {
                Peer::Unix(Credentials { pid: word as c_int, uid: (address >> u32::BITS) as u32, gid: address as u32 })
            }
            _ => Peer::Unknown,
        }
    }

    /// The word for the system call for which the sandbox ends the child.
    pub(super) fn note(self) -> Option<&'w AtomicU64> {
        self.0.get(NOTE)
    }

    pub(super) fn noted(self) -> u64 {
        self.load(NOTE)
    }
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

fn to_v6(ip: IpAddr) -> Ipv6Addr {
    match ip {
        IpAddr::V4(ip) => ip.to_ipv6_mapped(),
        IpAddr::V6(ip) => ip,
    }
}

/// The head of a scoreboard: what it says of the server.
#[derive(Clone, Copy, Default)]
pub(super) struct Head {
    /// The time at which the server began.
    pub(super) started: Duration,
    /// The highest number of children.
    pub(super) limit: u64,
    /// The number of connections that were accepted.
    pub(super) accepted: u64,
    /// The number of connections that were refused.
    pub(super) refused: u64,
}

/// Reads the scoreboard of another process, slot by slot.
pub(super) struct Reader<F> {
    file: F,
    head: Head,
    slot: [AtomicU64; SLOT_WORDS],
}

impl<F: AsFd> Reader<F> {
    /// Reads the head. `EINVAL` if the file is no scoreboard of this form.
    pub(super) fn new(file: F) -> Result<Reader<F>> {
        let slot = [const { AtomicU64::new(0) }; SLOT_WORDS];
        let mut reader = Reader { file, head: Head::default(), slot };
        lseek(&reader.file, 0)?;
        let head = reader.next()?.filter(|head| head.load(MAGIC) == MAGIC_VALUE).ok_or(Errno::INVAL)?;
        reader.head = Head {
            started: Duration::from_micros(head.load(STARTED)),
            limit: head.load(LIMIT),
            accepted: head.load(ACCEPTED),
            refused: head.load(REFUSED),
        };
        Ok(reader)
    }

    /// The head.
    pub(super) const fn head(&self) -> &Head {
        &self.head
    }

    /// The next slot; the first one is the head.
    pub(super) fn next(&mut self) -> Result<Option<Slot<'_>>> {
        let mut bytes = [0; SLOT_WORDS * size_of::<u64>()];
        // One read() of a file in memory returns all of it.
        if read(&self.file, &mut bytes)? < bytes.len() {
            return Ok(None);
        }
        for (word, bytes) in self.slot.iter().zip(bytes.chunks_exact(size_of::<u64>())) {
            let bytes = bytes.try_into().map_err(|_| Errno::INVAL)?;
            word.store(u64::from_ne_bytes(bytes), Ordering::Relaxed);
        }
        Ok(Some(Slot(&self.slot)))
    }
}
