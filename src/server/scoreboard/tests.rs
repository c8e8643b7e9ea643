use std::vec::Vec;

use super::head::STRIDE_MAX;
use super::*;
use crate::ffi::sys::mman as c;
use crate::server::connection::Peer;
use crate::sys::fd::write_all;
use crate::sys::net::Credentials;
use crate::sys::process::Pid;

/// Returns a file in memory that holds these words.
fn file(words: &[u64]) -> OwnedFd {
    // SAFETY: the name ends in a NUL.
    let fd = unsafe { c::memfd_create(NAME.as_ptr(), c::MFD_CLOEXEC) };
    // SAFETY: the descriptor was made just now, and nothing else owns it.
    let file = unsafe { OwnedFd::from_raw(fd) };
    words.iter().for_each(|word| write_all(&file, &word.to_ne_bytes()).unwrap());
    file
}

/// Returns the words of a scoreboard with one word changed, and this many slots with a child.
fn words(slots: u64, word: usize, value: u64) -> Vec<u64> {
    let mut words = std::vec![0; SLOT_WORDS * (1 + slots as usize)];
    (words[MAGIC], words[LIMIT], words[STRIDE], words[USED]) = (MAGIC_VALUE, 9, SLOT_WORDS as u64, slots);
    words.chunks_exact_mut(SLOT_WORDS).skip(1).for_each(|slot| slot[0] = 7 | 1 << u32::BITS);
    words[word] = value;
    words
}

/// Checks which files are taken for a scoreboard. Another program may have made a file of this name.
#[test]
#[cfg_attr(miri, ignore = "it has no memfd_create")]
fn a_scoreboard_is_known_by_its_mark_and_its_stride() {
    for (word, value, is_one) in [
        (MAGIC, MAGIC_VALUE, true),
        (MAGIC, MAGIC_VALUE + 1, false),
        (MAGIC, 0, false),
        (STRIDE, SLOT_WORDS as u64, true),
        (STRIDE, SLOT_WORDS as u64 - 1, false),
        (STRIDE, STRIDE_MAX, true),
        (STRIDE, STRIDE_MAX + 1, false),
        (STRIDE, u64::MAX, false),
    ] {
        let result = Reader::new(file(&words(1, word, value))).map(|reader| reader.head().limit);
        assert_eq!(result, if is_one { Ok(9) } else { Err(Errno::INVAL) }, "{word} {value}");
    }
    for length in [0, SLOT_WORDS - 1] {
        assert_eq!(Reader::new(file(&words(0, MAGIC, MAGIC_VALUE)[..length])).map(drop), Err(Errno::INVAL), "{length}");
    }
}

/// Checks that a reader ends with the last used slot, or with the file, if the file is shorter.
#[test]
#[cfg_attr(miri, ignore = "it has no memfd_create")]
fn a_reader_ends_with_the_used_slots_or_the_file() {
    for (slots, used, expected) in [(3, 3, 3), (3, 2, 2), (3, 0, 0), (3, 4, 3), (3, u64::MAX, 3), (0, 5, 0)] {
        let mut reader = Reader::new(file(&words(slots, USED, used))).unwrap();
        let mut count = 0;
        while let Some(slot) = reader.next().unwrap() {
            assert_eq!((slot.pid(), slot.state()), (Pid::from_raw(7), State::Idle));
            count += 1;
            assert!(count <= 3, "the file is over");
        }
        assert_eq!(count, expected, "{used} of {slots}");
    }
}

/// Checks which children count as having a client, and which as idle: the numbers of slots in each state differ.
#[test]
#[cfg_attr(miri, ignore = "it has no memfd_create")]
fn a_child_that_waits_for_a_header_has_a_client() {
    let states = [(State::Free, 8), (State::Idle, 4), (State::Serving, 2), (State::Header, 1)];
    let (scoreboard, ..) = Scoreboard::new(Duration::ZERO, 15, ChildAccess::Slot).unwrap();
    let in_each = states.iter().flat_map(|(state, count)| std::iter::repeat_n(*state, *count));
    for (index, state) in in_each.enumerate() {
        scoreboard.take_slot(index as u32).set(Pid::from_raw(7).unwrap(), state, Duration::ZERO);
    }
    assert_eq!((scoreboard.serving(), scoreboard.idle()), (3, 4));
    assert_eq!(states.map(|(state, _)| state.has_client()), [false, false, true, true]);
}

/// Checks that a slot gives each client back as it was, whatever its numbers are.
#[test]
#[cfg_attr(miri, ignore = "it has no memfd_create")]
fn a_slot_keeps_every_client_as_it_is() {
    let (scoreboard, ..) = Scoreboard::new(Duration::ZERO, 2, ChildAccess::Slot).unwrap();
    let slot = scoreboard.take_slot(1);
    let inet = |text: &str| Peer::Inet(text.parse().unwrap());
    let unix = |pid, uid, gid| Peer::Unix(Credentials { pid, uid, gid });
    for peer in [
        inet("192.0.2.1:65535"),
        inet("255.255.255.255:0"),
        inet("[2001:db8::1]:1"),
        inet("[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535"),
        inet("[fe80::1%4294967295]:65535"),
        unix(1, 2, 3),
        unix(4_194_304, u32::MAX - 1, u32::MAX),
        unix(0, u32::MAX, 0),
        unix(65_537, 0, u32::MAX - 1),
        Peer::Unknown,
    ] {
        slot.set_client(u64::MAX, &peer);
        assert_eq!(slot.peer(), peer);
        slot.forget_client();
        assert_eq!(slot.peer(), Peer::Unknown, "after {peer}");
    }
    for state in [State::Idle, State::Serving, State::Header] {
        let pid = Pid::from_raw(i32::MAX).unwrap();
        slot.set(pid, state, Duration::from_micros(u64::MAX));
        assert_eq!((slot.pid(), slot.state(), slot.since()), (Some(pid), state, Duration::from_micros(u64::MAX)));
    }
    slot.end_client();
    slot.count_refused();
    scoreboard.count_accepted_by(slot);
    let tickets = [slot.publish(), slot.publish_rule(Some(1), 2)];
    slot.clear();
    assert_eq!((slot.pid(), slot.state(), slot.since()), (None, State::Free, Duration::ZERO));
    assert_eq!((slot.requests(), slot.noted(), slot.rule(2)), (0, 0, None));
    assert!(!tickets.iter().any(|ticket| slot.is_published(*ticket)));
    assert_eq!(slot.counted(), [1, 1], "these outlive the child");
}

/// Checks that a child in a low slot hides no child in a higher one, from `--status` and from the other children.
#[test]
#[cfg_attr(miri, ignore = "it has no memfd_create")]
fn every_slot_that_was_taken_is_looked_at() {
    let (scoreboard, _, file) = Scoreboard::new(Duration::ZERO, 4, ChildAccess::Slot).unwrap();
    for index in [2, 0] {
        scoreboard.take_slot(index);
    }
    assert_eq!(scoreboard.slots().count(), 3);
    let mut reader = Reader::new(&file).unwrap();
    let shown = core::iter::from_fn(|| reader.next().unwrap().map(Slot::index)).count();
    assert_eq!(shown, 3);
}
