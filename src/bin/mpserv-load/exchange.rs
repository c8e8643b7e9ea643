//! One request and its answer, compared byte by byte.

use mpserv::errno::Errno;
use mpserv::fd::{AsFd, OwnedFd};
use mpserv::net::{MsgFlags, recv, send};
use mpserv::poll::{PollEvents, PollFd, poll};

use crate::error::{Failure, Fault, at};
use crate::options::Talk;

/// How many bytes are made; a longer request has them again and again.
const PATTERN: usize = 16 * 1024;
/// How many of these say which request it is.
const TAG: usize = size_of::<u64>();
/// The constants of a linear congruential generator: all 64 bits take part in 2^64 steps.
const FACTOR: u64 = 6_364_136_223_846_793_005;
const STEP: u64 = 1_442_695_040_888_963_407;

/// What a process sends, and what it expects to read back.
pub(crate) struct Exchange {
    talk: Talk,
    pattern: [u8; PATTERN],
    answer: [u8; PATTERN],
    /// How many requests there were.
    count: u64,
}

/// `size` bytes: these, again and again.
struct Stream<'b> {
    bytes: &'b [u8],
    size: u64,
    /// How many of them are done.
    done: u64,
}

impl Stream<'_> {
    /// The next of the bytes.
    fn next(&self) -> &[u8] {
        let start = self.done.checked_rem(self.bytes.len() as u64).unwrap_or(0) as usize;
        let next = self.bytes.get(start..).unwrap_or_default();
        let left = usize::try_from(self.size - self.done).unwrap_or(usize::MAX);
        next.get(..left).unwrap_or(next)
    }

    fn is_done(&self) -> bool {
        self.done == self.size
    }
}

impl Exchange {
    /// The exchanges of the process with this number; each process sends bytes of its own.
    pub(crate) fn new(talk: Talk, process: u32) -> Exchange {
        let mut state = u64::from(process).wrapping_mul(FACTOR).wrapping_add(STEP);
        let pattern = core::array::from_fn(|_| {
            state = state.wrapping_mul(FACTOR).wrapping_add(STEP);
            (state >> 56) as u8
        });
        Exchange { talk, pattern, answer: [0; PATTERN], count: 0 }
    }

    /// How many bytes one request is.
    pub(crate) fn size(&self) -> u64 {
        match self.talk {
            Talk::Pattern(size) => size,
            Talk::Text { send, .. } => send.len() as u64,
        }
    }

    /// Sends one request and reads its answer, which has to be the one that is expected. `arrived` is called when some of
    /// it is there.
    pub(crate) fn run(&mut self, connection: &OwnedFd, mut arrived: impl FnMut()) -> Result<(), Failure> {
        self.count += 1;
        // An answer that belongs to another request is told by this.
        self.pattern[..TAG].copy_from_slice(&self.count.to_le_bytes());
        let whole = |bytes| Stream { bytes, size: bytes.len() as u64, done: 0 };
        let (mut request, mut expected) = match self.talk {
            Talk::Text { send, expect } => (whole(send), whole(expect)),
            Talk::Pattern(size) => {
                let stream = || Stream { bytes: &self.pattern, size, done: 0 };
                (stream(), stream())
            }
        };
        while !(request.is_done() && expected.is_done()) {
            // The peer may wait for us to read before it reads on, so neither call waits while the other has work.
            if !request.is_done() {
                match send(connection, request.next(), MsgFlags::NOSIGNAL | MsgFlags::DONTWAIT) {
                    Ok(length) => request.done += length as u64,
                    Err(Errno::AGAIN) => {}
                    Err(errno) => return Err(at(Fault::Send)(errno)),
                }
            }
            if expected.is_done() {
                wait_for(connection, PollEvents::OUT)?;
                continue;
            }
            let flags = if request.is_done() { MsgFlags::NONE } else { MsgFlags::DONTWAIT };
            let next = expected.next();
            let room = self.answer.get_mut(..next.len()).unwrap_or_default();
            match recv(connection, room, flags) {
                Ok(0) => return Err(Failure { fault: Fault::End, errno: None }),
                Ok(length) => {
                    arrived();
                    if room.get(..length) != next.get(..length) {
                        return Err(Failure { fault: Fault::Differs, errno: None });
                    }
                    expected.done += length as u64;
                }
                Err(Errno::AGAIN) => wait_for(connection, PollEvents::IN | PollEvents::OUT)?,
                Err(errno) => return Err(at(Fault::Receive)(errno)),
            }
        }
        Ok(())
    }
}

fn wait_for(connection: &OwnedFd, events: PollEvents) -> Result<(), Failure> {
    poll(&mut [PollFd::new(connection.as_fd(), events)], None).map_err(at(Fault::Receive))?;
    Ok(())
}
