use std::vec::Vec;

use super::*;
use crate::sys::errno::Errno;
use crate::sys::fd::{PipeFlags, pipe2};
use crate::sys::process::getpid;

/// Returns the reading ends of this number of pipes, and the other ends as those of as many earlier servers.
fn servers(count: usize) -> (Vec<Option<OwnedFd>>, EarlierServers) {
    let mut earlier = EarlierServers::default();
    let servers = (0..count).map(|_| {
        let (orders, pipe) = pipe2(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK).unwrap();
        earlier.add(EarlierServer { pid: getpid(), pipe });
        Some(orders)
    });
    (servers.collect(), earlier)
}

#[test]
#[cfg_attr(miri, ignore = "its poll knows no pipes")]
fn orders_arrive_as_they_were_given_and_in_order() {
    let (servers, mut earlier) = servers(2);
    let orders = [(Signal::TERM, false), (Signal::INT, true), (Signal::QUIT, true)];
    let orders = orders.map(|(signal, at_once)| Order { signal, at_once });
    orders.iter().for_each(|order| earlier.tell(*order));
    earlier.forget_ended();
    assert!(earlier.has_any());
    drop(earlier);
    for server in servers.iter().flatten() {
        orders.iter().for_each(|order| assert_eq!(Order::read(server), Ok(Some(*order))));
        assert_eq!(Order::read(server), Ok(None), "all later servers have ended");
    }
}

#[test]
#[cfg_attr(miri, ignore = "its poll knows no pipes")]
fn a_server_that_has_ended_is_forgotten() {
    let (mut servers, mut earlier) = servers(3);
    assert_eq!(Order::read(servers[0].as_ref().unwrap()), Err(Errno::AGAIN));
    for (ended, left) in [(1, true), (2, true), (0, false)] {
        servers[ended] = None;
        // Orders to the others still arrive.
        earlier.tell(Order { signal: Signal::TERM, at_once: false });
        let forgets = || {
            earlier.forget_ended();
            earlier.has_any() == left
        };
        assert!(comes(forgets), "{ended}");
    }
}

/// Checks a byte that is the number of no signal, as that of a later version could be.
#[test]
#[cfg_attr(miri, ignore = "its poll knows no pipes")]
fn an_order_by_an_unknown_signal_is_that_of_sigterm() {
    let (orders, pipe) = pipe2(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK).unwrap();
    for (byte, at_once) in [(0x00, false), (0x80, true), (0x7f, false), (0xff, true)] {
        write(&pipe, &[byte]).unwrap();
        assert_eq!(Order::read(&orders), Ok(Some(Order { signal: Signal::TERM, at_once })), "{byte:#x}");
    }
}

/// Whether something comes about. Another test may be starting a process, which has copies of the pipes for a moment.
pub(crate) fn comes(mut about: impl FnMut() -> bool) -> bool {
    (0..10_000).any(|_| {
        let has_come = about();
        if !has_come {
            std::thread::sleep(Duration::from_millis(1));
        }
        has_come
    })
}

/// Checks that servers that have ended displace no other, and that of too many the newest stay.
#[test]
#[cfg_attr(miri, ignore = "its poll knows no pipes")]
fn the_newest_that_have_not_ended_are_known() {
    let mut earlier = EarlierServers::default();
    let mut servers = Vec::new();
    for number in 0..3 * EARLIER_MAX {
        let (orders, pipe) = pipe2(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK).unwrap();
        let lives = number % 2 == 0;
        servers.extend(lives.then_some(orders));
        assert!(comes(|| lives || has_ended(&pipe)));
        earlier.add(EarlierServer { pid: getpid(), pipe });
    }
    earlier.tell(Order { signal: Signal::TERM, at_once: false });
    let told: Vec<bool> = servers.iter().map(|orders| matches!(Order::read(orders), Ok(Some(_)))).collect();
    let oldest = servers.len() - EARLIER_MAX;
    assert_eq!(told, (0..servers.len()).map(|number| number >= oldest).collect::<Vec<_>>());
}
