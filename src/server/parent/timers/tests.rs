use super::super::group_table::{End, Group};
use super::super::state::Shortage;
use super::super::tests::{Stub, nobody, parent, with, with_log};
use super::*;
use crate::server::connection::Peer;
use crate::server::limits::{
    EARLIER_ENDS_WITHIN, GROUPS_LOOK, HEADER_PATIENCE, LISTENERS_MAX, POOL_TICK, RETRY_EVERY, STATUS_EVERY,
    THROTTLE_PERIOD,
};
use crate::server::log::Throttled;
use crate::server::log::reader::LogReader;
use crate::server::orders::EarlierServer;
use crate::server::settings::{PoolSize, Settings};
use crate::server::systemd::Manager;
use crate::sys::fd::{PipeFlags, pipe2};
use crate::sys::net::{AddressFamily, Protocol, SocketFlags, SocketType, socket};
use crate::sys::signal::Signal;

/// Checks that a timer fires at `due` and not before, and that its next deadline is `next`. If `next` were not later,
/// the loop would spin.
#[track_caller]
fn assert_fires(parent: &mut Parent<'_, '_, Stub>, timer: Timer, due: Duration, next: Option<Duration>) {
    assert_eq!(parent.deadline(timer), Some(due), "{timer:?}");
    assert!(parent.next_deadline().is_some_and(|first| first <= due), "{timer:?}");
    parent.state.now = due;
    parent.fire(timer);
    assert_eq!(parent.deadline(timer), next, "{timer:?} has fired");
    assert!(next.is_none_or(|next| next > due), "{timer:?}");
}

#[test]
#[cfg_attr(miri, ignore = "it has no memfd_create")]
fn a_parent_that_has_nothing_to_do_waits_without_end() {
    with(&Settings::new(), |parent, _| {
        assert_eq!(Timer::ALL.map(|timer| parent.deadline(timer)), [None; Timer::ALL.len()]);
        assert_eq!(parent.next_deadline(), None);
    });
}

#[test]
fn every_timer_is_looked_at_once() {
    for (index, timer) in Timer::ALL.into_iter().enumerate() {
        assert_eq!(timer as usize, index, "{timer:?}");
    }
}

#[test]
#[cfg_attr(miri, ignore = "it has no memfd_create")]
fn a_child_that_is_too_old_gets_term_then_kill_again_and_again() {
    let lifetime = Duration::from_secs(10);
    with(&Settings { max_lifetime: Some(lifetime), ..Settings::new() }, |parent, now| {
        parent.state.add_child(nobody(0), Peer::Unknown, None);
        parent.state.now = now + Duration::from_secs(1);
        parent.state.add_child(nobody(1), Peer::Unknown, None);
        // The oldest child comes first.
        let (first, second) = (now + lifetime, now + lifetime + Duration::from_secs(1));
        assert_fires(parent, Timer::Lifetime, first, Some(second));
        assert_fires(parent, Timer::Lifetime, second, None);
        let first_kill = first + KILL_AFTER;
        assert_fires(parent, Timer::Kill, first_kill, Some(second + KILL_AFTER));
        assert_fires(parent, Timer::Kill, second + KILL_AFTER, None);
        let again = first_kill + KILL_AGAIN_EVERY;
        assert_fires(parent, Timer::KillAgain, again, Some(second + KILL_AFTER + KILL_AGAIN_EVERY));
    });
}

#[test]
#[cfg_attr(miri, ignore = "it has no memfd_create")]
fn the_grace_ends_once_and_only_while_a_child_serves() {
    with(&Settings::new(), |parent, now| {
        let deadline = now + parent.settings.grace;
        parent.state.add_child(nobody(0), Peer::Unknown, None);
        parent.begin_stopping(Signal::TERM, deadline);
        assert_fires(parent, Timer::Grace, deadline, None);
        assert_eq!(parent.state.children.len_at(Stage::Terminating), 1);
        // A later deadline does not count, but an earlier deadline does.
        parent.state.add_child(nobody(1), Peer::Unknown, None);
        parent.begin_stopping(Signal::TERM, deadline + Duration::from_secs(1));
        assert_eq!(parent.deadline(Timer::Grace), Some(deadline));
        parent.begin_stopping(Signal::TERM, now);
        assert_eq!(parent.deadline(Timer::Grace), Some(now));
    });
}

#[test]
#[cfg_attr(miri, ignore = "it has no memfd_create")]
fn a_shortage_is_over_after_one_try() {
    with(&Settings::new(), |parent, now| {
        let retry_at = now + RETRY_EVERY;
        let shortage =
            Shortage { call: "accept4", since: now, retry_at: Some(retry_at), is_logged: false, client: None };
        parent.state.shortage = Some(shortage);
        assert_eq!(parent.blocked(), Some(Blocked::Shortage));
        assert_fires(parent, Timer::Retry, retry_at, None);
        assert_eq!((parent.blocked(), parent.state.ready), (None, [true; LISTENERS_MAX]));
    });
}

#[test]
#[cfg_attr(miri, ignore = "it has no memfd_create")]
fn the_rate_blocks_until_the_oldest_connection_is_a_period_old() {
    let period = Duration::from_secs(2);
    with(&Settings { max_rate: Some((2, period)), ..Settings::new() }, |parent, now| {
        let later = now + Duration::from_millis(700);
        for time in [now, later] {
            assert_eq!(parent.deadline(Timer::Rate), None);
            parent.rate.as_mut().unwrap().count(time);
        }
        parent.state.now = later;
        assert_fires(parent, Timer::Rate, now + period, None);
        assert_eq!(parent.blocked(), None, "connections are accepted at that very moment");
    });
}

#[test]
#[cfg_attr(miri, ignore = "it has no memfd_create")]
fn the_pool_is_looked_at_each_second_while_it_may_change() {
    let elastic = Settings { pool: Some(PoolSize { min: 1, max: 2 }), ..Settings::new() };
    with(&elastic, |parent, now| {
        let tick = now + POOL_TICK;
        parent.state.add_child(nobody(0), Peer::Unknown, None);
        // The line that says that no child could be made has just been logged.
        parent.throttle.admit(Throttled::Shortage, tick);
        assert_fires(parent, Timer::PoolTick, tick, Some(tick + POOL_TICK));
        parent.begin_stopping(Signal::TERM, tick);
        assert_eq!(parent.deadline(Timer::PoolTick), None);
    });
    let fixed = Settings { pool: Some(PoolSize { min: 1, max: 1 }), ..Settings::new() };
    with(&fixed, |parent, _| assert_eq!(parent.deadline(Timer::PoolTick), None));
    // Connections can be too old, or silent, even in a pool of a fixed size.
    let lifetime = Some(Duration::from_secs(1));
    for settings in [
        Settings { max_lifetime: lifetime, pool: fixed.pool, ..Settings::new() },
        Settings { proxy_protocol: true, pool: fixed.pool, ..Settings::new() },
    ] {
        with(&settings, |parent, now| {
            parent.state.add_child(nobody(0), Peer::Unknown, None);
            assert_eq!(parent.deadline(Timer::Lifetime), None, "the tick sees to it");
            assert_fires(parent, Timer::PoolTick, now + POOL_TICK, Some(now + POOL_TICK * 2));
        });
    }
}

#[test]
#[cfg_attr(miri, ignore = "it has no memfd_create")]
fn missing_children_are_made_at_once_and_after_a_failure_later() {
    let settings = Settings { pool: Some(PoolSize { min: 2, max: 2 }), max_children: 2, ..Settings::new() };
    with(&settings, |parent, now| {
        parent.throttle.admit(Throttled::Shortage, now);
        assert_eq!(parent.deadline(Timer::PoolRefill), Some(Duration::ZERO));
        parent.fire(Timer::PoolRefill);
        assert_fires(parent, Timer::PoolRefill, now + RETRY_EVERY, Some(now + RETRY_EVERY * 2));
        parent.state.add_child(nobody(0), Peer::Unknown, None);
        assert!(parent.deadline(Timer::PoolRefill).is_some(), "one of two");
        parent.state.add_child(nobody(1), Peer::Unknown, None);
        assert_eq!(parent.deadline(Timer::PoolRefill), None);
        // Children that were retired, and still have clients, leave no place.
        (0..2).for_each(|child| parent.state.set_stage(nobody(child), Stage::Retiring));
        assert_eq!(parent.deadline(Timer::PoolRefill), None);
    });
}

#[test]
#[cfg_attr(miri, ignore = "it has no memfd_create")]
fn retired_children_are_told_again_while_there_are_any() {
    with(&Settings { pool: Some(PoolSize { min: 1, max: 2 }), ..Settings::new() }, |parent, now| {
        parent.state.add_child(nobody(0), Peer::Unknown, None);
        parent.retire_all();
        assert_fires(parent, Timer::RetireAgain, now + RETRY_EVERY, Some(now + RETRY_EVERY * 2));
        parent.state.children.remove(nobody(0));
        assert_fires(parent, Timer::RetireAgain, now + RETRY_EVERY * 2, None);
    });
}

#[test]
#[cfg_attr(miri, ignore = "it has no memfd_create")]
fn silent_connections_are_looked_at_while_no_child_is_left() {
    with(&Settings { proxy_protocol: true, max_children: 1, ..Settings::new() }, |parent, now| {
        assert_eq!(parent.deadline(Timer::Headers), None);
        parent.state.add_child(nobody(0), Peer::Unknown, None);
        assert_eq!(parent.deadline(Timer::Headers), Some(Duration::ZERO), "at once for the first time");
        parent.fire(Timer::Headers);
        let next = now + HEADER_PATIENCE;
        assert_fires(parent, Timer::Headers, next, Some(next + HEADER_PATIENCE));
    });
}

#[test]
#[cfg_attr(miri, ignore = "it has no memfd_create")]
fn groups_are_looked_at_until_they_are_gone() {
    with(&Settings::new(), |parent, now| {
        let group = Group { id: nobody(0), peer: Peer::Unknown, started: now, end: End::NotTold };
        parent.state.groups.groups.push(group).unwrap();
        parent.state.groups.look_at = now + GROUPS_LOOK;
        assert_fires(parent, Timer::Groups, now + GROUPS_LOOK, None);
    });
}

#[test]
#[cfg_attr(miri, ignore = "it has no memfd_create")]
fn held_back_events_are_logged_a_second_after_the_next_could_be() {
    with(&Settings::new(), |parent, now| {
        // The event is a detail, which this log does not write.
        parent.throttle.admit(Throttled::Abort, now);
        assert_eq!(parent.deadline(Timer::Throttle), None);
        parent.throttle.admit(Throttled::Abort, now);
        assert_fires(parent, Timer::Throttle, now + THROTTLE_PERIOD * 2, None);
    });
}

#[test]
#[cfg_attr(miri, ignore = "it has no memfd_create")]
fn the_service_manager_hears_of_changes_once_a_second_and_of_life_by_its_period() {
    // The socket has no peer, so nothing arrives.
    let flags = SocketType::DGRAM | SocketFlags::CLOEXEC;
    let manager = socket(AddressFamily::UNIX, flags, Protocol::DEFAULT).unwrap();
    let period = Duration::from_millis(300);
    let (settings, (log, _reader)) = (Settings::new(), LogReader::new());
    let mut worker = Stub::default();
    let mut parent = parent(&settings, &log, Manager::connected(manager, Some(period)), &mut worker);
    let now = parent.state.now;
    assert_fires(&mut parent, Timer::Watchdog, now, Some(now + period));
    assert_fires(&mut parent, Timer::Watchdog, now + period, Some(now + period * 2));
    parent.state.now = now;
    assert_fires(&mut parent, Timer::Status, now, None);
    parent.state.add_child(nobody(0), Peer::Unknown, None);
    assert_fires(&mut parent, Timer::Status, now + STATUS_EVERY, None);
}

/// Checks that a server that stops waits for an earlier server, but only for so long.
#[test]
#[cfg_attr(miri, ignore = "it has no memfd_create")]
fn an_earlier_server_is_waited_for_until_its_children_should_be_dead() {
    for ends in [false, true] {
        with_log(&Settings::new(), |parent, reader, now| {
            let (orders, pipe) = pipe2(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK).unwrap();
            parent.descriptors.earlier.add(EarlierServer { pid: nobody(0), pipe });
            assert_eq!(parent.deadline(Timer::Earlier), None);
            parent.begin_stopping(Signal::TERM, now + parent.settings.grace);
            assert_eq!(parent.stopped(), None);
            let due = now + parent.settings.grace + KILL_AFTER + EARLIER_ENDS_WITHIN;
            let _orders = (!ends).then_some(orders);
            assert_fires(parent, Timer::Earlier, due, None);
            let lines = reader.lines();
            assert_eq!(
                lines.iter().filter(|line| line.contains("fail call=\"wait for an earlier server\"")).count() == 1,
                !ends
            );
            assert!(parent.stopped().is_some());
        });
    }
}
