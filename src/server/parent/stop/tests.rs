use std::os::fd::IntoRawFd;
use std::os::unix::net::UnixDatagram;

use super::super::group_table::{End, Group};
use super::super::tests::{DeadGroup, Stub, client, parent, with, with_log};
use super::*;
use crate::server::limits::GROUPS_LOOK;
use crate::server::log::reader::LogReader;
use crate::server::orders::EarlierServer;
use crate::server::settings::Settings;
use crate::server::systemd::Manager;
use crate::sys::fd::{OwnedFd, PipeFlags, pipe2, read};

const fn told(signal: Signal) -> SignalInfo {
    SignalInfo { signal, sender: None, uid: 0 }
}

/// Checks that the predecessor, which takes two letters for another answer, is told once.
#[test]
#[cfg_attr(miri, ignore = "it has no memfd_create")]
fn a_predecessor_that_has_not_let_go_is_told_once_of_the_stop() {
    with(&Settings::new(), |parent, _| {
        let (answers, ready) = pipe2(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK).unwrap();
        parent.descriptors.letting_go = Some(ready);
        parent.stop(&told(Signal::TERM));
        parent.stop(&told(Signal::TERM));
        let mut text = [0; 8];
        assert_eq!(read(&answers, &mut text), Ok(1));
        assert_eq!(text[0], b'S');
    });
}

/// Checks that a server that stops at once does not wait for its next look at the groups.
#[test]
#[cfg_attr(miri, ignore = "it has no memfd_create")]
fn at_a_stop_groups_are_looked_at_immediately() {
    let dead = DeadGroup::new();
    with_log(&Settings::new(), |parent, reader, now| {
        let group = Group { id: dead.id, peer: client(1, 1), started: now, end: End::NotTold };
        parent.state.groups.groups.push(group).unwrap();
        parent.state.groups.look_at = now + GROUPS_LOOK;
        parent.stop(&told(Signal::QUIT));
        let line = std::format!("<28>group group={} from=192.0.2.1:1 signal=SIGTERM", dead.id);
        assert_eq!(reader.lines(), [std::string::String::from("<29>stop signal=SIGQUIT children=0 grace=0.000"), line]);
    });
}

/// Checks a server that has handed over, and that the service manager was too slow to hear of: once the service stops, by
/// a signal or by an order, the manager need not know the successor.
#[test]
#[cfg_attr(miri, ignore = "it has no memfd_create")]
fn a_service_that_stops_need_not_be_known_by_the_manager() {
    for by_order in [false, true] {
        let (ours, _theirs) = UnixDatagram::pair().unwrap();
        ours.set_nonblocking(true).unwrap();
        while ours.send(b"WATCHDOG=1").is_ok() {}
        // SAFETY: the descriptor is open, and nothing else owns it.
        let manager = Manager::connected(unsafe { OwnedFd::from_raw(ours.into_raw_fd()) }, None);
        let (settings, (log, _reader), mut worker) = (Settings::new(), LogReader::new(), Stub::default());
        let mut parent = parent(&settings, &log, manager, &mut worker);
        let pipe = || pipe2(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK).unwrap();
        let ((answers, _ready), (orders, to_orders)) = (pipe(), pipe());
        (parent.descriptors.successor, parent.descriptors.orders) = (Some(answers), Some(orders));
        parent.publisher.hand_over_to(parent.pid, parent.state.now);
        parent.state.has_handed_over = true;
        parent.begin_stopping(Signal::USR2, Duration::MAX);
        assert!(parent.stopped().is_none() && parent.publisher.ready_due().is_some());
        if by_order {
            let mut later = EarlierServers::default();
            later.add(EarlierServer { pid: parent.pid, pipe: to_orders });
            later.tell(Order { signal: Signal::TERM, at_once: false });
            parent.on_order();
        } else {
            parent.stop(&told(Signal::TERM));
            assert!(parent.descriptors.successor.is_none(), "the successor is let go");
        }
        assert!(parent.publisher.ready_due().is_none(), "{by_order}");
        assert!(parent.stopped().is_some(), "{by_order}");
    }
}
