use std::os::fd::IntoRawFd;
use std::os::unix::net::UnixDatagram;
use std::string::String;
use std::vec::Vec;

use super::super::tests::nobody;
use super::*;
use crate::sys::fd::OwnedFd;

const NOW: Duration = Duration::from_secs(100);
const PERIOD: Duration = Duration::from_secs(1);

/// Returns a publisher, and the socket of its service manager.
fn publisher() -> (Publisher, UnixDatagram) {
    let (ours, theirs) = UnixDatagram::pair().unwrap();
    // As the server's own socket, this one never waits.
    ours.set_nonblocking(true).unwrap();
    theirs.set_nonblocking(true).unwrap();
    // SAFETY: the descriptor is open, and nothing else owns it.
    let manager = Manager::connected(unsafe { OwnedFd::from_raw(ours.into_raw_fd()) }, Some(PERIOD));
    (Publisher::new(manager, None, 7, NOW), theirs)
}

/// Returns the messages that have come, except those that filled the queue.
fn messages(manager: &UnixDatagram) -> Vec<String> {
    let mut buffer = [0; 512];
    let next = || manager.recv(&mut buffer).ok().map(|length| String::from_utf8_lossy(&buffer[..length]).into_owned());
    core::iter::from_fn(next).filter(|text| text != "WATCHDOG=1").collect()
}

/// Fills the queue of the manager.
fn fill(publisher: &mut Publisher) {
    // The queue of a socket has a few hundred places at most.
    (0..2000).for_each(|_| publisher.notify_watchdog(NOW));
}

/// Checks that no more than one period lies between two messages to the watchdog, whenever a successor takes over.
#[test]
#[cfg_attr(miri, ignore = "it has no sockets")]
fn at_a_handover_the_watchdog_hears_both_servers() {
    let (mut old, manager) = publisher();
    old.hand_over_to(nobody(2), NOW);
    let mut buffer = [0; 512];
    let length = manager.recv(&mut buffer).unwrap();
    assert_eq!(&buffer[..length], b"WATCHDOG=1");
    let (mut new, manager) = publisher();
    new.notify_watchdog(NOW);
    new.notify_status(3, NOW);
    messages(&manager);
    new.take_over(NOW + PERIOD / 4);
    assert_eq!((new.watchdog_due(), new.status_due(3)), (Some(NOW + PERIOD / 4), Some(NOW + PERIOD / 4)));
}

#[test]
#[cfg_attr(miri, ignore = "it has no sockets")]
fn the_manager_hears_each_message() {
    let (mut publisher, manager) = publisher();
    publisher.ready(nobody(1), NOW);
    publisher.notify_status(3, NOW);
    publisher.reloading();
    publisher.stopping();
    let heard = messages(&manager);
    let ready = std::format!("READY=1\nMAINPID={}", nobody(1));
    assert_eq!([&heard[0], &heard[1], &heard[3]], [&*ready, "STATUS=3/7 children", "STOPPING=1"]);
    let (first, micros) = heard[2].split_once('\n').unwrap();
    assert_eq!(first, "RELOADING=1");
    assert!(micros.strip_prefix("MONOTONIC_USEC=").unwrap().parse::<u64>().is_ok(), "{heard:?}");
    assert_eq!((heard.len(), publisher.ready_due()), (4, None));
}

#[test]
#[cfg_attr(miri, ignore = "it has no sockets")]
fn the_manager_is_told_again_who_is_ready_until_it_hears_it_or_the_server_stops() {
    for stops in [false, true] {
        let (mut publisher, manager) = publisher();
        fill(&mut publisher);
        publisher.ready(nobody(1), NOW);
        assert_eq!(publisher.ready_due(), Some(NOW + RETRY_EVERY));
        publisher.ready_again(NOW + RETRY_EVERY);
        assert_eq!(publisher.ready_due(), Some(NOW + RETRY_EVERY * 2), "the queue is still full");
        assert_eq!(messages(&manager), [""; 0]);
        if stops {
            publisher.stopping();
        }
        publisher.ready_again(NOW + RETRY_EVERY * 2);
        let ready = std::format!("READY=1\nMAINPID={}", nobody(1));
        assert_eq!(messages(&manager), [if stops { "STOPPING=1" } else { &ready }]);
        assert_eq!(publisher.ready_due(), None);
    }
}

#[test]
#[cfg_attr(miri, ignore = "it has no sockets")]
fn after_a_handover_the_manager_hears_of_the_successor_alone() {
    let (mut publisher, manager) = publisher();
    assert_eq!((publisher.watchdog_due(), publisher.status_due(0)), (Some(NOW), Some(NOW)));
    fill(&mut publisher);
    publisher.hand_over_to(nobody(2), NOW);
    publisher.stopping();
    assert_eq!((messages(&manager), publisher.ready_due()), (Vec::new(), Some(NOW + RETRY_EVERY)));
    publisher.ready_again(NOW + RETRY_EVERY);
    assert_eq!(messages(&manager), [std::format!("READY=1\nMAINPID={}", nobody(2))]);
    assert_eq!((publisher.watchdog_due(), publisher.status_due(1), publisher.ready_due()), (None, None, None));
}

#[test]
#[cfg_attr(miri, ignore = "it has no sockets")]
fn a_number_is_told_once_and_the_next_a_period_later() {
    let (mut publisher, _manager) = publisher();
    let later = NOW + STATUS_EVERY;
    publisher.notify_status(3, NOW);
    assert_eq!([3, 4].map(|number| publisher.status_due(number)), [None, Some(later)]);
    publisher.notify_watchdog(NOW);
    assert_eq!(publisher.watchdog_due(), Some(NOW + PERIOD));
    // There is no title to set.
    assert_eq!(publisher.title_due(3), None);
}
